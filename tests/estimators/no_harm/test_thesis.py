"""guarantee=None: the no-harm factor, trained as in the thesis."""

import functools

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torch.optim import LBFGS

from skmm import (
    FusionClassifier,
    NoHarmFusionClassifier,
    NoHarmFusionRegressor,
    load,
    restrict,
)
from skmm._random import derive
from skmm.base.validation_split import split_samples
from skmm.estimators.no_harm.crossfit import CrossFit
from skmm.nn import MLPEncoder, NoHarmFusion
from skmm.training import Stage
from tests.estimators.no_harm.problems import complementary, one_informative, thesis

X, Y = complementary()
TWO = X.select(["a", "b"])


def weights(model, part):
    return model.net_.module_.parts()[part].state_dict()


def fail_on_training(*args):
    pytest.fail("a net was trained")


def same(one, other):
    return all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    ("training", "kept"),
    [
        (None, {"a", "b"}),
        ("freeze_all", {"a", "b"}),
        ("freeze_a", {"a"}),
        ("freeze_b", {"b"}),
        ("end_to_end", set()),
    ],
)
def test_frozen_encoders_are_those_of_the_single_nets(training, kept):
    model = thesis(training=training).fit(TWO, Y)
    fused = model.fused_[0]
    found = set()
    for name, single in model.unimodal_.items():
        part = f"encoders__{name}"
        found |= {name} if same(weights(fused, part), weights(single, part)) else set()
    assert found == kept


@pytest.mark.parametrize("factor", [0.0, 1.0])
def test_at_a_vertex_it_is_the_single_net(factor):
    """With its head, and no step to take: (1 - λ, λ) weighs the second."""
    model = thesis(factor=factor, max_epochs=1, lr=1e-12).fit(TWO, Y)
    best = model.best_modality_
    single = model.unimodal_[best].predict_proba(TWO.select([best]))
    if best == ("a", "b")[int(factor)]:
        np.testing.assert_allclose(model.predict_proba(TWO), single, atol=1e-6)
    else:
        assert abs(model.predict_proba(TWO) - single).max() > 1e-3
    assert model.lambda_ == factor


def test_the_factor_and_its_path():
    model = thesis(max_epochs=20).fit(TWO, Y)
    path = model.history_
    assert isinstance(model.lambda_, float)
    assert model.modality_weights_ == pytest.approx(
        {"a": 1 - model.lambda_, "b": model.lambda_}
    )
    np.testing.assert_allclose(path["weight_a"] + path["weight_b"], 1, atol=1e-6)
    np.testing.assert_allclose(path["lambda"], path["weight_b"])
    kept = path.loc[path["epoch"] == model.fused_[0].best_epoch_, "lambda"]
    assert model.lambda_ == pytest.approx(kept.item())


def test_noise_gets_little_weight():
    """Methods §1.5 f: with frozen nets the learnt λ of noise is below 0.2."""
    data, y = one_informative(300)
    model = thesis(max_epochs=60, lr=0.02, early_stopping=False).fit(data, y)
    assert model.lambda_ < 0.2


def test_vectors_and_more_modalities():
    vector = thesis(factor="vector").fit(TWO, Y)
    assert vector.lambda_.shape == (8,)
    three = thesis().fit(X, Y)
    assert three.lambda_.shape == (3,)
    assert sum(three.modality_weights_.values()) == pytest.approx(1)
    assert "lambda" not in three.history_
    fixed = thesis(factor=(0.5, 0.25, 0.25)).fit(X, Y)
    np.testing.assert_allclose(fixed.lambda_, [0.5, 0.25, 0.25])


def test_the_geometric_kind_is_another_net():
    one, two = (thesis(kind=k).fit(TWO, Y) for k in ("arithmetic", "geometric"))
    assert abs(one.predict_proba(TWO) - two.predict_proba(TWO)).max() > 1e-3


def test_it_is_a_list_of_stages():
    fused = thesis(training="freeze_a").fit(X, Y).fused_[0]
    stage = Stage(["encoders__b", "encoders__noise", "fusion", "head"])
    assert repr(fused.stages) == repr([stage])
    assert thesis(training="end_to_end").fit(X, Y).fused_[0].stages is None


def test_single_models_are_usable_on_their_own():
    model = thesis().fit(TWO, Y)
    test, labels = complementary(500, seed=1)
    for name, single in model.unimodal_.items():
        assert log_loss(labels, single.predict_proba(test.select([name]))) < np.log(2)


def test_max_harm_mixes_with_the_best_single():
    model = thesis(max_harm=0.2).fit(TWO, Y)
    assert model.weight_ == pytest.approx(1 - np.exp(-0.2))
    answers = model.candidate_predict_proba(TWO)
    best = answers[model.best_modality_]
    worst = np.log(best) - np.log(model.predict_proba(TWO))
    assert worst.max() <= 0.2 + 1e-9
    free = thesis().fit(TWO, Y)
    assert free.weight_ == 1 and np.isnan(free.lower_bound_)
    np.testing.assert_array_equal(free.predict_proba(TWO), answers["fused"])


def test_missing_modalities_share_the_weight():
    holes = TWO.with_missing("b", slice(0, 40))
    model = thesis().fit(holes, Y)
    alone = TWO.with_missing("b")
    assert np.isfinite(model.predict_proba(alone)).all()
    nothing = alone.with_missing("a")
    with pytest.raises(ValueError, match=r"\['a', 'b'\], is missing in nearly every"):
        thesis().fit(nothing, Y)


@pytest.mark.parametrize("training", ["freeze_all", "freeze_b", "end_to_end"])
@pytest.mark.parametrize("factor", ["vector", (0.5, 0.2, 0.3)])
def test_a_modality_in_fewer_samples_than_a_net_needs(training, factor, tmp_path):
    few = X.with_missing("b", slice(2, None))
    model = thesis(training=training, factor=factor)
    with pytest.warns(UserWarning, match="'b' is present in fewer than 3 training"):
        model.fit(few, Y)
    assert model.modalities_seen_ == list(model.unimodal_) == ["a", "noise"]
    for rows in (X, X.with_missing("a")):
        np.testing.assert_array_equal(
            model.predict_proba(rows), model.predict_proba(rows.with_missing("b"))
        )
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    if isinstance(factor, tuple):
        assert model.modality_weights_ == pytest.approx({"a": 0.625, "noise": 0.375})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"training": "freeze_c"},
            "must be one of .'freeze_all', 'end_to_end', 'freeze_a'",
        ),
        ({"factor": 2.0}, "a number in .0, 1."),
        ({"factor": (0.2, 0.3, 0.5)}, r"one weight for each of the 2 modalities"),
        ({"factor": (0.2, 0.2)}, "weights that sum to one"),
        (
            {"encoders": {"a": MLPEncoder((4,)), "b": MLPEncoder((5,))}},
            r"one output width .*; got {'a': 4, 'b': 5}. Give the encoders one width",
        ),
    ],
)
def test_wrong_parameters_raise_before_any_training(settings, words, monkeypatch):
    monkeypatch.setattr(CrossFit, "fit_singles", fail_on_training)
    with pytest.raises(ValueError, match=words):
        thesis(**settings).fit(TWO, Y)


def test_a_number_for_three_modalities_raises_before_any_training(monkeypatch):
    monkeypatch.setattr(CrossFit, "fit_singles", fail_on_training)
    with pytest.raises(ValueError, match="needs two modalities"):
        thesis(factor=0.3).fit(X, Y)
    with pytest.raises(ValueError, match="needs two modalities"):
        thesis(factor=0.3).fit(X.with_missing("b"), Y)


SHARES = (0.5, 0.1, 0.4)


@pytest.mark.parametrize("listed", [None, ["noise", "b", "a"]])
def test_fixed_weights_are_restricted_by_name(listed):
    """X has the order a, b, noise; `modalities` may have another."""
    model = thesis(factor=SHARES, modalities=listed, max_epochs=1)
    part = restrict(model, ["b", "a"]).fit(X, Y)
    by_name = dict(zip(listed or X, SHARES, strict=True))
    both = by_name["a"] + by_name["b"]
    expected = {name: by_name[name] / both for name in ("b", "a")}
    assert part.modality_weights_ == pytest.approx(expected)
    assert restrict(model, ["b"]).fit(X, Y).modality_weights_ == {"b": 1}


def test_weights_of_modalities_that_are_left_out():
    with pytest.raises(ValueError, match=r"a positive weight.*\['a', 'b'\]"):
        restrict(thesis(factor=(0.0, 0.0, 1.0)), ["a", "b"]).fit(X, Y)
    with pytest.raises(ValueError, match=r"one weight for each of the 2 modalities"):
        restrict(thesis(factor=(0.1, 0.2, 0.3, 0.4)), ["a", "b"]).fit(X, Y)
    with pytest.raises(ValueError, match="names: unknown modality 'c'"):
        restrict(thesis(factor=SHARES, modalities=list(X)), ["c"])


def test_a_restricted_block_with_too_many_weights_raises():
    model = FusionClassifier(fusion=NoHarmFusion(SHARES), random_state=0)
    with pytest.raises(ValueError, match=r"one weight for each of the 2 modalities"):
        restrict(model, ["a", "b"]).fit(X, Y)


@pytest.mark.parametrize("optimizer", [LBFGS, functools.partial(LBFGS, max_iter=4)])
def test_an_optimizer_of_one_rate(optimizer):
    """LBFGS: the factor then has the learning rate of the other parts."""
    own = {"optimizer": optimizer, "batch_size": 200, "lr": 3e-3, "max_epochs": 2}
    model = thesis(**own, weight_decay=0).fit(TWO, Y)
    assert model.fused_[0].lr == 3e-3 and model.lambda_ != 0.5
    with pytest.raises(
        ValueError, match=r"weight_decay=0.001 is not supported by LBFGS; use 0"
    ):
        thesis(**own).fit(TWO, Y)


def test_the_fix_for_unequal_widths_works():
    """Both that the message names: one width, or a fusion that projects."""
    encoders = {"a": MLPEncoder((4,)), "b": MLPEncoder((5,))}
    projecting = FusionClassifier(
        encoders, fusion=NoHarmFusion(width=6), max_epochs=1, random_state=0
    )
    assert projecting.fit(TWO, Y).transform(TWO).shape == (150, 6)
    thesis(encoders={**encoders, "b": MLPEncoder((4,))}, max_epochs=1).fit(TWO, Y)


def test_the_global_generator_is_not_used():
    state = torch.get_rng_state()
    thesis(max_epochs=1).fit(TWO, Y)
    assert torch.equal(torch.get_rng_state(), state)


def test_groups_raise():
    with pytest.raises(ValueError, match="groups must be None with guarantee=None"):
        thesis(early_stopping=False).fit(TWO, Y, groups=np.arange(150))


@pytest.mark.parametrize("guarantee", ["crossfit", "holdout", None])
def test_saved_and_loaded(guarantee, tmp_path):
    encoder = MLPEncoder((6,))
    model = NoHarmFusionClassifier(
        encoder, guarantee=guarantee, max_epochs=2, random_state=0
    ).fit(X, Y)
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.no_harm_report_.equals(model.no_harm_report_)
    if guarantee is None:
        assert again.lambda_ == pytest.approx(model.lambda_)
        assert again.history_.equals(model.history_)


@pytest.mark.parametrize("stops", [True, False])
@pytest.mark.parametrize("holes", [False, True])
def test_losses_of_several_targets_are_in_their_units(stops, holes):
    """Modality b predicts the target of the larger scale, which counts more."""
    rng = np.random.default_rng(0)
    data = {name: rng.normal(size=(120, 1)) for name in "ab"}
    y = np.hstack([data["a"], 500 * data["b"]]) + [1, 100] * rng.normal(size=(120, 2))
    if holes:
        y[::3, 0] = np.nan
    model = NoHarmFusionRegressor(
        guarantee=None, early_stopping=stops, max_epochs=30, lr=0.01, random_state=0
    ).fit(data, y)
    assert model.best_modality_ == "b"
    report = model.no_harm_report_.set_index("model")["loss"]
    predictions = {n: m.predict({n: data[n]}) for n, m in model.unimodal_.items()}
    predictions["fused"] = model.predict(data)
    single = model.unimodal_["a"]
    kept = slice(None)
    if stops:
        kept = np.flatnonzero(validation_rows(single, y))
    for name, values in predictions.items():
        error = np.nanmean(np.square(values - y)[kept])
        assert report[name] == pytest.approx(error, rel=1e-4)


def validation_rows(model, y):
    """Samples that early stopping used, as a mask."""
    seed = derive(model.random_state, "validation")
    rows = np.zeros(len(y), bool)
    rows[split_samples(len(y), model.validation_fraction, None, seed)[1]] = True
    return rows
