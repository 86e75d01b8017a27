"""Splits that all models share."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, RepeatedKFold, ShuffleSplit

from skmm.model_selection import BootstrapOutOfBag
from skmm.model_selection.splits import make_splits

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 3)), RNG.integers(2, size=60)


def test_default_splits_are_ten_times_five_folds():
    splits = make_splits(None, LogisticRegression(), X, Y, None, 0)
    assert (len(splits.pairs), splits.n_repeats, splits.n_folds) == (50, 10, 5)
    assert splits.ratio == pytest.approx(0.25)
    counts = {len(test) for _, test in splits.pairs}
    assert counts <= {11, 12, 13}


@pytest.mark.parametrize("resampling", [None, 3, BootstrapOutOfBag(3)])
def test_groups_stay_together(resampling):
    groups = np.repeat(np.arange(15), 4)
    for model, y in ((LogisticRegression(), Y), (LinearRegression(), X[:, 0])):
        splits = make_splits(resampling, model, X, y, groups, 0)
        assert len(splits.pairs) == (50 if resampling is None else 3)
        for train, test in splits.pairs:
            assert not set(groups[train]) & set(groups[test])


def test_splitters_that_separate_groups_are_rejected():
    groups = np.repeat(np.arange(15), 4)
    with pytest.raises(ValueError, match=r"resampling=KFold.* separates rows of one"):
        make_splits(KFold(3, shuffle=True), LogisticRegression(), X, Y, groups, 0)
    with pytest.raises(ValueError, match=r"cv=GroupKFold.* needs groups"):
        make_splits(GroupKFold(3), LogisticRegression(), X, Y, None, 0, "cv")


@pytest.mark.parametrize(
    ("resampling", "repeats"),
    [
        (5, 1),
        (RepeatedKFold(n_splits=4, n_repeats=3, random_state=0), 3),
        (BootstrapOutOfBag(7, random_state=0), None),
        (ShuffleSplit(6, random_state=0), None),
    ],
)
def test_number_of_repeats_of_a_splitter(resampling, repeats):
    splits = make_splits(resampling, LogisticRegression(), X, Y, None, 0)
    assert splits.n_repeats == repeats


def test_ratio_of_bootstraps_counts_samples_once():
    resampling = BootstrapOutOfBag(50, random_state=0)
    splits = make_splits(resampling, LogisticRegression(), X, Y, None, 0)
    assert splits.ratio == pytest.approx(0.368 / 0.632, rel=0.05)


def test_small_classes_are_named():
    y = np.array(["common"] * 57 + ["rare"] * 3)
    with pytest.raises(ValueError, match=r"at least 5 samples.*'rare' has 3"):
        make_splits(None, LogisticRegression(), X, y, None, 0)
