"""Stages and learning rates by part in fusion estimators."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

import skmm
from skmm import FusionClassifier, FusionRegressor, restrict
from skmm.model_selection import fit_replicas
from skmm.nn import MLPEncoder
from skmm.training import Stage
from tests.toys import two_tables

X, Y = two_tables(80)


def model(**settings):
    defaults = {"encoders": MLPEncoder((8,)), "max_epochs": 5, "random_state": 0}
    return FusionClassifier(**{**defaults, **settings})


def weights(fitted, part):
    return fitted.net_.module_.parts()[part].state_dict()


def same(one, other):
    return all(torch.equal(one[key], other[key]) for key in one)


def test_pretrain_freeze_and_fuse():
    """Fit encoders in single models, then fusion and head with frozen encoders."""
    single = {name: model(modalities=[name]).fit(X, Y) for name in ("a", "b")}
    encoders = {name: fitted.encoders_[name] for name, fitted in single.items()}
    fused = model(encoders=encoders, stages=[Stage(["fusion", "head"])]).fit(X, Y)
    for name, fitted in single.items():
        part = f"encoders__{name}"
        assert same(weights(fused, part), weights(fitted, part))
        np.testing.assert_allclose(
            fused.embed(X)[name], fitted.embed(X)[name], atol=1e-6
        )


def test_freezing_both_is_a_head_on_embeddings():
    """Equal to fitting fusion and head on embeddings."""
    encoders = model().fit(X, Y).encoders_
    fused = model(encoders=encoders, stages=[Stage(["fusion", "head"])]).fit(X, Y)
    alone = model(encoders=torch.nn.Identity()).fit(fused.embed(X), Y)
    np.testing.assert_allclose(
        fused.predict_proba(X), alone.predict_proba(fused.embed(X)), atol=1e-5
    )


def test_an_encoder_trains_more_slowly():
    steps = []
    for lr in (0.1, {"encoders__a": 0.05, "encoders": 0.1, "head": 0.1}):
        start = model().fit(X, Y).encoders_
        fitted = model(encoders=start, lr=lr, optimizer="sgd", max_epochs=1)
        fitted.set_params(batch_size=80).fit(X, Y)
        first = {name: start[name].state_dict()["layers.0.weight"] for name in "ab"}
        last = {name: fitted.encoders_[name].state_dict() for name in "ab"}
        steps.append({n: last[n]["layers.0.weight"] - first[n] for n in "ab"})
    torch.testing.assert_close(steps[0]["a"], 2 * steps[1]["a"])
    torch.testing.assert_close(steps[0]["b"], steps[1]["b"])


def test_decay_by_part():
    strong = {"weight_decay": {"head": 1e6}, "optimizer": "adamw", "lr": 1e-6}
    free, decayed = model(lr=1e-6).fit(X, Y), model(**strong).fit(X, Y)
    norm = {m: weights(m, "head")["predict.weight"].norm() for m in (free, decayed)}
    assert norm[decayed] < 0.1 * norm[free]
    assert same(
        {k: v.round(decimals=3) for k, v in weights(free, "encoders__a").items()},
        {k: v.round(decimals=3) for k, v in weights(decayed, "encoders__a").items()},
    )


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"lr": {"heads": 1.0}}, "lr: unknown part 'heads'"),
        ({"lr": {"encoders__c": 1.0}}, "'encoders__a', 'encoders__b'"),
        (
            {"weight_decay": {"head": -1.0}},
            r"weight_decay\['head'\] must be a finite number",
        ),
        ({"stages": [Stage("table")]}, "unknown part 'table'"),
        (
            {"stages": [Stage("head", lr={"tail": 1})]},
            "lr of stage 1: unknown part 'tail'",
        ),
        ({"stages": []}, "stages is empty"),
    ],
)
def test_wrong_parts_raise(params, words):
    with pytest.raises(ValueError, match=words):
        model(**params).fit(X, Y)


def test_parts_of_modalities_that_are_not_used_are_ignored():
    """This allows comparison with single modalities."""
    both = model(
        lr={"encoders__b": 1e-4, "head": 0.1},
        weight_decay={"encoders__b": 0.5},
        stages=[Stage(["encoders__b", "head"]), Stage("encoders__b"), Stage(epochs=1)],
    )
    alone = restrict(both, ["a"]).fit(X, Y)
    plain = model(
        modalities=["a"], lr={"head": 0.1}, stages=[Stage("head"), Stage(epochs=1)]
    )
    assert (alone.predict_proba(X) == plain.fit(X, Y).predict_proba(X)).all()
    with pytest.raises(
        ValueError, match="stages train only encoders of unused modalities"
    ):
        restrict(model(stages=[Stage("encoders__b")]), ["a"]).fit(X, Y)
    with pytest.raises(ValueError, match="unknown part 'encoders__c'"):
        restrict(model(lr={"encoders__c": 1e-4}), ["a"]).fit(X, Y)


def test_partial_fit_with_stages_raises():
    with pytest.raises(ValueError, match="does not support stages"):
        model(stages=[Stage()]).partial_fit(X, Y)


def test_a_warm_start_repeats_the_stages():
    again = model(stages=[Stage(epochs=2), Stage("head", epochs=1)], warm_start=True)
    again.fit(X, Y).fit(X, Y)
    assert again.history_["stage"].tolist() == [1, 1, 2, 1, 1, 2]


def test_clone_pickle_and_save(tmp_path):
    start = model().fit(X, Y).encoders_
    stages = [Stage("head", start={"encoders__a": start["a"]}, lr={"head": 0.1})]
    fitted = clone(model(stages=stages)).fit(X, Y)
    fitted.save(tmp_path / "model.safetensors")
    for copy in (
        pickle.loads(pickle.dumps(fitted)),
        skmm.load(tmp_path / "model.safetensors"),
    ):
        assert (copy.predict_proba(X) == fitted.predict_proba(X)).all()
        assert repr(copy.stages) == repr(fitted.stages)
        assert same(weights(copy.fit(X, Y), "head"), weights(fitted, "head"))


def test_in_cross_validation_and_regression():
    y = X["a"][:, 0] + X["b"][:, 0]
    reg = FusionRegressor(stages=[Stage(), Stage("head")], random_state=0)
    assert cross_val_score(reg, X, y, cv=2).mean() > 0.5


@pytest.mark.parametrize(
    "settings",
    [{"stages": [Stage("head")]}, {"lr": {"head": 0.1}, "lr_schedule": "cosine"}],
)
def test_replicas_fall_back_to_single_fits(settings):
    rows = [np.arange(60), np.arange(20, 80)]
    many = fit_replicas(model(**settings), X, Y, rows)
    for fitted, index in zip(many, rows, strict=True):
        alone = model(**settings).fit(X[index], Y[index])
        assert (fitted.predict_proba(X) == alone.predict_proba(X)).all()
