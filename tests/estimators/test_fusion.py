"""Fusion estimators: learning, targets and weights."""

import numpy as np
import pytest
from scipy import sparse
from sklearn import clone
from torch import nn

from skmm import FusionClassifier
from skmm.nn import MLPEncoder
from skmm.objectives import HuberError
from tests.estimators.fusions import classifier, proba, regressor, values
from tests.toys import (
    two_tables,
)

# -- what is learnt --------------------------------------------------------------------


def test_learns_an_interaction():
    rng = np.random.default_rng(0)
    X = {"a": rng.normal(size=(400, 2)), "b": rng.normal(size=(400, 2))}
    y = (X["a"][:, 0] > 0) ^ (X["b"][:, 0] > 0)
    model = FusionClassifier(random_state=0, max_epochs=40, lr=3e-3)
    fit, held = slice(300), slice(300, None)
    model.fit({n: x[fit] for n, x in X.items()}, y[fit])
    assert model.score({n: x[held] for n, x in X.items()}, y[held]) > 0.9


@pytest.mark.parametrize("fusion", ["concat", "sum", "mean", "product", "max"])
def test_every_named_fusion_learns(fusion):
    X, y = two_tables(100)
    model = classifier(fusion=fusion, max_epochs=30, encoders=MLPEncoder((16,)))
    assert model.fit(X, y).score(X, y) > 0.9


def test_values_are_learnt_in_their_units():
    X, y = values(150)
    model = regressor(max_epochs=60).fit(X, 1e4 + 1e3 * y)
    assert model.score(X, 1e4 + 1e3 * y) > 0.95


@pytest.mark.parametrize(
    "objective", ["squared_error", "absolute_error", HuberError(0.5)]
)
@pytest.mark.parametrize("scale, shift", [(1000.0, -7.0), (1e-6, 3.0)])
def test_regression_is_equivariant(objective, scale, shift):
    X, y = values()
    plain = regressor(objective=objective, optimizer="sgd", lr=0.1).fit(X, y)
    moved = clone(plain).fit(X, scale * y + shift)
    expected = scale * plain.predict(X) + shift
    error = np.abs(moved.predict(X) - expected).max() / abs(scale)
    assert error < 1e-4


def test_a_constant_target():
    X, _ = values()
    model = regressor(max_epochs=30).fit(X, np.full(40, 7.0))
    assert np.abs(model.predict(X) - 7).max() < 1


# -- targets ---------------------------------------------------------------------------


LABELS = {
    "str": np.array(["no", "yes"]),
    "object": np.array(["no", "yes"], dtype=object),
    "bool": np.array([False, True]),
    "int": np.array([-4, 9]),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_round_trip_of_labels(labels):
    X, y = two_tables()
    model = classifier().fit(X, labels[y])
    plain = classifier().fit(X, y)
    assert model.classes_.tolist() == labels.tolist()
    assert model.classes_.dtype == labels.dtype
    np.testing.assert_array_equal(model.predict(X), labels[plain.predict(X)])
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
def test_multilabel(make):
    X, _ = two_tables(60)
    y = np.column_stack([X["a"][:, 0] > 0, X["b"][:, 0] > 0, X["a"][:, 1] > 1]).astype(
        int
    )
    model = classifier(max_epochs=40).fit(X, make(y))
    assert model.predict_proba(X).shape == model.decision_function(X).shape == (60, 3)
    np.testing.assert_array_equal(model.predict(X), model.predict_proba(X) > 0.5)
    assert (model.predict(X) == y).mean() > 0.9
    assert model.score(X, y) > 0.8
    early = clone(model).set_params(early_stopping=True, max_epochs=2)
    assert early.fit(X, make(y)).predict(X).shape == (60, 3)


@pytest.mark.parametrize("k", [None, 1, 3])
def test_several_outputs(k):
    X, y = values(100, k)
    model = regressor(max_epochs=40).fit(X, y)
    assert model.predict(X).shape == y.shape
    assert model.score(X, y) > 0.9


def test_error_names_a_wrong_objective():
    X, y = two_tables()
    for model, message in (
        (classifier(objective="squared_error"), "SquaredError needs a target of"),
        (classifier(objective="mse"), "objective must be one of .* got 'mse'"),
        (regressor(objective="cross_entropy"), "CrossEntropy needs class numbers"),
        (regressor(objective=HuberError(-1.0)), "'delta' parameter of HuberError"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X, y)


def test_objective_as_a_function():
    def hinge(outputs, target, weight):
        signs = 2 * nn.functional.one_hot(target, 2) - 1
        losses = (1 - signs * outputs).clamp(min=0).mean(1)
        return (losses if weight is None else losses * weight).mean()

    X, y = two_tables(100)
    assert classifier(objective=hinge, max_epochs=30).fit(X, y).score(X, y) > 0.9


# -- weights ---------------------------------------------------------------------------


def test_class_weight_is_a_sample_weight():
    X, y = two_tables()
    y = np.where(np.arange(40) < 30, 0, y)
    weight = np.where(y == 1, 5.0, 2.0)
    by_class = proba(classifier(class_weight={0: 2, 1: 5}), X, y)
    np.testing.assert_allclose(
        by_class, proba(classifier(), X, y, sample_weight=weight)
    )
    counts = np.bincount(y)
    balanced = proba(classifier(class_weight="balanced"), X, y)
    weighted = proba(classifier(), X, y, sample_weight=(40 / (2 * counts))[y])
    np.testing.assert_allclose(balanced, weighted, rtol=1e-5)
    assert np.abs(balanced - proba(classifier(), X, y)).max() > 1e-3


@pytest.mark.parametrize("make", [classifier, regressor])
def test_the_scale_of_weights_does_not_matter(make):
    X, y = two_tables()
    weight = np.random.default_rng(0).uniform(0.1, 3, 40)
    a, b = (make().fit(X, y, sample_weight=weight * scale) for scale in (1, 1e4))
    np.testing.assert_allclose(a.predict(X), b.predict(X), rtol=1e-4)
    np.testing.assert_allclose(a.history_.train_loss, b.history_.train_loss, rtol=1e-5)


@pytest.mark.parametrize("make", [classifier, regressor])
def test_weight_zero_is_removed_and_weight_two_is_repeated(make):
    X, y = two_tables()
    weight = np.random.default_rng(0).integers(0, 3, 40)
    again = np.repeat(np.arange(40), weight)
    settings = {"batch_size": 200, "max_epochs": 10, "optimizer": "sgd", "lr": 0.1}
    weighted = make(**settings).fit(X, y, sample_weight=weight)
    repeated = make(**settings).fit(X[again], y[again])
    np.testing.assert_allclose(
        weighted.transform(X), repeated.transform(X), rtol=1e-3, atol=1e-5
    )
    unweighted = make(**settings).fit(X, y)
    assert np.abs(unweighted.transform(X) - repeated.transform(X)).max() > 1e-3


@pytest.mark.parametrize(
    "weight, message",
    [
        (np.zeros(40), "non-zero"),
        (-np.ones(40), "Negative"),
        (np.ones(3), "one entry"),
    ],
)
def test_bad_weights_raise(weight, message):
    X, y = two_tables()
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, y, sample_weight=weight)
