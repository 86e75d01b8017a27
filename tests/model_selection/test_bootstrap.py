"""BootstrapOutOfBag: disjoint, complete, scorable, as often as the theory says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from skmm import ModalityDict
from skmm.model_selection import BootstrapOutOfBag

Y = np.repeat([0, 1, 2], [24, 23, 25])


@given(seed=st.integers(0, 99), stratify=st.booleans())
@settings(max_examples=30, deadline=None)
def test_out_of_bag_is_the_complement(seed, stratify):
    splitter = BootstrapOutOfBag(3, stratify=stratify, random_state=seed)
    for train, test in splitter.split(Y, Y):
        assert len(train) == len(Y)
        assert sorted({*train, *test}) == list(range(len(Y)))
        assert not set(train) & set(test)
        assert len(np.unique(Y[test])) > 1
        if stratify:
            np.testing.assert_array_equal(np.bincount(Y[train]), np.bincount(Y))


@pytest.mark.parametrize(
    ("stratify", "share"), [(False, (1 - 1 / 72) ** 72), (True, 25.926 / 72)]
)
def test_share_out_of_bag(stratify, share):
    splitter = BootstrapOutOfBag(2000, stratify=stratify, random_state=0)
    shares = [len(test) / len(Y) for _, test in splitter.split(Y, Y)]
    assert np.mean(shares) == pytest.approx(share, abs=4 * np.std(shares) / 2000**0.5)


def test_groups_stay_together():
    groups = np.arange(72) // 4
    for train, test in BootstrapOutOfBag(20, random_state=0).split(Y, Y, groups):
        assert not set(groups[train]) & set(groups[test])
        counts = np.bincount(groups[train])
        assert (counts % 4 == 0).all()


def test_regression_and_missing_y_are_not_stratified():
    X = ModalityDict(a=np.zeros((30, 2)))
    for y in (None, np.linspace(0, 1, 30)):
        splits = list(BootstrapOutOfBag(4, random_state=1).split(X, y))
        assert len(splits) == 4
        assert all(len(test) > 0 for _, test in splits)


def test_is_a_scikit_learn_splitter():
    splitter = BootstrapOutOfBag(7, random_state=3)
    assert splitter.get_n_splits() == 7
    first, second = (list(clone(splitter, safe=False).split(Y, Y)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
    X = np.random.default_rng(0).normal(size=(72, 3))
    assert len(cross_val_score(LogisticRegression(), X, Y, cv=splitter)) == 7
    assert "n_splits=7" in repr(splitter)


def test_splits_that_cannot_be_scored():
    with pytest.raises(ValueError, match="bootstraps of 2 samples"):
        next(BootstrapOutOfBag().split(np.zeros(2), [0, 1]))
    with pytest.raises(ValueError, match=r"y must have .* got 3"):
        next(BootstrapOutOfBag().split(np.zeros(2), [0, 1, 1]))
