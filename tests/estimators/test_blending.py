"""Gradient blending: weights come from gains and over-fitting, and are used."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss

import skmm
from skmm import FusionClassifier, GradientBlendingClassifier, nn
from skmm.inspection import overfitting_to_generalization_ratio
from skmm.model_selection import fit_replicas
from skmm.training import blending_weights, predict_outputs
from skmm.training.blending import losses_of
from tests.toys import assert_same_state, state_of, two_tables, with_holes

FAST = {"max_epochs": 4, "super_epoch": 2, "lr": 0.01, "random_state": 0}
X, Y = two_tables(80, classes=3)


def fitted(data=X, **params):
    return GradientBlendingClassifier(**{**FAST, **params}).fit(data, Y)


def by_hand(model, name):
    """Gain and over-fitting of a head whose loss alone is trained by its settings."""
    problem = model.prepare(X, Y)
    net = model.make_net(problem.module)
    net.callbacks_ = [c for c in net.callbacks_ if c[0] != "blend_losses"]
    weights = [float(head == name) for head in model.heads_]
    index = model.heads_.index(name)
    net.criterion.weights = weights
    before = losses(net, problem, index)
    net.run(problem.train, None, model.super_epoch)
    after = losses(net, problem, index)
    gain = before[1] - after[1]
    return gain, (after[1] - after[0]) - (before[1] - before[0])


def losses(net, problem, index):
    pairs = problem.train, problem.valid
    return [
        float(net.criterion.losses(predict_outputs(net.module_, rows), target)[index])
        for rows, target in pairs
    ]


def test_blending_keeps_noise_from_being_learnt_by_heart():
    """Under the defaults; with Adam noise is learnt whatever the weight of its loss."""
    rng = np.random.default_rng(0)
    X = {"signal": rng.normal(size=(600, 4)), "noise": rng.normal(size=(600, 100))}
    p = 1 / (1 + np.exp(-2 * X["signal"].sum(1)))
    y = rng.random(600) < p
    rows, test = slice(200), slice(200, 600)
    losses = {}
    for optimizer, lr in (("sgd", 0.05), ("adam", 1e-3)):
        model = GradientBlendingClassifier(
            optimizer=optimizer, lr=lr, max_epochs=60, random_state=0
        ).fit({name: part[rows] for name, part in X.items()}, y[rows])
        said = model.predict_proba({name: part[test] for name, part in X.items()})
        losses[optimizer] = log_loss(y[test], said)
    assert losses["sgd"] < 0.6 * losses["adam"]


def test_weights_are_those_of_the_formula():
    model = fitted()
    table = model.blending_history_
    assert table["head"].tolist() == model.heads_ == ["a", "b", "fused"]
    fresh = GradientBlendingClassifier(**FAST)
    fresh.fit(X, Y)
    for name, row in table.set_index("head").iterrows():
        gain, overfitting = by_hand(fresh, name)
        assert row["gain"] == pytest.approx(gain, abs=1e-5)
        assert row["overfitting"] == pytest.approx(overfitting, abs=1e-5)
    expected = blending_weights(table["gain"], table["overfitting"])
    np.testing.assert_allclose(table["weight"], expected)
    np.testing.assert_allclose(list(model.blending_weights_.values()), expected)


SETTINGS = [
    {"lr": 0.5},
    {"lr": {"encoders": 0.5, "heads": 0.1, "head": 0.01}},
    {"weight_decay": 1.0},
    {"gradient_clip": 0.05},
    {"batch_size": 7},
    {"optimizer": "adam"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: next(iter(s)))
def test_copies_are_trained_as_the_net_is(settings):
    base = {"lr": 0.1, "max_epochs": 1}
    model = fitted(**{**base, **settings})
    table = model.blending_history_
    for _, row in table.iterrows():
        gain, overfitting = by_hand(model, row["head"])
        assert row["gain"] == pytest.approx(gain, abs=1e-6)
        assert row["overfitting"] == pytest.approx(overfitting, abs=1e-6)
    plain = fitted(**base).blending_history_
    assert np.abs(table["gain"] - plain["gain"]).max() > 1e-3


def test_losses_of_rows_are_weighted_means():
    weight = np.random.default_rng(0).uniform(0, 3, 80)
    model = GradientBlendingClassifier(**FAST)
    problem = model.prepare(X, Y, sample_weight=weight)
    net = model.make_net(problem.module)
    for rows, target in (problem.train, problem.valid):
        outputs = predict_outputs(net.module_, rows)
        heads = outputs["logits"].double().log_softmax(-1).numpy()
        own = heads[np.arange(len(target)), :, target.numpy()]
        expected = -(own * rows.weight.numpy()[:, None]).mean(0)
        np.testing.assert_allclose(losses_of(net, (rows, target)), expected, rtol=1e-5)


def seeds_of_estimates(**params):
    """Seeds in use while each copy is trained, by epoch of the estimate."""
    model, seeds = GradientBlendingClassifier(**{**FAST, **params}), []
    problem = model.prepare(X, Y)
    net = model.make_net(problem.module)

    def note(module, args):
        if module.training:
            seeds.append(torch.initial_seed())

    net.module_.register_forward_pre_hook(note)
    blend, found = dict(net.callbacks_)["blend_losses"], {}
    blend.on_train_begin(net)
    for blend.epoch_ in (0, 2):
        seeds.clear()
        blend._estimate(net, problem.train, problem.valid)
        found[blend.epoch_] = list(dict.fromkeys(seeds))
    return found


def test_every_copy_draws_anew():
    """For dropout; heads, estimates and seeds of the model differ."""
    found, other = seeds_of_estimates(), seeds_of_estimates(random_state=1)
    assert found == seeds_of_estimates()
    together = [seed for each in (found, other) for s in each.values() for seed in s]
    assert len(together) == len(set(together)) == 2 * 2 * 3


def test_the_ratio_is_a_size_while_gain_and_over_fitting_have_signs():
    start, changes = 3.0, np.array([[-1.0, -0.5], [-0.5, -1.0], [0.5, 1.0]]).T
    train, valid = (np.stack([np.full(3, start), start + c]) for c in changes)
    found = overfitting_to_generalization_ratio(train, valid)
    np.testing.assert_allclose(found.gain, -changes[1])
    np.testing.assert_allclose(found.overfitting, changes[1] - changes[0])
    np.testing.assert_allclose(found.ratio, [1.0, 0.5, 0.5])


def test_offline_estimates_once_and_online_every_super_epoch():
    assert fitted().blending_history_["epoch"].unique().tolist() == [0]
    online = fitted(mode="online", max_epochs=5)
    assert online.blending_history_["epoch"].unique().tolist() == [0, 2, 4]
    last = online.blending_history_.tail(3)
    assert dict(zip(last["head"], last["weight"], strict=True)) == (
        online.blending_weights_
    )
    assert online.n_iter_ == 5
    first = fitted().blending_history_["gain"]
    np.testing.assert_array_equal(online.blending_history_["gain"][:3], first)


def test_the_net_goes_on_from_where_it_was():
    """Estimates train copies: the net's first epoch starts from its own weights."""
    model = GradientBlendingClassifier(**{**FAST, "max_epochs": 1})
    problem = model.prepare(X, Y)
    net, start = model.make_net(problem.module), state_of(problem.module)
    blend = dict(net.callbacks_)["blend_losses"]
    blend.on_train_begin(net)
    blend.on_epoch_begin(net, problem.train, problem.valid)
    assert_same_state(state_of(net.module_), start)
    assert net.criterion.weights == [e["weight"] for e in blend.estimates_]


def test_the_weight_of_the_fused_head_alone_is_a_plain_fit():
    """With no gain of any modality the net is that of FusionClassifier."""
    model = GradientBlendingClassifier(**FAST)
    problem = model.prepare(X, Y)
    net = model.make_net(problem.module)
    net.callbacks_ = [c for c in net.callbacks_ if c[0] != "blend_losses"]
    net.criterion.weights = [0.0, 0.0, 1.0]
    net.run(problem.train, None)
    names = ("max_epochs", "lr", "random_state", "optimizer", "gradient_clip")
    settings = {name: getattr(model, name) for name in names}
    plain = FusionClassifier(early_stopping=True, validation_fraction=0.2, **settings)
    other = plain.prepare(X, Y)
    reference = plain.make_net(other.module)
    reference.callbacks_ = []
    reference.run(other.train, None)
    for name, part in other.module.parts().items():
        assert_same_state(state_of(part), state_of(problem.module.parts()[name]))


def test_heads():
    model = fitted()
    said = model.head_predict_proba(X)
    assert said.shape == (80, 3, 3)
    np.testing.assert_allclose(said.sum(-1), 1.0)
    np.testing.assert_array_equal(said[:, -1], model.predict_proba(X))
    other = X.assign(b=X["b"] * 2)
    changed = np.abs(model.head_predict_proba(other) - said).max(axis=(0, 2)) > 1e-4
    assert changed.tolist() == [False, True, True]


def test_rows_without_a_modality():
    lacking = with_holes(X)
    model = fitted(lacking)
    said = model.head_predict_proba(lacking)
    for i, name in enumerate("ab"):
        np.testing.assert_array_equal(
            np.isnan(said[:, i]).all(1), ~lacking.present[name]
        )
    assert np.isfinite(model.predict_proba(lacking)).all()
    assert np.isfinite(model.blending_history_[["gain", "overfitting"]]).all().all()


def test_noise_that_is_learnt_by_heart_weighs_little():
    rng = np.random.default_rng(0)
    data = X.assign(b=rng.normal(size=(80, 60)))
    y = data["a"][:, 0] > 0
    settings = {**FAST, "super_epoch": 10, "max_epochs": 1}
    weights = GradientBlendingClassifier(**settings).fit(data, y).blending_weights_
    assert weights["b"] < weights["a"] / 4


def test_partial_fit_keeps_the_weights():
    model = GradientBlendingClassifier(**FAST)
    model.partial_fit(X[:2], Y[:2], classes=[0, 1, 2])
    assert set(model.blending_weights_.values()) == {1 / 3}
    assert model.blending_history_.empty
    model = fitted()
    before = model.blending_weights_
    assert model.partial_fit(X, Y).blending_weights_ == before


@pytest.mark.parametrize("mode, times", [("offline", [0]), ("online", [0, 2, 4])])
def test_a_warm_start_goes_on_with_weights_and_history(mode, times):
    """Twice three epochs are six, estimates included."""
    whole = fitted(mode=mode, max_epochs=6)
    twice = fitted(mode=mode, max_epochs=3, warm_start=True)
    first = twice.blending_history_
    twice.fit(X, Y)
    assert twice.blending_history_["epoch"].unique().tolist() == times
    assert twice.blending_history_[: len(first)].equals(first)
    assert twice.blending_history_.equals(whole.blending_history_)
    assert twice.blending_weights_ == whole.blending_weights_
    np.testing.assert_array_equal(twice.predict_proba(X), whole.predict_proba(X))


@pytest.mark.parametrize("mode, times", [("offline", [0]), ("online", [0, 3])])
def test_partial_fit_leaves_the_history(mode, times):
    model = fitted(mode=mode, max_epochs=1, warm_start=True)
    first = model.blending_history_
    model.partial_fit(X, Y).partial_fit(X, Y)
    assert model.blending_history_.equals(first)
    model.fit(X, Y)  # three epochs are over, more than a super-epoch
    assert model.blending_history_["epoch"].unique().tolist() == times
    assert model.n_iter_ == 4


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_a_fit_after_partial_fit_estimates_at_once(mode):
    model = GradientBlendingClassifier(**{**FAST, "mode": mode, "max_epochs": 1})
    model.set_params(warm_start=True).partial_fit(X, Y).fit(X, Y)
    assert model.blending_history_["epoch"].unique().tolist() == [1]
    assert set(model.blending_weights_.values()) != {1 / 3}


def test_a_cold_fit_starts_the_history_anew():
    model, once = fitted().fit(X, Y), fitted()
    assert model.blending_history_.equals(once.blending_history_)


def test_a_loaded_model_goes_on(tmp_path):
    model = fitted(mode="online", max_epochs=3, warm_start=True)
    model.save(tmp_path / "model")
    again = skmm.load(tmp_path / "model").fit(X, Y)
    assert again.blending_history_.equals(model.fit(X, Y).blending_history_)
    assert again.blending_history_["epoch"].unique().tolist() == [0, 2, 4]


def test_saved_and_loaded(tmp_path):
    model = fitted(mode="online")
    model.save(tmp_path / "model")
    again = skmm.load(tmp_path / "model")
    assert again.blending_weights_ == model.blending_weights_
    assert again.blending_history_.equals(model.blending_history_)
    said = model.head_predict_proba(X)
    np.testing.assert_array_equal(again.head_predict_proba(X), said)


def test_fits_of_replicas_are_those_one_by_one():
    samples = [np.arange(60), np.arange(20, 80)]
    models = fit_replicas(GradientBlendingClassifier(**FAST), X, Y, samples)
    for model, rows in zip(models, samples, strict=True):
        one = GradientBlendingClassifier(**FAST).fit(X[rows], Y[rows])
        assert one.blending_weights_ == model.blending_weights_
        np.testing.assert_array_equal(one.predict_proba(X), model.predict_proba(X))


def test_weights_of_a_fusion_that_weighs(tmp_path):
    """They are of the fused head, which predicts."""
    rng = np.random.default_rng(0)
    data = {"a": rng.normal(size=(200, 3)), "noise": rng.normal(size=(200, 3))}
    settings = {**FAST, "encoders": nn.Flatten(), "max_epochs": 80, "lr": 0.1}
    fusion = nn.LpNormFusion(strength=0.02)
    model = GradientBlendingClassifier(**settings, fusion=fusion)
    model.fit(data, data["a"].sum(1) > 0)
    table = model.modality_weights_
    assert list(table) == ["weight", "variance_share"]
    assert table["weight"]["a"] > 0.9
    model.save(tmp_path / "model")
    assert skmm.load(tmp_path / "model").modality_weights_.equals(table)
    with pytest.raises(AttributeError, match="ConcatFusion does not learn weights"):
        _ = fitted().modality_weights_


def test_fitted_again_on_fewer_modalities():
    model = fitted().set_params(modalities=["a"]).fit(X, Y)
    assert list(model.blending_weights_) == ["a", "fused"]


def test_errors():
    with pytest.raises(NotFittedError):
        GradientBlendingClassifier().head_predict_proba(X)
    with pytest.raises(NotFittedError):
        _ = GradientBlendingClassifier().modality_weights_
    named = skmm.ModalityDict(a=X["a"], fused=X["b"])
    with pytest.raises(ValueError, match=r"heads: .*'fused'.*is ambiguous"):
        fitted(named)
    with pytest.raises(ValueError, match="super_epoch"):
        fitted(super_epoch=0)
    tokens = {"a": nn.SequenceTokens(4)}
    data = skmm.ModalityDict(a=np.zeros((80, 2, 30)), b=X["b"])
    with pytest.raises(ValueError, match="tokens"):
        fitted(data, encoders=tokens, fusion="transformer")


def test_the_head_that_predicts_is_always_trained():
    """Although, as the paper has it, it gains nothing in so many epochs."""
    rng = np.random.default_rng(0)
    X = {"signal": rng.normal(size=(200, 4)), "noise": rng.normal(size=(200, 60))}
    y = X["signal"][:, 0] + X["signal"][:, 1] > 0
    model = GradientBlendingClassifier(
        optimizer="adam", lr=0.01, super_epoch=20, max_epochs=20, random_state=0
    ).fit(X, y)
    assert model.blending_weights_["fused"] == pytest.approx(0.1)
    assert sum(model.blending_weights_.values()) == pytest.approx(1)
    assert model.score(X, y) > 0.8


def test_losses_are_computed_where_the_net_is():
    model = fitted()
    rows, target = model.prepare(X, Y, np.ones(len(Y)) + Y).train
    seen = []

    class Noting:
        def losses(self, outputs, target, weight):
            seen.extend([*outputs.values(), target, weight])
            return [0.0]

    net = SimpleNamespace(module_=model.net_.module_, criterion=Noting())
    net.device = "meta"  # stands for a GPU
    losses_of(net, (rows, target))
    assert rows.weight is not None and {t.device.type for t in seen} == {"meta"}
