"""Scorer of several outputs, each scored where it was measured."""

import warnings
from functools import cached_property

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import get_scorer
from sklearn.utils.metaestimators import available_if

from skmm._class_registry import registered
from skmm.data.finite import label_probabilities
from skmm.data.validation import plain_target


def masked_scorer(metric="roc_auc", *, average="macro"):
    """Make a scorer of several outputs, each scored where it was measured.

    Parameters
    ----------
    metric : str or callable, default="roc_auc"
        Name of a scorer of scikit-learn for one output, or such a scorer.
    average : {"macro"} or None, default="macro"
        "macro" returns the mean over the outputs, without those that cannot be scored;
        None returns an array, with NaN for these.

    Returns
    -------
    MaskedScorer
        For ``scoring=``, such as in ``cross_val_score``, `compare_modalities` and
        `ModalitySearchCV`; or ``scorer(estimator, X, y)``.

    Raises
    ------
    ValueError
        If `metric` is not the name of a scorer, or `average` is invalid.

    See Also
    --------
    skmm.FusionClassifier : Multilabel y with NaN.

    Notes
    -----
    An output cannot be scored if its measured samples are of one class, or, for
    regressors, are fewer than two.

    References
    ----------
    The mean ROC AUC over assays is the usual score of Tox21: Wu et al., "MoleculeNet: a
    benchmark for molecular machine learning", 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import FusionClassifier
    >>> from skmm.metrics import masked_scorer
    >>> rng = np.random.default_rng(0)
    >>> X = {"a": rng.normal(size=(100, 3)), "b": rng.normal(size=(100, 2))}
    >>> y = np.c_[X["a"][:, 0] > 0, X["b"][:, 0] > 0].astype(float)
    >>> y[rng.random(y.shape) < 0.3] = np.nan  # not measured
    >>> model = FusionClassifier(lr=0.01, random_state=0).fit(X, y)
    >>> bool(masked_scorer("roc_auc")(model, X, y) > 0.95)
    True
    >>> masked_scorer("roc_auc", average=None)(model, X, y).shape
    (2,)
    """
    return MaskedScorer(metric, average)


@registered("metrics")
class MaskedScorer(BaseEstimator):
    """Scorer of several outputs, each scored where it was measured.

    See :func:`masked_scorer`, which makes it.

    Parameters
    ----------
    metric : str or callable
    average : {"macro"} or None
    """

    def __init__(self, metric, average):
        if average not in ("macro", None):
            raise ValueError(f'average must be "macro" or None; got {average!r}.')
        if not (isinstance(metric, str) or callable(metric)):
            raise TypeError(
                f"metric must be a name such as 'roc_auc', or a scorer; got {metric!r}."
            )
        get_scorer(metric)  # raises an error for unknown names
        self.metric = metric
        self.average = average

    def __call__(self, estimator, X, y_true, sample_weight=None):
        """Score the predictions for X.

        Parameters
        ----------
        estimator : fitted estimator
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
        y_true : array-like of shape (n_samples, n_outputs)
            NaN where an output was not measured.
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        float, or ndarray of shape (n_outputs,) if `average` is None
            NaN, with a warning, if no output can be scored.
        """
        y = np.asarray(plain_target(y_true))
        if y.ndim != 2:
            raise ValueError(
                "masked_scorer needs y of shape (n_samples, n_outputs); got "
                f"{y.shape}. For one output use the metric itself."
            )
        y = y.astype(np.float64)
        answers = _Answers(estimator, X, y.shape)
        scores = [self._score(answers, y, k, sample_weight) for k in range(y.shape[1])]
        if self.average is None:
            return np.array(scores)
        if np.isnan(scores).all():
            warnings.warn(
                "no output can be scored: the measured samples of each are of one "
                "class, or fewer than two.",
                UndefinedMetricWarning,
                stacklevel=2,
            )
            return float("nan")
        return float(np.nanmean(scores))

    def _score(self, answers, y, output, sample_weight):
        """Score of one output, or NaN."""
        rows = np.flatnonzero(~np.isnan(y[:, output]))
        labels = is_classifier(answers.estimator)
        true = y[rows, output].astype(int) if labels else y[rows, output]
        if len(rows) < 2 or (labels and len(np.unique(true)) < 2):
            return np.nan
        one = (_OneLabel if labels else _OneValue)(answers, output)
        weight = {}
        if sample_weight is not None:
            weight["sample_weight"] = np.asarray(sample_weight)[rows]
        return float(get_scorer(self.metric)(one, rows, true, **weight))

    def __repr__(self):
        return f"masked_scorer({self.metric!r}, average={self.average!r})"


class _Answers:
    """Predictions of an estimator for all outputs, computed when they are needed."""

    def __init__(self, estimator, X, shape):
        self.estimator = estimator
        self.X = X
        self.shape = shape

    def _checked(self, values):
        values = np.asarray(values)
        if values.shape != self.shape:
            raise ValueError(
                f"y must have shape {values.shape} like the predictions; got "
                f"{self.shape}."
            )
        return values

    @cached_property
    def predicted(self):
        return self._checked(self.estimator.predict(self.X))

    @cached_property
    def proba(self):
        proba = self.estimator.predict_proba(self.X)
        return self._checked(label_probabilities(proba, self.estimator))

    @cached_property
    def decisions(self):
        return self._checked(self.estimator.decision_function(self.X))


def _has(method):
    return available_if(lambda self: hasattr(self.answers.estimator, method))


class _OneOutput(BaseEstimator):
    """One output of a fitted estimator as an estimator, whose X are sample numbers."""

    def __init__(self, answers, output):
        self.answers = answers
        self.output = output

    def fit(self, X, y):
        """Scorers require it; it does nothing."""
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, rows):
        return self.answers.predicted[rows, self.output]


class _OneValue(RegressorMixin, _OneOutput):
    pass


class _OneLabel(ClassifierMixin, _OneOutput):
    classes_ = np.array([0, 1])

    @_has("predict_proba")
    def predict_proba(self, rows):
        p = self.answers.proba[rows, self.output]
        return np.stack([1 - p, p], axis=1)

    @_has("decision_function")
    def decision_function(self, rows):
        return self.answers.decisions[rows, self.output]
