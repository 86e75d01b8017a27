"""Modalities without information about their samples."""

import numpy as np
import pytest

from skmm import ModalityDict
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
