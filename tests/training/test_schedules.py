"""Learning-rate schedules and gradient clipping, through the estimator."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch.optim import lr_scheduler

import skmm
from skmm import FusionClassifier
from skmm.model_selection import fit_replicas
from skmm.training import PerBatch, Stage
from skmm.training.optimizers import optimizer_class

RNG = np.random.default_rng(0)
X = {"a": RNG.normal(size=(64, 5))}
Y = (X["a"][:, 0] > 0).astype(int)


def fitted(**settings):
    return FusionClassifier(max_epochs=10, random_state=0, **settings).fit(X, Y)


def test_cosine_falls_from_lr_to_zero():
    lrs = fitted(lr=0.02, lr_schedule="cosine").history_["lr"]
    expected = 0.02 * (1 + np.cos(np.pi * np.arange(10) / 10)) / 2
    np.testing.assert_allclose(lrs, expected, atol=1e-9)


def test_plateau_waits_for_the_loss():
    noise = {"a": RNG.normal(size=(64, 5))}
    model = FusionClassifier(
        max_epochs=40,
        lr=0.1,
        lr_schedule="plateau",
        early_stopping=True,
        patience=39,
        random_state=0,
    ).fit(noise, RNG.integers(0, 2, 64))
    lrs, losses = model.history_["lr"], model.history_["valid_loss"]
    assert lrs.is_monotonic_decreasing
    assert lrs.iloc[-1] < lrs.iloc[0]
    first = int((lrs < 0.1).argmax())
    assert losses.iloc[first - 6 : first].min() >= losses.iloc[: first - 6].min()


def test_any_scheduler_class_or_partial():
    step = partial(torch.optim.lr_scheduler.StepLR, step_size=2, gamma=0.5)
    lrs = fitted(lr=0.08, lr_schedule=step).history_["lr"]
    np.testing.assert_allclose(lrs, 0.08 * 0.5 ** (np.arange(10) // 2))
    constant = torch.optim.lr_scheduler.ConstantLR
    assert "lr" in fitted(lr_schedule=constant).history_
    assert "lr" not in fitted().history_


class Norms(Callback):
    """Note the norm of the gradients of every batch."""

    seen = ()

    def on_grad_computed(self, net, named_parameters, **kwargs):
        squares = [p.grad.square().sum() for _, p in named_parameters]
        Norms.seen = [*Norms.seen, float(sum(squares)) ** 0.5]


def test_no_gradient_is_longer_than_asked():
    free = fitted(callbacks=[Norms()])
    longest, Norms.seen = max(Norms.seen), ()
    clipped = fitted(callbacks=[Norms()], gradient_clip=longest / 3)
    assert max(Norms.seen) <= longest / 3 * 1.0001
    lean = fitted(gradient_clip=longest / 3)
    np.testing.assert_array_equal(clipped.predict_proba(X), lean.predict_proba(X))
    assert not np.array_equal(free.predict_proba(X), lean.predict_proba(X))


@pytest.mark.parametrize("bad", [{"lr_schedule": "linear"}, {"gradient_clip": 0.0}])
def test_bad_values_are_named(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        fitted(**bad)


# -- schedules of mini-batches -----------------------------------------------------

MANY = {"a": RNG.normal(size=(70, 5))}
CLASSES = (MANY["a"][:, 0] > 0).astype(int)
EPOCHS, BATCHES = 6, 5  # of 16 samples, the last of 6


class Rates(Callback):
    """Note rates and momenta of every mini-batch, by the loop of skorch."""

    seen = ()

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        if training:
            group = net.optimizer_.param_groups[0]
            momentum = group.get("momentum", group.get("betas", (0,))[0])
            Rates.seen = [*Rates.seen, (group["lr"], momentum)]


def by_torch(make, optimizer="adam", lr=0.02, steps=EPOCHS * BATCHES):
    """Rates and momenta of a loop written by hand."""
    weight = torch.nn.Parameter(torch.zeros(2))
    inner = optimizer_class(optimizer)([weight], lr=lr)
    schedule, seen = make(inner), []
    for _ in range(steps):
        group = inner.param_groups[0]
        seen.append((group["lr"], group.get("momentum", group.get("betas", (0,))[0])))
        weight.sum().backward()
        inner.step()
        schedule.step()
    return np.array(seen)


def largest_by_epoch(rates):
    return np.reshape(rates, (-1, BATCHES)).max(axis=1)


def scheduled(schedule, **settings):
    defaults = {"batch_size": 16, "max_epochs": EPOCHS, "lr": 0.02, "random_state": 0}
    return FusionClassifier(lr_schedule=schedule, **{**defaults, **settings})


ONE_CYCLE = partial(
    lr_scheduler.OneCycleLR, max_lr=0.1, epochs=EPOCHS, steps_per_epoch=BATCHES
)
CYCLIC = partial(lr_scheduler.CyclicLR, base_lr=0.001, max_lr=0.1, step_size_up=7)
TRIANGLES = partial(CYCLIC, cycle_momentum=False)
LINEAR = partial(lr_scheduler.LinearLR, start_factor=0.1, total_iters=12)


def after_linear(optimizer):
    parts = [LINEAR(optimizer), TRIANGLES(optimizer)]
    return lr_scheduler.SequentialLR(optimizer, parts, [12])


def warmup_cosine(optimizer):
    """Three steps up, then a cosine."""
    cosine = [0.5 * (1 + np.cos(np.pi * i / 27)) for i in range(28)]
    factors = [1 / 3, 2 / 3, 1.0, *cosine][: EPOCHS * BATCHES + 1]
    return lr_scheduler.LambdaLR(optimizer, lambda step: factors[step])


def one_cycle_by_name(optimizer):
    total = EPOCHS * BATCHES
    return lr_scheduler.OneCycleLR(optimizer, 0.02, total, cycle_momentum=False)


def restarts(optimizer):
    return lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=8)


PAIRS = {
    "one cycle": (ONE_CYCLE, ONE_CYCLE),
    "triangles": (TRIANGLES, TRIANGLES),
    "sequence": (after_linear, after_linear),
    "linear per batch": (PerBatch(LINEAR), LINEAR),
    "restarts per batch": (PerBatch(restarts), restarts),
    "onecycle": ("onecycle", one_cycle_by_name),
    "warmup_cosine": ("warmup_cosine", warmup_cosine),
}


@pytest.mark.filterwarnings("ignore:.*EPOCH_DEPRECATION|.*epoch parameter")
@pytest.mark.parametrize("name", PAIRS)
def test_rates_of_batches_are_those_of_torch(name):
    Rates.seen, (given, make) = (), PAIRS[name]
    lean = scheduled(given).fit(MANY, CLASSES)
    slow = scheduled(given, callbacks=[Rates()]).fit(MANY, CLASSES)
    expected = by_torch(make)
    np.testing.assert_allclose(Rates.seen, expected, rtol=1e-9)
    np.testing.assert_allclose(
        lean.history_["lr"], largest_by_epoch(expected[:, 0]), rtol=1e-9
    )
    np.testing.assert_array_equal(lean.predict_proba(MANY), slow.predict_proba(MANY))


def test_momentum_is_cycled_by_torch_only():
    Rates.seen = ()
    settings = {"optimizer": partial(torch.optim.SGD, momentum=0.9)}
    scheduled(ONE_CYCLE, callbacks=[Rates()], **settings).fit(MANY, CLASSES)
    expected = by_torch(ONE_CYCLE, settings["optimizer"])
    np.testing.assert_allclose(Rates.seen, expected)
    assert len({momentum for _, momentum in Rates.seen}) > 5
    Rates.seen = ()
    scheduled("onecycle", callbacks=[Rates()], **settings).fit(MANY, CLASSES)
    assert {momentum for _, momentum in Rates.seen} == {0.9}


def test_schedules_of_epochs_are_stepped_by_epoch():
    lrs = scheduled(LINEAR).fit(MANY, CLASSES).history_["lr"]
    np.testing.assert_allclose(lrs, by_torch(LINEAR, steps=EPOCHS)[:, 0])


@pytest.mark.parametrize("name", ["onecycle", "warmup_cosine"])
def test_each_stage_has_its_own_cycle(name):
    stages = [Stage(epochs=EPOCHS), Stage("head", epochs=EPOCHS)]
    lrs = scheduled(name, stages=stages).fit(MANY, CLASSES).history_["lr"].to_numpy()
    np.testing.assert_array_equal(lrs[:EPOCHS], lrs[EPOCHS:])
    expected = by_torch(PAIRS[name][1])[:, 0]
    np.testing.assert_allclose(lrs[:EPOCHS], largest_by_epoch(expected))


@pytest.mark.parametrize("name", ["onecycle", "warmup_cosine"])
def test_parts_keep_their_ratio(name):
    model = scheduled(name, lr={"encoders": 0.002, "fusion": 0.02, "head": 0.02})
    model.fit(MANY, CLASSES)
    rates = [group["lr"] for group in model.net_.optimizer_.param_groups]
    largest = largest_by_epoch(by_torch(PAIRS[name][1])[:, 0])
    np.testing.assert_allclose(model.history_["lr"], largest)
    assert len({*rates}) == (2 if name == "onecycle" else 1)  # or all are zero


def by_pickle(model, folder):
    return pickle.loads(pickle.dumps(model))


def by_file(model, folder):
    model.save(folder / "model")
    return skmm.load(folder / "model")


def twice_by_file(model, folder):
    return by_file(by_file(model, folder), folder)


@pytest.mark.parametrize(
    ("name", "again"),
    [("one cycle", by_pickle)]  # a partial, which files do not store
    + [
        (name, again)
        for name in ("onecycle", "warmup_cosine")
        for again in (by_pickle, by_file, twice_by_file)
    ],
)
def test_schedules_go_on_from_call_to_call_of_partial_fit(name, again, tmp_path):
    given, make = PAIRS[name]
    model = scheduled(given)
    for _ in range(EPOCHS):
        model.partial_fit(MANY, CLASSES)
        model = again(model, tmp_path)
    np.testing.assert_allclose(
        model.history_["lr"], largest_by_epoch(by_torch(make)[:, 0]), rtol=1e-9
    )
    last = model.partial_fit(MANY, CLASSES).history_["lr"].iloc[-1]
    assert last < 1e-3  # of the end, not of a new cycle


@pytest.mark.parametrize("again", [lambda model, folder: model, by_pickle, by_file])
def test_every_fit_with_a_warm_start_has_a_schedule_of_its_own(again, tmp_path):
    model = scheduled("cosine", warm_start=True).fit(MANY, CLASSES)
    once = model.history_["lr"].to_numpy()
    model = again(model, tmp_path).fit(MANY, CLASSES)
    np.testing.assert_array_equal(model.history_["lr"], np.r_[once, once])


def test_cosine_goes_on_in_partial_fit_and_starts_again_if_lr_changes():
    model = scheduled("cosine")
    for _ in range(4):
        model.partial_fit(MANY, CLASSES)
    whole = scheduled("cosine").fit(MANY, CLASSES).history_["lr"]
    np.testing.assert_allclose(model.history_["lr"], whole[:4])
    model.set_params(lr=0.5).partial_fit(MANY, CLASSES)
    assert model.history_["lr"].iloc[-1] == 0.5
    model.fit(MANY, CLASSES).partial_fit(MANY, CLASSES)
    assert model.history_["lr"].iloc[-1] == 0.5


def test_warm_starts_begin_a_new_cycle():
    model = scheduled("onecycle", warm_start=True).fit(MANY, CLASSES)
    lrs = model.fit(MANY, CLASSES).history_["lr"].to_numpy()
    np.testing.assert_array_equal(lrs[:EPOCHS], lrs[EPOCHS:])


@pytest.mark.parametrize("name", ["onecycle", "warmup_cosine"])
def test_replicas_have_the_schedule_of_single_fits(name):
    model, rows = scheduled(name), np.arange(60)
    (found,) = fit_replicas(model, MANY, CLASSES, [rows])
    alone = scheduled(name).fit({"a": MANY["a"][rows]}, CLASSES[rows])
    assert found.history_["lr"].tolist() == alone.history_["lr"].tolist()
    np.testing.assert_array_equal(found.predict_proba(MANY), alone.predict_proba(MANY))


def test_schedules_are_saved(tmp_path):
    model = scheduled(PerBatch(LINEAR)).fit(MANY, CLASSES)
    for given in (PerBatch(LINEAR), "onecycle"):
        model = scheduled(given).fit(MANY, CLASSES)
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.predict(MANY), model.predict(MANY))
    skmm.save(model, tmp_path / "model.skmm")
    assert skmm.load(tmp_path / "model.skmm").lr_schedule == "onecycle"


def returns_seven(optimizer):
    return 7


TOO_SHORT = partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=20)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr_schedule": int}, "lr_schedule=<class 'int'>"),
        ({"lr_schedule": lr_scheduler.OneCycleLR}, "lr_schedule=.*max_lr"),
        ({"lr_schedule": returns_seven}, "must return a scheduler; got 7"),
        ({"lr_schedule": PerBatch(int)}, "lr_schedule=PerBatch"),
        ({"lr_schedule": PerBatch("cosine")}, "lr_schedule=PerBatch"),
        ({"lr_schedule": TOO_SHORT}, "20 steps, but 6 epochs of 5"),
        ({"optimizer": int}, "optimizer must be one of.*got <class 'int'>"),
        ({"optimizer": print}, "optimizer must be one of"),
        ({"optimizer": dict}, "optimizer"),
        ({"stages": [Stage(train=5)]}, "'train' parameter of Stage"),
        ({"stages": [Stage(train=["head", 5])]}, "train of stage 1"),
        ({"stages": [5]}, "stages must be a list of Stage"),
        ({"stages": [Stage]}, "stages must be a list of Stage"),
    ],
)
def test_wrong_kinds_are_named(settings, message):
    model = scheduled(None, **{}).set_params(**settings)
    with pytest.raises((TypeError, ValueError), match=message):
        model.fit(MANY, CLASSES)
    assert not hasattr(model, "net_")
