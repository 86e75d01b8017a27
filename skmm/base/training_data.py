"""What training needs: a module, samples, their weights, and how they are split."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from pandas import isna
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from torch.nn.modules.batchnorm import _BatchNorm

from skmm._sklearn import GroupsConsumerMixin, check_sample_weight, num_samples
from skmm._views import prepending
from skmm.data.finite import measured_entries, measured_samples
from skmm.data.labels import check_row_labels
from skmm.data.sources import row_nbytes
from skmm.data.tensors import TensorRows, rows_at, tensors_in
from skmm.data.unseen import note_seen
from skmm.nn.assemble import MultimodalModule
from skmm.objectives.base import split_mask


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
        return sum(len(rows) * row_nbytes(source) for source in rows.x.values())

    def present_counts(self):
        """Number of training samples that have each modality, by name."""
        rows = self.train[0]
        counts = [len(rows)] * len(rows.x)
        counts = counts if rows.present is None else rows.present.sum(0).tolist()
        return dict(zip(rows.x, counts, strict=True))

    def hide(self, names):
        """Mark modalities as missing in all validation samples.

        Parameters
        ----------
        names : list of str
            Modalities that no training sample has.
        """
        if names and self.valid is not None:
            rows, target = self.valid
            self.valid = rows.with_missing(names), target

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

    def hold_out(self, held):
        """Set other samples aside for each net of an ensemble.

        Parameters
        ----------
        held : ndarray of shape (n_samples, n_estimators) of bool
            Which samples are in the validation set of each net; the others are in its
            training set.
        """
        rows, target = self.train
        held = torch.from_numpy(held).to(tensors_in(target)[0].device)
        weight = torch.ones(len(rows)) if rows.weight is None else rows.weight
        weight = weight.to(held.device)[:, None]
        train = rows.with_weight(weight * ~held)
        self.train = _scaled(train, target), target
        index = held.any(1).nonzero()[:, 0].cpu().numpy()
        self.valid = _pick(rows.with_weight(weight * held), target, index)
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

    def counted(self, scaled=True):
        """Samples with a weight and a measured output; weights scaled to mean one."""
        kept = counted_samples(self.y, self.weight)
        found = self if kept is None else self.take(kept)
        weight = scaled_weight(found.weight, found.y) if scaled else found.weight
        return replace(found, weight=weight)


def note_modalities(estimator, data, again):
    """Set `modalities_seen_`; modalities without training samples count as missing.

    So do modalities that one sample has and a BatchNorm reads, since its variance needs
    two; its encoder is not trained.

    Parameters
    ----------
    estimator : ModalityEstimator
    data : TrainingData
    again : bool
        Whether its net is trained further, so that earlier samples count too.
    """
    counts, n_samples = data.present_counts(), len(data.train[0])
    once = [
        name
        for name, count in counts.items()
        if count == 1 < n_samples and _normalises(data.module, name)
    ]
    seen = [name for name, count in counts.items() if count and name not in once]
    if again:
        seen += getattr(estimator, "modalities_seen_", estimator.modalities_in_)
    data.hide(note_seen(estimator, seen, n_samples, once))


def _normalises(module, name):
    """Whether a BatchNorm, which cannot learn from one sample, reads a modality."""
    parts = [*module.encoders[name].modules(), *module.fusion.modules()]
    return any(isinstance(part, _BatchNorm) for part in parts)


def _pick(rows, target, index):
    index = torch.from_numpy(index).to(tensors_in(target)[0].device)
    rows, target = rows.subset(index), rows_at(target, index)
    return _scaled(rows, target), target


def _scaled(rows, target):
    """Rows with weights of mean one over their observed entries."""
    weight = rows.weight
    observed = None if weight is None else split_mask(target)[1]
    if observed is not None:
        observed = observed.flatten(1).sum(1).to(weight)
    if rows.by_member:
        columns = [mean_one(column, observed) for column in weight.unbind(1)]
        return rows.with_weight(torch.stack(columns, 1))
    return rows.with_weight(mean_one(weight, observed))


def counted_samples(y, weight):
    """Which samples have a weight and a measured output; None is all.

    Parameters
    ----------
    y : ndarray of shape (n_samples, ...), or other
    weight : ndarray of shape (n_samples,) or None
    """
    kept = measured_samples(y)
    if weight is None or weight.all():
        return kept
    return weight > 0 if kept is None else kept & (weight > 0)


def scaled_weight(weight, y):
    """Weights of mean one over all measured outputs of all samples.

    Parameters
    ----------
    weight : ndarray of shape (n_samples,) or None
    y : ndarray of shape (n_samples, ...), or other
    """
    measured = measured_entries(y) if isinstance(y, np.ndarray) else None
    return mean_one(weight, None if measured is None else measured.sum(axis=1))


def keep_outputs(y, train, valid, groups=None):
    """Move validation samples to the training set for outputs not measured in it.

    Parameters
    ----------
    y : ndarray of shape (n_samples, ...), or other
    train, valid : ndarray of int
        Indices.
    groups : ndarray of shape (n_samples,), optional
        Samples of one group are moved together.

    Returns
    -------
    (ndarray, ndarray)
        The same if every output is measured in a training sample, or no sample would
        be left for validation.
    """
    measured = measured_entries(y) if isinstance(y, np.ndarray) else None
    if measured is None:
        return train, valid
    never = ~measured[train].any(axis=0)
    first = valid[measured[valid].argmax(axis=0)[never & measured[valid].any(axis=0)]]
    if groups is not None:
        first = valid[np.isin(groups[valid], groups[first])]
    left = np.setdiff1d(valid, first)
    if len(first) == 0 or len(left) == 0:
        return train, valid
    return np.union1d(train, first), left


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
    weight = check_sample_weights(sample_weight, n_samples)
    weight = np.ones(n_samples) if weight is None else weight
    if not weight.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    if class_weight is not None:
        weight = weight * _weight_by_class(class_weight, y, weight)
    return mean_one(weight) if scaled else weight


def _weight_by_class(class_weight, y, sample_weight):
    if isinstance(class_weight, str):
        weight = _balanced(y, sample_weight)
    else:
        weight = _by_given_weights(class_weight, np.asarray(y))
    if weight.min() < 0 or not weight.any():
        raise ValueError(
            "class_weight must not be negative, nor zero for every class of y; got "
            f"{class_weight!r}."
        )
    return weight


def _by_given_weights(class_weight, y):
    """Weights by a dict, or by one dict for each column."""
    measured = measured_entries(y)
    if measured is None or not isinstance(class_weight, list):
        return compute_sample_weight(class_weight, y)
    if len(class_weight) != y.shape[1]:
        raise ValueError(
            "class_weight must have one dict for each column of y, "
            f"{y.shape[1]}; got {len(class_weight)}."
        )
    weight = np.ones(y.shape)
    for k, (column, one) in enumerate(zip(y.T, class_weight, strict=True)):
        weight[measured[:, k], k] = compute_sample_weight(one, column[measured[:, k]])
    return weight.prod(axis=1)


def _is_measured(y):
    return ~np.isnan(y) if y.dtype.kind == "f" else np.ones(len(y), dtype=bool)


def _balanced(y, sample_weight):
    """Weights by which the classes of every column have equal total weights.

    Samples without weight, and those of which a column is not measured, do not count
    in it: they are as if removed.
    """
    columns = np.asarray(y).reshape(len(sample_weight), -1).T
    return np.prod([_balanced_column(y, sample_weight) for y in columns], axis=0)


def _balanced_column(y, sample_weight):
    kept = (sample_weight > 0) & _is_measured(y)
    classes, place = np.unique(y[kept], return_inverse=True)
    factors = compute_class_weight(
        "balanced", classes=classes, y=y[kept], sample_weight=sample_weight[kept]
    )
    weight = np.ones(len(y))
    weight[kept] = factors[place]
    return weight


def check_sample_weights(sample_weight, n_samples):
    """Validated, non-negative float64 weights of shape (n_samples,); None stays None.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), number or None
        A number weights all samples equally, as in scikit-learn.
    n_samples : int

    Raises
    ------
    ValueError, TypeError
        If they are not finite non-negative numbers with a finite sum, one per sample.
    """
    if sample_weight is None:
        return None
    if hasattr(sample_weight, "__len__"):
        _check_length("sample_weight", sample_weight, n_samples)
    with prepending("sample_weight"):
        weight = check_sample_weight(
            sample_weight,
            np.empty((n_samples, 1)),
            dtype=np.float64,
            ensure_non_negative=True,
        )
        with np.errstate(over="ignore"):
            if not np.isfinite(weight.sum()):
                raise ValueError("the sum of the weights is not finite; scale them.")
    return np.require(weight, requirements="W")  # those of pandas are read-only


def check_has_samples(X, name="X"):
    """Raise a ValueError if X is not a container of samples; return their number."""
    try:
        return num_samples(X)
    except TypeError as error:
        raise ValueError(
            f"{name} must be modalities or an array with one entry per sample; got "
            f"{_shown(X)}."
        ) from error


def check_groups(groups, n_samples, X=None):
    """Return groups as an array, after a check that they match X; None stays None.

    Parameters
    ----------
    groups : array-like of shape (n_samples,) or None
    n_samples : int
    X : ModalityDict, optional
        Groups must not have other row labels.

    Raises
    ------
    ValueError
        If their number or their row labels differ from those of X, or some are NaN.
    """
    if groups is None:
        return None
    check_row_labels(X, groups=groups)
    _check_length("groups", groups, n_samples)
    groups = column_or_1d(groups)
    if missing := int(np.sum(isna(groups))):
        raise ValueError(
            f"groups contains NaN in {missing} of {n_samples} samples; name a group "
            "for every sample."
        )
    return groups


def _check_length(name, values, n_samples):
    shape = np.shape(values)
    if len(shape) != 1 or shape[0] != n_samples:
        got = _shown(values) if not shape else f"shape {shape}"
        got = f"{shape[0]}" if len(shape) == 1 else got
        raise ValueError(
            f"{name} must have one entry per sample of X, {n_samples}; got {got}."
        )


def _shown(value):
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def mean_one(weight, counts=None):
    """Weights scaled to mean one; None and all-zero weights are returned as is.

    Parameters
    ----------
    weight : ndarray or Tensor of shape (n_samples,), or None
    counts : ndarray or Tensor of shape (n_samples,), optional
        Number of measured outputs of each sample; the mean is over these.
    """
    if weight is None or not weight.any():
        return weight
    if counts is None:
        return weight / weight.mean()
    return weight * (counts.sum() / (weight * counts).sum())


A_SPLITTER = "a number of folds, a splitter or an iterable of (train, test) indices"
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
    if isinstance(splitter, (type, str)):
        raise ValueError(f"{name} must be {A_SPLITTER}; got {splitter!r}.")
    if isinstance(getattr(splitter, "cv", None), list):  # of check_cv
        return check_pairs(splitter.cv, num_samples(X), name)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", IGNORED, UserWarning)
            pairs = list(splitter.split(X, y, groups))
    except ValueError as error:
        if groups is None and isinstance(splitter, GroupsConsumerMixin):
            raise ValueError(
                f"{name}={splitter!r} needs groups; pass groups=groups along with X "
                "and y."
            ) from error
        raise
    return check_pairs(pairs, num_samples(X), name)


def check_pairs(pairs, n_samples, name="cv"):
    """Check pairs of training and test indices; return them as integer arrays.

    Parameters
    ----------
    pairs : list of (array-like, array-like)
        Indices, or boolean masks.
    n_samples : int
    name : str, default="cv"
        Name of the parameter that they come from, for errors.

    Returns
    -------
    list of (ndarray, ndarray)

    Raises
    ------
    ValueError
        If there are none, or one is not a pair of indices of samples.
    """
    if not pairs:
        raise ValueError(
            f"{name} must give at least one (train, test) split; got none."
        )
    return [_pair(pair, k, n_samples, name) for k, pair in enumerate(pairs)]


def _pair(pair, number, n_samples, name):
    try:
        train, test = pair
        return tuple(_indices(part, n_samples) for part in (train, test))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must be {A_SPLITTER}, from 0 to {n_samples - 1}; "
            f"split {number} is {pair!r:.80}."
        ) from error


def _indices(part, n_samples):
    part = np.asarray(part)
    if part.dtype == bool and part.shape == (n_samples,):
        part = np.flatnonzero(part)
    integers = part.ndim == 1 and part.size and np.issubdtype(part.dtype, np.integer)
    if not integers or part.min() < 0 or part.max() >= n_samples:
        raise ValueError
    return part


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
