"""What encoders learn from the training samples: when, from which, and only once."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

import skmm
from skmm import (
    FusionClassifier,
    FusionRegressor,
    LateFusionClassifier,
    ModalityDict,
    MulMixClassifier,
    NoHarmFusionClassifier,
)
from skmm.base.validation_split import validation_indices
from skmm.model_selection import fit_replicas
from skmm.nn import Block, MLPEncoder
from skmm.training.replicas import can_be_stacked
from tests.tools.scaling import robust

FAST = {"max_epochs": 3, "random_state": 0}
RAW = MLPEncoder((6,))
PLAIN = MLPEncoder((6,), scale=None)
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def tables(n=60, seed=0):
    """Table "a" of heavy-tailed columns in many units, "b" of two values and counts."""
    rng = np.random.default_rng(seed)
    a = rng.standard_t(3, (n, 4)) * [1e-3, 1, 50, 1e4] + [0, 5, -100, 1e4]
    b = np.stack([rng.random(n) < 0.4, rng.poisson(0.3, n), np.ones(n)], 1)
    X = {"a": a.astype(np.float32), "b": b.astype(np.float32)}
    return X, (a[:, 1] + b[:, 0] > 5.3).astype(int)


def scaled(X, rows=slice(None), weight=None):
    """All rows, scaled by the statistics of some."""
    return {n: robust(x[rows], weight)(x).astype(np.float32) for n, x in X.items()}


def pair(**params):
    return [FusionClassifier(encoder, **{**FAST, **params}) for encoder in (RAW, PLAIN)]


def assert_same(one, other, X, Z):
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(Z), **CLOSE)


def test_raw_values_are_scaled_in_the_net():
    X, y = tables()
    raw, plain = pair()
    assert_same(raw.fit(X, y), plain.fit(scaled(X), y), X, scaled(X))
    assert not np.allclose(
        raw.predict_proba(X), clone(plain).fit(X, y).predict_proba(X)
    )


def test_early_stopping_scales_by_the_training_part_only():
    X, y = tables()
    raw, plain = pair(early_stopping=True)
    raw.fit(X, y)
    train, valid = validation_indices(raw, y)
    assert len(valid) > 5
    Z = scaled(X, train)
    assert_same(raw, plain.fit(Z, y), X, Z)
    assert raw.best_epoch_ == plain.best_epoch_


def test_validation_data_do_not_count():
    X, y = tables()
    raw, plain = pair(early_stopping=True)
    train = slice(0, 40)
    Z = scaled(X, train)
    for model, data in ((raw, X), (plain, Z)):
        parts = [
            {n: v[rows] for n, v in data.items()} for rows in (train, slice(40, 60))
        ]
        model.fit(parts[0], y[train], validation_data=(parts[1], y[40:]))
    assert_same(raw, plain, X, Z)


def test_weights_count_and_those_of_classes_too():
    X, y = tables()
    weight = np.random.default_rng(1).integers(0, 4, 60)
    raw, plain = pair()
    Z = scaled(X, weight=weight)
    assert_same(raw.fit(X, y, weight), plain.fit(Z, y, weight), X, Z)
    raw, plain = pair(class_weight={0: 2, 1: 1})
    Z = scaled(X, weight=2 - y)
    assert_same(raw.fit(X, y), plain.fit(Z, y), X, Z)


def test_partial_fit_scales_by_the_first_chunk():
    X, y = tables()
    raw, plain = pair()
    Z = scaled(X, slice(0, 30))
    for model, data in ((raw, X), (plain, Z)):
        for rows in (slice(0, 30), slice(30, 60)):
            part = {n: v[rows] for n, v in data.items()}
            model.partial_fit(part, y[rows], classes=[0, 1])
    assert_same(raw, plain, X, Z)


def test_a_warm_start_keeps_the_statistics():
    X, y = tables()
    raw, plain = pair(warm_start=True)
    Z = scaled(X, slice(0, 30))
    for model, data in ((raw, X), (plain, Z)):
        model.fit({n: v[:30] for n, v in data.items()}, y[:30]).fit(data, y)
    assert_same(raw, plain, X, Z)


def test_rows_without_the_modality_do_not_count():
    X, y = tables()
    present = {"a": np.arange(60) % 3 > 0, "b": np.arange(60) % 4 > 0}
    X["a"][~present["a"]] = 1e9
    Z = {n: robust(x[present[n]])(x).astype(np.float32) for n, x in X.items()}
    X, Z = (ModalityDict(data, present=present) for data in (X, Z))
    raw, plain = pair()
    assert_same(raw.fit(X, y), plain.fit(Z, y), X, Z)


def test_rows_without_the_modality_or_weight_do_not_count():
    X, y = tables()
    present, weight = np.arange(60) % 3 > 0, np.arange(60) % 4
    X = ModalityDict(X, present={"a": present})
    model = FusionClassifier(RAW, **FAST).fit(X, y, weight)
    kept = np.repeat(X["a"], weight * present, axis=0)
    expected = clone(RAW).build((4,)).adapt(torch.from_numpy(kept)).scaling
    found = model.encoders_["a"].scaling
    torch.testing.assert_close(found.state_dict(), expected.state_dict())


def test_a_modality_that_no_row_has_is_left_as_it_is():
    X, y = tables()
    X = ModalityDict(X, present={"b": np.zeros(60, dtype=bool)})
    with pytest.warns(UserWarning, match="b"):
        model = FusionClassifier(RAW, **FAST).fit(X, y)
    assert not model.encoders_["b"].scaling.bend.any()
    assert model.encoders_["a"].scaling.bend.any()


@pytest.mark.parametrize("saved", [False, True])
def test_a_modality_is_scaled_when_its_first_rows_come(saved, tmp_path):
    X, y = tables()
    nothing = ModalityDict(X, present={"b": np.zeros(60, dtype=bool)})
    with pytest.warns(UserWarning, match="b"):
        model = FusionClassifier(RAW, **FAST).partial_fit(nothing, y, classes=[0, 1])
    if saved:
        model.save(tmp_path / "model")
        model = skmm.load(tmp_path / "model")
    first = model.encoders_["a"].scaling.center.clone()
    later = {"a": X["a"] * 2, "b": X["b"]}
    model.partial_fit(later, y).partial_fit({"a": X["a"], "b": 1 - X["b"]}, y)
    expected = clone(RAW).build((3,)).adapt(torch.from_numpy(X["b"])).scaling
    found = model.encoders_["b"].scaling.state_dict()
    torch.testing.assert_close(found, expected.state_dict())
    assert torch.equal(model.encoders_["a"].scaling.center, first)


def test_the_gate_of_branches_scales_too():
    X, y = tables()
    first = FusionClassifier(RAW, **FAST).fit(X, y)
    model = skmm.DynamicFusionClassifier(first.encoders_, gate_encoders=RAW, **FAST)
    module = model.fit({"a": 2 * X["a"], "b": X["b"]}, y).net_.module_
    center = first.encoders_["a"].scaling.center
    torch.testing.assert_close(module.encoders["a"].scaling.center, center)
    torch.testing.assert_close(module.gate.encoders["a"].scaling.center, 2 * center)


# -- many fits ---------------------------------------------------------------------


def test_replicas_in_a_stack_equal_those_alone():
    X, y = tables()
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 60, 60) for _ in range(3)]
    for early in (False, True):
        model = FusionClassifier(RAW, early_stopping=early, **FAST)
        together = fit_replicas(model, X, y, rows)
        for replica, mine in zip(together, rows, strict=True):
            part = {n: v[mine] for n, v in X.items()}
            alone = clone(replica).fit(part, y[mine])
            assert_same(replica, alone, X, X)
            torch.testing.assert_close(
                replica.encoders_["a"].scaling.state_dict(),
                alone.encoders_["a"].scaling.state_dict(),
            )
    centers = {m.encoders_["a"].scaling.center.sum().item() for m in together}
    assert len(centers) == 3


def test_it_is_trained_in_a_stack():
    model = FusionClassifier(RAW, **FAST)
    data = model.prepare(*tables())
    assert can_be_stacked(model.make_net(data.module), data)


# -- saving, copies, templates -----------------------------------------------------


@pytest.mark.parametrize("copy", ["save", "pickle"])
def test_statistics_are_saved(copy, tmp_path):
    X, y = tables()
    model = FusionClassifier(RAW, warm_start=True, **FAST).fit(X, y)
    if copy == "save":
        model.save(tmp_path / "model")
        again = skmm.load(tmp_path / "model")
    else:
        again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    one, other = (m.fit(X, y).predict_proba(X) for m in (again, model))
    np.testing.assert_array_equal(one, other)


def test_a_built_template_keeps_its_statistics():
    X, y = tables()
    first = FusionClassifier(RAW, **FAST).fit({n: v[:30] for n, v in X.items()}, y[:30])
    state = {n: e.scaling.state_dict() for n, e in first.encoders_.items()}
    model = FusionClassifier(first.encoders_, **FAST).fit(X, y)
    for name, encoder in model.encoders_.items():
        torch.testing.assert_close(encoder.scaling.state_dict(), state[name])
    never = MLPEncoder((6,)).build((4,))  # reads values as they are
    model = FusionClassifier({"a": never}, **FAST).fit(X, y)
    assert not model.encoders_["a"].scaling.center.any()
    assert model.encoders_["b"].scaling.bend.any()


def test_a_template_is_not_changed():
    X, y = tables()
    template = clone(RAW)
    FusionClassifier({"a": template}, **FAST).fit(X, y)
    assert not template.is_built and "scaling" not in vars(template)["_modules"]


# -- the hook ----------------------------------------------------------------------


class Noting(Block):
    """An encoder that notes what it is given to adapt to."""

    def __init__(self, width=2):
        super().__init__()
        self.width = width

    def build(self, in_shape):
        self.map, self.out_features = nn.Linear(in_shape[0], self.width), self.width
        return self

    def adapt(self, x, weight=None):
        self.seen = [*getattr(self, "seen", []), (x[:], weight)]
        return self

    def forward(self, x):
        return self.map(x)


def test_adapt_is_called_once_with_the_samples():
    X, y = tables()
    model = FusionClassifier({"a": Noting()}, warm_start=True, **FAST)
    model.fit(X, y).fit(X, y)
    ((x, weight),) = model.encoders_["a"].seen
    np.testing.assert_array_equal(x, X["a"])
    assert weight is None


def test_rows_on_disk_stay_there(tmp_path):
    x = np.memmap(tmp_path / "x", dtype=np.uint8, mode="w+", shape=(60, 4))
    x[:] = np.random.default_rng(0).integers(0, 255, (60, 4))
    y = np.arange(60) % 2
    model = FusionClassifier(RAW, early_stopping=True, **FAST).fit({"x": x}, y)
    train, _ = validation_indices(model, y)
    expected = clone(RAW).build((4,)).adapt(torch.from_numpy(x[train]).float())
    found = model.encoders_["x"].scaling.state_dict()
    torch.testing.assert_close(found, expected.scaling.state_dict())


@pytest.mark.parametrize("name", ["text", "array"])
def test_plain_modules_and_text_need_no_hook(name):
    X, y = tables()
    data = {"text": np.array(["ab", "cde"] * 30, dtype=object), "array": X["a"]}[name]
    encoders = {"array": nn.Linear(4, 3)} if name == "array" else None
    model = FusionClassifier(encoders, **FAST).fit({name: data, "b": X["b"]}, y)
    assert model.encoders_["b"].scaling.bend.any()


def test_text_needs_an_encoder_of_text():
    texts = np.array(["ab", "cde"] * 30, dtype=object)
    for encoder in (MLPEncoder(), skmm.nn.RobustScale()):
        with pytest.raises(ValueError, match="expects numbers; got text"):
            FusionClassifier({"t": encoder}).fit({"t": texts}, np.arange(60) % 2)


# -- every estimator ---------------------------------------------------------------

NETS = {
    "fusion": FusionClassifier(**FAST),
    "regression": FusionRegressor(**FAST),
    "mulmix": MulMixClassifier(**FAST),
    "no_harm": NoHarmFusionClassifier(cv=2, **FAST),
    "thesis": NoHarmFusionClassifier(guarantee=None, **FAST),
    "residual": skmm.ResidualFusionRegressor(**FAST),
    "dynamic": skmm.DynamicFusionClassifier(**FAST),
    "blended": skmm.GradientBlendingClassifier(**FAST),
    "late": LateFusionClassifier(FusionClassifier(**FAST), rule="stack", cv=2),
    "coordinated": skmm.CoordinatedEncoder(**FAST),
    "reconstructor": skmm.EncoderDecoderReconstructor(
        target="b", encoders={"a": RAW}, **FAST
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_units_of_columns_do_not_matter(name):
    X, y = tables()
    other = {"a": X["a"] * [1e3, 2, 0.01, 1e-3] + [3, -7, 0.5, 0], "b": X["b"]}
    outs = []
    for data in (X, other):
        model = clone(NETS[name]).fit(data, y if name != "reconstructor" else None)
        method = next(m for m in ("predict_proba", "embed") if hasattr(model, m))
        out = getattr(model, method)(data)
        outs.append(out if isinstance(out, np.ndarray) else out["a"])
    np.testing.assert_allclose(*outs, rtol=5e-3, atol=5e-4)
