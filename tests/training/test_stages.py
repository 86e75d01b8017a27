"""Stages: what is frozen stays as it is, and is encoded once."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn

from skmm.nn import MLPEncoder
from skmm.training import BestWeights, Stage
from skmm.training.parts import parts_of
from tests.training.nets import EveryBatch, data, losses_of, make_net, module

HEAD = Stage(["fusion", "head"], epochs=4)


class WithNorm(nn.Module):
    """BatchNorm and dropout: what drifts if it is only not trained."""

    def __init__(self):
        super().__init__()
        self.linear, self.norm = nn.Linear(3, 8), nn.BatchNorm1d(8)
        self.dropout, self.rows = nn.Dropout(0.5), 0

    def forward(self, x):
        self.rows += len(x)
        return self.dropout(self.norm(self.linear(x)))


class Augmenting(WithNorm):
    """Draws noise whether it is in training mode or not."""

    def __init__(self, draw=torch.rand):
        super().__init__()
        self.draw = draw

    def forward(self, x):
        noise = torch.as_tensor(np.asarray(self.draw(())), dtype=torch.float32)
        return super().forward(x) + noise


def states(net):
    parts = parts_of(net.module_).items()
    return {name: copy.deepcopy(part.state_dict()) for name, part in parts}


def same(one, other):
    return all(torch.equal(one[key], other[key]) for key in one)


def changed(before, after):
    return {name for name in before if not same(before[name], after[name])}


@pytest.mark.parametrize("callbacks", [[], [EveryBatch()]])
@pytest.mark.parametrize(
    ("train", "learns"),
    [
        ("all", {"encoders__a", "encoders__b", "head"}),
        ("encoders", {"encoders__a", "encoders__b"}),
        ("encoders__b", {"encoders__b"}),
        ("head", {"head"}),
        (["encoders__a", "head"], {"encoders__a", "head"}),
    ],
)
def test_only_what_trains_changes(train, learns, callbacks):
    """Bit for bit, buffers of a BatchNorm too; in the lean loop and in skorch's."""
    net = make_net(module(WithNorm()), stages=[Stage(train)], callbacks=callbacks)
    before = states(net)
    net.run(data(), data())
    assert changed(before, states(net)) == learns
    assert all(p.requires_grad for p in net.module_.parameters())


def test_stages_follow_each_other():
    stages = [Stage("encoders", epochs=2), Stage("head", epochs=3, lr=0.5)]
    net = make_net(stages=stages)
    before = states(net)
    net.run(data())
    assert [row["stage"] for row in net.history] == [1, 1, 2, 2, 2]
    assert changed(before, states(net)) == {"encoders__a", "encoders__b", "head"}


def test_one_stage_of_all_is_training_without_stages():
    plain, staged = make_net(), make_net(stages=[Stage()])
    plain.run(data())
    staged.run(data())
    assert losses_of(plain) == losses_of(staged)
    assert not changed(states(plain), states(staged))


def test_the_learning_rate_of_a_stage():
    """With SGD the first step is proportional to it."""
    steps = []
    for lr in (0.1, 0.2, {"encoders": 0.2, "head": 0.2, "fusion": 0.2}):
        stage = Stage(epochs=1, lr=lr)
        net = make_net(optimizer="sgd", batch_size=40, stages=[stage])
        before = net.module_.head.predict.weight.detach().clone()
        net.run(data())
        steps.append(net.module_.head.predict.weight.detach() - before)
    torch.testing.assert_close(2 * steps[0], steps[1])
    assert torch.equal(steps[1], steps[2])


def test_parts_go_back_to_where_they_started():
    net = make_net(stages=[Stage(), Stage("head", start="initial", epochs=1, lr=1e-12)])
    before = states(net)
    net.run(data())
    after = states(net)
    torch.testing.assert_close(after["head"], before["head"])
    assert changed(before, after) >= {"encoders__a", "encoders__b"}


def test_parts_start_from_given_weights():
    given = module(WithNorm()).encoders["a"]
    nn.init.constant_(given.linear.weight, 7.0)
    stage = Stage("head", start={"encoders__a": given})
    net = make_net(module(WithNorm()), stages=[stage])
    net.run(data())
    assert same(net.module_.encoders["a"].state_dict(), given.state_dict())


def test_weights_that_the_user_froze_stay_frozen():
    own = MLPEncoder((8,)).build((3,))
    own.requires_grad_(False)
    net = make_net(module(own), stages=[Stage("head"), Stage()])
    before = states(net)
    net.run(data())
    assert "encoders__a" not in changed(before, states(net))
    parts = net.module_.parts()
    assert not any(p.requires_grad for p in parts["encoders__a"].parameters())


@pytest.mark.parametrize("holes", [False, True])
def test_the_cache_changes_nothing(holes, monkeypatch):
    """Against encoding anew in every batch, up to rounding."""
    from skmm.training import embeddings

    found = []
    for cached in (True, False):
        if not cached:
            monkeypatch.setattr(embeddings, "_may_vary", lambda encoder: True)
        net = make_net(module(dropout=0.5), stages=[HEAD])
        net.run(data(holes=holes), data(20, holes=holes))
        found.append((losses_of(net), losses_of(net, "valid_loss")))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def counting(encoder):
    net = make_net(module(encoder), stages=[HEAD])
    net.module_.encoders["a"].rows = 0  # assembling tries it on two
    net.run(data(40), data(20))
    return net.module_.encoders["a"].rows


def test_a_frozen_encoder_reads_every_row_once():
    assert counting(WithNorm()) == 40 + 20


@pytest.mark.parametrize(
    "draw", [torch.rand, lambda _: np.random.random(), lambda _: random.random()]
)
def test_an_encoder_that_draws_reads_them_in_every_epoch(draw):
    assert counting(Augmenting(draw)) == 40 + (40 + 20) * 4  # 40 to find it out


def test_an_encoder_with_a_generator_of_its_own_is_not_cached():
    encoder = Augmenting()
    encoder.rng = np.random.default_rng(0)
    encoder.draw = lambda _: encoder.rng.random()
    assert counting(encoder) == (40 + 20) * 4


def test_an_encoder_that_stays_in_training_mode_is_not_cached():
    class Stubborn(WithNorm):
        def train(self, mode=True):
            super().train(mode)
            self.dropout.training = True
            return self

    assert counting(Stubborn()) == (40 + 20) * 4


def test_the_cache_serves_later_stages_until_the_encoder_learns():
    stages = [HEAD, HEAD, Stage("encoders", epochs=2), HEAD]
    net = make_net(module(WithNorm()), stages=stages)
    net.module_.encoders["a"].rows = 0
    net.run(data(40))
    assert net.module_.encoders["a"].rows == 40 + 2 * 40 + 40


def test_training_encoders_see_the_rows():
    """The other encoder of the same net, frozen, is cached at the same time."""
    net = make_net(module(WithNorm()), stages=[Stage(["encoders__b", "head"])])
    net.module_.encoders["a"].rows = 0
    before = states(net)
    net.run(data(40))
    assert net.module_.encoders["a"].rows == 40
    assert changed(before, states(net)) == {"encoders__b", "head"}


def test_early_stopping_in_every_stage():
    stages = [Stage(epochs=50, lr=0.1), Stage("head", epochs=50, lr=0.1)]
    net = make_net(stages=stages, callbacks=[BestWeights(2)])
    net.run(data(), data(10))
    epochs = [row["stage"] for row in net.history]
    assert 0 < epochs.count(1) < 50 and 0 < epochs.count(2) < 50
    assert net.history[net.best_epoch() - 1]["stage"] == 2


def test_schedules_begin_anew():
    stages = [Stage(epochs=2), Stage("head", epochs=2, lr=0.5)]
    net = make_net(stages=stages, lr_schedule="cosine")
    net.run(data())
    assert [row["lr"] for row in net.history] == pytest.approx([0.01, 0.005, 0.5, 0.25])


def test_an_interruption_leaves_an_ordinary_net():
    class Stop(EveryBatch):
        def on_batch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    net = make_net(module(WithNorm()), stages=[Stage("head")], callbacks=[Stop()])
    with pytest.raises(KeyboardInterrupt):
        net.run(data())
    assert all(p.requires_grad for p in net.module_.parameters())
    net._set_training(True)
    assert net.module_.encoders["a"].training


@pytest.mark.parametrize(
    ("stage", "error", "words"),
    [
        (Stage("encoder"), ValueError, "train of stage 1: there is no part 'encoder'"),
        (Stage([]), ValueError, "train of stage 1 is empty"),
        (Stage(start="anew"), ValueError, "'start' parameter of Stage"),
        (Stage(epochs=0), ValueError, "'epochs' parameter of Stage"),
        (Stage(start={"tail": nn.Linear(1, 1)}), ValueError, "no part 'tail'"),
        (Stage(start={"head": 3}), TypeError, "'head' must be a module; got 3"),
        (Stage(start={"head": nn.Linear(1, 1)}), ValueError, "have the shapes"),
        ("head", TypeError, "stages must be a list of Stage; got 'head'"),
    ],
)
def test_wrong_stages_are_refused_before_training(stage, error, words):
    with pytest.raises(error, match=words):
        make_net(stages=[stage])


def test_a_stage_without_weights_is_refused():
    net = make_net(stages=[Stage("fusion")])  # a concatenation has none
    with pytest.raises(ValueError, match="no part that is to learn has weights"):
        net.run(data())
