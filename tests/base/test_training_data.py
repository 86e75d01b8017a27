import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_sample_weight
from torch import nn

from skmm import ModalityDict
from skmm.base.training_data import (
    TrainingData,
    check_sample_weights,
    combined_weight,
    mean_one,
)
from skmm.base.validation_split import split_samples
from skmm.data.tensors import to_rows
from skmm.nn import ConcatFusion, MLPEncoder, MLPHead
from skmm.nn.assemble import assemble
from tests.toys import MeanEmbedding

SHAPES = {"note": (), "a": (3,)}
X = ModalityDict(
    note=[f"text {i}" for i in range(10)],
    a=np.arange(30.0).reshape(10, 3),
    present={"a": np.arange(10) != 4},
)
Y = np.array(["a"] * 6 + ["b"] * 3)


def module(note):
    encoders = {"note": note, "a": MLPEncoder((4,))}
    return assemble(encoders, ConcatFusion(), MLPHead(), SHAPES, 2)


def test_every_encoder_gets_its_dtype():
    rows = to_rows(X, module(MeanEmbedding()), torch.device("cpu"))
    assert rows.x["note"].dtype == torch.int64 and rows.x["a"].dtype == torch.float32
    assert rows.present[:, 1].tolist() == (np.arange(10) != 4).tolist()
    assert rows.weight is None


def test_a_plain_module_reads_text_as_tokens():
    class Counts(nn.Module):
        def forward(self, tokens):
            return (tokens > 0).sum(1, keepdim=True).float()

    network = module(Counts())
    rows = to_rows(X, network, torch.device("cpu"), np.ones(10))
    assert network.encode(rows.x)["note"].tolist() == [[6.0]] * 10
    assert rows.weight.dtype == torch.float32


def test_split_keeps_samples_together():
    rows = to_rows(X, module(MeanEmbedding()), torch.device("cpu"), np.arange(10.0))
    data = TrainingData(None, (rows, torch.arange(10)))
    data.split(np.array([0, 1, 2, 5, 6, 8, 9]), np.array([3, 4, 7]))
    (train, target), (valid, held) = data.train, data.valid
    assert (len(train), len(valid)) == (7, 3)
    assert sorted([*target.tolist(), *held.tolist()]) == list(range(10))
    for part, numbers in (data.train, data.valid):
        there = part.present[:, 1]
        assert torch.equal(part.x["a"][:][there, 0], numbers[there] * 3.0)
        assert there.tolist() == (numbers != 4).tolist()
        torch.testing.assert_close(part.weight.mean(), torch.tensor(1.0))
        torch.testing.assert_close(part.weight, numbers / numbers.float().mean())


# -- weights -----------------------------------------------------------------------


def test_no_weights_are_none():
    assert combined_weight(9, Y) is None


def test_weights_have_mean_one():
    weight = np.arange(9.0)
    np.testing.assert_allclose(combined_weight(9, Y, weight), weight / weight.mean())
    np.testing.assert_allclose(
        combined_weight(9, Y, weight * 1e6), weight / weight.mean()
    )


def test_class_weights_multiply():
    product = compute_sample_weight("balanced", Y)
    balanced = combined_weight(9, Y, None, "balanced")
    np.testing.assert_allclose(balanced, product / product.mean())
    only = combined_weight(9, Y, None, {"a": 1, "b": 3})
    np.testing.assert_allclose(only[-1] / only[0], 3)


@pytest.mark.parametrize("y", [Y, np.column_stack([Y == "a", np.arange(9) % 2])])
def test_balanced_weights_count_the_sample_weights(y):
    """A weight of three is three samples, a weight of zero is none."""
    count = np.array([3, 0, 1, 1, 3, 1, 0, 1, 1])
    index = np.repeat(np.arange(9), count)
    weighted = combined_weight(9, y, count.astype(float), "balanced", scaled=False)
    repeated = combined_weight(len(index), y[index], None, "balanced", scaled=False)
    np.testing.assert_allclose(weighted[index] / count[index], repeated)
    np.testing.assert_array_equal(weighted[count == 0], 0)


def test_one_number_is_equal_weights():
    np.testing.assert_array_equal(combined_weight(9, Y, 3.0), np.ones(9))
    np.testing.assert_array_equal(check_sample_weights(3, 4), np.full(4, 3.0))
    assert check_sample_weights(None, 4) is None


@pytest.mark.parametrize(
    "weight, message",
    [
        (np.zeros(9), "at least one non-zero"),
        (-np.ones(9), "Negative values"),
        (np.ones(8), "one entry per sample of X, 9; got 8"),
        (np.ones((9, 2)), r"got shape \(9, 2\)"),
        (np.full(9, np.nan), "NaN"),
    ],
)
def test_bad_weights_raise(weight, message):
    with pytest.raises(ValueError, match=message):
        combined_weight(9, Y, weight)


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
def test_mean_one(kind):
    weight = kind([1.0, 2.0, 3.0])
    assert float(mean_one(weight).mean()) == 1.0
    assert not mean_one(weight * 0).any()
    assert mean_one(None) is None


# -- training and validation set ---------------------------------------------------


@pytest.mark.parametrize("labels", [None, np.arange(40) % 3])
@pytest.mark.parametrize("fraction", [0.1, 0.15, 0.5, 0.9])
def test_split_is_a_partition(labels, fraction):
    train, valid = split_samples(40, fraction, labels, 0)
    assert sorted([*train, *valid]) == list(range(40))
    assert len(valid) == round(fraction * 40)
    assert (np.diff(train) > 0).all() and (np.diff(valid) > 0).all()


def test_split_is_stratified():
    labels = np.repeat(["a", "b", "c"], [60, 30, 10])
    _, valid = split_samples(100, 0.2, labels, 0)
    assert np.unique(labels[valid], return_counts=True)[1].tolist() == [12, 6, 2]


def test_split_depends_on_the_seed_only():
    splits = [
        split_samples(40, 0.2, None, seed)[1].tolist() for seed in (0, 0, 2**62 + 1)
    ]
    assert splits[0] == splits[1] != splits[2]


@pytest.mark.parametrize("n", [3, 4, 5])
@pytest.mark.parametrize("fraction", [0.001, 0.5, 0.999])
def test_split_of_few_samples(n, fraction):
    train, valid = split_samples(n, fraction, None, 0)
    assert len(train) >= 2 and len(valid) >= 1


@pytest.mark.parametrize("n", [1, 2])
def test_split_of_too_few_samples(n):
    with pytest.raises(ValueError, match=f"at least 3 samples .*; got {n}"):
        split_samples(n, 0.5, None, 0)


@pytest.mark.parametrize(
    "labels, fraction, message",
    [
        (["a"] * 9 + ["b"], 0.3, "class 'b' has 1 sample"),
        ([0, 0, 1, 1, 2, 2], 0.2, "1 for validation, of 3 classes"),
        (
            [0, 0, 0, 1, 1, 1, 2, 2, 2],
            0.9,
            "2 samples are for training and 7 for validation",
        ),
        (np.array(["x", "x", "y"], dtype=object), 0.4, "class 'y' has 1 sample"),
    ],
)
def test_split_warns_if_not_stratified(labels, fraction, message):
    with pytest.warns(UserWarning, match=f"not stratified: .*{message}"):
        train, valid = split_samples(len(labels), fraction, np.asarray(labels), 0)
    assert len(train) + len(valid) == len(labels)
