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

from skmm.nn.seeds import derive


def splitter(owner, y, groups):
    """The splitter of `cv`; a number stratifies classes and keeps groups together."""
    if not isinstance(owner.cv, (int, np.integer)):
        return owner.cv
    units = y if groups is None else np.unique(groups)
    count = min(owner.cv, len(units))
    stratified = can_stratify(owner, y, count)
    kinds = (KFold, StratifiedKFold)
    if groups is not None:
        kinds = (GroupKFold, StratifiedGroupKFold)
    return kinds[stratified](count, shuffle=True, random_state=_seed(owner, "folds"))


def calibration_rows(owner, y, groups):
    """Rows to fit on, and rows to test on."""
    kind = ShuffleSplit if groups is None else GroupShuffleSplit
    if groups is None and can_stratify(owner, y, 4):
        kind = StratifiedShuffleSplit
    seed, share = _seed(owner, "calibration"), owner.calibration_fraction
    split = kind(1, test_size=share, random_state=seed)
    return next(split.split(np.empty((len(y), 1)), y, groups))


def can_stratify(owner, y, least):
    """Whether y has classes, and each of them so many rows."""
    if not hasattr(owner, "classes_"):
        return False
    return bool(np.unique(y, return_counts=True)[1].min() >= least)


def _seed(owner, name):
    return derive(owner._seed, name) % 2**32
