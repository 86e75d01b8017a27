"""Continued training, embeddings and history of fusion estimators."""

import numpy as np
import pytest
import sklearn
import torch

from skmm.nn import MLPEncoder
from tests.estimators.fusions import classifier, proba, regressor, values
from tests.toys import (
    Normed,
    two_tables,
    with_holes,
)

# -- going on --------------------------------------------------------------------------


def test_partial_fit_is_one_epoch():
    X, y = two_tables()
    dropout = {"encoders": MLPEncoder((8,), dropout=0.5)}
    once = classifier(max_epochs=1, **dropout).fit(X, y)
    np.testing.assert_array_equal(
        once.predict_proba(X), classifier(**dropout).partial_fit(X, y).predict_proba(X)
    )


@pytest.mark.parametrize("make", [classifier, regressor])
def test_partial_fits_add_up(make):
    X, y = two_tables()
    whole, parts = make(max_epochs=4).fit(X, y), make()
    for _ in range(4):
        parts.partial_fit(X, y)
    assert parts.n_iter_ == 4
    np.testing.assert_array_equal(whole.transform(X), parts.transform(X))


def test_partial_fit_with_named_classes():
    X, y = two_tables()
    model = classifier()
    model.partial_fit(X[y == 0], y[y == 0], classes=[0, 1])
    model.partial_fit(X[y == 1], y[y == 1])
    assert model.predict_proba(X).shape == (40, 2)
    with pytest.raises(ValueError, match=r"unknown classes \[5\]"):
        model.partial_fit(X[:2], [0, 5])


def test_partial_fit_keeps_the_scale_of_y():
    X, y = values()
    model = regressor().partial_fit(X, y)
    mean, scale = model._target.mean, model._target.scale
    model.partial_fit(X, 100 + y)
    assert model._target.mean == mean and model._target.scale == scale


def test_partial_fit_with_early_stopping_raises():
    X, y = two_tables()
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping"):
        classifier(early_stopping=True).partial_fit(X, y)


def test_warm_start_continues():
    X, y = two_tables()
    model = classifier(warm_start=True, max_epochs=2).fit(X, y)
    model.set_params(max_epochs=3).fit(X, y)
    assert model.n_iter_ == 5 and model.history_.epoch.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(
        model.predict_proba(X), proba(classifier(max_epochs=5), X, y)
    )


def test_warm_start_uses_changed_parameters():
    X, y = two_tables()
    model = classifier(warm_start=True).fit(X, y)
    model.set_params(lr=0.5, batch_size=20, optimizer="sgd", weight_decay=0.1).fit(X, y)
    group = model.net_.optimizer_.param_groups[0]
    assert (group["lr"], group["weight_decay"], model.net_.batch_size) == (0.5, 0.1, 20)
    assert type(model.net_.optimizer_) is torch.optim.SGD
    model.set_params(early_stopping=True, patience=1, max_epochs=30).fit(X, y)
    assert "valid_loss" in model.history_ and model.n_iter_ < 36


def test_warm_start_with_incompatible_data_raises():
    X, y = two_tables()
    model = classifier(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"unknown classes \[2\]"):
        model.fit(X, y + 1)
    with pytest.raises(ValueError, match="modality 'a' has samples of shape"):
        model.fit(X.assign(a=X["b"]), y)
    with pytest.raises(ValueError, match="y must be a multilabel indicator matrix if"):
        model.fit(X, np.eye(2, dtype=int)[y])


def test_without_warm_start_fit_starts_again():
    X, y = two_tables()
    model = classifier().fit(X, y)
    first = model.predict_proba(X)
    np.testing.assert_array_equal(first, model.fit(X, y).predict_proba(X))
    assert model.n_iter_ == 3
    model.fit({"z": X["b"]}, np.where(y, "u", "v"))
    assert model.modalities_in_ == ["z"] and model.classes_.tolist() == ["u", "v"]


# -- looking inside --------------------------------------------------------------------


def test_head_of_transform_is_the_output():
    X, y = two_tables(60, classes=3)
    model = classifier().fit(with_holes(X), y)
    fused = model.transform(X)
    assert fused.shape == (60, 128) and fused.dtype == np.float32
    with torch.no_grad():
        outputs = model.net_.module_.head(torch.from_numpy(fused))
    np.testing.assert_allclose(
        outputs, model.decision_function(X), rtol=1e-4, atol=1e-5
    )
    assert len(model.get_feature_names_out()) == 128
    assert model.get_feature_names_out()[1] == "fusionclassifier1"


def test_embeddings_by_modality():
    X, y = two_tables()
    model = classifier(encoders={"a": MLPEncoder((5,))}).fit(with_holes(X), y)
    parts = model.embed(X.with_missing("a", [3]))
    assert {n: p.shape for n, p in parts.items()} == {"a": (40, 5), "b": (40, 64)}
    assert not parts["a"][3].any()
    np.testing.assert_array_equal(
        np.hstack([model.embed(X)[n] for n in "ab"]), model.transform(X)
    )


def test_predictions_do_not_depend_on_other_samples():
    X, y = two_tables()
    model = classifier(encoders={"a": Normed()}).fit(X, y)
    np.testing.assert_allclose(
        model.predict_proba(X[5:8]), model.predict_proba(X)[5:8], rtol=1e-5
    )
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))


def test_dropout_is_off_when_predicting():
    X, y = two_tables()
    model = classifier(encoders=MLPEncoder((8,), dropout=0.9)).fit(X, y)
    for method in (model.predict_proba, model.transform):
        np.testing.assert_array_equal(method(X), method(X))


def test_history():
    X, y = two_tables()
    assert list(classifier().fit(X, y).history_) == ["epoch", "train_loss", "dur"]
    model = classifier(early_stopping=True, max_epochs=2).fit(X, y)
    assert list(model.history_) == ["epoch", "train_loss", "valid_loss", "dur"]
    assert model.history_.epoch.tolist() == [1, 2] and model.n_iter_ == 2
    assert (model.history_.dur > 0).all()


def test_more_rows_than_a_slice():
    X, y = two_tables(1100)
    model = classifier(max_epochs=1, batch_size=500).fit(X, y)
    np.testing.assert_allclose(
        model.predict_proba(X)[1000:], model.predict_proba(X[1000:]), rtol=1e-5
    )


@pytest.mark.parametrize("method", ["predict", "transform", "embed", "predict_proba"])
def test_not_fitted(method):
    X, _ = two_tables()
    with pytest.raises(sklearn.exceptions.NotFittedError):
        getattr(classifier(), method)(X)
