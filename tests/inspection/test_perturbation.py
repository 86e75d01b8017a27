"""Modalities without information about their samples."""

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, RegressorMixin

from skmm import ModalityDict
from skmm._random import derangement
from skmm.data.tensors import to_tensors
from skmm.inspection import modality_importance
from skmm.inspection._perturbation import (
    check_groups_of_modalities,
    check_repeats,
    perturbed,
)

RNG = np.random.default_rng(7)
MANY = ModalityDict(
    a=RNG.normal([3.0, -5.0], [0.1, 4.0], size=(5000, 2)), b=RNG.normal(size=(5000, 2))
)


def test_noise_has_mean_and_deviation_of_each_number():
    noise, donors = perturbed(MANY, ("a",), "noise", 0)
    np.testing.assert_allclose(noise["a"].mean(0), [3.0, -5.0], atol=0.2)
    np.testing.assert_allclose(noise["a"].std(0), [0.1, 4.0], rtol=0.05)
    assert abs(np.corrcoef(noise["a"][:, 0], MANY["a"][:, 0])[0, 1]) < 0.05
    assert donors is None and noise["b"] is MANY["b"]


def test_noise_is_drawn_for_every_modality_of_its_own():
    noise, _ = perturbed(MANY.assign(b=MANY["a"]), ("a", "b"), "noise", 0)
    assert abs(np.corrcoef(noise["a"][:, 1], noise["b"][:, 1])[0, 1]) < 0.05


def test_missing_rows_do_not_count_for_noise():
    lacking = MANY.assign(a=np.where(np.arange(5000)[:, None] < 100, 1e9, MANY["a"]))
    lacking = lacking.with_missing("a", slice(100))
    noise, _ = perturbed(lacking, ("a",), "noise", 0)
    assert noise["a"][100:].max() < 100 and (noise["a"][:100] == 1e9).all()
    assert noise.present["a"].sum() == 4900


@pytest.mark.parametrize("names", [("a",), ("a", "b")])
def test_donors_are_where_rows_come_from(names):
    permuted, donors = perturbed(MANY, names, "permute", 0)
    assert sorted(donors) == list(range(5000))
    for name in MANY:
        expected = MANY[name][donors] if name in names else MANY[name]
        np.testing.assert_array_equal(permuted[name], expected)


def test_drop_only_marks():
    dropped, donors = perturbed(MANY, ("a",), "drop", 0)
    assert not dropped.present["a"].any() and dropped.present["b"].all()
    assert dropped["a"] is MANY["a"] and donors is None


def test_groups_and_repeats():
    assert check_groups_of_modalities(None, MANY) == {"a": ("a",), "b": ("b",)}
    assert check_groups_of_modalities([("a", "b"), "a"], MANY) == {
        "a + b": ("a", "b"),
        "a": ("a",),
    }
    drawn = [check_repeats(m, None) for m in ("permute", "noise", "drop")]
    assert drawn == [10, 10, 1] and check_repeats("permute", 3) == 3


@pytest.mark.parametrize("n", [2, 3, 7, 50])
def test_no_sample_is_its_own_donor(n):
    """Every other sample is equally probable."""
    rng = np.random.default_rng(0)
    drawn = np.array([derangement(rng, n) for _ in range(4000)])
    assert (np.sort(drawn, axis=1) == np.arange(n)).all()
    assert (drawn != np.arange(n)).all()
    shares = np.mean(drawn[:, 0, None] == np.arange(n), axis=0)
    error = np.sqrt(1 / (n - 1) / 4000)
    np.testing.assert_allclose(shares[1:], 1 / (n - 1), atol=4 * error)
    tensors = to_tensors(MANY[:n], dict.fromkeys("ab", torch.float32), "cpu")
    for X in (MANY[:n], tensors):
        assert (perturbed(X, ("a",), "permute", 0)[1] != np.arange(n)).all()


def test_the_expected_importance_is_the_mean_over_other_samples():
    """Not 1 - 1/n of it, as with permutations that leave samples in place."""

    class Reads(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            self.fitted_ = True
            return self

        def predict(self, X):
            return X["a"][:, 0]

    y = np.array([0.0, 1.0, 3.0, 7.0])
    X = ModalityDict(a=y[:, None], b=np.zeros((4, 1)))
    found = modality_importance(
        Reads().fit(X, y), X, y, n_repeats=4000, random_state=0
    ).table
    others = (y[:, None] - y) ** 2
    assert found.loc["a", "importance"] == pytest.approx(others.sum() / 12, rel=0.03)
