"""Schedules of the learning rate: by name or by torch's classes, stepped when due."""

import math
from copy import deepcopy

from sklearn.base import BaseEstimator
from torch.optim import lr_scheduler

from skmm._class_registry import registered
from skmm.training.batches import batch_bounds
from skmm.training.fingerprint import same_but_for_weights

__all__ = ["PerBatch"]

SCHEDULES = ("cosine", "plateau", "onecycle", "warmup_cosine")
OF_BATCHES = (lr_scheduler.OneCycleLR, lr_scheduler.CyclicLR)  # their unit is a batch
WARMUP = 0.1  # share of all mini-batches


@registered("training")
class PerBatch(BaseEstimator):
    """Learning rate schedule that is stepped after every mini-batch, not every epoch.

    ``OneCycleLR`` and ``CyclicLR`` of torch are always stepped so and do not need it.

    Parameters
    ----------
    schedule : callable
        Gets the optimizer and returns a scheduler, like the classes of
        ``torch.optim.lr_scheduler``. Its numbers count mini-batches.

    Examples
    --------
    >>> from functools import partial
    >>> import numpy as np
    >>> from torch.optim.lr_scheduler import LinearLR
    >>> from skmm import FusionClassifier
    >>> from skmm.training import PerBatch
    >>> X = {"a": np.random.default_rng(0).normal(size=(64, 3))}
    >>> y = X["a"][:, 0] > 0
    >>> schedule = PerBatch(partial(LinearLR, start_factor=0.1, total_iters=4))
    >>> model = FusionClassifier(lr_schedule=schedule, max_epochs=3, random_state=0)
    >>> model.fit(X, y).history_["lr"].round(6).tolist()  # of two mini-batches each
    [0.000325, 0.000775, 0.001]
    """

    def __init__(self, schedule):
        self.schedule = schedule

    def __call__(self, optimizer):
        """Make the scheduler."""
        return self.schedule(optimizer)


class WarmupCosine:
    """Factor on the learning rate: a linear increase, then a cosine to zero.

    Parameters
    ----------
    total : int
        Number of mini-batches.
    """

    def __init__(self, total):
        self.total = total
        self.warmup = max(1, round(WARMUP * total))

    def __call__(self, step):
        """Factor of a mini-batch, counted from 0."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        left = max(1, self.total - self.warmup)
        share = min(1.0, (step - self.warmup) / left)
        return (1 + math.cos(math.pi * share)) / 2


def make_schedule(schedule, optimizer, epochs, n_batches):
    """Return a torch scheduler, or None.

    Parameters
    ----------
    schedule : None, str or callable
        - "cosine" decreases to zero over all epochs.
        - "plateau" divides by ten if the validation loss, or else the training loss,
          has not decreased for 5 epochs.
        - "onecycle" increases from a 25th to the full rate over 30 % of all
          mini-batches, then decreases to almost zero; see ``OneCycleLR`` of torch.
        - "warmup_cosine" increases linearly over 10 % of all mini-batches, then
          decreases to zero.
        - A callable, such as a scheduler class, gets the optimizer.
    optimizer : torch.optim.Optimizer
    epochs, n_batches : int
        Epochs, and mini-batches of each.

    Raises
    ------
    TypeError
        If a callable does not return a scheduler.
    ValueError
        If a schedule is shorter than the training.
    """
    total = epochs * n_batches
    if schedule is None:
        return None
    if schedule == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    if schedule == "plateau":
        return lr_scheduler.ReduceLROnPlateau(optimizer, patience=5)
    if schedule == "warmup_cosine":
        return lr_scheduler.LambdaLR(optimizer, WarmupCosine(total))
    if schedule == "onecycle":
        rates = [group["lr"] for group in optimizer.param_groups]
        settings = {"total_steps": total, "cycle_momentum": False}
        return lr_scheduler.OneCycleLR(optimizer, rates, **settings)
    return _checked(schedule, optimizer)


def _checked(schedule, optimizer):
    """The scheduler that a callable makes."""
    fix = (
        f"Use one of {list(SCHEDULES)}, or a class of torch.optim.lr_scheduler, whose "
        "further arguments functools.partial gives."
    )
    try:
        made = schedule(optimizer)
    except (TypeError, ValueError) as error:
        text = f"lr_schedule={schedule!r} cannot be made of the optimizer: {error}. "
        raise type(error)(text + fix) from error
    if not hasattr(made, "step"):
        raise TypeError(
            f"lr_schedule={schedule!r} must return a scheduler; got {made!r}. {fix}"
        )
    return made


class Schedule:
    """A scheduler of torch that is stepped after every mini-batch or every epoch.

    Parameters
    ----------
    given : str or callable
        See `make_schedule`.
    optimizer : torch.optim.Optimizer
    epochs, n_batches : int
        Epochs, and mini-batches of each.

    Attributes
    ----------
    per_batch : bool
    """

    def __init__(self, given, optimizer, epochs, n_batches):
        self.given, self.start = given, settings_of(optimizer)
        self.inner = make_schedule(given, optimizer, epochs, n_batches)
        self.optimizer = optimizer
        named = given in ("onecycle", "warmup_cosine")
        self.per_batch = named or isinstance(given, PerBatch) or _counts(self.inner)
        self.largest = 0.0
        self.total = getattr(self.inner, "total_steps", None)
        if self.total is not None and self.total < epochs * n_batches:
            raise ValueError(
                f"lr_schedule: the {type(self.inner).__name__} has {self.total} steps, "
                f"but {epochs} epochs of {n_batches} mini-batches take "
                f'{epochs * n_batches}. Use lr_schedule="onecycle", or change its '
                "number of steps."
            )

    @classmethod
    def of(cls, net, n_samples):
        """That of a net; in ``partial_fit`` the schedule of earlier calls goes on."""
        n_batches = len(batch_bounds(n_samples, net.batch_size))
        epochs = net.max_epochs if net.in_calls_ else net.epochs_
        made = cls(net.lr_schedule, net.optimizer_, epochs, n_batches)
        return made.continue_from(net.earlier_schedule_)

    def after_batch(self):
        """Note the learning rate, and set the next one."""
        self.largest = max(self.largest, self.rate())
        if self.per_batch and not self._is_over():
            self.inner.step()

    def after_epoch(self, loss):
        """Set the next learning rate; returns the largest of this epoch."""
        largest, self.largest = self.largest, 0.0
        if isinstance(self.inner, lr_scheduler.ReduceLROnPlateau):
            self.inner.step(loss)
        elif not self.per_batch:
            self.inner.step()
        return largest

    def rate(self):
        """The largest learning rate of the parts."""
        return max(group["lr"] for group in self.optimizer.param_groups)

    def _is_over(self):
        return self.total is not None and self.inner.last_epoch >= self.total

    def progress(self):
        """What `continue_from` needs, as lists, dicts and numbers."""
        return {
            "start": self.start,
            "settings": settings_of(self.optimizer),
            "state": deepcopy(self.inner.state_dict()),
            "total": self.total,
        }

    def continue_from(self, earlier):
        """Go on where an earlier schedule ended, if it had the same parameters.

        Parameters
        ----------
        earlier : (str or callable, dict) or None
            The schedule as it was given, and its `progress`.
        """
        given, progress = earlier or (None, None)
        if progress is None or progress["start"] != self.start:
            return self
        if not same_but_for_weights(given, self.given):
            return self
        self.inner.load_state_dict(deepcopy(progress["state"]))
        set_settings(self.optimizer, progress["settings"])
        self.total = progress["total"]
        return self


def _counts(scheduler):
    """Whether a scheduler counts mini-batches, or contains one that does."""
    inner = getattr(scheduler, "_schedulers", ())
    return isinstance(scheduler, OF_BATCHES) or any(map(_counts, inner))


def settings_of(optimizer):
    """Learning rate, momentum and so on of the parts, which a schedule may change."""
    groups = optimizer.param_groups
    return [{k: v for k, v in group.items() if k != "params"} for group in groups]


def set_settings(optimizer, settings):
    """Set the result of `settings_of`."""
    for group, values in zip(optimizer.param_groups, settings, strict=True):
        group.update(values)
