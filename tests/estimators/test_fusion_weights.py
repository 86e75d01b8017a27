"""Sample weights, scales and repeated fits of fusion estimators."""

import numpy as np
import pytest
import torch

from skmm import FusionClassifier, FusionRegressor, ModalityDict
from skmm.data.tensors import to_tensors
from skmm.nn import MLPEncoder

RNG = np.random.default_rng(0)
X = ModalityDict(a=RNG.normal(size=(60, 4)), b=RNG.normal(size=(60, 3)))
Y = (X["a"][:, 0] > 0).astype(int)


def classifier(**settings):
    return FusionClassifier(**{"max_epochs": 3, "random_state": 0, **settings})


@pytest.mark.parametrize("seed", range(4))
def test_validation_set_excludes_samples_of_zero_weight(seed):
    weight = np.zeros(60)
    weight[:12] = 1
    settings = {"early_stopping": True, "random_state": seed, "max_epochs": 8}
    model = classifier(**settings).fit(X, Y, weight)
    assert (model.history_["valid_loss"] > 0).all()
    alone = classifier(**settings).fit(X[:12], Y[:12])
    np.testing.assert_array_equal(model.predict_proba(X), alone.predict_proba(X))


def test_samples_of_zero_weight_are_dropped():
    weight = np.where(np.arange(60) % 3 == 0, 0.0, 2.0)
    kept = weight > 0
    a = classifier().fit(X, Y, weight).predict_proba(X)
    b = classifier().fit(X[kept], Y[kept]).predict_proba(X)
    np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("unit", [1e-20, 1e-13, 1.0, 1e13, 1e200])
def test_the_unit_of_y_does_not_matter(unit):
    y = X["a"][:, 0] - X["b"][:, 1]
    model = FusionRegressor(random_state=0, max_epochs=60)
    predicted = model.fit(X, y * unit).predict(X) / unit
    np.testing.assert_allclose(predicted, model.fit(X, y).predict(X), atol=1e-3)
    assert np.corrcoef(predicted, y)[0, 1] > 0.9


def test_error_names_a_modality_with_values_beyond_float32():
    model = classifier().fit(X, Y)
    large, message = X.assign(a=X["a"] * 1e39), "'a' has values too large"
    for call in (model.predict_proba, lambda X: classifier().fit(X, Y)):
        with pytest.raises(ValueError, match=message):
            call(large)
    big = X.assign(a=np.full((60, 4), 1e38))  # their sum overflows, they do not
    dtypes = dict.fromkeys(X, torch.float32)
    rows = to_tensors(big, dtypes, torch.device("cpu"))
    assert torch.isfinite(rows.x["a"]).all()


def test_partial_fit_keeps_the_scale_of_weights_and_the_class_weights():
    ones = Y == 1
    plain = classifier().partial_fit(X[ones], Y[ones], classes=[0, 1])
    heavy = classifier(class_weight={0: 1, 1: 100}, optimizer="sgd", lr=0.01)
    light = classifier(optimizer="sgd", lr=0.01)
    heavy.partial_fit(X[ones], Y[ones], classes=[0, 1])
    light.partial_fit(X[ones], Y[ones], classes=[0, 1])
    gap = heavy.predict_proba(X)[:, 1].mean() - light.predict_proba(X)[:, 1].mean()
    assert gap > 0.05
    small = classifier(optimizer="sgd", lr=0.1)
    small.partial_fit(X, Y, classes=[0, 1], sample_weight=np.full(60, 1e-6))
    start = classifier(optimizer="sgd", lr=1e-12).partial_fit(X, Y, classes=[0, 1])
    np.testing.assert_allclose(
        small.predict_proba(X), start.predict_proba(X), atol=1e-4
    )
    assert plain.n_iter_ == 1
    with pytest.raises(ValueError, match="support class_weight='balanced'"):
        classifier(class_weight="balanced").partial_fit(X, Y)


def test_partial_fit_follows_changed_numbers():
    still = classifier(optimizer="sgd", lr=0.1).partial_fit(X, Y)
    before = still.predict_proba(X)
    still.set_params(lr=1e-12).partial_fit(X, Y)
    np.testing.assert_allclose(still.predict_proba(X), before, atol=1e-6)
    still.set_params(lr=0.5).partial_fit(X, Y)
    assert np.abs(still.predict_proba(X) - before).max() > 1e-3
    assert still.n_iter_ == 3


@pytest.mark.parametrize(
    "change", [{"fusion": "sum"}, {"modalities": ["a"]}, {"encoders__a__hidden": (3,)}]
)
def test_structural_changes_raise(change):
    encoders = {"a": MLPEncoder((5,)), "b": MLPEncoder((5,))}
    model = classifier(encoders=encoders, warm_start=True).fit(X, Y)
    model.set_params(**change)
    for call in (lambda: model.fit(X, Y), lambda: model.partial_fit(X, Y)):
        with pytest.raises(ValueError, match=f"{next(iter(change))}.*warm_start=False"):
            call()
    model.set_params(warm_start=False).fit(X, Y)


def test_other_classes_raise():
    model = classifier().partial_fit(X, Y, classes=[0, 1])
    model.partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"classes \[0, 1, 2\] differ"):
        model.partial_fit(X, Y, classes=[0, 1, 2])


@pytest.mark.parametrize("bad", [{0: 0, 1: 0}, {0: -1, 1: 1}])
def test_bad_class_weights_raise(bad):
    with pytest.raises(ValueError, match="class_weight must not be negative"):
        classifier(class_weight=bad).fit(X, Y)


def test_a_modality_may_be_missing_in_later_calls():
    model = classifier().partial_fit(X, Y)
    model.partial_fit(X.with_missing("b", [0, 1]), Y)
    assert model.optional_modalities_ == ["b"]
    assert model.predict({"a": X["a"]}).shape == (60,)


def test_best_epoch():
    model = classifier(early_stopping=True, max_epochs=20, patience=3, lr=0.05)
    losses = model.fit(X, Y).history_["valid_loss"]
    assert model.best_epoch_ == losses.argmin() + 1


def test_class_weights_of_several_labels_are_a_list_of_dicts():
    labels = np.column_stack([Y, 1 - Y])
    weights = [{0: 1, 1: 3}, {0: 1, 1: 1}]
    by_class = classifier(class_weight=weights).fit(X, labels)
    by_sample = classifier().fit(X, labels, sample_weight=np.where(Y, 3.0, 1.0))
    predicted = by_class.predict_proba(X), by_sample.predict_proba(X)
    np.testing.assert_allclose(*predicted, rtol=1e-5)
    with pytest.raises(ValueError, match="list of dicts"):
        classifier(class_weight={0: 1, 1: 3}).fit(X, labels)
