"""Stacks of nets equal the nets one by one, to 1e-12 in float64."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from skmm import FusionClassifier, FusionRegressor, ModalityDict
from skmm._random import seeded
from skmm.model_selection import fit_replicas
from skmm.nn import (
    AttentionFusion,
    Block,
    Chemception,
    ConcatFusion,
    ConvEncoder,
    MaxFusion,
    MeanFusion,
    NoHarmFusion,
)
from skmm.nn.composite.stack import stack, unstack
from skmm.training.replicas import can_be_stacked, train_stacked, train_together


def batch_norm_encoder():
    # a bias before BatchNorm has no gradient but rounding, which Adam would magnify
    linear = nn.Linear(3, 6, bias=False)
    return nn.Sequential(linear, nn.BatchNorm1d(6), nn.Tanh())


def doubled(pair):
    if pair is None:
        return None
    rows, target = pair
    x = {name: values[:].double() for name, values in rows.x.items()}
    weight = None if rows.weight is None else rows.weight.double()
    return type(rows)(x, rows.present, weight), target


def prepared(model, count, cut=0, missing=False, **numbers):
    """Nets and problems in float64, each on its own rows."""
    rng = np.random.default_rng(0)
    X = ModalityDict(a=rng.normal(size=(60, 3)), b=rng.normal(size=(60, 3)))
    X = X.with_missing("b", slice(0, None, 4)) if missing else X
    y = (X["a"][:, 0] * X["b"][:, 0] > 0).astype(int)
    nets, problems = [], []
    for i in range(count):
        values = {name: options[i % len(options)] for name, options in numbers.items()}
        model.set_params(random_state=i, **values)
        rows = rng.integers(0, 60, 60 - cut * i)
        problem = model.prepare(X[rows], y[rows])
        problem.module.double()
        problem.train, problem.valid = doubled(problem.train), doubled(problem.valid)
        problems.append(problem)
        nets.append(model.make_net(problem.module))
    return nets, problems


def assert_equal_to_one_by_one(nets, problems):
    others = copy.deepcopy(nets)
    stacked = train_together(nets, problems, [0] * len(nets))
    assert sum(stacked) >= 2
    for net, other, problem in zip(nets, others, problems, strict=True):
        other.run(problem.train, problem.valid)
        mine, theirs = net.module_.state_dict(), other.module_.state_dict()
        for key in mine:
            torch.testing.assert_close(mine[key], theirs[key], rtol=0, atol=1e-12)
        for column in ("epoch", "train_loss", *(["valid_loss"] * bool(problem.valid))):
            values = net.history[:, column], other.history[:, column]
            np.testing.assert_allclose(*values, rtol=0, atol=1e-12)


BASE = {"max_epochs": 8, "batch_size": 16, "device": "cpu"}
CASES = {
    "default": ({}, {}),
    "last batch of one row": ({"batch_size": 59}, {}),
    "unequal": ({}, {"cut": 1}),
    "unequal numbers of batches": ({}, {"cut": 9}),
    "lr": ({}, {"lr": [0.001, 0.01, 0.05]}),
    "decay": ({"weight_decay": 0.1}, {"lr": [0.001, 0.01]}),
    "adamw": ({"optimizer": "adamw"}, {"weight_decay": [0.0, 0.3], "lr": [0.01, 0.02]}),
    "sgd": ({"optimizer": "sgd"}, {"lr": [0.1, 0.5], "weight_decay": [0.0, 0.01]}),
    "rmsprop": ({"optimizer": "rmsprop"}, {"lr": [0.01, 0.002]}),
    "adagrad": ({"optimizer": "adagrad"}, {"lr": [0.01, 0.02]}),
    "clipped": ({"gradient_clip": 0.05}, {"lr": [0.01, 0.02]}),
    "some clipped": ({}, {"gradient_clip": [None, 0.01]}),
    "cosine": ({"lr_schedule": "cosine"}, {"lr": [0.01, 0.02]}),
    "cosine adamw": (
        {"lr_schedule": "cosine", "optimizer": "adamw"},
        {"weight_decay": [0.0, 0.3]},
    ),
    "weights": ({"class_weight": {0: 1.0, 1: 5.0}}, {"cut": 1}),
    "missing": ({"fusion": MaxFusion(4)}, {"missing": True}),
    "attention": ({"fusion": AttentionFusion(4), "lr": 0.05}, {}),
    "attention, missing": ({"fusion": AttentionFusion(4)}, {"missing": True}),
    "missing, concatenated": ({"fusion": ConcatFusion((5,))}, {"missing": True}),
    "batch norm": ({"encoders": batch_norm_encoder()}, {}),
    "batch norm, unequal": ({"encoders": batch_norm_encoder()}, {"cut": 1}),
    "early stopping": (
        {"early_stopping": True, "patience": 2, "max_epochs": 12, "lr": 0.01},
        {"cut": 1},
    ),
    "early stopping of batch norm": (
        {"early_stopping": True, "patience": 2, "encoders": batch_norm_encoder()},
        {"lr": [0.01, 0.001]},
    ),
}


@pytest.mark.parametrize("cut", [0, 1, 9])
def test_targets_with_a_mask_equal_one_by_one(cut):
    nets, problems = prepared(FusionClassifier(**BASE), 3, cut=cut, lr=[0.01, 0.02])
    generator = torch.Generator().manual_seed(0)
    for problem in problems:
        rows, target = problem.train
        observed = torch.rand(len(target), generator=generator) > 0.4
        values = target.masked_fill(~observed, -1)
        problem.train = rows, {"values": values, "observed": observed}
    assert_equal_to_one_by_one(nets, problems)


def test_targets_of_several_dtypes_are_in_several_stacks(monkeypatch):
    stacks, together = [], train_stacked._in_a_stack

    def noted(nets, problems, seed):
        stacks.append({problem.train[1].dtype for problem in problems})
        together(nets, problems, seed)

    monkeypatch.setattr(train_stacked, "_in_a_stack", noted)
    nets, problems = prepared(FusionRegressor(**BASE), 4)
    for problem in problems[1::2]:
        rows, target = problem.train
        problem.train = rows, target.double() + 1e-9
    assert_equal_to_one_by_one(nets, problems)
    assert stacks == [{torch.float32}, {torch.float64}]


@pytest.mark.parametrize("name", CASES)
def test_equal_to_one_by_one(name):
    settings, numbers = CASES[name]
    model = FusionClassifier(**{**BASE, **settings})
    assert_equal_to_one_by_one(*prepared(model, 4, **numbers))


def test_dropout_draws_a_mask_for_each_replica():
    encoder = nn.Sequential(nn.Linear(3, 6), nn.Dropout(0.5))
    nets, problems = prepared(FusionClassifier(encoder, **BASE), 3)
    module = stack([net.module_ for net in nets]).train()
    x = torch.ones(3, 7, 3, dtype=torch.float64)
    with seeded(0):
        out = module.encoders["a"][1](torch.ones(3, 7, 6))
    assert not torch.equal(out[0], out[1])
    assert train_together(nets, problems, [0, 0, 0]) == [True] * 3
    assert module({"a": x, "b": x}).shape == (3, 7, 2)


def test_a_stack_gives_each_module_its_own_outputs():
    model = FusionClassifier(fusion=MeanFusion(5), **BASE)
    nets, problems = prepared(model, 3)
    modules = [net.module_ for net in nets]
    rows = [problem.train[0].take(slice(0, 9)) for problem in problems]
    x = {name: torch.stack([part.x[name] for part in rows]) for name in ("a", "b")}
    together = stack(modules)(x)
    for out, module, part in zip(together, modules, rows, strict=True):
        torch.testing.assert_close(out, module(part.x))
    before = copy.deepcopy(modules)
    stacked = stack(modules)
    for parameter in stacked.parameters():
        parameter.data += 1
    unstack(stacked, modules)
    for old, new in zip(before, modules, strict=True):
        for a, b in zip(old.parameters(), new.parameters(), strict=True):
            torch.testing.assert_close(a + 1, b)


def test_only_running_replicas_keep_a_history():
    model = FusionClassifier(early_stopping=True, patience=1, **{**BASE, "lr": 0.3})
    nets, problems = prepared(model, 4)
    train_together(nets, problems, [0] * 4)
    assert len({len(net.history) for net in nets}) > 1
    for net in nets:
        losses = net.history[:, "valid_loss"]
        assert int(np.argmin(losses)) == len(losses) - 2 or len(losses) == 8


class Own(MeanFusion):
    """Inherits `stackable`, which does not count."""


@pytest.mark.parametrize(
    "settings",
    [
        {"encoders": {"a": ConvEncoder()}},
        {"encoders": {"a": Chemception()}},
        {"fusion": Own(4)},
        {"encoders": nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))},
        {"objective": lambda outputs, target, weight=None: outputs.mean()},
        {"optimizer": "nadam"},
        {"verbose": 1},
        {"lr_schedule": "plateau"},
    ],
    ids=[
        "conv",
        "chemception",
        "inherited",
        "layer norm",
        "loss",
        "nadam",
        "bar",
        "plateau",
    ],
)
def test_what_cannot_be_stacked_says_so(settings):
    rng = np.random.default_rng(0)
    images = "encoders" in settings and isinstance(settings["encoders"], dict)
    a = rng.normal(size=(8, 1, 20, 20) if images else (8, 3))
    model = FusionClassifier(**BASE, random_state=0).set_params(**settings)
    problem = model.prepare({"a": a}, np.arange(8) % 2)
    assert not can_be_stacked(model.make_net(problem.module), problem)


@pytest.mark.parametrize("lr", [[0.01, 0.02], [3.0, 0.01]])
def test_the_start_is_kept_in_a_stack(lr):
    """Where no epoch is better than the start, and where one is."""
    model = FusionClassifier(early_stopping="keep_start", patience=4, max_epochs=6)
    nets, problems = prepared(model, 3, lr=lr)
    assert_equal_to_one_by_one(nets, problems)
    assert any(net.best_epoch() == 0 for net in nets) == (lr[0] > 1)


@pytest.mark.parametrize("kind", ["arithmetic", "geometric"])
@pytest.mark.parametrize("missing", [False, True])
def test_a_grid_of_fixed_factors_is_one_stack(kind, missing):
    model = FusionClassifier(fusion=NoHarmFusion(0.5, kind=kind), **BASE)
    factors = {"fusion__factor": [0.0, 0.3, 1.0]}
    nets, problems = prepared(model, 3, missing=missing, **factors)
    assert_equal_to_one_by_one(nets, problems)
    found = [net.module_.fusion.weights().tolist() for net in nets]
    np.testing.assert_allclose(found, [[1, 0], [0.7, 0.3], [0, 1]], atol=1e-7)


def test_learnt_factors_are_not_stacked():
    nets, problems = prepared(FusionClassifier(fusion=NoHarmFusion(), **BASE), 2)
    assert not can_be_stacked(nets[0], problems[0])


def test_blocks_that_do_something_else_are_in_another_stack():
    """Of one structure and one shape of weights, but another formula."""
    model = FusionClassifier(fusion=NoHarmFusion(0.5), **BASE)
    kinds = {"fusion__kind": ["arithmetic", "geometric"]}
    nets, problems = prepared(model, 4, **kinds)
    assert_equal_to_one_by_one(nets, problems)


def with_activation(layer):
    with seeded(0):
        return nn.Sequential(nn.Linear(4, 8), layer, nn.Linear(8, 4))


def with_norm(**settings):
    with seeded(0):
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8, **settings), nn.Tanh())


def net_of(encoder):
    return {"encoders": {"a": encoder}}


SETTINGS = {  # two encoders that differ in a setting of one plain layer
    "slope": [net_of(with_activation(nn.LeakyReLU(slope))) for slope in (1.0, 0.0)],
    "alpha": [net_of(with_activation(nn.ELU(alpha))) for alpha in (1.0, 0.1)],
    "threshold": [net_of(with_activation(nn.Hardshrink(x))) for x in (0.0, 0.5)],
    "momentum": [net_of(with_norm(momentum=m)) for m in (0.1, 0.9)],
    "eps": [net_of(with_norm(eps=eps)) for eps in (1e-5, 1.0)],
}


@pytest.mark.parametrize("params", SETTINGS.values(), ids=SETTINGS)
def test_settings_of_plain_layers_tell_nets_apart(params):
    rng = np.random.default_rng(0)
    X = {"a": rng.normal(size=(60, 4))}
    y = (X["a"][:, 0] * X["a"][:, 1] > 0).astype(int)
    model = FusionClassifier(max_epochs=10, lr=0.01, random_state=0)
    fitted = fit_replicas(model, X, y, [np.arange(60)] * 2, params=params)
    for changed, replica in zip(params, fitted, strict=True):
        alone = model.set_params(**changed).fit(X, y).predict_proba(X)
        np.testing.assert_allclose(replica.predict_proba(X), alone, atol=1e-5)


def tied():
    layer = nn.Linear(8, 8)
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), layer, nn.ReLU(), layer)


def test_a_layer_that_is_used_twice_is_not_stacked():
    model = FusionClassifier({"a": tied(), "b": nn.Linear(3, 8)}, max_epochs=2)
    nets, problems = prepared(model, 2)
    assert not can_be_stacked(nets[0], problems[0])


def test_a_layer_with_a_hook_is_not_stacked():
    layer = nn.Linear(3, 4)
    layer.register_forward_hook(lambda module, inputs, output: 2 * output)
    model = FusionClassifier({"a": layer, "b": nn.Linear(3, 4)}, max_epochs=2)
    nets, problems = prepared(model, 2)
    assert not can_be_stacked(nets[0], problems[0])


class Undecayed(Block):
    """A dense layer whose weights are exempt from weight decay."""

    stackable = True

    def build(self, in_shape):
        self.linear = nn.Linear(*in_shape, 4)
        self.out_features = 4
        return self

    def forward(self, x):
        return self.linear(x)

    def no_weight_decay(self):
        return [self.linear.weight]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_a_stack_exempts_what_a_block_exempts_from_weight_decay(optimizer):
    model = FusionClassifier(Undecayed(), optimizer=optimizer, max_epochs=3, lr=0.01)
    nets, problems = prepared(model, 3, weight_decay=[0.0, 5.0, 0.1])
    assert_equal_to_one_by_one(nets, problems)
