"""Many refits of one estimator: bootstraps, folds, seeds, hyper-parameters."""

import time
from collections.abc import Mapping

import numpy as np
from joblib import Parallel, delayed
from scipy.sparse import issparse
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline

from skmm._sklearn import num_samples, safe_indexing
from skmm.base.fit_many import MEMORY, train_prepared
from skmm.base.validation_split import groups_for
from skmm.data import ModalityDict
from skmm.data.labels import check_row_labels
from skmm.data.tables import columns_of, is_rows
from skmm.data.validation import check_target, plain_target
from skmm.model_selection.splits import FOLDS, pairs_for
from skmm.training.replicas import can_be_stacked


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
    X, y = checked(estimator, X, y, sample_weight=sample_weight, groups=groups)
    params = [{}] * len(samples) if params is None else list(params)
    if len(params) != len(samples):
        raise ValueError(
            f"params must have one dict per entry of samples, {len(samples)}; got "
            f"{len(params)}."
        )
    weight = None if sample_weight is None else np.asarray(sample_weight)
    groups = None if groups is None else np.asarray(groups)
    models = [clone(estimator).set_params(**p) for p in params]
    jobs = [
        _Job(model, X, y, np.asarray(rows), weight, groups)
        for model, rows in zip(models, samples, strict=True)
    ]
    mixed = any(params) and n_jobs in (None, 1)
    return _fit_jobs(jobs, n_jobs, memory, mixed)


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
    if y is None:
        check_row_labels(X, **others)
        return X, None
    y = check_target(estimator, indexable(y), num_samples(X), X, **others)
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
            X = before.fit_transform(X, y)
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
    weights = {"sample_weight": sample_weight, "groups": groups}
    X, y = checked(estimator, X, y, **weights)
    classes = is_classifier(estimator) and np.ndim(y) == 1  # labels may have NaN
    splits = _splits(cv, classes, X, y, groups)
    begun = time.perf_counter()
    models = fit_replicas(
        estimator,
        X,
        y,
        [train for train, _ in splits],
        sample_weight=sample_weight,
        groups=groups,
        n_jobs=n_jobs,
        memory=memory,
    )
    seconds = (time.perf_counter() - begun) / len(splits)
    scorer = check_scoring(estimator, scoring)
    results = {"fit_time": np.full(len(splits), seconds)}
    results |= _scores(scorer, models, X, y, splits, "test")
    if return_train_score:
        train = _scores(scorer, models, X, y, splits, "train")
        results |= {key: values for key, values in train.items() if key != "score_time"}
    if return_estimator:
        results["estimator"] = models
    if return_indices:
        parts = zip(("train", "test"), zip(*splits, strict=True), strict=True)
        results["indices"] = {name: list(rows) for name, rows in parts}
    return results


def _splits(cv, classes, X, y, groups):
    if groups is None:
        return list(check_cv(cv, y, classifier=classes).split(X, y))
    cv = FOLDS if cv is None else cv
    return pairs_for(cv, classes, X, y, np.asarray(groups), "cv")


def _scores(scorer, models, X, y, splits, part):
    rows, times = [], []
    for model, (train, test) in zip(models, splits, strict=True):
        index = train if part == "train" else test
        begun = time.perf_counter()
        score = scorer(model, safe_indexing(X, index), _take(y, index))
        times.append(time.perf_counter() - begun)
        rows.append(score if isinstance(score, dict) else {"score": score})
    columns = {f"{part}_{k}": np.array([row[k] for row in rows]) for k in rows[0]}
    return {"score_time": np.array(times), **columns}
