"""Bootstrap estimates of a score: out of bag, .632 and .632+."""

from numbers import Integral

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.utils import Bunch, check_random_state

from skmm._sklearn import (
    StrOptions,
    safe_indexing,
    score_of,
    validate_parameter_constraints,
)
from skmm.base.training_data import (
    check_groups,
    check_has_samples,
    check_sample_weights,
)
from skmm.data.finite import check_scorer_of_masked
from skmm.data.validation import check_target
from skmm.model_selection import _arguments as arguments
from skmm.model_selection.bootstrap import BootstrapOutOfBag
from skmm.model_selection.replicas import (
    checked,
    fit_or_error,
    fit_replicas,
    warn_of_failed_fits,
)
from skmm.model_selection.statistics import log_losses

SHARE = 0.632  # of distinct samples, expected in a bootstrap
PERMUTATIONS = 20  # of y, for the no-information score
CONSTRAINTS = {
    "estimator": arguments.ESTIMATOR,
    "n_jobs": arguments.N_JOBS,
    "random_state": ["random_state"],
    "error_score": arguments.ERROR_SCORE,
    "estimate": [StrOptions({"oob", ".632", ".632+"})],
    "scoring": [str, callable, None],
}


def bootstrap_score(
    estimator,
    X,
    y,
    *,
    scoring=None,
    estimate="oob",
    resampling=None,
    groups=None,
    sample_weight=None,
    n_jobs=None,
    random_state=None,
    error_score=np.nan,
):
    r"""Score an estimator on the samples that bootstraps leave out.

    Out-of-bag scores are pessimistic, because a bootstrap has only 63.2 % of the
    distinct samples; training scores are optimistic. ".632" averages them with fixed
    weights, ".632+" gives the training score less weight the more the model overfits.

    Parameters
    ----------
    estimator : estimator
    X : ModalityDict, dict, DataFrame or array-like of n_samples
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    scoring : str, callable or None, default=None
        See scikit-learn's ``cross_val_score``; greater is better.
    estimate : {"oob", ".632", ".632+"}, default="oob"
        The estimate returned as `score`.
    resampling : int, BootstrapOutOfBag or None, default=None
        Number of bootstraps, or the splitter; None is 100.
    groups : array-like of shape (n_samples,), optional
        Groups are drawn; their samples stay together.
    sample_weight : array-like of shape (n_samples,), optional
        Weights in fits.
    n_jobs : int or None, default=None
        Number of processes for estimators that cannot be trained as one batch.
    random_state : int, RandomState or None, default=None
        Seed of the bootstraps, unless `resampling` is a splitter, and of permutations.
    error_score : "raise" or float, default=nan
        Score of a bootstrap in which fit or score raises an error, with a warning;
        "raise" raises it. An error that all fits have in common is always raised.

    Returns
    -------
    Bunch
        - score : float, the estimate; the mean leaves out NaN
        - oob_scores : ndarray, out of bag, one per bootstrap
        - interval : (float, float), percentiles 2.5 and 97.5 of `oob_scores`: the
          variation of a single split's score, not of the mean
        - train_score : float, training score of a fit on all samples; NaN for "oob"
        - no_information_score : float, of that fit with permuted y; NaN except for
          ".632+"
        - overfitting_rate : float in [0, 1], the R of ".632+"; NaN otherwise

    Notes
    -----
    With scores turned into losses, :math:`\bar e` of the training samples, :math:`e_1`
    out of bag and :math:`\gamma` without information,

    .. math:: e_{.632} = 0.368\, \bar e + 0.632\, e_1, \qquad
        e_{.632+} = (1 - w)\, \bar e + w \min(e_1, \gamma), \quad
        w = \frac{0.632}{1 - 0.368 R}, \quad R = \frac{e_1 - \bar e}{\gamma - \bar e}

    With "neg_log_loss", a class that a training set lacks has the smallest positive
    probability of float64, 2.2e-16, and test sets need not have all classes. Other
    scores that need all classes, such as "roc_auc_ovr", are `error_score` without.

    References
    ----------
    Efron and Tibshirani, "Improvements on cross-validation: the .632+ bootstrap
    method", 1997.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skmm.model_selection import bootstrap_score
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 5)), rng.integers(2, size=80)  # nothing to learn
    >>> found = bootstrap_score(LogisticRegression(), X, y, random_state=0)
    >>> len(found.oob_scores), bool(found.score < 0.65)
    (100, True)
    """
    validate_parameter_constraints(CONSTRAINTS, locals(), "bootstrap_score")
    X, y = checked(estimator, X, y, sample_weight=sample_weight, groups=groups)
    if y is None:
        check_target(estimator, y, 0)  # raises
    n_samples = check_has_samples(X)
    given = {
        "sample_weight": check_sample_weights(sample_weight, n_samples),
        "groups": check_groups(groups, n_samples),
    }
    rng = check_random_state(random_state)
    scorer = _scorer(estimator, scoring)
    if scoring != "neg_log_loss":  # which is the mean over the measured labels
        check_scorer_of_masked(scoring, y)
    labels = y if is_classifier(estimator) else None  # regression is not stratified
    splits = list(_splitter(resampling, rng).split(X, labels, given["groups"]))
    fit = fit_replicas if error_score == "raise" else fit_or_error
    trains = [train for train, _ in splits]
    models = fit(estimator, X, y, trains, **given, n_jobs=n_jobs)
    scores = _oob_scores(models, X, y, splits, scorer, error_score)
    known = scores[~np.isnan(scores)]
    if not len(known):
        raise ValueError(
            f"scoring={scoring!r} cannot be computed in any of the {len(scores)} "
            'bootstraps; error_score="raise" shows why.'
        )
    oob = float(np.mean(known))
    found = Bunch(
        score=oob,
        oob_scores=scores,
        interval=tuple(np.percentile(known, [2.5, 97.5]).tolist()),
        train_score=np.nan,
        no_information_score=np.nan,
        overfitting_rate=np.nan,
    )
    if estimate == "oob":
        return found
    (whole,) = fit_replicas(estimator, X, y, [np.arange(len(y))], **given)
    found.train_score = scorer(whole, X, y)
    if estimate == ".632":
        found.score = float((1 - SHARE) * found.train_score + SHARE * oob)
        return found
    found.no_information_score = _no_information_score(whole, scorer, X, y, rng)
    found.score, found.overfitting_rate = estimate_632_plus(
        oob, found.train_score, found.no_information_score
    )
    return found


def _oob_scores(models, X, y, splits, scorer, error_score):
    """Scores of the samples out of bag; `error_score` of fits that failed."""
    warn_of_failed_fits(models, error_score)
    scores = np.full(len(models), np.nan)
    for i, (model, (_, test)) in enumerate(zip(models, splits, strict=True)):
        if isinstance(model, Exception):
            scores[i] = error_score
            continue
        part = safe_indexing(X, test), y[test]
        scores[i] = score_of(model, *part, scorer, None, error_score)
    return scores


def _scorer(estimator, scoring):
    """A scorer; the log-loss does not need all classes in training and test set."""
    scorer = check_scoring(estimator, scoring)
    if scoring != "neg_log_loss":
        return scorer

    def score(model, X, y):
        known = getattr(model, "classes_", None)
        if np.ndim(y) > 1:  # labels, not probabilities of classes
            return -float(np.mean(log_losses(model, X, np.asarray(y))))
        if not isinstance(known, np.ndarray) or np.array_equal(known, np.unique(y)):
            return scorer(model, X, y)
        return -float(np.mean(log_losses(model, X, y)))

    return score


def _splitter(resampling, rng):
    if isinstance(resampling, BootstrapOutOfBag):
        return resampling
    number = isinstance(resampling, Integral) and not isinstance(resampling, bool)
    if resampling is not None and not (number and resampling > 0):
        raise TypeError(
            "resampling must be a positive number of bootstraps or a "
            f"BootstrapOutOfBag; got {resampling!r}."
        )
    return BootstrapOutOfBag(
        100 if resampling is None else resampling, random_state=rng
    )


def _no_information_score(model, scorer, X, y, rng):
    """Return the mean score with permuted y."""
    orders = [rng.permutation(len(y)) for _ in range(PERMUTATIONS)]
    return float(np.mean([scorer(model, X, y[order]) for order in orders]))


def estimate_632_plus(oob, train, no_information):
    """Return the .632+ estimate and the overfitting rate, from three scores."""
    kept = max(oob, no_information)
    overfits = kept < train and no_information < train
    rate = (train - kept) / (train - no_information) if overfits else 0.0
    weight = SHARE / (1 - (1 - SHARE) * rate)
    return float((1 - weight) * train + weight * kept), float(rate)
