import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from skmm import FusionClassifier
from skmm.data.validation import check_target
from skmm.targets.classes import ClassTarget
from skmm.targets.values import ValueTarget

LABELS = {
    "str": ["no", "yes", "yes", "no"],
    "object": np.array(["no", "yes", "yes", "no"], dtype=object),
    "bool": [False, True, True, False],
    "int": np.array([-3, 7, 7, -3]),
    "float": [0.0, 1.0, 1.0, 0.0],
    "series": pd.Series(["no", "yes", "yes", "no"]),
    "categorical": pd.Series(["no", "yes", "yes", "no"], dtype="category"),
}


@pytest.mark.parametrize("y", LABELS.values(), ids=LABELS)
def test_round_trip_of_labels(y):
    target = ClassTarget.learn(y)
    codes = target.encode(target.read(y))
    assert codes.dtype == torch.int64 and codes.tolist() == [0, 1, 1, 0]
    back = target.decode(torch.nn.functional.one_hot(codes).float())
    assert back.tolist() == list(y)
    assert (target.n_outputs, target.multilabel) == (2, False)
    assert target.objective == "cross_entropy"


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix, np.ndarray.tolist])
def test_indicators(make):
    y = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0]])
    target = ClassTarget.learn(make(y))
    codes = target.encode(target.read(make(y)))
    assert target.multilabel and target.n_outputs == 3
    assert codes.dtype == torch.float32 and codes.tolist() == y.tolist()
    np.testing.assert_array_equal(target.decode(codes * 2 - 1), y)
    assert target.objective == "binary_cross_entropy"
    assert target.strata(y) is None


def test_given_classes_need_not_occur():
    target = ClassTarget.learn([1, 1, 2], classes=[3, 2, 1])
    assert target.classes_.tolist() == [1, 2, 3]
    assert target.encode(np.array([1, 1, 2])).tolist() == [0, 0, 1]


def test_error_names_unknown_classes():
    target = ClassTarget.learn(["a", "b"])
    with pytest.raises(ValueError, match=r"unknown classes \['c'\].*'a', 'b'"):
        target.read(["a", "c"])


def test_error_if_the_kind_of_target_changes():
    one, many = ClassTarget.learn([0, 1]), ClassTarget.learn(np.eye(2))
    for target, y in ((one, np.eye(2)), (many, [0, 1])):
        with pytest.raises(
            ValueError, match="y must be a multilabel indicator matrix if"
        ):
            target.read(y)


@pytest.mark.parametrize(
    "y, message",
    [
        ([0.5, 1.7, 2.2], "Unknown label type: continuous"),
        ([[0, 1], [2, 3], [1, 1]], "several columns of classes"),
        ([0.0, np.nan, 1.0], "NaN"),
    ],
)
def test_invalid_labels_raise(y, message):
    with pytest.raises(ValueError, match=message):
        ClassTarget.learn(y)


def test_probabilities_and_decisions():
    logits = torch.tensor([[1.0, 3.0], [0.0, -2.0]])
    target = ClassTarget.learn([0, 1])
    proba = target.proba(logits)
    assert proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(1), 1)
    np.testing.assert_allclose(target.decision(logits), [2.0, -2.0])
    np.testing.assert_allclose(
        target.decision(logits), np.log(proba[:, 1] / proba[:, 0])
    )
    three = ClassTarget.learn([0, 1, 2])
    np.testing.assert_array_equal(three.decision(torch.eye(3)), np.eye(3))
    many = ClassTarget.learn(np.eye(2))
    np.testing.assert_allclose(many.proba(logits), logits.double().sigmoid())
    np.testing.assert_array_equal(many.decision(logits), logits.numpy())


def test_probabilities_of_huge_logits():
    proba = ClassTarget.learn([0, 1]).proba(torch.tensor([[1e30, -1e30], [0, 3e38]]))
    np.testing.assert_array_equal(proba, [[1, 0], [0, 1]])


# -- values ------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(50,), (50, 1), (50, 3)])
def test_round_trip_of_values(shape):
    y = np.random.default_rng(0).normal(1e3, 20, shape)
    target = ValueTarget.learn(y)
    codes = target.encode(target.read(y))
    assert codes.dtype == torch.float32 and codes.shape == (50, target.n_outputs)
    np.testing.assert_allclose(codes.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(codes.square().mean(0), 1, rtol=1e-5)
    assert target.decode(codes).shape == shape
    np.testing.assert_allclose(target.decode(codes), y, rtol=1e-5)


def test_columns_have_their_own_scale():
    y = np.column_stack([np.arange(9.0), 1e6 * np.arange(9.0)])
    codes = ValueTarget.learn(y).encode(y)
    torch.testing.assert_close(codes[:, 0], codes[:, 1])


def test_a_constant_column_has_scale_one():
    y = np.full((4, 2), [5.0, 1e9])
    target = ValueTarget.learn(y)
    assert target.scale.tolist() == [1, 1]
    assert not target.encode(y).any()


def test_location_and_scale_are_weighted():
    y, weight = np.array([1.0, 2.0, 4.0]), np.array([2.0, 0.0, 1.0])
    target = ValueTarget.learn(y, weight)
    again = ValueTarget.learn(np.array([1.0, 1.0, 4.0]))
    np.testing.assert_allclose([target.mean, target.scale], [again.mean, again.scale])


@pytest.mark.parametrize("y", [np.zeros((4, 2)), np.zeros((4, 1))])
def test_error_if_the_number_of_outputs_changes(y):
    with pytest.raises(ValueError, match=r"y has [12] outputs?, but 1 at the first"):
        ValueTarget.learn(np.arange(4.0)).read(y)


@pytest.mark.parametrize("y", [[1.0, np.nan], [1.0, np.inf], ["a", "b"]])
def test_values_must_be_finite_numbers(y):
    with pytest.raises(ValueError, match=r"y contains|could not convert"):
        ValueTarget.learn(y)


# -- both --------------------------------------------------------------------------


def test_a_target_is_required():
    with pytest.raises(ValueError, match="FusionClassifier estimator requires y"):
        check_target(FusionClassifier(), None, 3)
    with pytest.raises(ValueError, match="inconsistent numbers of samples: 3 and 2"):
        check_target(FusionClassifier(), [1, 2], 3)
    check_target(FusionClassifier(), [1, 2, 3], 3)
