import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_sample_weight

from skmm.base.training_data import checked_weight, mean_one, row_weights, split_rows

Y = np.array(["a"] * 6 + ["b"] * 3)


def test_no_weights_are_none():
    assert row_weights(9, Y) is None


def test_weights_have_mean_one():
    weight = np.arange(9.0)
    np.testing.assert_allclose(row_weights(9, Y, weight), weight / weight.mean())
    np.testing.assert_allclose(row_weights(9, Y, weight * 1e6), weight / weight.mean())


def test_class_weights_multiply():
    weight = np.arange(9.0)
    product = weight * compute_sample_weight("balanced", Y)
    both = row_weights(9, Y, weight, "balanced")
    np.testing.assert_allclose(both, product / product.mean())
    only = row_weights(9, Y, None, {"a": 1, "b": 3})
    np.testing.assert_allclose(only[-1] / only[0], 3)


def test_one_number_is_equal_weights():
    np.testing.assert_array_equal(row_weights(9, Y, 3.0), np.ones(9))
    np.testing.assert_array_equal(checked_weight(4, None), np.ones(4))


@pytest.mark.parametrize(
    "weight, message",
    [
        (np.zeros(9), "at least one non-zero"),
        (-np.ones(9), "Negative values"),
        (np.ones(8), "sample_weight.shape"),
        (np.ones((9, 2)), "1D"),
        (np.full(9, np.nan), "NaN"),
    ],
)
def test_bad_weights_are_refused(weight, message):
    with pytest.raises(ValueError, match=message):
        row_weights(9, Y, weight)


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
def test_mean_one(kind):
    weight = kind([1.0, 2.0, 3.0])
    assert float(mean_one(weight).mean()) == 1.0
    assert not mean_one(weight * 0).any()
    assert mean_one(None) is None


# -- rows for early stopping -------------------------------------------------------


@pytest.mark.parametrize("labels", [None, np.arange(40) % 3])
@pytest.mark.parametrize("fraction", [0.1, 0.15, 0.5, 0.9])
def test_every_row_is_on_one_side(labels, fraction):
    train, valid = split_rows(40, fraction, labels, 0)
    assert sorted([*train, *valid]) == list(range(40))
    assert len(valid) == round(fraction * 40)
    assert (np.diff(train) > 0).all() and (np.diff(valid) > 0).all()


def test_the_shares_of_the_classes_are_kept():
    labels = np.repeat(["a", "b", "c"], [60, 30, 10])
    _, valid = split_rows(100, 0.2, labels, 0)
    assert np.unique(labels[valid], return_counts=True)[1].tolist() == [12, 6, 2]


def test_the_seed_decides():
    splits = [split_rows(40, 0.2, None, seed)[1].tolist() for seed in (0, 0, 2**62 + 1)]
    assert splits[0] == splits[1] != splits[2]


@pytest.mark.parametrize("n", [3, 4, 5])
@pytest.mark.parametrize("fraction", [0.001, 0.5, 0.999])
def test_few_rows(n, fraction):
    train, valid = split_rows(n, fraction, None, 0)
    assert len(train) >= 2 and len(valid) >= 1


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_rows(n):
    with pytest.raises(ValueError, match=f"at least 3 rows of .*; got {n}"):
        split_rows(n, 0.5, None, 0)


@pytest.mark.parametrize(
    "labels, fraction, message",
    [
        (["a"] * 9 + ["b"], 0.3, "class 'b' has 1 row"),
        ([0, 0, 1, 1, 2, 2], 0.2, "1 validation row.* for 3 classes"),
        ([0, 0, 0, 1, 1, 1, 2, 2, 2], 0.9, "2 training and 7 validation"),
        (np.array(["x", "x", "y"], dtype=object), 0.4, "class 'y' has 1 row"),
    ],
)
def test_what_cannot_be_stratified_warns(labels, fraction, message):
    with pytest.warns(UserWarning, match=f"not stratified: .*{message}"):
        train, valid = split_rows(len(labels), fraction, np.asarray(labels), 0)
    assert len(train) + len(valid) == len(labels)
