"""Many refits of one estimator: bootstraps, folds, seeds, hyper-parameters."""

import time
from collections.abc import Mapping

import numpy as np
from joblib import Parallel, delayed
from scipy.sparse import issparse
from sklearn.base import clone, is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline

from skmm._sklearn import (
    safe_indexing,
    score_of,
    validate_parameter_constraints,
)
from skmm._warnings import warn
from skmm.base.fit_many import MEMORY, train_prepared
from skmm.base.training_data import (
    check_groups,
    check_has_samples,
    check_sample_weights,
    split_pairs,
)
from skmm.base.validation_split import groups_for, warn_unused_groups
from skmm.data import ModalityDict
from skmm.data.finite import check_scorer_of_masked
from skmm.data.labels import check_row_labels
from skmm.data.tables import columns_of, is_rows
from skmm.data.validation import check_target, plain_target
from skmm.model_selection import _arguments as arguments
from skmm.model_selection.splits import FOLDS, pairs_for
from skmm.training.replicas import can_be_stacked

CONSTRAINTS = {
    "estimator": arguments.ESTIMATOR,
    "samples": ["array-like"],
    "params": [list, tuple, None],
    "n_jobs": arguments.N_JOBS,
    "memory": arguments.MEMORY,
}
CV_CONSTRAINTS = {
    "estimator": arguments.ESTIMATOR,
    "scoring": [*arguments.SCORING, list, tuple, set, dict],
    "cv": ["cv_object"],
    "n_jobs": arguments.N_JOBS,
    "return_train_score": ["boolean"],
    "return_estimator": ["boolean"],
    "return_indices": ["boolean"],
    "memory": arguments.MEMORY,
    "error_score": arguments.ERROR_SCORE,
}


def fit_replicas(
    estimator,
    X,
    y,
    samples,
    *,
    params=None,
    sample_weight=None,
    groups=None,
    n_jobs=None,
    memory=MEMORY,
):
    """Fit one estimator on many subsets of the samples, as one batch where possible.

    Small dense networks are trained with stacked parameters, several times faster than
    one by one. Estimators that cannot be stacked (with convolutions or callbacks, or
    not of skmm) are fitted one by one, or by `n_jobs` processes. In a Pipeline the
    transformers are fitted on each subset, then the networks as one batch.

    Parameters
    ----------
    estimator : estimator
        Estimator of skmm, a Pipeline that ends in one, or any other estimator.
    X : ModalityDict, dict, DataFrame or array-like of n_samples
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), dict or None
    samples : sequence of integer arrays
        Indices to train on, one array per replica; they may repeat.
    params : sequence of dict, optional
        Parameters that differ, one dict per replica, such as
        ``[{"random_state": 0, "lr": 0.01}, ...]``. Networks of different shapes are
        trained in different stacks.
    sample_weight : array-like of shape (n_samples,), optional
    groups : array-like of shape (n_samples,), optional
        Fits that set samples aside, such as those with early stopping, keep samples of
        one group together.
    n_jobs : int, optional
        Number of processes for estimators that cannot be stacked.
    memory : int, default=2**29
        Maximum size of a stack in bytes.

    Returns
    -------
    list of fitted estimators
        Each is equal to a single fit up to rounding; with dropout, up to the random
        choice of units.

    Notes
    -----
    Adam divides a gradient by its own magnitude. Where that is rounding alone, such as
    of a bias before a BatchNorm, which has no effect on the outputs in training, the
    bias follows rounding, and a replica may differ from a single fit by more than that.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import FusionClassifier
    >>> from skmm.model_selection import BootstrapOutOfBag, fit_replicas
    >>> X = {"a": np.random.default_rng(0).normal(size=(40, 3))}
    >>> y = X["a"][:, 0] > 0
    >>> splits = BootstrapOutOfBag(5, random_state=0).split(y, y)
    >>> model = FusionClassifier(max_epochs=3, random_state=0)
    >>> models = fit_replicas(model, X, y, [train for train, _ in splits])
    >>> len(models), models[0].predict(X).shape
    (5, (40,))
    """
    validate_parameter_constraints(CONSTRAINTS, locals(), "fit_replicas")
    X, y = checked(estimator, X, y, sample_weight=sample_weight, groups=groups)
    n_samples = check_has_samples(X)
    samples = [_checked_rows(rows, k, n_samples) for k, rows in enumerate(samples)]
    params = _checked_params(params, len(samples))
    weight = check_sample_weights(sample_weight, n_samples)
    groups = check_groups(groups, n_samples)
    if groups is not None:
        warn_unused_groups(estimator)
    models = [clone(estimator).set_params(**p) for p in params]
    jobs = [
        _Job(model, X, y, rows, weight, groups)
        for model, rows in zip(models, samples, strict=True)
    ]
    mixed = any(params) and n_jobs in (None, 1)
    return _fit_jobs(jobs, n_jobs, memory, mixed)


def _checked_rows(rows, number, n_samples):
    rows = np.asarray(rows)
    good = rows.ndim == 1 and rows.size and np.issubdtype(rows.dtype, np.integer)
    if not good or rows.min() < 0 or rows.max() >= n_samples:
        raise ValueError(
            "samples must be arrays of indices, integers from 0 to "
            f"{n_samples - 1}; samples[{number}] is {rows!r:.80}."
        )
    return rows


def _checked_params(params, count):
    params = [{}] * count if params is None else list(params)
    if len(params) != count:
        raise ValueError(
            f"params must have one dict per entry of samples, {count}; got "
            f"{len(params)}."
        )
    if bad := [one for one in params if not isinstance(one, Mapping)]:
        raise ValueError(f"params must be dicts of parameters; got {bad[0]!r}.")
    return params


def fit_or_error(estimator, X, y, samples, **settings):
    """Call `fit_replicas`, with the exception in place of a replica that fails.

    Parameters
    ----------
    estimator, X, y, samples, **settings
        See `fit_replicas`.

    Returns
    -------
    list of fitted estimators and Exceptions
    """
    try:
        return fit_replicas(estimator, X, y, samples, **settings)
    except Exception as error:
        if len(samples) == 1:
            return [error]
    middle = len(samples) // 2  # find out which of them fails
    halves = samples[:middle], samples[middle:]
    return [
        model
        for half in halves
        for model in fit_or_error(estimator, X, y, half, **settings)
    ]


def trains_together(estimator, X, y, rows, groups=None):
    """Whether `fit_replicas` would train refits of an estimator as one batch.

    Parameters
    ----------
    estimator : estimator
    X : ModalityDict or array-like of n_samples
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    rows : ndarray of int
        Training samples of one refit.
    groups : ndarray of shape (n_samples,), optional
    """
    job = _Job(clone(estimator), X, y, rows, None, groups)
    last = job.last
    if not hasattr(last, "prepare") or getattr(last, "checkpoint", None) is not None:
        return False
    job.prepare()
    return can_be_stacked(job.net, job.problem)


def indexable(X):
    """Return a dict, or a list of dicts, as a ModalityDict, to index by samples."""
    if isinstance(X, (list, tuple)) and is_rows(X):
        X = columns_of(X)
    is_dict = isinstance(X, Mapping) and not issparse(X)  # a dok_array is both
    return ModalityDict(X) if is_dict else X


def indexable_target(y):
    """Return y as an array or ModalityDict; None stays None."""
    if y is None or isinstance(y, Mapping):
        return indexable(y)
    return np.asarray(plain_target(y))


def checked(estimator, X, y, **others):
    """Return X and y such that they can be indexed, after a check that they match.

    Parameters
    ----------
    estimator : estimator
    X : ModalityDict, dict, DataFrame or array-like of n_samples
    y : array-like of shape (n_samples, ...), dict of such, or None
    **others : array-like of shape (n_samples,), or None
        Such as sample_weight and groups.
    """
    X = indexable(X)
    n_samples = check_has_samples(X)
    if y is None:
        check_row_labels(X, **others)
        return X, None
    y = check_target(estimator, indexable(y), n_samples, X, **others)
    return X, indexable_target(y)


def _take(y, rows):
    return None if y is None else y[rows]


class _Job:
    """One refit: an unfitted estimator, and its training samples."""

    def __init__(self, model, X, y, rows, weight, groups=None):
        self.model, self.X, self.y, self.rows = model, X, y, rows
        self.weight = None if weight is None else weight[rows]
        self.groups = None if groups is None else groups[rows]
        self.net = self.problem = None

    @property
    def last(self):
        """The estimator itself, or the last step of a Pipeline."""
        is_pipeline = isinstance(self.model, Pipeline)
        return self.model.steps[-1][1] if is_pipeline else self.model

    def fit_alone(self):
        """Fit without stacking."""
        name = self.model.steps[-1][0] if isinstance(self.model, Pipeline) else None
        key = f"{name}__sample_weight" if name else "sample_weight"
        params = {} if self.weight is None else {key: self.weight}
        params |= groups_for(self.model, self.groups)
        return self.model.fit(
            safe_indexing(self.X, self.rows), _take(self.y, self.rows), **params
        )

    def prepare(self):
        """Fit the steps before the last, and make the network, once."""
        if self.net is not None:
            return self
        X, y = safe_indexing(self.X, self.rows), _take(self.y, self.rows)
        if isinstance(self.model, Pipeline) and len(self.model.steps) > 1:
            before = self.model[:-1]
            X = before.fit_transform(X, y, **groups_for(before, self.groups))
            self.model.steps[:-1] = before.steps
        groups = {} if self.groups is None else groups_for(self.last, self.groups)
        self.problem = self.last.prepare(X, y, self.weight, **groups)
        self.net = self.last.make_net(self.problem.module)
        return self


def _fit_jobs(jobs, n_jobs, memory, mixed=False):
    """Fit jobs in stacks if the first can be stacked, or parameters are mixed."""
    last = jobs[0].last if jobs else None
    if not hasattr(last, "prepare") or getattr(last, "checkpoint", None) is not None:
        return _alone(jobs, n_jobs)
    first = jobs[0].prepare()
    if not mixed and not can_be_stacked(first.net, first.problem):
        return _alone(jobs, n_jobs)
    for start in range(0, len(jobs), size := _block(first, memory)):
        _fit_block(jobs[start : start + size], memory)
    return [job.model for job in jobs]


def _block(job, memory):
    """Return how many prepared jobs fit into memory."""
    return max(1, memory // max(1, 2 * job.problem.nbytes()))


def _fit_block(jobs, memory):
    for job in jobs:
        job.prepare()
    train_prepared([(job.last, job.net, job.problem) for job in jobs], memory)
    for job in jobs:
        job.net = job.problem = None


def _alone(jobs, n_jobs):
    return Parallel(n_jobs=n_jobs)(delayed(job.fit_alone)() for job in jobs)


def cross_validate_replicas(
    estimator,
    X,
    y,
    *,
    groups=None,
    scoring=None,
    cv=None,
    sample_weight=None,
    n_jobs=None,
    return_train_score=False,
    return_estimator=False,
    return_indices=False,
    memory=MEMORY,
    error_score=np.nan,
):
    """Cross-validate with all folds fitted as one batch where possible.

    Parameters
    ----------
    estimator : estimator
    X : ModalityDict, dict, DataFrame or array-like of n_samples
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), dict or None
    groups : array-like of shape (n_samples,), optional
        Passed to the splitter, of which a number of folds keeps them together, and to
        fits that set samples aside.
    scoring : str, callable, list, dict or None, default=None
        See ``sklearn.model_selection.cross_validate``.
    cv : int, splitter or None, default=None
        See ``sklearn.model_selection.cross_validate``; also ``BootstrapOutOfBag()``.
    sample_weight : array-like of shape (n_samples,), optional
        Weights in fits.
    n_jobs : int, optional
        Number of processes for estimators that cannot be stacked.
    return_train_score : bool, default=False
        Score the training samples as well.
    return_estimator : bool, default=False
        Return the fitted estimators.
    return_indices : bool, default=False
        Return the indices of each split.
    memory : int, default=2**29
        See `fit_replicas`.
    error_score : "raise" or float, default=nan
        Score of a split in which fit or score raises an error, with a warning; "raise"
        raises it. An error that all fits have in common is always raised.

    Returns
    -------
    dict of ndarray of shape (n_splits,)
        With the keys of ``sklearn.model_selection.cross_validate``. The fit time is the
        mean over the batch.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import FusionClassifier
    >>> from skmm.model_selection import cross_validate_replicas
    >>> X = {"a": np.random.default_rng(0).normal(size=(60, 3))}
    >>> y = X["a"][:, 0] > 0
    >>> model = FusionClassifier(max_epochs=20, random_state=0)
    >>> sorted(cross_validate_replicas(model, X, y, cv=3))
    ['fit_time', 'score_time', 'test_score']
    """
    validate_parameter_constraints(CV_CONSTRAINTS, locals(), "cross_validate_replicas")
    weights = {"sample_weight": sample_weight, "groups": groups}
    X, y = checked(estimator, X, y, **weights)
    n_samples = check_has_samples(X)
    scorer = check_scoring(estimator, scoring, raise_exc=error_score == "raise")
    check_scorer_of_masked(scoring, y)
    settings = {
        "sample_weight": check_sample_weights(sample_weight, n_samples),
        "groups": check_groups(groups, n_samples),
        "n_jobs": n_jobs,
        "memory": memory,
    }
    classes = is_classifier(estimator) and np.ndim(y) == 1  # labels may have NaN
    splits = _splits(cv, classes, X, y, settings["groups"])
    fit = fit_replicas if error_score == "raise" else fit_or_error
    begun = time.perf_counter()
    models = fit(estimator, X, y, [train for train, _ in splits], **settings)
    seconds = (time.perf_counter() - begun) / len(splits)
    warn_of_failed_fits(models, error_score)
    results = {"fit_time": np.full(len(splits), seconds)}
    results |= _scores(scorer, models, X, y, splits, "test", error_score)
    if return_train_score:
        train = _scores(scorer, models, X, y, splits, "train", error_score)
        results |= {key: values for key, values in train.items() if key != "score_time"}
    if return_estimator:
        failed = [isinstance(model, Exception) for model in models]
        results["estimator"] = [
            clone(estimator) if bad else model
            for bad, model in zip(failed, models, strict=True)
        ]
    if return_indices:
        parts = zip(("train", "test"), zip(*splits, strict=True), strict=True)
        results["indices"] = {name: list(rows) for name, rows in parts}
    return results


def _splits(cv, classes, X, y, groups):
    if groups is None:
        return split_pairs(check_cv(cv, y, classifier=classes), y, None, X)
    cv = FOLDS if cv is None else cv
    return pairs_for(cv, classes, X, y, groups, "cv")


def warn_of_failed_fits(models, error_score):
    """Warn of fits that failed; raise a ValueError if all did.

    Parameters
    ----------
    models : list of estimators and Exceptions
        Result of `fit_or_error`.
    error_score : float
    """
    errors = [model for model in models if isinstance(model, Exception)]
    if not errors:
        return
    first = f"The first error: {type(errors[0]).__name__}: {errors[0]}"
    if len(errors) == len(models):
        raise ValueError(f"all {len(models)} fits failed. {first}") from errors[0]
    warn(
        f"{len(errors)} of {len(models)} fits failed; their scores are {error_score}. "
        f"{first}",
        FitFailedWarning,
    )


def _scores(scorer, models, X, y, splits, part, error_score):
    rows, times = [], []
    for model, (train, test) in zip(models, splits, strict=True):
        index = train if part == "train" else test
        begun = time.perf_counter()
        score = None
        if not isinstance(model, Exception):
            data = safe_indexing(X, index), _take(y, index)
            score = score_of(model, *data, scorer, None, error_score)
        times.append(time.perf_counter() - begun)
        rows.append(score if isinstance(score, dict | None) else {"score": score})
    names = next(row for row in rows if row is not None)
    rows = [dict.fromkeys(names, error_score) if row is None else row for row in rows]
    columns = {f"{part}_{k}": np.array([row[k] for row in rows]) for k in names}
    return {"score_time": np.array(times), **columns}
