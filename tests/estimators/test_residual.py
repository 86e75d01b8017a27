"""Residual fusion: no order learns what a lower one can say, nor disturbs it."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.exceptions import NotFittedError

import skmm
from skmm import (
    FusionClassifier,
    FusionRegressor,
    ResidualFusionClassifier,
    ResidualFusionRegressor,
    nn,
)
from skmm.inspection import interaction_decomposition
from skmm.objectives import AbsoluteError
from tests.toys import Normed, assert_same_state, state_of, two_tables, with_holes

FAST = {"max_epochs": 3, "lr": 0.01, "random_state": 0}
X, Y = two_tables(60, classes=3)
THREE = X.assign(c=np.random.default_rng(5).normal(size=(60, 2)))


def fitted(data=THREE, **params):
    return ResidualFusionClassifier(**{**FAST, **params}).fit(data, Y)


def states(model, order):
    """Weights and buffers of the terms of an order."""
    parts = model.net_.module_.parts().items()
    return {n: state_of(p) for n, p in parts if n.startswith(f"order{order}__")}


def assert_same_order(a, b, order):
    a, b = states(a, order), states(b, order)
    assert a
    assert a.keys() == b.keys()
    for name in a:
        assert_same_state(a[name], b[name])


def test_terms():
    assert fitted().terms_ == [
        *(("a",), ("b",), ("c",)),
        *(("a", "b"), ("a", "c"), ("b", "c")),
        ("a", "b", "c"),
    ]
    assert fitted(max_order=1).terms_ == [("a",), ("b",), ("c",)]
    assert len(fitted(max_order=9).terms_) == 7


@pytest.mark.parametrize("mode", ["mro", "sequential", "joint"])
def test_one_modality_is_a_plain_fit(mode):
    one = X.select(["b"])
    plain = FusionClassifier(**FAST).fit(one, Y)
    residual = fitted(one, mode=mode)
    np.testing.assert_array_equal(plain.predict_proba(one), residual.predict_proba(one))


def test_one_modality_of_a_regressor():
    one, y = X.select(["b"]), X["b"][:, 0] * 7 + 3
    plain = FusionRegressor(**FAST).fit(one, y).predict(one)
    residual = ResidualFusionRegressor(**FAST).fit(one, y).predict(one)
    np.testing.assert_array_equal(plain, residual)


@pytest.mark.parametrize("encoder", [None, Normed()])
def test_lower_orders_learn_as_if_there_were_no_higher_ones(encoder):
    """The oracle of MRO: trajectories of lower orders are the same, bit for bit."""
    fits = [fitted(encoders=encoder, max_order=order) for order in (1, 2, 3)]
    for more in fits[1:]:
        assert_same_order(fits[0], more, 1)
    assert_same_order(fits[1], fits[2], 2)


def test_joint_training_ties_the_orders():
    fits = [fitted(max_order=order, mode="joint") for order in (1, 3)]
    with pytest.raises(AssertionError):
        assert_same_order(*fits, 1)


def test_sequential_orders_stay_as_they_were_trained():
    settings = {"mode": "sequential", "encoders": Normed()}
    fits = [fitted(max_order=order, **settings) for order in (1, 2, 3)]
    for more in fits[1:]:
        assert_same_order(fits[0], more, 1)
    assert_same_order(fits[1], fits[2], 2)
    assert fits[2].n_iter_ == 9
    assert fits[2].history_["stage"].tolist() == [1] * 3 + [2] * 3 + [3] * 3


def test_sequential_first_order_is_that_of_mro():
    """In its stage higher orders are silent, and in MRO they send no gradient."""
    stopped = {"early_stopping": True, "validation_fraction": 0.3}
    assert_same_order(fitted(), fitted(mode="sequential"), 1)
    alone = fitted(max_order=1, **stopped)
    assert_same_order(alone, fitted(mode="sequential", **stopped), 1)


def test_contributions_add_up():
    model = fitted()
    logits = model.decision_function(THREE)
    for by, count in (("order", 3), ("term", 7)):
        parts = model.contributions(THREE, by=by)
        assert parts.shape == (60, count, 3)
        np.testing.assert_allclose(parts.sum(1), logits, atol=1e-5)
    terms = model.contributions(THREE, by="term")
    orders = model.contributions(THREE)
    np.testing.assert_allclose(terms[:, 3:6].sum(1), orders[:, 1], atol=1e-5)
    with pytest.raises(ValueError, match="by must be"):
        model.contributions(THREE, by="modality")


def test_contributions_of_values_are_in_their_units():
    y = 100 + 20 * THREE["a"][:, 0]
    model = ResidualFusionRegressor(**FAST).fit(THREE, y)
    total = model.contributions(THREE).sum(1)[:, 0] + y.mean()
    np.testing.assert_allclose(total, model.predict(THREE), rtol=1e-5)
    *_, last = model.staged_predict(THREE)
    np.testing.assert_array_equal(last, model.predict(THREE))


def test_stages_of_prediction():
    model = fitted()
    first, _, last = model.staged_predict_proba(THREE)
    np.testing.assert_array_equal(last, model.predict_proba(THREE))
    logits = model.contributions(THREE)[:, 0]
    np.testing.assert_allclose(
        first, np.exp(logits) / np.exp(logits).sum(1, keepdims=True), atol=1e-6
    )
    labels = [said.shape for said in model.staged_predict(THREE)]
    assert labels == [(60,)] * 3


def test_terms_of_one_modality_see_no_other():
    model = fitted()
    other = THREE.assign(b=THREE["b"] * 3)
    before, after = (model.contributions(rows, by="term") for rows in (THREE, other))
    reads = np.array(["b" in term for term in model.terms_])
    np.testing.assert_allclose(before[:, ~reads], after[:, ~reads], atol=1e-6)
    assert (np.abs(before - after)[:, reads].max(axis=(0, 2)) > 1e-3).all()


def test_missing_modalities_silence_their_terms():
    lacking = with_holes(THREE)
    model = ResidualFusionClassifier(**FAST).fit(lacking, Y)
    parts = model.contributions(lacking, by="term")
    there = np.stack([lacking.present[name] for name in "abc"], 1)
    for i, term in enumerate(model.terms_):
        complete = there[:, ["abc".index(name) for name in term]].all(1)
        heard = complete | (~there.any(1) & (len(term) == 1))
        np.testing.assert_array_equal(parts[:, i].any(1), heard)
    assert np.isfinite(model.predict_proba(lacking)).all()


def separation(model, data):
    """What higher orders say that lower ones could, in standard deviations of y."""
    modules, score = model.net_.module_, 0.0
    for order in (1, 2):
        trained = modules.trained.clone()
        for i, term in enumerate(model.terms_):
            modules.trained[i] = trained[i] and len(term) > order
        said = interaction_decomposition(model, data).orders
        modules.trained.copy_(trained)
        score += np.abs(said[order - 1] - said[order - 1].mean()).mean()
    return score


@pytest.mark.parametrize("problem", ["unimodal", "bimodal"])
def test_separation_is_below_half_of_joint(problem):
    rng, grid = np.random.default_rng(0), norm.ppf((np.arange(20) + 0.5) / 20)[:, None]
    data = skmm.ModalityDict({name: rng.normal(size=(1000, 1)) for name in "tva"})
    t, v, a = (data[name][:, 0] for name in "tva")
    y = t + v + a if problem == "unimodal" else t * v + t * a + v * a
    settings = {**FAST, "max_epochs": 30, "batch_size": 100}
    scores = {
        mode: separation(
            ResidualFusionRegressor(nn.MLPEncoder((16,)), mode=mode, **settings).fit(
                data, y
            ),
            skmm.ModalityDict({name: grid for name in "tva"}),  # independent, mean 0
        )
        for mode in ("joint", "mro", "sequential")
    }
    assert scores["mro"] < scores["joint"] / 2
    assert scores["sequential"] < scores["joint"] / 2


def test_rates_by_order():
    slow = fitted(lr={"order1": 0.01, "order2": 1e-12, "order3": 1e-12}, max_epochs=1)
    start = ResidualFusionClassifier(**FAST).prepare(THREE, Y).module.parts()
    for name, part in slow.net_.module_.parts().items():
        moved = any(
            (p - q).abs().max() > 1e-6
            for p, q in zip(part.parameters(), start[name].parameters(), strict=True)
        )
        assert moved == name.startswith("order1")
    with pytest.raises(ValueError, match="order4"):
        fitted(lr={"order4": 0.1})


def test_own_objective():
    model = ResidualFusionRegressor(objective=AbsoluteError(), **FAST)
    loss = model.fit(X, X["a"][:, 0]).net_.criterion
    assert isinstance(loss.objective, AbsoluteError)
    assert loss.orders == [1, 1, 2]


def test_saved_with_what_is_trained(tmp_path):
    for mode in ("mro", "sequential"):
        model = fitted(mode=mode)
        model.save(tmp_path / "model")
        again = skmm.load(tmp_path / "model")
        np.testing.assert_array_equal(
            again.contributions(THREE, by="term"), model.contributions(THREE, by="term")
        )
        assert again.terms_ == model.terms_
    two = fitted(warm_start=True)
    two.save(tmp_path / "model")
    again = skmm.load(tmp_path / "model")
    for one in (two, again):
        one.fit(THREE, Y)
    np.testing.assert_array_equal(again.predict_proba(THREE), two.predict_proba(THREE))


def test_embeddings_of_all_terms():
    model = fitted(encoders=nn.MLPEncoder((4,)))
    assert {n: e.shape for n, e in model.embed(THREE).items()} == {
        name: (60, 4 * 4) for name in "abc"
    }
    assert model.transform(THREE).shape == (60, 4 * (3 + 6 + 3))
    assert len(model.get_feature_names_out()) == 48
    encoded = model._encoded(THREE)
    np.testing.assert_allclose(
        model.decision_function(encoded), model.decision_function(THREE), atol=1e-5
    )
    inner = model.encoders_["a"](torch.tensor(THREE["a"]).float()).detach()
    np.testing.assert_allclose(
        inner.detach(), model.embed(THREE)["a"][:, :4], rtol=1e-5
    )


def test_an_embedding_does_not_depend_on_who_else_is_there():
    lacking = with_holes(THREE)
    model = ResidualFusionClassifier(**FAST).fit(lacking, Y)
    part, whole = model.embed(lacking), model.embed(THREE)
    for name, there in lacking.present.items():
        np.testing.assert_allclose(part[name][there], whole[name][there], atol=1e-6)
        assert (part[name][~there] == 0).all()
    encoded = model.decision_function(model._encoded(lacking))
    np.testing.assert_allclose(encoded, model.decision_function(lacking), atol=1e-6)


def test_partial_fit_and_warm_start():
    one = ResidualFusionClassifier(**FAST).partial_fit(THREE, Y)
    one.partial_fit(THREE, Y).partial_fit(THREE, Y)
    np.testing.assert_array_equal(
        one.predict_proba(THREE), fitted().predict_proba(THREE)
    )


def test_errors_name_the_parameter():
    with pytest.raises(ValueError, match="mode="):
        fitted(mode="sequential", warm_start=True)
    with pytest.raises(ValueError, match="mode='mro'"):
        ResidualFusionClassifier(mode="sequential").partial_fit(THREE, Y)
    with pytest.raises(ValueError, match="mode"):
        fitted(mode="greedy")
    with pytest.raises(ValueError, match=r"fusion.*two modalities"):
        fitted(fusion="bilinear")
    many = skmm.ModalityDict({f"m{i}": X["a"] for i in range(7)})
    with pytest.raises(ValueError, match="max_order="):
        fitted(many)


def test_checkpoint_goes_on_in_a_later_stage(tmp_path):
    path, whole = tmp_path / "file", fitted(mode="sequential", max_order=2)
    resumed = fitted(mode="sequential", max_order=2, checkpoint=path)
    again = fitted(mode="sequential", max_order=2, checkpoint=path)
    for other in (resumed, again):
        np.testing.assert_array_equal(
            other.predict_proba(THREE), whole.predict_proba(THREE)
        )


@pytest.mark.parametrize("method", ["staged_predict", "staged_predict_proba"])
def test_stages_of_what_is_not_fitted(method):
    with pytest.raises(NotFittedError):
        next(getattr(ResidualFusionClassifier(), method)(X))
