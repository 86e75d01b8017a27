"""Stages: what is frozen stays as it is, and is encoded once."""

import copy
import random

import numpy as np
import pytest
import torch
from scipy import sparse
from skorch.callbacks import Freezer, LRScheduler
from torch import nn

from skmm import ModalityDict
from skmm.data.tensors import to_tensors
from skmm.nn import ConcatFusion, MLPEncoder, MLPHead
from skmm.nn.assemble import assemble
from skmm.training import EarlyStopping, Stage
from skmm.training.embeddings import EmbeddingCache
from skmm.training.optimizers import parts_of
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
            monkeypatch.setattr(embeddings, "_varies", lambda *args: True)
        net = make_net(module(dropout=0.5), stages=[HEAD])
        net.run(data(holes=holes), data(20, holes=holes))
        found.append((losses_of(net), losses_of(net, "valid_loss")))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def counting(encoder, norm=None):
    net = make_net(module(encoder), stages=[HEAD])
    if norm is not None:
        net.module_.encoders["a"].norm = norm
    net.module_.encoders["a"].rows = 0  # assembling tries it on two
    net.run(data(40), data(20))
    return net.module_.encoders["a"].rows


def test_a_frozen_encoder_reads_every_row_once():
    assert counting(WithNorm()) == 40 + 20


@pytest.mark.parametrize(
    "draw", [torch.rand, lambda _: np.random.random(), lambda _: random.random()]
)
def test_an_encoder_that_draws_reads_them_in_every_epoch(draw):

    assert counting(Augmenting(draw)) == (40 + 20) * 4


class Augment:
    """An ordinary object that holds a generator."""

    def __init__(self):
        self.held = [np.random.default_rng(0)]

    def __call__(self, shape):
        return self.held[0].random()


@pytest.mark.parametrize(
    "draw", [Augment(), lambda _: np.random.default_rng().random()]
)
def test_generators_that_nobody_sees_are_noticed(draw):
    assert counting(Augmenting(draw)) == (40 + 20) * 4


def test_an_encoder_that_counts_is_not_cached():
    class Counting(WithNorm):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.calls += 1
            return super().forward(x)

    assert counting(Counting()) == (40 + 20) * 4


def test_an_encoder_that_normalises_by_the_batch_is_not_cached():
    """Such an encoder is rejected by fits; a net may be given it."""
    norm = nn.BatchNorm1d(8, track_running_stats=False)
    assert counting(WithNorm(), norm) == (40 + 20) * 4


def test_trying_an_encoder_draws_nothing():
    """So a fit that is resumed goes on with the same numbers."""
    cache = EmbeddingCache(module(Augmenting()).eval())
    before = torch.get_rng_state()
    cache.replace([cache.module.encoders["a"]], data())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("width", "cached"), [(300, False), (4, True)])
def test_sparse_rows_stay_sparse(width, cached):
    rows = sparse.random(40, 400, format="csr", random_state=0, dtype=np.float32)
    net = assemble(
        {"a": MLPEncoder((width,))}, ConcatFusion(), MLPHead(), {"a": (400,)}, 2
    )
    X = ModalityDict(a=rows)
    pair = to_tensors(X, {"a": torch.float32}, torch.device("cpu")), data()[1]
    cache = EmbeddingCache(net.eval())
    (found, _), _ = cache.replace([net.encoders["a"]], pair, None)
    assert ("a" in found.encoded) == cached


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
    net = make_net(stages=stages, callbacks=[EarlyStopping(2)])
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
        (Stage("encoder"), ValueError, "train of stage 1: unknown part 'encoder'"),
        (Stage([]), ValueError, "train of stage 1 is empty"),
        (Stage(start="anew"), ValueError, "'start' parameter of Stage"),
        (Stage(epochs=0), ValueError, "'epochs' parameter of Stage"),
        (Stage(start={"tail": nn.Linear(1, 1)}), ValueError, "unknown part 'tail'"),
        (Stage(start={"head": 3}), TypeError, "'head' must be a module; got 3"),
        (Stage(start={"head": nn.Linear(1, 1)}), ValueError, "have the shapes"),
        (Stage("fusion"), ValueError, "stage 1: .'fusion'. has no trainable weights"),
        (Stage("a"), ValueError, "Did you mean 'encoders__a'"),
        (Stage(lr={"hed": 1}), ValueError, "lr of stage 1: unknown part 'hed'"),
        (Stage(lr=-1.0), ValueError, "'lr' parameter of Stage"),
        (Stage(lr={"head": np.inf}), ValueError, "must be a finite number above 0"),
        ("head", TypeError, "stages must be a list of Stage; it has 'head'"),
    ],
)
def test_wrong_stages_are_rejected_before_training(stage, error, words):
    with pytest.raises(error, match=words):
        make_net(stages=[stage])


def test_parts_without_a_rate_of_their_own_keep_the_net_s():
    """With SGD the step is proportional to the rate."""
    steps = []
    for lr, stage in ((0.2, Stage(epochs=1)), (0.2, Stage(epochs=1, lr={"head": 0.1}))):
        net = make_net(optimizer="sgd", lr=lr, batch_size=40, stages=[stage])
        before = states(net)
        net.run(data())
        after = states(net)
        name = "layers.0.weight"
        steps.append(after["encoders__a"][name] - before["encoders__a"][name])
        steps.append(after["head"]["predict.weight"] - before["head"]["predict.weight"])
    torch.testing.assert_close(steps[0], steps[2])
    torch.testing.assert_close(steps[1], 2 * steps[3])


@pytest.mark.parametrize(
    ("callback", "words"),
    [
        (LRScheduler(), "set lr_schedule instead"),
        (Freezer("encoders*"), "has no effect with stages"),
    ],
)
def test_callbacks_that_stages_would_undo_are_rejected(callback, words):
    net = make_net(stages=[Stage()], callbacks=[callback])
    with pytest.raises(ValueError, match=words):
        net.run(data())


def test_a_scheduler_cannot_go_on_in_a_warm_start():
    first = make_net()
    first.run(data())
    again = make_net(first.module_, callbacks=[LRScheduler()]).resume(first)
    with pytest.raises(ValueError, match="not support warm_start and partial_fit"):
        again.run(data())


def test_the_message_of_an_infinite_loss_names_the_rate_of_the_stage():
    net = make_net(stages=[Stage(epochs=1), Stage(epochs=9, lr=1e30)], optimizer="sgd")
    with pytest.raises(FloatingPointError, match=r"now 1e\+30"):
        net.run(data())
