"""Objectives with weights: they are trained, kept and saved as the part "objective"."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback
from torch import nn

from skmm import (
    CoordinatedEncoder,
    DynamicFusionClassifier,
    FusionRegressor,
    GradientBlendingClassifier,
    ResidualFusionRegressor,
)
from skmm.base.warm_start import resume_file
from skmm.model_selection import fit_replicas
from skmm.objectives import BarlowTwins, Objective, SquaredError, WeightedSum
from skmm.training import Stage
from skmm.training.replicas import can_be_stacked
from tests.toys import two_tables

X, LABELS = two_tables(60)
Y = X["a"][:, 0] + 0.1 * X["b"][:, 1]
FAST = {"max_epochs": 3, "random_state": 0}


class Scaled(nn.Module):
    """A squared error with a learnt noise level."""

    def __init__(self, start=0.0):
        super().__init__()
        self.log_noise = nn.Parameter(torch.tensor(float(start)))

    def forward(self, outputs, target, weight=None):
        loss = SquaredError()(outputs, target, weight)
        return loss * torch.exp(-self.log_noise) + self.log_noise


class Own(Objective, nn.Module):
    """The same as an Objective."""

    def __init__(self, start=0.0):
        nn.Module.__init__(self)
        self.start = start
        self.log_noise = nn.Parameter(torch.tensor(float(start)))

    def forward(self, outputs, target, weight=None):
        return Scaled.forward(self, outputs, target, weight)


class Temperature(nn.Module):
    """Barlow's loss of embeddings with a learnt factor."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))

    def forward(self, embeddings, present, weight=None):
        loss = BarlowTwins()(embeddings, present, weight)
        return loss * self.factor.square() - self.factor


def noise(model):
    return next(model.net_.criterion_.parameters()).item()


@pytest.mark.parametrize("objective", [Scaled(), Own()], ids=["module", "Objective"])
def test_the_weights_of_an_objective_learn(objective):
    model = FusionRegressor(objective=objective, **FAST).fit(X, Y)
    assert noise(model) != 0.0
    assert objective.log_noise == 0.0  # the user's own is a template
    assert model.net_.criterion_.log_noise.item() == noise(model)
    again = FusionRegressor(objective=objective, **FAST).fit(X, Y)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_the_weights_of_an_objective_of_embeddings_learn():
    objective = Temperature()
    model = CoordinatedEncoder(objective=objective, **FAST).fit(X)
    assert noise(model) != 1.0
    assert objective.factor == 1.0


@pytest.mark.parametrize(
    "model",
    [
        ResidualFusionRegressor(objective=Scaled(), **FAST),
        FusionRegressor(objective=WeightedSum([(Scaled(), 1.0)]), **FAST),
    ],
    ids=["residual", "sum"],
)
def test_an_objective_inside_another_one_learns(model):
    assert noise(model.fit(X, Y)) != 0.0


class Smoothed(nn.Module):
    def __init__(self):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(self, outputs, target, weight=None):
        return nn.functional.cross_entropy(outputs * self.log_scale.exp(), target)


@pytest.mark.parametrize("cls", [GradientBlendingClassifier, DynamicFusionClassifier])
def test_objectives_of_composite_nets_learn(cls):
    model = cls(objective=Smoothed(), **FAST).fit(X, LABELS)
    assert noise(model) != 0.0


def test_settings_by_part_name_the_objective():
    slow = FusionRegressor(objective=Own(), lr={"objective": 1e-9}, **FAST).fit(X, Y)
    assert abs(noise(slow)) < 1e-6
    decayed = FusionRegressor(
        objective=Own(5.0), optimizer="sgd", weight_decay={"objective": 0.5}, **FAST
    )
    plain = clone(decayed).set_params(weight_decay=0.0)
    assert noise(decayed.fit(X, Y)) < noise(plain.fit(X, Y))
    with pytest.raises(ValueError, match="unknown part 'objective'"):
        FusionRegressor(lr={"objective": 1e-3}, **FAST).fit(X, Y)


def test_a_stage_of_the_objective_alone():
    stages = [Stage(["encoders", "fusion", "head"], epochs=2), Stage("objective")]
    only = FusionRegressor(objective=Own(), stages=stages[:1], **FAST).fit(X, Y)
    both = clone(only).set_params(stages=stages).fit(X, Y)
    assert noise(only) == 0.0 and noise(both) != 0.0
    np.testing.assert_array_equal(only.predict(X), both.predict(X))


def test_early_stopping_restores_the_weights_of_the_objective():
    settings = {"early_stopping": True, "patience": 3, "lr": 0.5, "random_state": 0}
    model = FusionRegressor(objective=Own(), max_epochs=30, **settings).fit(X, Y)
    best = clone(model).set_params(max_epochs=model.best_epoch_).fit(X, Y)
    assert model.best_epoch_ < model.n_iter_
    assert noise(model) == noise(best)


@pytest.mark.parametrize("wrap", [lambda o: o, lambda o: WeightedSum([(o, 1.0)])])
@pytest.mark.parametrize("way", ["fit", "partial_fit"])
def test_weights_of_a_changed_objective_start_again(way, wrap):
    settings = {"warm_start": True, "lr": {"objective": 1e-9}, **FAST}
    model = FusionRegressor(objective=wrap(Own(1.0)), **settings).fit(X, Y)
    getattr(model, way)(X, Y)  # no warning: equal parameters
    model.set_params(objective=wrap(Own(2.0)))
    with pytest.warns(UserWarning, match=r"objective changed .*start again"):
        getattr(model, way)(X, Y)
    (found,) = model.net_.criterion_.state_dict().values()
    assert float(found) == pytest.approx(2.0, abs=1e-3)


def test_warm_start_and_partial_fit_go_on_with_the_weights():
    model = FusionRegressor(objective=Own(), warm_start=True, **FAST).fit(X, Y)
    whole = clone(model).set_params(max_epochs=6).fit(X, Y)
    model.fit(X, Y)
    assert noise(model) == noise(whole)
    np.testing.assert_array_equal(model.predict(X), whole.predict(X))
    before = noise(model)
    assert noise(model.partial_fit(X, Y)) != before
    steps = [
        model.net_.optimizer_.state[p]["step"].item()
        for p in model.net_.criterion_.parameters()
    ]
    assert steps == [7 * 2]  # epochs, batches


def test_a_checkpoint_keeps_the_weights_of_the_objective(tmp_path):
    class Stop(Exception):
        pass

    path = tmp_path / "fit.ckpt"
    model = FusionRegressor(objective=Own(), checkpoint=path, **FAST)
    whole = clone(model).set_params(checkpoint=None).fit(X, Y)
    problem = model.prepare(X, Y)
    net = model.make_net(problem.module)
    net.callbacks_.append(("checkpoint", resume_file(model, problem)))
    epochs = []

    def interrupt(rows, target):
        epochs.append(1)
        if len(epochs) > 3:
            raise Stop
        return type(net)._lean_step(net, rows, target)

    net._lean_step = interrupt
    with pytest.raises(Stop):
        model._train(net, problem, 3)
    assert path.exists()
    model.fit(X, Y)
    assert noise(model) == noise(whole)
    np.testing.assert_array_equal(model.predict(X), whole.predict(X))


def test_pickled_with_its_objective():
    model = FusionRegressor(objective=Own(), **FAST).fit(X, Y)
    other = pickle.loads(pickle.dumps(model))
    assert noise(other) == noise(model)
    for fitted in (model, other):
        fitted.partial_fit(X, Y)
    assert noise(other) == noise(model)


def test_progress_holds_the_weights_of_the_objective():
    model = FusionRegressor(objective=Own(), **FAST).fit(X, Y)
    fresh = model.make_net(model.net_.module_)
    assert fresh.criterion_.log_noise == 0.0
    fresh.continue_from(model.net_.progress())
    assert fresh.criterion_.log_noise.item() == noise(model)
    plain = FusionRegressor(**FAST).fit(X, Y).net_
    assert "objective" not in plain.progress() and plain.learner_ is plain.module_


def test_gradients_of_the_objective_are_clipped_together():
    model = FusionRegressor(objective=Own(), optimizer="sgd", lr=1.0, **FAST)
    free = clone(model).set_params(lr=1e-3).fit(X, Y)
    model.set_params(gradient_clip=1e-6).fit(X, Y)
    assert abs(noise(model)) < 1e-4 < abs(noise(free))


class ByRows(SquaredError, nn.Module):
    """The loss of every sample, times a learnt factor."""

    def __init__(self):
        nn.Module.__init__(self)
        self.factor = nn.Parameter(torch.ones(()))

    def rows(self, outputs, target):
        return self.factor * super().rows(outputs, target)


def test_an_objective_that_learns_is_not_stacked_even_if_it_is_a_mean_of_samples():
    model = FusionRegressor(objective=ByRows(), **FAST)
    problem = model.prepare(X, Y)
    net = model.make_net(problem.module)
    assert net.criterion.by_rows and net.criterion.additive
    assert not can_be_stacked(net, problem)
    net.criterion = SquaredError()
    assert can_be_stacked(net, problem)


def test_replicas_with_an_objective_that_learns_are_fitted_one_by_one():
    model = FusionRegressor(objective=Own(), **FAST)
    problem = clone(model).prepare(X, Y)
    estimator = clone(model)
    estimator.prepare(X, Y)
    assert not can_be_stacked(estimator.make_net(problem.module), problem)
    rows = [np.arange(40), np.arange(20, 60)]
    for one, part in zip(fit_replicas(model, X, Y, rows), rows, strict=True):
        alone = clone(model).fit(X[part], Y[part])
        assert noise(one) == noise(alone)
        np.testing.assert_array_equal(one.predict(X), alone.predict(X))


def test_a_clone_keeps_the_weights_and_set_params_starts_anew():
    model = FusionRegressor(objective=Own(0.5), **FAST).fit(X, Y)
    trained = model.net_.criterion_
    assert clone(trained).log_noise == trained.log_noise
    warm = FusionRegressor(objective=trained, lr={"objective": 1e-9}, **FAST).fit(X, Y)
    assert noise(warm) == pytest.approx(noise(model), abs=1e-6)
    assert clone(trained).set_params(start=2.0).log_noise == 2.0
    nested = FusionRegressor(objective=Own()).set_params(objective__start=3.0)
    assert nested.objective.log_noise == 3.0


def test_frozen_weights_and_buffers_stay():
    class Counting(Own):
        def __init__(self, start=0.0):
            super().__init__(start)
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, outputs, target, weight=None):
            self.calls += 1
            return super().forward(outputs, target, weight)

    objective = Counting(0.25)
    objective.log_noise.requires_grad_(False)
    regressor = FusionRegressor(objective=objective, **FAST).fit(X, Y)
    assert noise(regressor) == 0.25
    assert objective.calls == 0 and regressor.net_.criterion_.calls > 0


@pytest.mark.parametrize(
    "model",
    [
        ResidualFusionRegressor(mode="sequential", objective=Own(), **FAST),
        DynamicFusionClassifier(training="two_stage", objective=Smoothed(), **FAST),
        DynamicFusionClassifier(training="frozen", objective=Smoothed(), **FAST),
    ],
    ids=["sequential", "two_stage", "frozen"],
)
def test_every_stage_of_composite_nets_trains_the_objective(model):
    y = Y if isinstance(model, ResidualFusionRegressor) else LABELS
    seen = []

    class Note(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(next(net.criterion_.parameters()).item())

    model.set_params(callbacks=[Note()]).fit(X, y)
    assert len(set(seen)) == len(seen) == model.n_iter_ == 6
    other = clone(model).set_params(objective=None, callbacks=None).fit(X, y)
    assert not any("objective" in stage.train for stage in other.net_.stages)
