"""Fusion estimators with missing modalities; early stopping."""

import numpy as np
import pytest
import torch

from skmm import ModalityDict
from skmm.training import predict_outputs
from tests.estimators.fusions import classifier, proba, regressor, values
from tests.toys import (
    Normed,
    two_tables,
    with_holes,
)

# -- missing modalities ----------------------------------------------------------------


@pytest.mark.parametrize("fusion", ["concat", "sum", "mean", "product", "max"])
def test_values_of_missing_samples_have_no_effect(fusion):
    X, y = two_tables()
    X = with_holes(X)
    other = ModalityDict(
        {n: np.where(X.present[n][:, None], x, 1e6) for n, x in X.items()},
        present=X.present,
    )
    model = classifier(fusion=fusion)
    np.testing.assert_array_equal(proba(model, X, y), proba(model, other, y))


def test_prediction_uses_the_modalities_present():
    X, y = two_tables()
    model = classifier(fusion="mean").fit(with_holes(X), y)
    module = model.net_.module_
    only_b = torch.from_numpy(X["b"]).float()
    with torch.no_grad():
        expected = module.eval().head(module.encoders["b"](only_b)).softmax(1)
    np.testing.assert_allclose(
        model.predict_proba(X.with_missing("a")), expected, rtol=1e-5, atol=1e-6
    )


def test_samples_without_any_modality():
    X, y = two_tables()
    model = classifier().fit(with_holes(X), y)
    result = model.predict_proba(X.with_missing("a").with_missing("b"))
    assert np.isfinite(result).all() and (result == result[0]).all()


def test_a_modality_may_be_missing_if_it_was_in_training():
    X, y = two_tables()
    model = classifier().fit(X.with_missing("a", [1, 2]), y)
    np.testing.assert_array_equal(
        model.predict_proba({"b": X["b"]}), model.predict_proba(X.with_missing("a"))
    )
    assert model.optional_modalities_ == ["a"]
    with pytest.raises(ValueError, match="modality 'b' is missing from X"):
        model.predict({"a": X["a"]})


def test_error_names_a_missing_modality():
    X, y = two_tables()
    model = classifier().fit(X, y)
    with pytest.raises(ValueError, match=r"'a' is missing from X.*with_missing"):
        model.predict({"b": X["b"]})
    assert model.predict(X.with_missing("a")).shape == (40,)


def test_missing_rows_do_not_enter_a_batch_norm():
    X, y = two_tables()
    X = X.with_missing("a", slice(30, None))
    model = classifier(encoders={"a": Normed()}, batch_size=40, max_epochs=1).fit(X, y)
    norm = model.net_.module_.encoders["a"].norm
    expected = 0.1 * torch.from_numpy(X["a"][:30]).float().mean(0)
    torch.testing.assert_close(norm.running_mean, expected)


@pytest.mark.parametrize("name", ["a", "b"])
def test_batch_norm_with_one_sample_or_none(name):
    X, y = two_tables()
    X = X.with_missing(name, slice(1, None))
    model = classifier(encoders={name: Normed()}, batch_size=8)
    with pytest.warns(UserWarning, match="too few for BatchNorm"):
        model.fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()


# -- early stopping --------------------------------------------------------------------


def test_the_best_weights_are_kept():
    X, y = two_tables(80)
    model = classifier(
        early_stopping=True, patience=3, max_epochs=80, lr=0.05, validation_fraction=0.3
    )
    noisy = np.where(np.random.default_rng(0).random(80) < 0.3, 1 - y, y)
    model.fit(X, noisy)
    history = model.history_
    assert model.n_iter_ == len(history) < 80
    best = history.valid_loss.to_numpy().argmin()
    assert len(history) - 1 - best == 3
    rows, target = model.prepare(X, noisy, again=True).valid
    loss = model.net_.criterion_(predict_outputs(model.net_.module_, rows, 100), target)
    assert loss.item() == pytest.approx(history.valid_loss[best], rel=1e-4)


def test_the_split_is_stratified_and_seeded():
    X, _ = two_tables(60)
    y = np.repeat([0, 1, 2], [40, 10, 10])
    model = classifier(early_stopping=True, validation_fraction=0.2)
    held = model.prepare(X, y).valid[1]
    assert torch.bincount(held).tolist() == [8, 2, 2]
    assert torch.equal(held, model.prepare(X, y).valid[1])


def test_a_class_of_one_sample_warns():
    X, _ = two_tables()
    with pytest.warns(UserWarning, match="not stratified: class 'rare' has 1 sample"):
        classifier(early_stopping=True).fit(X, ["often"] * 39 + ["rare"])


@pytest.mark.parametrize("n", [3, 5, 7])
def test_few_rows(n):
    X, y = values(n)
    model = regressor(early_stopping=True, validation_fraction=0.5).fit(X, y)
    assert model.predict(X).shape == (n,)


def test_too_few_rows():
    X, y = values(2)
    with pytest.raises(ValueError, match=r"early_stopping.* need at least 3 samples"):
        regressor(early_stopping=True).fit(X, y)


@pytest.mark.parametrize("n", [1, 2])
def test_one_row_or_two(n):
    X, y = values(n)
    assert regressor().fit(X, y).predict(X).shape == (n,)
