"""Which rows train, and which are evidence."""

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
)

from skmm._random import derive
from skmm.base.groups import pairs_of, refuse_one_group, refuse_split_groups


def folds(owner, y, groups):
    """Pairs of rows to train on and rows held out.

    A number of folds stratifies classes and keeps groups together. A splitter of the
    user's sees all rows that were given; those that are not here are then left out.

    Raises
    ------
    ValueError
        If there is one group only, or a splitter puts rows of one group on both sides.
    """
    refuse_one_group(groups, "to hold one out")
    if isinstance(owner.cv, (int, np.integer)):
        return pairs_of(_splitter(owner, y, groups), y, groups)
    n_given, y_given, groups_given = owner._given
    place = np.full(n_given, -1)
    place[owner._given_rows] = np.arange(len(owner._given_rows))
    found = pairs_of(owner.cv, y_given, groups_given)
    pairs = [tuple(place[rows][place[rows] >= 0] for rows in pair) for pair in found]
    pairs = [(train, test) for train, test in pairs if len(train) and len(test)]
    refuse_split_groups(owner.cv, pairs, groups)
    return pairs


def _splitter(owner, y, groups):
    units = y if groups is None else np.unique(groups)
    count = min(owner.cv, len(units))
    stratified = can_stratify(owner, y, count)
    kinds = (KFold, StratifiedKFold)
    if groups is not None:
        kinds = (GroupKFold, StratifiedGroupKFold)
    return kinds[stratified](count, shuffle=True, random_state=_seed(owner, "folds"))


def calibration_rows(owner, y, groups):
    """Rows to fit on, and rows to test on."""
    refuse_one_group(groups, "to set one aside")
    kind = ShuffleSplit if groups is None else GroupShuffleSplit
    if groups is None and _enough_of_each(owner, y):
        kind = StratifiedShuffleSplit
    seed, share = _seed(owner, "calibration"), owner.calibration_fraction
    split = kind(1, test_size=share, random_state=seed)
    return next(split.split(np.empty((len(y), 1)), y, groups))


def groups_aside(groups, labels, fraction, seed):
    """Numbers of rows for early stopping: whole groups, about a share of the rows.

    Parameters
    ----------
    groups : ndarray (n,)
        Of two or more kinds.
    labels : ndarray (n,) or None
        Classes, whose shares are kept as far as groups allow.
    fraction : float
    seed : int

    Returns
    -------
    ndarray of int
    """
    count = round(1 / min(fraction, 1 - fraction))
    count = min(max(2, count), len(np.unique(groups)))
    known = np.zeros(len(groups)) if labels is None else labels
    stratified = np.unique(known, return_counts=True)[1].max() >= count
    kind = StratifiedGroupKFold if stratified else GroupKFold
    split = kind(count, shuffle=True, random_state=seed % 2**32)
    parts = next(split.split(np.empty((len(groups), 1)), known, groups))
    return parts[0 if fraction > 0.5 else 1]


def can_stratify(owner, y, least):
    """Whether y has classes, and one of them so many rows."""
    if not hasattr(owner, "classes_"):
        return False
    return bool(np.unique(y, return_counts=True)[1].max() >= least)


def _seed(owner, name):
    return derive(owner._seed, name) % 2**32


def _enough_of_each(owner, y):
    if not hasattr(owner, "classes_"):
        return False
    counts = np.unique(y, return_counts=True)[1]
    rows = min(owner.calibration_fraction, 1 - owner.calibration_fraction) * len(y)
    return bool(counts.min() >= 2 and rows >= len(counts) + 1)
