"""Increase of a model's loss when modalities are replaced, on held-out samples.

A loss is one number per sample, or, for scores that are not a mean over samples, the
negative score of all samples. Lower is better.
"""

from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from skmm._random import derive
from skmm._views import noting
from skmm.base.modality_subset import modalities_made
from skmm.base.training_data import (
    check_groups,
    check_has_samples,
    check_sample_weights,
)
from skmm.data import check_modalities
from skmm.data.validation import check_target
from skmm.inspection._perturbation import JOINED, METHODS, perturbed, with_embeddings
from skmm.model_selection.replicas import fit_replicas
from skmm.model_selection.splits import make_splits
from skmm.model_selection.statistics import by_clusters, by_rows, by_splits

FEWEST = 10  # observations: with fewer, intervals are too short


@dataclass
class EvaluationData:
    """Checked samples with their weights and groups.

    Attributes
    ----------
    X : ModalityDict
    y : ndarray of shape (n_samples, ...)
    weight : ndarray of shape (n_samples,), or None
    groups : ndarray of shape (n_samples,), or None
    """

    X: object
    y: np.ndarray
    weight: np.ndarray | None = None
    groups: np.ndarray | None = None

    def take(self, index):
        """Return some of the samples."""
        parts = (self.X, self.y, self.weight, self.groups)
        return EvaluationData(
            *(None if part is None else part[index] for part in parts)
        )


def check_evaluation_data(estimator, X, y, sample_weight=None, groups=None):
    """Return the `EvaluationData` of a user's arguments."""
    check_has_samples(X)
    X = check_modalities(modalities_made(estimator, X), finite=False)
    y = check_target(
        estimator, y, len(X), X, sample_weight=sample_weight, groups=groups
    )
    sample_weight = check_sample_weights(sample_weight, len(X))
    groups = check_groups(groups, len(X))
    return EvaluationData(X, np.asarray(y), sample_weight, groups)


def check_known_classes(estimator, y):
    """Check that a classifier was fitted on at least one of the classes in y.

    Parameters
    ----------
    estimator : fitted estimator
    y : ndarray of shape (n_samples, ...)
    """
    classes = getattr(estimator, "classes_", None)
    if not isinstance(classes, np.ndarray) or y.ndim > 1:
        return
    known, labels = set(classes.tolist()), np.unique(y).tolist()
    if not any(label in known for label in labels):
        raise ValueError(
            f"y must have classes that {type(estimator).__name__} was fitted on, "
            f"{classes.tolist()[:5]}; got {labels[:5]}. Use the labels of fit."
        )


def check_fitted(estimator, name, parameter="estimator", otherwise=""):
    """Check that an estimator is fitted.

    Parameters
    ----------
    estimator : estimator
    name : str
        Calling function.
    parameter : str, default="estimator"
        Name of its parameter.
    otherwise : str, default=""
        Alternative, appended to the message.
    """
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise NotFittedError(
            f"{parameter}, {type(estimator).__name__}, is not fitted: fit it on other "
            f"samples than those for {name}{otherwise}."
        ) from error


class EvaluationSplit:
    """A fitted model and samples on which it is evaluated.

    Parameters
    ----------
    model : fitted estimator
    data : EvaluationData
    measure : Measure
    where : str
        Which split, for errors.
    method : str
        How modalities will be replaced.

    Attributes
    ----------
    baseline : ndarray of shape (n_samples,) or (1,)
        Losses with all modalities.
    weight : ndarray of the same shape
        Scaled to a mean of one.
    """

    def __init__(self, model, data, measure, where, method):
        self.data, self.measure, self.where = data, measure, where
        self.model, self.X, self.method = model, data.X, method
        if len(data.X) < 2 and method in METHODS:
            raise ValueError(
                f"{where}: at least two held-out samples are needed; got 1. Give more "
                "samples, or another cv."
            )
        self.weight = np.ones(1)
        if measure.losses is not None:
            self.weight = np.ones(len(data.X)) if data.weight is None else data.weight
            if not self.weight.any():
                raise ValueError(f"{where}: all samples have sample_weight 0.")
            self.weight = self.weight / self.weight.mean()
        with noting(f"{where}, with all modalities"):
            if method == "permute" and not measure.reads_X:
                self.model, self.X = with_embeddings(model, data.X)
            self.baseline = self._losses(self.X)

    def loss(self):
        """Return the mean loss with all modalities."""
        return float(np.mean(self.weight * self.baseline))

    def increase(self, names, n_repeats, seed):
        """Return the increase when modalities are replaced.

        Returns
        -------
        means : ndarray of shape (n_repeats,)
        samples : ndarray of shape (n_samples,) or (1,)
            Mean over repeats of the contributions of single samples.
        """
        found = [self._increase_once(names, seed, r) for r in range(n_repeats)]
        means, samples = zip(*found, strict=True)
        return np.array(means), np.mean(samples, axis=0)

    def _increase_once(self, names, seed, repeat):
        where = f"{self.where}, {self.method} modality {JOINED.join(names)!r}"
        with noting(f"{where}, repeat {repeat}"):
            seed = derive(seed, self.method, *names, repeat)
            X, donors = perturbed(self.X, names, self.method, seed)
            increase = self._losses(X) - self.baseline
        mean = np.mean(self.weight * increase)
        deviation = self.weight * (increase - mean)
        samples = mean + deviation
        if donors is not None and len(samples) > 1:  # donors contribute as well
            samples[donors] += deviation
        return mean, samples

    def _losses(self, X):
        y, weight = self.data.y, self.data.weight
        if self.measure.losses is not None:
            return self.measure.losses(self.model, X, y)
        extra = {} if weight is None else {"sample_weight": weight}
        score = float(self.measure.score(self.model, X, y, **extra))
        if np.isnan(score):
            raise ValueError(
                f"the {self.measure.name} is NaN, for instance because all samples are "
                "of one class. Use stratified splits, or a scoring that is a mean over "
                "samples, such as 'neg_log_loss'."
            )
        return np.array([-score])


def evaluation_splits(estimator, data, measure, method, cv, seed, n_jobs, name):
    """Return models with samples that they were not fitted on.

    Parameters
    ----------
    estimator : estimator
        Fitted if `cv` is None.
    data : EvaluationData
    measure : Measure
    method : str
    cv : int, splitter, iterable or None
    seed : int
    n_jobs : int or None
    name : str
        Calling function.

    Returns
    -------
    evaluated : list of EvaluationSplit
    splits : Splits or None
    """
    if cv is None:
        otherwise = ", or give cv= to fit it in folds"
        check_fitted(estimator, name, otherwise=otherwise)
        check_known_classes(estimator, data.y)
        return [EvaluationSplit(estimator, data, measure, name, method)], None
    parts = (data.X, data.y, data.groups)
    splits = make_splits(cv, estimator, *parts, seed % 2**32, "cv")
    return fit_splits(estimator, data, splits, measure, name, method, n_jobs), splits


def fit_splits(estimator, data, splits, measure, name, method, n_jobs):
    """Return clones of an estimator, fitted on each split, with its test samples."""
    trains = [train for train, _ in splits.pairs]
    models = fit_replicas(
        estimator,
        data.X,
        data.y,
        trains,
        sample_weight=data.weight,
        groups=data.groups,
        n_jobs=n_jobs,
    )
    fitted = enumerate(zip(models, splits.pairs, strict=True))
    return [
        EvaluationSplit(
            model, data.take(test), measure, f"{name}: in split {split}", method
        )
        for split, (model, (_, test)) in fitted
    ]


def loss_increases(evaluated, groups, n_repeats, seed, n_jobs):
    """Return ``{label: [(means, samples) of each split]}`` for groups of modalities."""
    jobs = [(number, label) for label in groups for number in range(len(evaluated))]
    seeds = [derive(seed, "split", number) for number in range(len(evaluated))]
    found = Parallel(n_jobs=n_jobs)(
        delayed(evaluated[number].increase)(groups[label], n_repeats, seeds[number])
        for number, label in jobs
    )
    out = {label: [] for label in groups}
    for (_, label), result in zip(jobs, found, strict=True):
        out[label].append(result)
    return out


def difference_of(values, measure, splits, groups):
    """Return the difference from one value per split, or per sample of one model.

    It is None for one fitted model with a score that is not a mean over samples, or
    fewer than `FEWEST` samples or groups.
    """
    if splits is not None:
        return by_splits(np.asarray(values), splits.ratio)
    if measure.losses is None:
        return None
    found = by_rows(values) if groups is None else by_clusters(values, groups)
    return found if found.df >= FEWEST - 1 else None


def columns_of(difference, alpha):
    """Return error, interval and p value of a difference; NaN if it is None."""
    if difference is None:
        return dict.fromkeys(["standard_error", "lower", "upper", "p"], np.nan)
    lower, upper = difference.interval(alpha)
    return {
        "standard_error": difference.standard_error,
        "lower": lower,
        "upper": upper,
        "p": difference.p_above(),
    }
