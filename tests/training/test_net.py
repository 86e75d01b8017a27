import signal

import pytest
import torch
from skorch.callbacks import Callback

from skmm._random import seeded
from skmm.nn import MLPEncoder
from skmm.objectives import CrossEntropy, SquaredError
from skmm.training import ProgressBar, TensorNet, predict_outputs
from skmm.training.optimizers import make_optimizer
from tests.toys import Normed, Ridge, assert_same_state, state_of
from tests.training.nets import EveryBatch, data, losses_of, make_net, module


def run(net, *args, seed=0, **kwargs):
    with seeded(seed):
        return net.run(*args, **kwargs)


# -- against a bare torch loop -----------------------------------------------------


def bare_loop(network, rows, target, optimizer, epochs, batch_size, lr, penalty=None):
    """What anybody would write, in the order of `TensorNet`."""
    order = torch.Generator().manual_seed(5)
    optimizer = optimizer(network.parameters(), lr=lr)
    means = []
    network.train()
    for _ in range(epochs):
        perm, total = torch.randperm(len(target), generator=order), 0.0
        for index in perm.split(batch_size):
            x = {name: values[index] for name, values in rows.x.items()}
            present = None if rows.present is None else rows.present[index]
            outputs = network(x, present)
            losses = torch.nn.functional.cross_entropy(
                outputs, target[index], reduction="none"
            )
            if rows.weight is not None:
                losses = losses * rows.weight[index]
            loss = losses.mean() + (penalty() if penalty else 0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        means.append(total / len(target))
    return means


OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_equals_a_bare_loop(name, weights, holes):
    ours, theirs = module(dtype=torch.float64), module(dtype=torch.float64)
    rows, target = data(40, holes, weights, torch.float64)
    net = run(make_net(ours, optimizer=name, lr=0.05), (rows, target), epochs=4)
    means = bare_loop(theirs, rows, target, OPTIMIZERS[name], 4, 8, 0.05)
    torch.testing.assert_close(losses_of(net), means, rtol=1e-10, atol=0)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-10)


def test_full_batch_is_gradient_descent():
    """One step on all rows changes the weights by -lr times the gradient."""
    network, (rows, target) = module(dtype=torch.float64), data(dtype=torch.float64)
    before = [p.detach().clone() for p in network.parameters()]
    loss = CrossEntropy()(network(rows.x), target)
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    net = make_net(network, optimizer="sgd", lr=0.1, batch_size=40)
    run(net, (rows, target), epochs=1)
    assert losses_of(net)[0] == pytest.approx(loss.item())
    for old, new, g in zip(before, network.parameters(), gradients, strict=True):
        torch.testing.assert_close(new.detach(), old - 0.1 * g)


# -- the lean loop and skorch's own ------------------------------------------------


@pytest.mark.parametrize(
    "optimizer", ["adam", "adamw", "sgd", "rmsprop", "nadam", "adagrad"]
)
@pytest.mark.parametrize(
    "dropout, weights, holes", [(0, 0, 0), (0.5, 1, 0), (0.5, 1, 1)]
)
def test_lean_equals_skorchs_loop(optimizer, dropout, weights, holes):
    train, valid = data(41, holes, weights), data(20)
    nets = [
        run(
            make_net(
                module(dropout=dropout),
                optimizer=optimizer,
                weight_decay=0.01,
                callbacks=callbacks,
            ),
            train,
            valid,
        )
        for callbacks in ([], [EveryBatch()])
    ]
    for key in ("train_loss", "valid_loss", "train_loss_best", "valid_loss_best"):
        assert losses_of(nets[0], key) == losses_of(nets[1], key)
    assert_same_state(state_of(nets[0].module_), state_of(nets[1].module_))


@pytest.mark.parametrize("callbacks", [[], [EveryBatch()]], ids=["lean", "skorch"])
def test_optimizers_that_need_a_closure(callbacks):
    net = make_net(
        optimizer=torch.optim.LBFGS, lr=0.5, batch_size=40, callbacks=callbacks
    )
    losses = losses_of(run(net, data()))
    assert losses[-1] < 0.5 * losses[0]


def test_the_lean_loop_keeps_double_precision():
    nets = [
        run(
            make_net(module(dtype=torch.float64), callbacks=c),
            data(dtype=torch.float64),
        )
        for c in ([], [EveryBatch()])
    ]
    assert losses_of(nets[0]) == losses_of(nets[1])


def test_batch_callbacks_see_every_batch():
    watcher = EveryBatch()
    net = run(make_net(callbacks=[watcher]), data(41), data(20), epochs=2)
    per_epoch = [True] * 5 + [False]  # 41 rows in batches of 8: the last one joins
    assert [training for training, _ in watcher.losses] == per_epoch * 2
    train = torch.tensor([loss for training, loss in watcher.losses[:6] if training])
    sizes = torch.tensor([8, 8, 8, 8, 9])
    assert losses_of(net)[0] == pytest.approx(float((train * sizes).sum() / 41))


@pytest.mark.parametrize("callbacks", [[], [EveryBatch()]], ids=["lean", "skorch"])
def test_a_last_batch_of_one_row_feeds_a_batch_norm(callbacks):
    net = make_net(module(Normed()), callbacks=callbacks, batch_size=8)
    run(net, data(17), epochs=2)
    assert net.module_.encoders["a"].norm.num_batches_tracked == 2 * 2


def test_the_loss_is_the_mean_over_rows():
    """With a learning rate of nearly nothing, the size of batches does not matter."""
    losses = [
        losses_of(run(make_net(batch_size=size, lr=1e-12), data(41), epochs=1))[0]
        for size in (41, 8, 13)
    ]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


def test_the_same_seed_gives_the_same_net():
    a, b, c = (
        run(make_net(module(dropout=0.5)), data(), seed=seed) for seed in (0, 0, 1)
    )
    assert losses_of(a) == losses_of(b) != losses_of(c)


def test_validation_changes_nothing():
    network = module(Normed())
    plain = run(make_net(module(Normed())), data())
    checked = run(make_net(network), data(), data(20))
    assert losses_of(plain) == losses_of(checked)
    assert_same_state(state_of(plain.module_), state_of(network))


def test_the_validation_loss_is_that_of_the_evaluated_module():
    valid = data(20, weights=True)
    net = run(make_net(module(dropout=0.5)), data(), valid)
    outputs = predict_outputs(net.module_, valid[0], 7)
    expected = CrossEntropy()(outputs, valid[1], valid[0].weight)
    assert losses_of(net, "valid_loss")[-1] == pytest.approx(expected.item(), rel=1e-5)


def test_best_epochs_are_marked():
    net = run(make_net(max_epochs=8, lr=0.2), data(), data(20))
    for key in ("train_loss", "valid_loss"):
        losses = losses_of(net, key)
        best = [
            all(loss < other for other in losses[:i]) for i, loss in enumerate(losses)
        ]
        assert losses_of(net, key + "_best") == best


def test_running_twice_goes_on():
    once, twice = make_net(), make_net()
    run(once, data(), epochs=4)
    run(twice, data(), epochs=2)
    run(twice, data(), epochs=2)
    assert losses_of(once) == losses_of(twice)


def test_resuming_goes_on():
    once, first = make_net(), make_net()
    run(once, data(), epochs=4)
    run(first, data(), epochs=2)
    second = make_net(first.module_).resume(first)
    run(second, data(), epochs=2)
    assert losses_of(once) == losses_of(second)
    assert_same_state(state_of(once.module_), state_of(second.module_))


# -- penalties ---------------------------------------------------------------------


@pytest.mark.parametrize("callbacks", [[], [EveryBatch()]], ids=["lean", "skorch"])
def test_a_penalty_is_added_once_per_batch_and_unweighted(callbacks):
    ours, theirs = (module(Ridge(strength=0.3), dtype=torch.float64) for _ in range(2))
    rows, target = data(40, weights=True, dtype=torch.float64)
    rows = rows.with_weight(rows.weight * 7)
    net = make_net(ours, optimizer="sgd", lr=0.05, callbacks=callbacks)
    run(net, (rows, target), epochs=3)
    penalty = theirs.encoders["a"].penalty
    means = bare_loop(theirs, rows, target, torch.optim.SGD, 3, 8, 0.05, penalty)
    torch.testing.assert_close(losses_of(net), means, rtol=1e-10, atol=0)


def test_a_block_with_a_penalty_does_not_decay():
    """Decay moves every weight but those of the block with a penalty."""
    networks = [module(Ridge(strength=0.0), dtype=torch.float64) for _ in range(2)]
    for network, decay in zip(networks, (0.0, 0.5), strict=True):
        net = make_net(
            network, optimizer="sgd", lr=0.1, batch_size=40, weight_decay=decay
        )
        run(net, data(dtype=torch.float64), epochs=1)
    plain, decayed = (n.encoders["a"].linear.weight for n in networks)
    assert torch.equal(plain, decayed)
    plain, decayed = (n.head.predict.weight for n in networks)
    assert not torch.equal(plain, decayed)


# -- trouble -----------------------------------------------------------------------


class Poison(Callback):
    """Puts a NaN into a weight at the start of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            with torch.no_grad():
                next(net.module_.parameters()).fill_(float("nan"))


def test_a_loss_that_is_not_finite_is_explained():
    expected = r"train loss is nan in epoch 2, batch 1 of 5.*lr \(now 0.01\).*scaled"
    with pytest.raises(FloatingPointError, match=expected):
        run(make_net(callbacks=[Poison(2)]), data())


@pytest.mark.parametrize("callbacks", [[], [EveryBatch()]], ids=["lean", "skorch"])
def test_the_batch_that_exploded_is_named(callbacks):
    rows, target = data(24)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(5))
    rows.x["a"][order[9]] = float("inf")
    with pytest.raises(FloatingPointError, match="epoch 1, batch 2 of 3"):
        run(
            make_net(module(MLPEncoder(scale=None)), callbacks=callbacks),
            (rows, target),
        )


def test_a_validation_loss_that_is_not_finite_is_explained():
    rows, target = data(20)
    rows.x["a"][3] = float("nan")
    with pytest.raises(
        FloatingPointError, match="valid loss is nan in epoch 1, batch 1"
    ):
        run(make_net(), data(), (rows, target))


class Raise(Callback):
    """Raises a KeyboardInterrupt, or sends the signal of Ctrl-C, in a hook."""

    def __init__(self, hook, real=False):
        self.real = real
        setattr(self, hook, self.interrupt)

    def interrupt(self, net, **kwargs):
        if not self.real:
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)


class InBatch(Callback):
    def on_batch_end(self, net, **kwargs):
        raise KeyboardInterrupt


@pytest.fixture
def ctrl_c_is_heard():
    """In a shell's background a process is started deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class CtrlC(Callback):
    """Sends Ctrl-C at the end of an epoch."""

    def on_epoch_end(self, net, **kwargs):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    "callback",
    [InBatch(), Raise("on_epoch_begin"), Raise("on_epoch_begin", True), CtrlC()],
    ids=["in a batch", "before an epoch", "Ctrl-C before", "Ctrl-C after an epoch"],
)
def test_an_interrupt_propagates(callback, ctrl_c_is_heard):
    with pytest.raises(KeyboardInterrupt):
        run(make_net(callbacks=[callback]), data())


def test_an_interrupt_by_a_handler_written_in_python_propagates():
    def handler(signum, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(make_net(callbacks=[CtrlC()]), data())
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_callback_that_raises_after_an_epoch_ends_training():
    net = run(make_net(callbacks=[Raise("on_epoch_end")]), data())
    assert len(net.history) == 1


def test_training_ends_properly_whatever_happens():
    class Ends(Callback):
        ended = 0

        def on_train_end(self, net, **kwargs):
            self.ended += 1

    watcher = Ends()
    with pytest.raises(KeyboardInterrupt):
        run(make_net(callbacks=[watcher, InBatch()]), data())
    assert watcher.ended == 1


# -- predicting --------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 39, 40, 1000])
def test_slices_do_not_matter(size):
    network, rows = module(Normed(), dropout=0.5), data(holes=True)[0]
    whole = predict_outputs(network, rows, 40)
    torch.testing.assert_close(predict_outputs(network, rows, size), whole)


def test_predicting_is_in_evaluation_mode_and_changes_nothing():
    network, rows = module(Normed(), dropout=0.5).train(), data()[0]
    before = state_of(network)
    assert torch.equal(*(predict_outputs(network, rows, 8) for _ in range(2)))
    assert_same_state(before, state_of(network))


def test_methods():
    network, rows = module(), data()[0]
    fused = predict_outputs(network, rows, 8, "fuse")
    encoded = predict_outputs(network, rows, 8, "encode")
    assert fused.shape == (40, 16)
    assert {name: part.shape for name, part in encoded.items()} == {
        "a": (40, 8),
        "b": (40, 8),
    }
    torch.testing.assert_close(torch.cat(list(encoded.values()), 1), fused)


# -- settings ----------------------------------------------------------------------


def test_only_one_default_callback():
    net = TensorNet(module(), SquaredError(), callbacks=[ProgressBar()])
    assert [name for name, _ in net.initialize().callbacks_] == [
        "epoch_timer",
        "ProgressBar",
    ]


def test_the_optimizer_is_ours():
    net = make_net(optimizer="sgd", lr=0.3, weight_decay=0.2)
    same = make_optimizer("sgd", net.module_, 0.3, 0.2)
    assert net.optimizer_.param_groups[0]["lr"] == 0.3
    assert len(net.optimizer_.param_groups) == len(same.param_groups)


@pytest.mark.parametrize(("size", "slices"), [(8, 5), (40, 1), (None, 1)])
def test_the_size_of_a_slice(size, slices):
    network, (rows, _) = module(), data(40)
    calls = []
    network.register_forward_hook(lambda *_: calls.append(1))
    predict_outputs(network, rows, size)
    assert len(calls) == slices
