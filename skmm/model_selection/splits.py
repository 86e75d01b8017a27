"""Which rows are trained on and tested on, and what that means for the statistics."""

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

from skmm.base.groups import check_groups_together, split_pairs
from skmm.model_selection.bootstrap import BootstrapOutOfBag

REPEATS, FOLDS = 10, 5


@dataclass
class Splits:
    """Pairs of training and test rows.

    Attributes
    ----------
    pairs : list of (ndarray, ndarray)
    n_repeats : int or None
        How often every row is tested; None if not all are equally often, as with
        bootstraps, where nothing can be said by rows.
    ratio : float
        Test rows over training rows, those drawn twice counted once.
    """

    pairs: list
    n_repeats: int | None
    ratio: float

    @property
    def n_folds(self):
        """Splits per repeat."""
        return len(self.pairs) // self.n_repeats


def make_splits(resampling, estimator, X, y, groups, random_state, name="resampling"):
    """Draw the splits that all models share.

    Parameters
    ----------
    resampling : int, splitter, iterable of pairs or None
        None is 10 repeats of 5 folds.
    estimator : estimator
    X : ModalityDict
    y : ndarray of shape (n, ...)
    groups : ndarray of shape (n,) or None
    random_state : int, RandomState or None
    name : str, default="resampling"
        What the caller calls the first parameter.
    """
    classes = is_classifier(estimator)
    if resampling is None:
        _refuse_small_classes(y if classes else None)
        pairs = _repeated(X, y, groups, classes, check_random_state(random_state))
    else:
        pairs = pairs_for(resampling, classes, X, y, groups, name)
    if len(pairs) < 2:
        raise ValueError(f"{name} gives {len(pairs)} split(s); 2 are the least.")
    tested = np.bincount(np.concatenate([t for _, t in pairs]), minlength=len(X))
    whole = tested.min() == tested.max() and len(pairs) > tested[0]
    ratio = np.mean([len(test) / len(np.unique(train)) for train, test in pairs])
    return Splits(pairs, int(tested[0]) if whole else None, float(ratio))


def pairs_for(resampling, classes, X, y, groups, name):
    """Pairs of training and test rows, which separate no groups.

    Parameters
    ----------
    resampling : int, splitter or iterable of pairs
        A number of folds keeps groups together; splitters that do not are refused.
    classes : bool
        Whether y are classes.
    X : ModalityDict
    y : ndarray of shape (n, ...)
    groups : ndarray of shape (n,) or None
    name : str
        What the caller calls the first parameter.
    """
    splitter = _splitter(resampling, y, groups, classes)
    labels = y if classes or not isinstance(splitter, BootstrapOutOfBag) else None
    pairs = split_pairs(splitter, labels, groups, X, name)
    pairs = [tuple(map(np.asarray, pair)) for pair in pairs]
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
    pairs = []
    for _ in range(REPEATS):
        seed = rng.randint(2**31 - 1)
        splitter = kind(FOLDS, shuffle=True, random_state=seed)
        pairs += list(splitter.split(np.zeros(len(X)), y, groups))
    return pairs


def _refuse_small_classes(y):
    if y is None or y.ndim > 1:
        return
    labels, counts = np.unique(y, return_counts=True)
    if counts.min() < FOLDS:
        label = labels[counts.argmin()].item()
        raise ValueError(
            f"class {label!r} has {counts.min()} row(s), fewer than the {FOLDS} folds "
            "of the default resampling. Join or drop rare classes, or give "
            "resampling=, as RepeatedStratifiedKFold(n_splits=2)."
        )
