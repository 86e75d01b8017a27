"""Learning-rate schedules and gradient clipping, through the estimator."""

from functools import partial

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skmm import FusionClassifier

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
