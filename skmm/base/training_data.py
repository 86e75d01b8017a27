"""What training needs: a module, samples and their weights, a validation set."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_sample_weight

from skmm._sklearn import check_sample_weight
from skmm.data.tensors import TensorRows, rows_at, tensors_in
from skmm.nn.assemble import MultimodalModule


@dataclass
class TrainingData:
    """A module and what it is trained on.

    Attributes
    ----------
    module : MultimodalModule
    train : (TensorRows, Tensor)
        Samples, and their target as the objective takes it.
    valid : (TensorRows, Tensor) or None
        The validation set of early stopping.
    """

    module: MultimodalModule
    train: tuple[TensorRows, torch.Tensor]
    valid: tuple[TensorRows, torch.Tensor] | None = None

    def nbytes(self):
        """Bytes of the training samples, once they are dense."""
        rows = self.train[0]
        return sum(len(rows) * source[:1].nbytes for source in rows.x.values())

    def set_aside(self, train, valid):
        """Split the training samples into a training and a validation set.

        Parameters
        ----------
        train, valid : ndarray of int
        """
        rows, target = self.train
        self.train = _pick(rows, target, train)
        self.valid = _pick(rows, target, valid)
        return self


def _pick(rows, target, index):
    index = torch.from_numpy(index).to(tensors_in(target)[0].device)
    rows = rows.subset(index)
    return rows.with_weight(mean_one(rows.weight)), rows_at(target, index)


NOT_STRATIFIED = "the rows set aside for validation are not stratified"


def row_weights(n_rows, y, sample_weight=None, class_weight=None, scaled=True):
    """Product of both weights, or None if neither is given.

    Parameters
    ----------
    n_rows : int
    y : array-like
    sample_weight : array-like (n,), optional
    class_weight : dict or "balanced", optional
    scaled : bool, default=True
        Scale to mean one.

    Raises
    ------
    ValueError
        If weights are negative, or all of them are zero.
    """
    if sample_weight is None and class_weight is None:
        return None
    weight = checked_weight(n_rows, sample_weight)
    if not weight.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    if class_weight is not None:
        weight = weight * _of_classes(class_weight, y)
    return mean_one(weight) if scaled else weight


def _of_classes(class_weight, y):
    factors = compute_sample_weight(class_weight, y)
    if factors.min() < 0 or not factors.any():
        raise ValueError(
            "class_weight must not be negative, nor zero for every class of y; got "
            f"{class_weight!r}."
        )
    return factors


def checked_weight(n_rows, sample_weight):
    """Return weights (n_rows,) in float64, none of them negative; None is all ones."""
    return check_sample_weight(
        sample_weight,
        np.empty((n_rows, 1)),
        dtype=np.float64,
        ensure_non_negative=True,
    )


def mean_one(weight):
    """Weights scaled to mean one; None, and weights that are all zero, stay."""
    return weight if weight is None or not weight.any() else weight / weight.mean()


def split_rows(n_rows, fraction, labels, seed):
    """Row numbers for training and for validation.

    Parameters
    ----------
    n_rows : int
    fraction : float
        Share of the validation rows.
    labels : ndarray (n_rows,) or None
        Keep the shares of these classes. Where a class has fewer than two rows, or
        there are fewer training or validation rows than classes, the split is random,
        with a warning.
    seed : int
    """
    if n_rows < 3:
        raise ValueError(
            "early_stopping, and a measure of over-fitting, need at least 3 rows "
            f"of a weight above zero, to set some aside; got {n_rows}."
        )
    size = min(max(1, round(fraction * n_rows)), n_rows - 2)
    train, valid = train_test_split(
        np.arange(n_rows),
        test_size=size,
        random_state=seed % 2**32,
        stratify=None if labels is None or not _can_stratify(labels, size) else labels,
    )
    return np.sort(train), np.sort(valid)


def _can_stratify(labels, size):
    classes, counts = np.unique(labels, return_counts=True)
    smaller = min(size, len(labels) - size)
    if counts.min() >= 2 and smaller >= len(classes):
        return True
    rarest = classes.tolist()[counts.argmin()]
    warnings.warn(
        f"{NOT_STRATIFIED}: class "
        f"{rarest!r} has {counts.min()} row(s), and there are "
        f"{len(labels) - size} training and {size} validation row(s) for "
        f"{len(classes)} classes.",
        UserWarning,
        stacklevel=2,
    )
    return False
