import numpy as np
import pytest
import torch
from skorch import callbacks as of_skorch
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EpochScoring,
    Freezer,
    GradientNormClipping,
    LRScheduler,
    PrintLog,
    TrainEndCheckpoint,
)

from skmm import training
from skmm._random import seeded
from skmm.training import EarlyStopping, EpochCallback, ProgressBar, predict_outputs
from skmm.training.callbacks import overrides_batch_hook
from tests.toys import assert_same_state, state_of
from tests.training.nets import EveryBatch, data, losses_of, make_net


def fitted(callbacks, epochs=6, valid=True, **settings):
    net = make_net(callbacks=callbacks, **settings)
    with seeded(0):
        return net.run(data(), data(20) if valid else None, epochs)


class Losses(Callback):
    """Record given validation losses and keep the weights."""

    def __init__(self, losses):
        self.losses = losses

    def on_train_begin(self, net, **kwargs):
        self.states = []

    def on_epoch_end(self, net, **kwargs):
        net.history.record("valid_loss", self.losses[len(self.states)])
        self.states.append(state_of(net.module_))


# -- of skmm -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "losses, patience, epochs, best",
    [
        ([3, 2, 1, 2, 3, 4], 2, 5, 3),
        ([3, 2, 1, 1, 1, 1], 3, 6, 3),  # as good is not better
        ([1, 2, 3, 4, 5, 6], 1, 2, 1),
        ([6, 5, 4, 3, 2, 1], 1, 6, 6),
        ([3, 4, 2, 3, 1, 3], 2, 6, 5),
    ],
)
def test_early_stopping_restores_the_best_weights(losses, patience, epochs, best):
    fake, own = Losses(losses), EarlyStopping(patience)
    net = fitted([fake, own])
    assert len(net.history) == epochs
    assert (own.best_epoch_, own.best_loss_) == (best, losses[best - 1])
    assert_same_state(state_of(net.module_), fake.states[best - 1])
    assert own.best_state_ is None


def test_min_delta():
    own = EarlyStopping(3, min_delta=0.5)
    net = fitted([Losses([3, 2.8, 2.6, 2.2, 2.1, 2.0]), own])
    assert own.best_epoch_ == 4 and len(net.history) == 6


def test_the_best_weights_have_the_best_loss():
    valid = data(20)
    net = fitted([EarlyStopping(3)], epochs=60, lr=0.1)
    assert len(net.history) < 60
    outputs = predict_outputs(net.module_, valid[0], 100)
    loss = net.criterion_(outputs, valid[1])
    assert loss.item() == pytest.approx(min(losses_of(net, "valid_loss")), rel=1e-5)


def test_other_callbacks_may_stop_training():
    class Enough(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.stop_training = len(net.history) == 2

    assert len(fitted([Enough(), EarlyStopping(5)]).history) == 2
    assert len(fitted([Enough()]).history) == 2


def test_the_bar_shows_the_losses(capsys):
    fitted([ProgressBar()])
    shown = capsys.readouterr()
    assert (
        "6/6" in shown.err and "train_loss" in shown.err and "valid_loss" in shown.err
    )
    assert shown.out == ""


def test_the_bar_closes_after_an_error(capsys):
    class Fail(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise RuntimeError("stop")

    bar = ProgressBar()
    with pytest.raises(RuntimeError, match="stop"):
        fitted([bar, Fail()])
    assert bar.bar_ is None
    assert "1/6" in capsys.readouterr().err


def test_overrides_batch_hook():
    assert overrides_batch_hook(EveryBatch())
    assert overrides_batch_hook(GradientNormClipping(1.0))
    assert not overrides_batch_hook(EarlyStopping(1))
    assert not overrides_batch_hook(ProgressBar())
    assert not overrides_batch_hook(Callback())


RENAMED = [
    ("AfterEpoch", EpochCallback),
    ("BestWeights", EarlyStopping),
    ("EpochBar", ProgressBar),
]


@pytest.mark.parametrize("module", [training, training.callbacks])
@pytest.mark.parametrize(("old", "new"), RENAMED)
def test_old_names_warn(module, old, new):
    message = f"{old} was renamed to {new.__name__}.*removed in 0.3"
    with pytest.warns(FutureWarning, match=message) as w:
        assert getattr(module, old) is new
    assert w[0].filename == __file__


@pytest.mark.parametrize("module", [training, training.callbacks])
def test_unknown_names_raise(module):
    with pytest.raises(AttributeError, match=f"'{module.__name__}' has no attribute"):
        module.Unknown


# -- of skorch --------------------------------------------------------------------


def test_early_stopping_of_skorch():
    """Its KeyboardInterrupt is not taken for Ctrl-C."""
    fake = Losses([1, 2, 3, 4, 5, 6])
    net = fitted([fake, of_skorch.EarlyStopping(patience=2, load_best=True)])
    assert len(net.history) == 3
    assert_same_state(state_of(net.module_), fake.states[0])


@pytest.mark.parametrize("monitor", ["valid_loss_best", "train_loss_best"])
def test_checkpoint(tmp_path, monitor):
    saver = Checkpoint(dirname=tmp_path, monitor=monitor, load_best=True)
    net = fitted([saver], lr=0.2)
    key = monitor.removesuffix("_best")
    assert [row["event_cp"] for row in net.history] == losses_of(net, monitor)
    again = make_net()
    again.load_params(checkpoint=saver)
    assert_same_state(state_of(again.module_), state_of(net.module_))
    if key == "valid_loss":
        outputs = predict_outputs(net.module_, data(20)[0], 100)
        loss = net.criterion_(outputs, data(20)[1]).item()
        assert loss == pytest.approx(min(losses_of(net, key)), rel=1e-5)


def test_checkpoint_at_the_end(tmp_path):
    saver = TrainEndCheckpoint(dirname=tmp_path)
    net = fitted([saver], valid=False)
    again = make_net()
    again.load_params(
        f_params=tmp_path / "train_end_params.pt",
        f_history=tmp_path / "train_end_history.json",
    )
    assert_same_state(state_of(again.module_), state_of(net.module_))
    assert losses_of(again) == losses_of(net)


def test_learning_rates_fall():
    net = fitted([LRScheduler("StepLR", step_size=2, gamma=0.5)], lr=0.08, valid=False)
    assert [row["event_lr"] for row in net.history] == [0.08] * 2 + [0.04] * 2 + [
        0.02
    ] * 2
    assert net.optimizer_.param_groups[0]["lr"] == 0.01


def test_learning_rates_fall_on_a_plateau():
    plateau = LRScheduler("ReduceLROnPlateau", monitor="valid_loss", patience=0)
    net = fitted([Losses([1, 2, 3, 4, 5, 6]), plateau], lr=0.1)
    assert net.optimizer_.param_groups[0]["lr"] < 0.001


def test_scores_of_epochs():
    def loss(net, X, y):
        return net.history[-1, "valid_loss"]

    net = fitted([EpochScoring(loss, name="mine")])
    assert losses_of(net, "mine") == losses_of(net, "valid_loss")
    assert losses_of(net, "mine_best")[0] is True


def test_scores_of_predictions():
    def accuracy(net, X, y):
        return float(np.mean(net.predict(X).argmax(1) == y))

    net = fitted([EpochScoring(accuracy, name="accuracy", lower_is_better=False)])
    outputs = predict_outputs(net.module_, data(20)[0], 100)
    expected = float((outputs.argmax(1) == data(20)[1]).float().mean())
    assert losses_of(net, "accuracy")[-1] == pytest.approx(expected)


def test_gradients_are_clipped():
    free = fitted([], epochs=1, optimizer="sgd", lr=1.0, batch_size=40)
    start = make_net().module_
    clip = GradientNormClipping(0.01)
    held = fitted([clip], epochs=1, optimizer="sgd", lr=1.0, batch_size=40)

    def moved(net):
        pairs = zip(net.module_.parameters(), start.parameters(), strict=True)
        return (
            torch.stack([(a - b).square().sum() for a, b in pairs]).sum().sqrt().item()
        )

    assert moved(held) == pytest.approx(0.01, rel=1e-3) and moved(free) > 0.02


def test_frozen_parts_stay():
    start = make_net().module_
    net = fitted([Freezer("encoders*")])
    assert_same_state(state_of(net.module_.encoders), state_of(start.encoders))
    assert not torch.equal(net.module_.head.predict.weight, start.head.predict.weight)


def test_callbacks_that_print(capsys):
    fitted([PrintLog(), of_skorch.ProgressBar()], epochs=2, verbose=1)
    shown = capsys.readouterr()
    assert "train_loss" in shown.out and "valid_loss" in shown.out
    assert "/8" in shown.err  # batches: 5 of training and 3 (as skorch counts)


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin", "on_epoch_end"])
def test_hooks_get_the_data(hook):
    seen = []

    class Mine(Callback):
        pass

    setattr(Mine, hook, lambda self, net, **kwargs: seen.append(kwargs))
    fitted([Mine()], epochs=2)
    assert len(seen) == (1 if hook == "on_train_begin" else 2)
    values = list(seen[0].values())
    assert any(value is not None for value in values)


def test_keep_start_restores_the_initial_weights():
    """With a huge learning rate every epoch is worse."""
    net = make_net(lr=1e3, callbacks=[EarlyStopping(3, keep_start=True)])
    before = state_of(net.module_)
    net.run(data(), data(20))
    assert net.best_epoch() == 0 and len(net.history) == 3
    assert_same_state(state_of(net.module_), before)


def test_keep_start_prefers_a_better_epoch():
    kept, plain = (
        make_net(max_epochs=8, callbacks=[EarlyStopping(8, keep_start=flag)])
        for flag in (True, False)
    )
    for net in (kept, plain):
        net.run(data(), data(20))
    assert kept.best_epoch() == plain.best_epoch() > 0
    assert_same_state(state_of(kept.module_), state_of(plain.module_))
