"""What training needs: a module, samples, their weights, and how they are split."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from skmm._sklearn import GroupsConsumerMixin, check_sample_weight
from skmm.data.tensors import TensorRows, rows_at, tensors_in
from skmm.nn.assemble import MultimodalModule


@dataclass
class TrainingData:
    """A module and the data to train it on.

    Attributes
    ----------
    module : MultimodalModule
    train : (TensorRows, Tensor)
        Training samples and their encoded target.
    valid : (TensorRows, Tensor) or None, default=None
        Validation samples of early stopping and their encoded target.
    monitor : Monitor or None, default=None
        Computes the score that early stopping follows; None is the validation loss.
    """

    module: MultimodalModule
    train: tuple[TensorRows, torch.Tensor]
    valid: tuple[TensorRows, torch.Tensor] | None = None
    monitor: Any = None

    def nbytes(self):
        """Size of the training samples as dense arrays, in bytes."""
        rows = self.train[0]
        return sum(len(rows) * source[:1].nbytes for source in rows.x.values())

    def split(self, train, valid):
        """Split the training samples into a training and a validation set.

        Parameters
        ----------
        train, valid : ndarray of int
            Indices.
        """
        rows, target = self.train
        self.train = _pick(rows, target, train)
        self.valid = _pick(rows, target, valid)
        return self


@dataclass
class Samples:
    """Samples of a fit as `fit` gets them, after validation.

    Attributes
    ----------
    X : ModalityDict
    y : ndarray or ModalityDict
        As the target reads it.
    weight : ndarray of shape (n_samples,) or None
        Product of sample and class weights.
    sample_weight, groups : ndarray of shape (n_samples,) or None
        As given to `fit`.
    valid : ndarray of shape (n_samples,) of bool, or None
        The validation set, if it is already drawn.
    """

    X: Any
    y: Any
    weight: np.ndarray | None = None
    sample_weight: np.ndarray | None = None
    groups: np.ndarray | None = None
    valid: np.ndarray | None = None

    def take(self, index):
        """Some of the samples."""
        values = vars(self).values()
        return Samples(*(None if v is None else v[index] for v in values))

    def with_weight(self, scaled=True):
        """Samples with non-zero weight, which is scaled to mean one."""
        if self.weight is None or self.weight.all():
            return self
        kept = self.take(self.weight > 0)
        kept.weight = mean_one(kept.weight) if scaled else kept.weight
        return kept


def _pick(rows, target, index):
    index = torch.from_numpy(index).to(tensors_in(target)[0].device)
    rows = rows.subset(index)
    return rows.with_weight(mean_one(rows.weight)), rows_at(target, index)


def combined_weight(n_samples, y, sample_weight=None, class_weight=None, scaled=True):
    """Product of sample and class weights, or None if neither is given.

    Parameters
    ----------
    n_samples : int
    y : array-like
    sample_weight : array-like of shape (n_samples,), optional
    class_weight : dict or "balanced", optional
    scaled : bool, default=True
        Scale to mean one.

    Returns
    -------
    ndarray of shape (n_samples,) or None

    Raises
    ------
    ValueError
        If weights are negative, or all of them are zero.
    """
    if sample_weight is None and class_weight is None:
        return None
    weight = check_weight(n_samples, sample_weight)
    if not weight.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    if class_weight is not None:
        weight = weight * _weight_by_class(class_weight, y, weight)
    return mean_one(weight) if scaled else weight


def _weight_by_class(class_weight, y, sample_weight):
    if isinstance(class_weight, str):
        weight = _balanced(y, sample_weight)
    else:
        weight = compute_sample_weight(class_weight, y)
    if weight.min() < 0 or not weight.any():
        raise ValueError(
            "class_weight must not be negative, nor zero for every class of y; got "
            f"{class_weight!r}."
        )
    return weight


def _balanced(y, sample_weight):
    """Weights by which the classes of every column have equal total weights.

    Samples without weight do not count: they are as if removed.
    """
    columns = np.asarray(y).reshape(len(sample_weight), -1).T
    return np.prod([_balanced_column(y, sample_weight) for y in columns], axis=0)


def _balanced_column(y, sample_weight):
    kept = sample_weight > 0
    classes, place = np.unique(y[kept], return_inverse=True)
    factors = compute_class_weight(
        "balanced", classes=classes, y=y[kept], sample_weight=sample_weight[kept]
    )
    weight = np.ones(len(y))
    weight[kept] = factors[place]
    return weight


def check_weight(n_samples, sample_weight):
    """Validated, non-negative float64 weights of shape (n_samples,); None is ones."""
    weight = check_sample_weight(
        sample_weight,
        np.empty((n_samples, 1)),
        dtype=np.float64,
        ensure_non_negative=True,
    )
    return np.require(weight, requirements="W")  # those of pandas are read-only


def mean_one(weight):
    """Weights scaled to mean one; None and all-zero weights are returned as is."""
    return weight if weight is None or not weight.any() else weight / weight.mean()


IGNORED = "The groups parameter is ignored by"  # see check_groups_together


def split_pairs(splitter, y, groups, X=None, name="cv"):
    """All pairs of training and test indices of a splitter.

    Parameters
    ----------
    splitter : splitter
    y : ndarray of shape (n_samples,)
    groups : ndarray of shape (n_samples,) or None
    X : ModalityDict, optional
        For splitters that use it; y may then be None.
    name : str, default="cv"
        Name of the parameter that holds the splitter, for errors.

    Returns
    -------
    list of (ndarray, ndarray)

    Raises
    ------
    ValueError
        If the splitter needs groups and there are none.
    """
    X = np.empty((len(y), 1)) if X is None else X
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", IGNORED, UserWarning)
            return list(splitter.split(X, y, groups))
    except ValueError as error:
        if groups is None and isinstance(splitter, GroupsConsumerMixin):
            raise ValueError(
                f"{name}={splitter!r} needs groups; pass groups=groups along with X "
                "and y."
            ) from error
        raise


def check_several_groups(groups, purpose):
    """Check that there are at least two groups, if any; errors name the purpose."""
    found = [] if groups is None else np.unique(groups).tolist()
    if len(found) == 1:
        raise ValueError(
            f"groups must contain at least two groups {purpose}; got only "
            f"{found[0]!r}. Omit groups if the samples are independent."
        )


def check_groups_together(cv, pairs, groups, name="cv"):
    """Check that no group has samples in both the training and the test set.

    Parameters
    ----------
    cv : int or splitter
    pairs : list of (ndarray, ndarray)
        Training and test indices.
    groups : ndarray of shape (n_samples,) or None
    name : str, default="cv"
        Name of the parameter that holds `cv`, for errors.
    """
    for train, test in pairs if groups is not None else ():
        both = np.intersect1d(groups[train], groups[test]).tolist()
        if both:
            raise ValueError(
                f"{name}={cv!r} splits group {both[0]!r} between training and test "
                "samples. Pass a number of folds, which keeps groups together, or a "
                "splitter such as GroupKFold, or omit groups."
            )
