"""MulMix: its limits are known models, and mixtures are left out where they must be."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmm
from skmm import (
    FusionClassifier,
    LateFusionClassifier,
    ModalityDict,
    MulMixClassifier,
    nn,
)
from skmm.datasets import make_weak_modality
from skmm.estimators.mulmix import best_temperature
from skmm.model_selection import fit_replicas
from skmm.objectives import MultiplicativeLoss
from skmm.preprocessing import ModalityTransformer
from skmm.training import predict_outputs
from skmm.training.replicas import can_be_stacked

FAST = {"max_epochs": 4, "random_state": 0}
ENCODER = nn.MLPEncoder((8,))
X, Y = make_weak_modality(120, n_classes=3, n_features=4, random_state=0)
NAMES = list(X)


def fitted(**params):
    return MulMixClassifier(ENCODER, **{**FAST, **params}).fit(X, Y)


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture(scope="module")
def lacking():
    mask = np.ones(len(X), dtype=bool)
    mask[::3] = False
    return ModalityDict(dict(X), present={"view1": mask})


def test_the_full_mixture_is_a_sum_fusion():
    """One candidate: plain cross-entropy, the same starts, the same net."""
    add = FusionClassifier(ENCODER, fusion="sum", **FAST).fit(X, Y)
    full = fitted(mixtures="full")
    np.testing.assert_allclose(add.predict_proba(X), full.predict_proba(X), atol=1e-6)


def test_one_modality_is_a_fusion_classifier():
    one = {"view0": X["view0"]}
    alone = FusionClassifier(ENCODER, fusion="sum", **FAST).fit(one, Y)
    mix = MulMixClassifier(ENCODER, **FAST).fit(one, Y)
    assert mix.mixtures_ == [("view0",)]
    a, b = (m.predict_proba(one) for m in (alone, mix))
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_list_of_singletons_is_mul():
    listed = fitted(mixtures=[(name,) for name in NAMES])
    named, ordered = fitted(mixtures="singletons"), fitted(max_order=1)
    for other in (named, ordered):
        np.testing.assert_array_equal(listed.predict_proba(X), other.predict_proba(X))


def test_prediction_is_the_least_class_loss(model):
    p = torch.from_numpy(model.candidate_predict_proba(X)).transpose(0, 1)
    assert p.shape == (7, 120, 3)
    losses = MultiplicativeLoss(0.5).class_losses(p.log()).numpy()
    np.testing.assert_array_equal(model.predict(X), losses.argmin(1))
    expected = np.exp(-losses) / np.exp(-losses).sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-9)
    np.testing.assert_allclose(model.decision_function(X), -losses, atol=1e-9)


def test_gradients_reach_an_encoder_from_every_mixture_with_it(model):
    module = clone(model).fit(X, Y).net_.module_
    rows = {name: torch.from_numpy(X[name]).float() for name in X}
    for mixture in range(7):
        module.zero_grad()
        module(rows)["logits"][:, mixture].sum().backward()
        reached = [
            name
            for name, encoder in module.encoders.items()
            if any(p.grad is not None and p.grad.any() for p in encoder.parameters())
        ]
        assert tuple(reached) == model.mixtures_[mixture]


def test_missing_modalities_leave_mixtures_out(lacking):
    mix = fitted().set_params(max_epochs=3).fit(lacking, Y)
    p = mix.candidate_predict_proba(lacking)
    gone = ~lacking.present["view1"]
    for c, mixture in enumerate(mix.mixtures_):
        has_nan = np.isnan(p[:, c]).all(1)
        np.testing.assert_array_equal(has_nan, gone & ("view1" in mixture))
    assert np.isfinite(mix.predict_proba(lacking)).all()
    answers = mix.answering_mixture(lacking)
    assert not any("view1" in mixture for mixture in answers.mixture[gone])
    without = {name: X[name][gone] for name in ("view0", "view2")}
    np.testing.assert_allclose(
        mix.predict_proba(without), mix.predict_proba(lacking)[gone], atol=1e-6
    )


def test_rows_without_anything_are_predicted(lacking):
    one = lacking[["view1"]]
    p = MulMixClassifier(ENCODER, **FAST).fit(one, Y).predict_proba(one)
    assert np.isfinite(p).all()
    gone = ~lacking.present["view1"]
    assert np.ptp(p[gone], axis=0).max() == 0


def test_who_answers(model):
    answers = model.answering_mixture(X)
    p, chosen = model.candidate_predict_proba(X), model.predict(X)
    own = p[np.arange(120), :, chosen]
    np.testing.assert_allclose(answers.probability, own.max(1))
    assert answers.mixture.tolist() == [model.mixtures_[i] for i in own.argmax(1)]
    rest = (1 - own) ** (-0.5 / 6)  # the common factor of all q falls out
    np.testing.assert_allclose(
        answers.share, (rest / rest.sum(1, keepdims=True)).max(1)
    )


def test_without_beta_all_have_the_same_share():
    answers = fitted(beta=0.0).answering_mixture(X)
    np.testing.assert_allclose(answers.share, 1 / 7)
    assert answers.mixture.nunique() > 1


def test_temperature_changes_probabilities_only(model):
    cool = fitted(temperature=5.0)
    np.testing.assert_array_equal(cool.predict(X), model.predict(X))
    assert cool.predict_proba(X).max() < model.predict_proba(X).max()
    p, q = model.predict_proba(X), cool.predict_proba(X)
    np.testing.assert_allclose(q, p**0.2 / (p**0.2).sum(1, keepdims=True), atol=1e-6)


def test_temperature_from_validation_rows():
    train = make_weak_modality(400, n_classes=3, random_state=1)
    fit = {"early_stopping": True, "max_epochs": 30, "random_state": 0}
    found = MulMixClassifier(ENCODER, temperature="validation", **fit).fit(*train)
    plain = MulMixClassifier(ENCODER, **fit).fit(*train)
    X_new, y_new = make_weak_modality(400, n_classes=3, random_state=1)
    assert found.temperature_ > 1.2
    losses = [
        -np.log(m.predict_proba(X_new)[np.arange(400), y_new]).mean()
        for m in (found, plain)
    ]
    assert losses[0] < losses[1]


def test_temperature_needs_rows_set_aside():
    with pytest.raises(ValueError, match="early_stopping=True"):
        fitted(temperature="validation")


def test_candidate_weights():
    zero = {mix: 0.0 for mix in [("view0",), ("view1",)]}
    only = fitted(candidate_weights=zero)
    assert only.mixtures_ == fitted().mixtures_[2:]
    listed = fitted(mixtures=only.mixtures_)
    np.testing.assert_array_equal(only.predict_proba(X), listed.predict_proba(X))
    swapped = fitted(candidate_weights={("view1", "view0"): 2.0, "view2": 0.5})
    assert swapped.net_.criterion.candidate_weights == [
        *[1.0, 1.0, 0.5, 2.0, 1.0, 1.0, 1.0]
    ]


@pytest.mark.parametrize("boosted", [False, True])
def test_boosting_changes_what_is_learnt(boosted, model):
    other = fitted(boosted=True, margin=np.inf if not boosted else 0.1)
    same = np.allclose(other.predict_proba(X), model.predict_proba(X), atol=1e-6)
    assert same != boosted


@pytest.mark.parametrize("name", ["beta", "focal", "detach", "merge", "width", "head"])
def test_no_parameter_is_ignored(name, model):
    values = {"beta": 1.0, "focal": 1.0, "detach": False, "merge": "concat",
              "width": 5, "head": nn.MLPHead((5,))}  # fmt: skip
    other = fitted(**{name: values[name]})
    assert not np.allclose(other.predict_proba(X), model.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"beta": -0.5}, "beta"),
        ({"mixtures": "some"}, "mixtures"),
        ({"mixtures": [("view0", "veiw1")]}, "Did you mean 'view1'"),
        ({"mixtures": []}, "non-empty subsets"),
        ({"mixtures": [()]}, "non-empty subsets"),
        ({"margin": 1.0}, "margin=1.0 is only used when boosted=True"),
        ({"temperature": 0.0}, "temperature"),
        ({"candidate_weights": {("view9",): 1.0}}, "candidate_weights"),
        ({"candidate_weights": {("view0",): -1.0}}, "finite number >= 0"),
        ({"candidate_weights": {("view0",): "much"}}, "finite number >= 0"),
        ({"candidate_weights": {("view0",): np.inf}}, "finite number >= 0"),
        ({"candidate_weights": {("view0",): 1.0, "view0": 2.0}}, "once each"),
        ({"candidate_weights": {(): 1.0}}, "once each"),
        (
            {"candidate_weights": {("view0", "view1"): 1.0}, "mixtures": "singletons"},
            "some of the mixtures",
        ),
        (
            {"candidate_weights": dict.fromkeys(NAMES, 0), "mixtures": "singletons"},
            "all are 0",
        ),
        ({"mixtures": ["view0", "view1"]}, r"none of the mixtures has \['view2'\]"),
        ({"mixtures": [0, 1]}, "unknown modality '0', '1'"),
        ({"max_order": 0}, "max_order"),
    ],
)
def test_bad_parameters(params, match):
    with pytest.raises(ValueError, match=match):
        fitted(**params)


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (np.linspace(0, 1, 120), "continuous"),
        (np.zeros(120, dtype=int), "one class"),
        (np.eye(3, dtype=int)[Y], "several labels"),
    ],
)
def test_bad_targets(y, match):
    with pytest.raises(ValueError, match=match):
        MulMixClassifier(**FAST).fit(X, y)


def test_restricting_leaves_mixtures_out():
    model = MulMixClassifier(
        ENCODER,
        mixtures=[("view0",), ("view1",), ("view0", "view1")],
        candidate_weights={("view0",): 0.5, ("view1",): 2.0},
        **FAST,
    )
    few = skmm.restrict(model, ["view1"]).fit(X, Y)
    assert few.mixtures_ == [("view1",)]
    assert few.net_.criterion.candidate_weights == [2.0]
    with pytest.raises(ValueError, match="only modalities in use"):
        skmm.restrict(model, ["view2"]).fit(X, Y)
    with pytest.raises(ValueError, match="encoders would not be trained"):
        skmm.restrict(model, ["view1", "view2"]).fit(X, Y)


def test_weights_of_mixtures_are_cut_inside_others():
    weights = {("view0", "view1"): 2.0, "view0": 3.0}
    model = MulMixClassifier(ENCODER, candidate_weights=weights, **FAST)
    scaled = ModalityTransformer({"view0": StandardScaler()})
    one = skmm.restrict(make_pipeline(scaled, model), ["view0"]).fit(X, Y)
    assert one[-1].net_.criterion.candidate_weights == [3.0]
    late = LateFusionClassifier(model).fit(X, Y)
    assert late.estimators_["view0"].net_.criterion.candidate_weights == [3]


@pytest.mark.parametrize(
    "params",
    [
        {"mixtures": [*NAMES, "viewX"]},
        {"mixtures": [tuple(NAMES), ("view0", "viewX")]},
        {"candidate_weights": {("view0", "viewX"): 1.0}},
    ],
)
def test_a_late_fusion_sees_misspelt_mixtures(params):
    with pytest.raises(ValueError, match="viewX"):
        LateFusionClassifier(MulMixClassifier(ENCODER, **params, **FAST)).fit(X, Y)


def test_temperature_where_nothing_is_wrong():
    """The least log-loss of rows that are all right is at T = 0: few say little."""
    target = torch.arange(40) % 2
    losses = torch.where(torch.eye(2)[target] > 0, 0.05, 3.0)
    few, many = (best_temperature(losses[:n], target[:n]) for n in (2, 40))
    assert 0.3 < many < few < 1


def test_temperature_is_that_of_the_least_log_loss():
    """Logits that are five times too large, and many rows."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 3, generator=generator)
    target = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    assert best_temperature(-5 * logits, target) == pytest.approx(5, rel=0.1)
    weight = torch.full((4000,), 1.0)
    weight[2000:] = 0.0
    half = best_temperature(-5 * logits[:2000], target[:2000])
    assert best_temperature(-5 * logits, target, weight) == pytest.approx(
        half, rel=1e-2
    )


def test_replicas_are_the_models_one_by_one(lacking):
    for data in (X, lacking):
        model = MulMixClassifier(
            ENCODER,
            early_stopping=True,
            temperature="validation",
            weight_decay=0.01,
            optimizer="adamw",
            **FAST,
        )
        samples = [np.arange(100), np.arange(20, 120), np.arange(10, 110)]
        params = [{"lr": lr} for lr in (1e-3, 5e-3, 1e-2)]
        together = fit_replicas(model, data, Y, samples, params=params)
        for rows, own, replica in zip(samples, params, together, strict=True):
            alone = clone(model).set_params(**own).fit(data[rows], Y[rows])
            got, expected = (m.predict_proba(data) for m in (replica, alone))
            np.testing.assert_allclose(got, expected, atol=2e-4)
            assert replica.temperature_ == pytest.approx(alone.temperature_, rel=1e-2)


def test_replicas_are_stacked():
    model = MulMixClassifier(ENCODER, **FAST)
    problem = model.prepare(X, Y)
    assert can_be_stacked(model.make_net(problem.module), problem)


def test_beta_by_cross_validation():
    search = GridSearchCV(
        MulMixClassifier(ENCODER, **FAST), {"beta": [0.0, 0.5, 1.0]}, cv=2
    ).fit(X, Y)
    assert search.best_params_["beta"] in (0.0, 0.5, 1.0)


def test_save_and_load(tmp_path, model):
    for one in (model, fitted(mixtures=[("view0",), ("view1", "view2")], beta=0.2)):
        one.save(tmp_path / "model.safetensors")
        again = skmm.load(tmp_path / "model.safetensors")
        assert again.mixtures_ == one.mixtures_
        np.testing.assert_array_equal(again.predict_proba(X), one.predict_proba(X))
        np.testing.assert_array_equal(
            again.candidate_predict_proba(X), one.candidate_predict_proba(X)
        )


def test_parameters_set_after_fit_do_not_act(model):
    other = fitted()
    other.set_params(beta=0.0, temperature=9.0)
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))


def test_another_structure_is_rejected_in_a_warm_start():
    one = fitted(warm_start=True)
    one.set_params(mixtures="singletons")
    with pytest.raises(ValueError, match="mixtures changed"):
        one.fit(X, Y)


def test_weak_modalities_are_where_mul_beats_add():
    X, y = make_weak_modality(2400, random_state=3)
    train, test = slice(0, 800), slice(800, None)
    settings = {"max_epochs": 30, "random_state": 0}
    add = FusionClassifier(nn.MLPEncoder((32,)), fusion="sum", **settings)
    mul = MulMixClassifier(nn.MLPEncoder((32,)), mixtures="singletons", **settings)
    scores = [m.fit(X[train], y[train]).score(X[test], y[test]) for m in (add, mul)]
    assert scores[1] > scores[0] + 0.01


def test_early_stopping_looks_at_the_loss_without_boosting():
    """Many rows are right, so a boosted loss of them would be far lower."""
    data = make_weak_modality(400, n_classes=3, random_state=1)
    stop = {"early_stopping": True, "max_epochs": 1, "lr": 0.02, "random_state": 0}
    boosted = MulMixClassifier(ENCODER, boosted=True, **stop).fit(*data)
    valid = boosted.history_["valid_loss"].iloc[-1]
    rows, target = boosted.prepare(*data, again=True).valid
    outputs = predict_outputs(boosted.net_.module_, rows)
    plain = boosted.net_.criterion.validation
    assert valid == pytest.approx(plain(outputs, target).item(), rel=1e-5)
    assert valid > 1.2 * boosted.net_.criterion(outputs, target).item()
    model = MulMixClassifier(ENCODER, boosted=True, **stop)
    for replica in fit_replicas(model, *data, [np.arange(400)] * 2):
        assert replica.history_["valid_loss"].iloc[-1] == pytest.approx(valid, rel=1e-4)
