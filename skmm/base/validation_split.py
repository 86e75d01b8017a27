"""The validation set of a fit: given by the user, or set aside."""

import warnings
from contextlib import contextmanager

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    GroupKFold,
    StratifiedGroupKFold,
    train_test_split,
)
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object

from skmm._random import derive
from skmm._routing import routing_enabled
from skmm._sklearn import BaseSearchCV, GroupsConsumerMixin
from skmm._views import quantity
from skmm._warnings import warn
from skmm.base.monitor import Monitor
from skmm.base.training_data import Samples, check_several_groups, keep_outputs
from skmm.data.tensors import tensors_in, to_device, to_rows
from skmm.training.callbacks import LOSS

NOT_STRATIFIED = "the validation set is not stratified"


def split_samples(n_samples, fraction, labels, seed, groups=None):
    """Indices of a training and a validation set.

    Parameters
    ----------
    n_samples : int
    fraction : float
        Fraction of samples in the validation set, `validation_fraction`.
    labels : ndarray of shape (n_samples,) or None
        Stratify by these classes. If a class has only one sample, or there are fewer
        training or validation samples than classes, the split is random and a warning
        is issued.
    seed : int
    groups : ndarray of shape (n_samples,), optional
        Samples of one group are in the same set.

    Returns
    -------
    (ndarray, ndarray)

    Raises
    ------
    ValueError
        If there are fewer than 3 samples, or only one group.
    """
    if n_samples < 3:
        raise ValueError(
            "early_stopping and measures of overfitting need at least 3 samples with "
            f"non-zero weight, of which validation_fraction={fraction:g} form a "
            f"validation set; got {n_samples}. Use more samples, or pass "
            "validation_data."
        )
    if groups is not None:
        return _split_groups(groups, labels, fraction, seed)
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
        f"{NOT_STRATIFIED}: class {rarest!r} has {quantity(counts.min(), 'sample')}, "
        f"and {len(labels) - size} samples are for training and {size} for validation, "
        f"of {len(classes)} classes. Use more samples of each class, or another "
        "validation_fraction."
    )
    return False


def _split_groups(groups, labels, fraction, seed):
    check_several_groups(groups, "of which validation_fraction sets some aside")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        valid = validation_groups(groups, labels, fraction, seed)
    train = np.setdiff1d(np.arange(len(groups)), valid)
    if labels is not None:
        only = np.setdiff1d(labels[valid], labels[train]).tolist()
        if only:
            warn(
                f"{NOT_STRATIFIED}: all samples of class {only[0]!r} are in it, since "
                "samples of one group stay together. Add groups with this class, or "
                "pass validation_data."
            )
    return train, valid


def validation_groups(groups, labels, fraction, seed):
    """Return indices of whole groups with about a fraction of the samples.

    Parameters
    ----------
    groups : ndarray of shape (n_samples,)
        At least two different ones.
    labels : ndarray of shape (n_samples,) or None
        Classes, whose shares are kept as far as the groups allow.
    fraction : float
    seed : int

    Returns
    -------
    ndarray of int
    """
    n_folds = round(1 / min(fraction, 1 - fraction))
    n_folds = min(max(2, n_folds), len(np.unique(groups)))
    labels = np.zeros(len(groups)) if labels is None else labels
    stratified = np.unique(labels, return_counts=True)[1].max() >= n_folds
    kind = StratifiedGroupKFold if stratified else GroupKFold
    split = kind(n_folds, shuffle=True, random_state=seed % 2**32)
    parts = next(split.split(np.empty((len(groups), 1)), labels, groups))
    return parts[0 if fraction > 0.5 else 1]


FEWEST_TO_STOP = 100  # samples; a smaller validation set says little


def early_stopping_in_use(estimator, n_samples, scaled, validation_data=None):
    """Value of `early_stopping`, with "auto" replaced by True or False.

    Parameters
    ----------
    estimator : ModalityEstimator
    n_samples : int
        Number of samples with a weight above zero.
    scaled : bool
        False in `partial_fit`, which does not stop early.
    validation_data : tuple, optional
        That of `fit`.

    Returns
    -------
    bool or "keep_start"
    """
    if estimator.early_stopping != "auto":
        return estimator.early_stopping
    enough = n_samples >= FEWEST_TO_STOP or validation_data is not None
    return scaled and enough


def set_validation(estimator, data, samples, given=None):
    """Set the validation set of training data, and return it as `monitor` needs it.

    Parameters
    ----------
    estimator : ModalityEstimator
        Its target is already learned.
    data : TrainingData
    samples : Samples
        The training samples, of which some are set aside unless others are given.
    given : (X, y) or (X, y, sample_weight), optional
        `validation_data` of `fit`.

    Returns
    -------
    Samples or None
    """
    held = None
    if given is not None:
        held = read_validation_data(estimator, given)
        device = tensors_in(data.train[1])[0].device
        target = to_device(estimator._target.encode(held.y), device)
        data.valid = to_rows(held.X, data.module, device, held.weight), target
    elif estimator._needs_valid():
        if _differs_by_member(estimator, samples):
            data.hold_out(validation_masks(estimator, samples.y, samples.groups))
            return None
        drawn = samples.valid, samples.groups
        train, valid = validation_indices(estimator, samples.y, *drawn)
        data.split(train, valid)
        if estimator.monitor != LOSS:
            held = samples.take(valid)
    return held


def _differs_by_member(estimator, samples):
    """Whether each net of an ensemble sets other samples aside.

    A score is of the mean prediction, and an objective that compares samples would
    compare with those that are set aside: all nets then have one validation set.
    """
    compares = getattr(estimator._objective(), "compares_samples", False)
    alike = estimator.monitor != LOSS or samples.valid is not None or compares
    return estimator.n_estimators > 1 and not alike


def set_monitor(estimator, data, held):
    """Set what computes `monitor`, after unseen modalities are hidden.

    Parameters
    ----------
    estimator : ModalityEstimator
    data : TrainingData
    held : Samples or None
        Result of `set_validation`.
    """
    if estimator.monitor != LOSS:
        data.monitor = Monitor.of(estimator, data.valid, held)


def validation_masks(estimator, y, groups=None):
    """Which samples each net of an ensemble sets aside.

    Parameters
    ----------
    estimator : ModalityEstimator
    y : ndarray of shape (n_samples, ...)
    groups : ndarray of shape (n_samples,), optional

    Returns
    -------
    ndarray of shape (n_samples, n_estimators) of bool
        The first column is that of a single net.
    """
    masks = np.zeros((len(y), estimator.n_estimators), dtype=bool)
    for i in range(estimator.n_estimators):
        _, valid = validation_indices(estimator, y, groups=groups, member=i)
        masks[valid, i] = True
    return masks


def validation_indices(estimator, y, valid=None, groups=None, member=0):
    """Indices of the training and the validation set of a fit.

    Parameters
    ----------
    estimator : ModalityEstimator
    y : ndarray of shape (n_samples, ...)
    valid : ndarray of shape (n_samples,) of bool, optional
        The validation set, if it is already drawn.
    groups : ndarray of shape (n_samples,), optional
    member : int, default=0
        Number of the net in an ensemble, which gives another split.

    Returns
    -------
    (ndarray, ndarray)
    """
    if valid is not None and valid.any() and not valid.all():
        return np.flatnonzero(~valid), np.flatnonzero(valid)
    which = ("member", member) if member else ()
    seed = derive(estimator._seed, "validation", *which)
    labels = estimator._target.strata(y)
    fraction = estimator.validation_fraction
    found = split_samples(len(y), fraction, labels, seed, groups)
    return keep_outputs(y, *found, groups)


# -- what is passed to fit ---------------------------------------------------------


def read_validation_data(estimator, validation_data):
    """Return the checked samples of `validation_data` with non-zero weight.

    Parameters
    ----------
    estimator : ModalityEstimator
        Its target is already learned.
    validation_data : (X, y) or (X, y, sample_weight)

    Returns
    -------
    Samples

    Raises
    ------
    ValueError, TypeError
        If it does not match the training data; the message starts with
        "validation_data".
    """
    X, y, given = unpacked(validation_data)
    with naming_validation_data():
        return Samples(*estimator._read_validation(X, y, given)).counted()


def unpacked(validation_data):
    """X, y and sample weights, or None, of `validation_data`."""
    is_tuple = isinstance(validation_data, (tuple, list))
    if not is_tuple or len(validation_data) not in (2, 3):
        raise TypeError(
            "validation_data must be a tuple (X, y) or (X, y, sample_weight); got "
            f"{_shown(validation_data)}."
        )
    return (*validation_data, None)[:3]


def _shown(value):
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of length {len(value)}"
    return type(value).__name__


@contextmanager
def naming_validation_data():
    """Start the messages of errors with "validation_data"."""
    try:
        yield
    except (ValueError, TypeError) as error:
        text = f"validation_data: {error}"
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(text) from error


# -- groups of meta-estimators -----------------------------------------------------


def groups_for(estimator, groups):
    """Arguments by which groups are passed to `fit`, if samples are set aside in it.

    Parameters
    ----------
    estimator : estimator
        Uses groups if it is an estimator of skmm that sets samples aside or a search
        whose splitter needs groups. The steps of a Pipeline get them by their names;
        other meta-estimators if metadata routing is enabled and they route groups.
    groups : ndarray of shape (n_samples,) or None

    Returns
    -------
    dict
        Empty if groups would not be used.
    """
    if groups is None:
        return {}
    if isinstance(estimator, Pipeline) and not routing_enabled():
        return {
            f"{name}__{key}": value
            for name, step in estimator.steps
            for key, value in groups_for(step, groups).items()
        }
    routes = bool(_nested_users(estimator)) and _routes_groups(estimator)
    return {"groups": groups} if _takes_groups(estimator) or routes else {}


def uses_groups(estimator):
    """Whether `fit` of an estimator would use groups that it is passed."""
    return bool(groups_for(estimator, ()))


def warn_unused_groups(estimator):
    """Warn of a nested estimator that sets samples aside and does not get groups.

    Parameters
    ----------
    estimator : estimator
    """
    message = unused_groups(estimator)
    if message is not None:
        warn(message)


def unused_groups(estimator):
    """Say which nested estimator sets samples aside and does not get groups, or None.

    Parameters
    ----------
    estimator : estimator
    """
    if isinstance(estimator, Pipeline) and not routing_enabled():
        messages = (unused_groups(step) for _, step in estimator.steps)
        return next((text for text in messages if text is not None), None)
    users = _nested_users(estimator)
    handles = hasattr(estimator, "_uses_groups") and _takes_groups(estimator)
    if not users or handles or _routes_groups(estimator):
        return None
    outer = type(estimator).__name__
    fix = (
        f"{outer} cannot route them: replace it"
        if routing_enabled()
        else "Use sklearn.set_config(enable_metadata_routing=True)"
    )
    return (
        f"groups do not reach {users[0]} in {outer}, so the samples that it sets aside "
        f"may be of groups that it is trained on. {fix}, or set no samples aside, such "
        "as with early_stopping=False."
    )


def _takes_groups(estimator):
    """Whether `fit` has a parameter `groups`, and uses it."""
    if isinstance(estimator, FrozenEstimator):  # which has the attributes of its own
        return False
    if hasattr(estimator, "_uses_groups"):
        return estimator._uses_groups()
    needs = isinstance(getattr(estimator, "cv", None), GroupsConsumerMixin)
    return needs and isinstance(estimator, BaseSearchCV)


def _routes_groups(estimator):
    """Whether metadata routing passes groups from `fit` to a nested estimator."""
    try:
        routing = get_routing_for_object(estimator)
    except NotImplementedError:  # of meta-estimators that do not route
        return False
    return routing_enabled() and bool(routing.consumes("fit", ["groups"]))


def _nested_users(estimator):
    """Class names of nested estimators that are fitted and would use groups."""
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        return []
    params = estimator.get_params()
    frozen = tuple(k for k, v in params.items() if isinstance(v, FrozenEstimator))
    return [
        type(value).__name__
        for key, value in params.items()
        if hasattr(value, "_uses_groups") and not isinstance(value, type)
        if not key.startswith(frozen) and value._uses_groups()
    ]
