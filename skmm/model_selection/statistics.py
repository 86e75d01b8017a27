"""How models are judged, and tests of paired differences under resampling.

A measure gives the loss of every sample, or one score per split. Differences of the
former are tested by samples, of the latter by splits:

===========  =======================================================================
by samples   the loss of a sample, averaged over repeats, is one observation; with K
             folds the standard error is the larger one of the samples' and the folds',
             widened by sqrt(K / (K - 1)), because the models of all folds share most of
             their training samples, and by 1 + 20 / n, because with few samples losses
             are skewed and the choice of the training samples matters more
by splits    the score of a split is one observation; the variance of the mean is
             (1 / J + test samples / training samples) times their variance [1]_
===========  =======================================================================

The variance of paired differences grows with the gain itself: near zero it says little
of the variance at a larger gain. Intervals and power take that into account where the
loss is known.

The folds matter where the models nearly agree: the variance over samples then vanishes
faster than that of the mean difference, and the central limit theorem for
cross-validation does not hold [2]_.

The factor 1 + 20 / n is empirical: ``benchmarks/false_alarms.py`` measures level,
coverage and power.

.. [1] C. Nadeau, Y. Bengio. Inference for the generalization error. Machine Learning
   52, 239-281, 2003.
.. [2] P. Bayle, A. Bayle, L. Janson, L. Mackey. Cross-validation confidence intervals
   for test error. NeurIPS 2020.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import check_scoring

from skmm.data.finite import (
    check_scorer_of_masked,
    label_probabilities,
    measured_entries,
    measured_samples,
    negative_log,
)

POWER = 0.8  # with which the detectable difference is found
FEW_SAMPLES = 20  # n at which the standard error of folds is doubled


@dataclass
class Measure:
    """Losses of samples, or a score of a split.

    Attributes
    ----------
    name : str
    losses : callable or None
        ``losses(model, X, y)`` returns the loss of every sample, lower is better; None
        for scores that are not a mean over samples.
    score : callable or None
        ``score(model, X, y)`` returns one number, greater is better.
    reads_X : bool
        Whether it is a user's function, which may read X.
    slope : callable or None
        ``slope(loss)`` returns by how much the variance of paired differences grows per
        unit of gain over a model of that mean loss; None where that is not known.
    bend : float
        The growth at a gain as large as the loss, relative to that at zero, minus 1.
    """

    name: str
    losses: Callable | None = None
    score: Callable | None = None
    reads_X: bool = False
    slope: Callable | None = None
    bend: float = -0.5


def log_losses(model, X, y):
    """Negative log probability of the true class of each sample.

    Of several labels it is the mean over those that are measured.
    """
    if y.ndim > 1:
        return _label_losses(model, X, y)
    p = np.asarray(model.predict_proba(X), float)
    place = {label: k for k, label in enumerate(model.classes_.tolist())}
    columns = np.array([place.get(label, -1) for label in y.tolist()])
    own = np.where(columns < 0, 0.0, p[np.arange(len(y)), columns])
    return negative_log(own / p.sum(1))


def _label_losses(model, X, y):
    p = label_probabilities(model.predict_proba(X), model)
    own = np.where(y == 1, p, 1.0 - p)
    return _mean_of_measured(negative_log(own), y)


def zero_one_losses(model, X, y):
    """1 where the predicted class, or a measured label, is wrong, else 0."""
    wrong = np.asarray(model.predict(X)) != y
    if y.ndim > 1:
        measured = measured_entries(y)
        wrong = (wrong if measured is None else wrong & measured).any(1)
    return wrong.astype(float)


def _regression_losses(penalty):
    def losses(model, X, y):
        predicted = np.asarray(model.predict(X), float).reshape(len(y), -1)
        return _mean_of_measured(penalty(predicted - y.reshape(len(y), -1)), y)

    return losses


def _mean_of_measured(losses, y):
    """Mean loss of each sample over its measured outputs."""
    measured = measured_entries(y)
    if measured is None:
        return losses.mean(1)
    return np.where(measured, losses, 0.0).sum(1) / measured.sum(1)


# With d the difference of the losses at predictions that differ by D, to second order:
# Log-loss: mean d = KL, var d = 2 KL. Squared: mean d = D^2, var d = 4 MSE D^2.
# Absolute: mean d = f(0) D^2, var d = D^2, with the density f(0) = 1 / (pi MAE) of
# normal residuals. Error rate: var d = mean d + 2 P(only the better model errs).
# Losses that are bounded, or grow linearly, vary less at large gains. Squared errors
# of normal predictors have var d = 4 MSE D^2 + 2 D^4.
# The mean over several labels varies at most as much as the loss of one.
LOSSES = {  # scorers of scikit-learn that are a mean over samples
    "neg_log_loss": Measure("log-loss", log_losses, slope=lambda loss: 2.0),
    "accuracy": Measure("error rate", zero_one_losses, slope=lambda loss: 1.0),
    "neg_mean_squared_error": Measure(
        "squared error",
        _regression_losses(np.square),
        slope=lambda loss: 4.0 * loss,
        bend=0.5,
    ),
    "neg_mean_absolute_error": Measure(
        "absolute error", _regression_losses(np.abs), slope=lambda loss: np.pi * loss
    ),
}


def choose_measure(estimator, scoring, y):
    """Return the measure for `scoring`.

    Parameters
    ----------
    estimator : estimator
    scoring : str, callable or None
        None is the log-loss of classifiers that have probabilities, the error rate of
        others, and the squared error of regressors.
    y : ndarray of shape (n_samples, ...)
    """
    if scoring is None:
        scoring = _default_scoring(estimator)
    if isinstance(scoring, str) and scoring in LOSSES:
        if is_classifier(estimator) and y.shape[1:] == (1,):
            raise ValueError(
                f"y must have shape (n_samples,), or two or more labels; got {y.shape}."
                " Use y.ravel()."
            )
        _check_each_measured(scoring, y)
        return LOSSES[scoring]
    name = scoring if isinstance(scoring, str) else "score"
    scorer = check_scoring(estimator, scoring)
    check_scorer_of_masked(scoring, y)
    return Measure(name, score=scorer, reads_X=not isinstance(scoring, str))


def _check_each_measured(scoring, y):
    """Check that every sample has a measured output, so that it has a loss."""
    some = measured_samples(y)
    if some is not None:
        raise ValueError(
            f"y has no measured value in {int((~some).sum())} of {len(y)} samples, "
            f"which have no {scoring}. Leave these samples out of X and y."
        )


def _default_scoring(estimator):
    if is_regressor(estimator):
        return "neg_mean_squared_error"
    if not is_classifier(estimator):
        raise ValueError(
            f"{type(estimator).__name__} is neither a classifier nor a regressor, so "
            "it has no default scoring; give scoring=."
        )
    return "neg_log_loss" if hasattr(estimator, "predict_proba") else "accuracy"


@dataclass
class Difference:
    """A mean difference with its standard error.

    Attributes
    ----------
    mean, standard_error : float
    df : int
        Degrees of freedom.
    growth : float
        By how much the squared standard error grows per unit of gain; 0 where that is
        not known.
    bend : float
        The growth at a gain as large as the loss, relative to that at zero, minus 1.
    widened : float
        Factor by which the squared standard error is larger than that of independent
        observations.
    """

    mean: float
    standard_error: float
    df: int
    growth: float = 0.0
    bend: float = 0.0
    widened: float = 1.0

    def p_above(self):
        """Two-sided p value where the difference is above zero, else 1."""
        return self._p_value(self.mean, self.standard_error)

    def p_below(self):
        """Two-sided p value where the difference is below zero, else 1."""
        return self._p_value(-self.mean, self._error_at(0.0))

    def interval(self, alpha, limit=np.inf):
        """Two-sided interval of level 1 - alpha: the differences that are not rejected.

        A larger difference than the mean is tested with the standard error that it
        would have, up to `limit`, the largest difference that is possible.
        """
        quantile = stats.t.isf(alpha / 2, self.df)
        half, extra = quantile * self.standard_error, quantile**2 * self.growth / 2
        above = min(extra + np.hypot(extra, half), max(limit - self.mean, half))
        return self.mean - half, self.mean + above

    def detectable(self, alpha, loss):
        r"""Smallest gain over a model of mean `loss` detected with about 80 % power.

        Solves :math:`\delta = (t + z / \sqrt w) SE(\delta)`, where the squared error
        grows with :math:`\delta (1 + b \delta / L)`; b is the bend, L the loss, and w
        the factor by which the error is widened. NaN if no gain below `loss` would be
        detected, or `growth` is not known.
        """
        if not (self.growth > 0 and loss > 0 and self.standard_error > 0):
            return np.nan
        quantiles = stats.t.isf(alpha / 2, self.df)
        quantiles += stats.norm.ppf(POWER) / np.sqrt(self.widened)
        none = self.standard_error**2 - self.growth * max(self.mean, 0.0)
        none = max(none, self.standard_error**2 / 4)

        def missing(gain):
            grown = self.growth * gain * (1 + self.bend * gain / loss)
            return quantiles * np.sqrt(none + grown) - gain

        return brentq(missing, 0.0, loss) if missing(loss) < 0 else np.nan

    def _error_at(self, difference):
        grown = self.growth * max(difference - self.mean, 0.0)
        return np.sqrt(self.standard_error**2 + grown)

    def _p_value(self, above, error):
        if above <= 0:
            return 1.0
        return float(2 * stats.t.sf(above / error, self.df)) if error > 0 else 0.0


def by_rows(values, n_folds=None, groups=None):
    """Difference from one value per sample.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
        Differences of losses, averaged over repeats.
    n_folds : int or None, default=None
        K; None where one model predicted all samples, and the test is about that model.
    groups : array-like of shape (n_samples,), optional
        Samples of one group are averaged first, and count as one observation.
    """
    values = group_means(values, groups)
    n = len(values)
    error = values.std(ddof=1) / np.sqrt(n)
    widened = 1.0
    if n_folds is not None:
        widened = n_folds / (n_folds - 1) * (1 + FEW_SAMPLES / n) ** 2
    error *= np.sqrt(widened)
    return Difference(float(values.mean()), float(error), n - 1, widened=widened)


def group_means(values, groups):
    """Mean of each group; the values themselves without groups."""
    if groups is None:
        return values
    _, members = np.unique(groups, return_inverse=True)
    return np.bincount(members, values) / np.bincount(members)


def by_folds(found, splits, sizes, n_folds):
    """Widen the standard error of a difference by samples to that of its folds.

    Parameters
    ----------
    found : Difference
        By samples.
    splits : ndarray of shape (n_splits,)
        Mean difference of each split.
    sizes : ndarray of shape (n_splits,)
        Number of test samples of each split.
    n_folds : int
        Number of splits that test every sample once.
    """
    away = (splits - found.mean) * sizes / sizes.mean()
    variance = np.square(away).sum() / (len(splits) - 1) / n_folds
    error = np.sqrt(found.widened * variance)
    return replace(found, standard_error=max(found.standard_error, float(error)))


def by_clusters(values, groups):
    """Difference of the mean over samples that are dependent within groups.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
    groups : array-like of shape (n_samples,)
        Groups count by their size, unlike in `by_rows`.
    """
    _, members = np.unique(groups, return_inverse=True)
    mean, away = values.mean(), np.bincount(members, values - values.mean())
    count = len(away)
    factor = count / (count - 1) if count > 1 else np.nan
    error = np.sqrt(factor * np.square(away).sum()) / len(values)
    return Difference(float(mean), float(error), count - 1)


def by_splits(values, ratio):
    """Difference from one value per split: the corrected resampled t-test.

    Parameters
    ----------
    values : ndarray of shape (n_splits,)
    ratio : float
        Test samples over training samples, where repeated ones count once.
    """
    n = len(values)
    error = values.std(ddof=1) * np.sqrt(1 / n + ratio)
    return Difference(float(values.mean()), float(error), n - 1)


def holm(p_values):
    """Return p values adjusted by Holm's method.

    Examples
    --------
    >>> from skmm.model_selection.statistics import holm
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    raised = np.maximum.accumulate(p_values[order] * factors)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted
