"""What training needs: a module, samples, their weights, and how they are split."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from skmm._sklearn import GroupsConsumerMixin, check_sample_weight, num_samples
from skmm._warnings import warn
from skmm.data.tensors import TensorRows, rows_at, tensors_in
from skmm.data.validation import note_seen
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
    """

    module: MultimodalModule
    train: tuple[TensorRows, torch.Tensor]
    valid: tuple[TensorRows, torch.Tensor] | None = None

    def nbytes(self):
        """Size of the training samples as dense arrays, in bytes."""
        rows = self.train[0]
        return sum(len(rows) * source[:1].nbytes for source in rows.x.values())

    def modalities_present(self):
        """Names of the modalities that at least one training sample has."""
        rows = self.train[0]
        some = [True] * len(rows.x)
        some = some if rows.present is None else rows.present.any(0).tolist()
        return [name for name, any_ in zip(rows.x, some, strict=True) if any_]

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


def note_modalities(estimator, data, again):
    """Set `modalities_seen_`; modalities without training samples count as missing.

    Parameters
    ----------
    estimator : ModalityEstimator
    data : TrainingData
    again : bool
        Whether its net is trained further, so that earlier samples count too.
    """
    seen = data.modalities_present()
    if again:
        seen += getattr(estimator, "modalities_seen_", estimator.modalities_in_)
    data.hide(note_seen(estimator, seen, len(data.train[0])))


def _pick(rows, target, index):
    index = torch.from_numpy(index).to(tensors_in(target)[0].device)
    rows = rows.subset(index)
    return rows.with_weight(mean_one(rows.weight)), rows_at(target, index)


NOT_STRATIFIED = "the validation set is not stratified"


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


def check_has_samples(X, name="X"):
    """Raise a ValueError if X is not a container of samples; return their number."""
    try:
        return num_samples(X)
    except TypeError as error:
        raise ValueError(
            f"{name} must be modalities or an array with one entry per sample; got "
            f"{_shown(X)}."
        ) from error


def check_sample_weights(sample_weight, n_samples):
    """Return checked weights of shape (n_samples,), or None."""
    if sample_weight is None:
        return None
    _check_length("sample_weight", sample_weight, n_samples)
    try:
        return check_sample_weight(
            sample_weight, np.empty((n_samples, 1)), ensure_non_negative=True
        )
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"sample_weight must be finite, non-negative numbers: {error}"
        ) from error


def check_groups(groups, n_samples):
    """Return groups as an array of shape (n_samples,), or None."""
    if groups is None:
        return None
    _check_length("groups", groups, n_samples)
    return np.asarray(groups)


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


def mean_one(weight):
    """Weights scaled to mean one; None and all-zero weights are returned as is."""
    return weight if weight is None or not weight.any() else weight / weight.mean()


def split_samples(n_samples, fraction, labels, seed):
    """Indices of a training and a validation set.

    Parameters
    ----------
    n_samples : int
    fraction : float
        Fraction of samples in the validation set.
    labels : ndarray of shape (n_samples,) or None
        Stratify by these classes. If a class has only one sample, or there are fewer
        training or validation samples than classes, the split is random and a warning
        is issued.
    seed : int

    Returns
    -------
    (ndarray, ndarray)
    """
    if n_samples < 3:
        raise ValueError(
            "early_stopping and measures of overfitting need at least 3 samples with "
            f"non-zero weight to form a validation set; got {n_samples}."
        )
    size = min(max(1, round(fraction * n_samples)), n_samples - 2)
    train, valid = train_test_split(
        np.arange(n_samples),
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
    warn(
        f"{NOT_STRATIFIED}: class {rarest!r} has {counts.min()} sample(s), and there "
        f"are {len(labels) - size} training and {size} validation sample(s) for "
        f"{len(classes)} classes."
    )
    return False


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
