"""Splits into training and test samples, with what the statistics need of them."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)
from sklearn.utils import check_random_state

from skmm.base.training_data import check_groups_together, split_pairs
from skmm.model_selection.bootstrap import BootstrapOutOfBag

REPEATS, FOLDS = 10, 5


@dataclass
class Splits:
    """Pairs of training and test samples.

    Attributes
    ----------
    pairs : list of (ndarray, ndarray)
    n_repeats : int or None
        How often every sample is tested; None if not all are equally often, as with
        bootstraps, where tests by samples are not possible.
    ratio : float
        Test samples over training samples, where repeated ones count once.
    """

    pairs: list
    n_repeats: int | None
    ratio: float

    @property
    def test_sizes(self):
        """Number of test samples of each split."""
        return np.array([len(test) for _, test in self.pairs])

    @property
    def n_folds(self):
        """Number of splits per repeat."""
        return len(self.pairs) // self.n_repeats


def make_splits(resampling, estimator, X, y, groups, random_state, name="resampling"):
    """Return the splits that all models share.

    Parameters
    ----------
    resampling : int, splitter, iterable of pairs or None
        None is 10 repeats of 5 folds.
    estimator : estimator
    X : ModalityDict
    y : ndarray of shape (n_samples, ...)
    groups : ndarray of shape (n_samples,) or None
    random_state : int, RandomState or None
    name : str, default="resampling"
        Name of the first parameter in the calling function, for errors.
    """
    classes = is_classifier(estimator)
    if resampling is None:
        classes = classes and y.ndim == 1  # several labels cannot be stratified
        if classes:
            _check_class_sizes(y)
        pairs = _repeated(X, y, groups, classes, check_random_state(random_state))
    else:
        pairs = pairs_for(resampling, classes, X, y, groups, name)
    if len(pairs) < 2:
        raise ValueError(f"{name} must give at least 2 splits; got {len(pairs)}.")
    tested = np.bincount(np.concatenate([t for _, t in pairs]), minlength=len(X))
    equal = tested.min() == tested.max() and len(pairs) > tested[0]
    ratio = np.mean([len(test) / len(np.unique(train)) for train, test in pairs])
    return Splits(pairs, int(tested[0]) if equal else None, float(ratio))


def pairs_for(resampling, classes, X, y, groups, name):
    """Return pairs of training and test samples that keep groups together.

    Parameters
    ----------
    resampling : int, splitter or iterable of pairs
        A number of folds keeps groups together; other splitters must do so.
    classes : bool
        Whether y has classes.
    X : ModalityDict
    y : ndarray of shape (n_samples, ...)
    groups : ndarray of shape (n_samples,) or None
    name : str
        Name of the first parameter in the calling function, for errors.
    """
    classes = classes and np.ndim(y) == 1  # several labels cannot be stratified
    splitter = _splitter(resampling, y, groups, classes)
    labels = y if classes or not isinstance(splitter, BootstrapOutOfBag) else None
    pairs = split_pairs(splitter, labels, groups, X, name)
    check_groups_together(resampling, pairs, groups, name)
    return pairs


def _splitter(resampling, y, groups, classes):
    if groups is not None and isinstance(resampling, Integral):
        return (StratifiedGroupKFold if classes else GroupKFold)(resampling)
    return check_cv(resampling, y, classifier=classes)


def _repeated(X, y, groups, classes, rng):
    kinds = {
        (True, False): StratifiedKFold,
        (False, False): KFold,
        (True, True): StratifiedGroupKFold,
        (False, True): GroupKFold,
    }
    kind = kinds[classes, groups is not None]
    if groups is not None and (count := len(np.unique(groups))) < FOLDS:
        raise ValueError(
            f"the default resampling needs at least {FOLDS} groups, one per fold; got "
            f"{count}. Give resampling={max(count, 2)}, a number of folds."
        )
    pairs = []
    for _ in range(REPEATS):
        seed = rng.randint(2**31 - 1)
        splitter = kind(FOLDS, shuffle=True, random_state=seed)
        pairs += list(splitter.split(np.zeros(len(X)), y, groups))
    return pairs


def _check_class_sizes(y):
    labels, counts = np.unique(y, return_counts=True)
    if counts.min() < FOLDS:
        label = labels[counts.argmin()].item()
        raise ValueError(
            f"every class needs at least {FOLDS} samples, one per fold of the default "
            f"resampling; class {label!r} has {counts.min()}. Merge or drop rare "
            "classes, or give resampling=, such as RepeatedStratifiedKFold(n_splits=2)."
        )
