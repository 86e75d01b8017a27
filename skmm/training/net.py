"""The only bridge to skorch: a net that trains on whole-tensor batches."""

from functools import partial

import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer
from torch import nn
from torch.nn.utils import clip_grad_norm_

from skmm.objectives.calling import scalar
from skmm.training.batches import Batches, slice_rows
from skmm.training.callbacks import (
    BestWeights,
    overrides_batch_hook,
    raised_on_purpose,
)
from skmm.training.optimizers import (
    carry_state,
    load_state,
    make_optimizer,
    penalised,
)
from skmm.training.schedules import make_schedule, step_schedule


class TensorNet(NeuralNet):
    """A skorch net whose batches are slices of tensors that lie on the device.

    History, callbacks, checkpoints and ``save_params`` are skorch's. The loop over
    batches is lean; with a callback that overrides a per-batch hook it is skorch's
    own, in the same order and with the same result.

    Parameters
    ----------
    weight_decay : float, default=0.0
    lr_schedule : None, "cosine", "plateau" or callable, default=None
        As for ``skmm.training.schedules.make_schedule``.
    gradient_clip : float or None, default=None
        Largest norm of all gradients together.
    shuffle_seed : int, default=0
        Seed of the order of the batches.
    **kwargs
        As for ``skorch.NeuralNet``; `module` and `criterion` are instances.
    """

    def __init__(
        self,
        *args,
        weight_decay=0.0,
        lr_schedule=None,
        gradient_clip=None,
        shuffle_seed=0,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.weight_decay = weight_decay
        self.lr_schedule = lr_schedule
        self.gradient_clip = gradient_clip
        self.shuffle_seed = shuffle_seed

    # -- skorch's hooks ------------------------------------------------------------

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer())]

    def initialize_criterion(self):
        """Take the objective, as a module: checkpoints save and load its state."""
        self.criterion_ = _AsModule(self.criterion)
        return self

    def initialize_module(self):
        """Take the module as it is, and note which parts have penalties."""
        self.module_ = self.module
        self.penalised_ = penalised(self.module)
        return self

    def initialize_optimizer(self, *args, **kwargs):
        """Make the optimizer of `optimizer`, `lr` and `weight_decay`."""
        self.optimizer_ = make_optimizer(
            self.optimizer, self.module_, self.lr, self.weight_decay
        )
        self.generator_ = torch.Generator().manual_seed(self.shuffle_seed)
        return self

    def infer(self, x, **fit_params):
        """Outputs for a batch of rows."""
        return self.module_(x.x, x.present)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Objective plus the penalties of the parts."""
        loss = scalar(self.criterion(y_pred, y_true, X.weight), self.criterion)
        for block in self.penalised_:
            loss = loss + block.penalty()
        return loss

    def train_step_single(self, batch, **fit_params):
        """Loss and gradients of one batch, clipped."""
        step = super().train_step_single(batch, **fit_params)
        self._clip()
        return step

    def _clip(self):
        if self.gradient_clip is not None:
            clip_grad_norm_(self.module_.parameters(), self.gradient_clip)

    def resume(self, earlier):
        """Go on where another net of the same module stopped.

        Parameters
        ----------
        earlier : TensorNet
            Its history and order of batches go on; so does the optimizer's state, if
            the optimizer is of the same kind. Learning rate, weight decay, batch size
            and callbacks are those of this net.

        Returns
        -------
        self
        """
        self.history_ = earlier.history
        self.generator_ = earlier.generator_
        carry_state(earlier.optimizer_, self.optimizer_)
        return self

    def best_epoch(self):
        """Epoch whose weights early stopping kept, counted from 1."""
        own = [c for _, c in self.callbacks_ if isinstance(c, BestWeights)]
        return own[0].best_epoch_

    def progress(self):
        """Return what `continue_from` needs: history, optimizer's state, random state.

        Returns
        -------
        dict of lists, dicts, numbers and tensors
        """
        return {
            "history": list(self.history),
            "optimizer": self.optimizer_.state_dict()["state"],
            "generator": self.generator_.get_state(),
        }

    def continue_from(self, progress):
        """Go on where a net of the same structure and settings stopped.

        Parameters
        ----------
        progress : dict
            Of that net's `progress`.

        Returns
        -------
        self
        """
        self.history_ = type(self.history)(progress["history"])
        self.generator_.set_state(progress["generator"])
        load_state(self.optimizer_, progress["optimizer"])
        return self

    # -- the loop ------------------------------------------------------------------

    def run(self, train, valid=None, epochs=None):
        """Train for some epochs, from the present weights.

        Parameters
        ----------
        train, valid : (TensorRows, Tensor)
            Rows and target; without `valid` there is no validation loss.
        epochs : int, default=max_epochs

        Raises
        ------
        KeyboardInterrupt
            On Ctrl-C, with the weights of the last step, or with early stopping the
            best so far, in place.
        MemoryError
            If the device has too little memory; the message names the batch size.
        """
        self.stop_training = self.finished_ = False
        self.epochs_ = epochs or self.max_epochs
        self.schedule_ = make_schedule(self.lr_schedule, self.optimizer_, self.epochs_)
        self.notify("on_train_begin", X=train[0], y=train[1])
        try:
            self._run_epochs(train, valid)
            self.finished_ = True
        except torch.OutOfMemoryError as error:
            raise MemoryError(
                f"{self.device} has no memory left for batches of batch_size="
                f"{self.batch_size} rows, with the data and the net on it. Use a "
                "smaller batch_size or smaller encoders."
            ) from error
        finally:
            self.notify("on_train_end", X=train[0], y=train[1])
        return self

    def _run_epochs(self, train, valid):
        data = {"dataset_train": train, "dataset_valid": valid}
        batches = Batches(*train, self.batch_size, self.generator_)
        checks = valid and Batches(*valid, slice_rows(valid[0], self.batch_size))
        for _ in range(self.epochs_):
            self.notify("on_epoch_begin", **data)
            self.run_single_epoch(batches, True, "train", self.train_step)
            self.run_single_epoch(checks, False, "valid", self.validation_step)
            if self.schedule_ is not None:
                self._follow(self.schedule_)
            try:
                self.notify("on_epoch_end", **data)
            except KeyboardInterrupt as error:
                if not raised_on_purpose(error):
                    raise
                break
            if self.stop_training:
                break

    def _follow(self, schedule):
        """Note the learning rate of this epoch, and set that of the next."""
        self.history.record("lr", self.optimizer_.param_groups[0]["lr"])
        row = self.history[-1]
        step_schedule(schedule, row.get("valid_loss", row["train_loss"]))

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """One pass; lean unless a callback wants every batch."""
        if iterator is None:
            return
        if any(overrides_batch_hook(callback) for _, callback in self.callbacks_):
            super().run_single_epoch(iterator, training, prefix, step_fn)
            losses = self.history[-1, "batches", :, prefix + "_loss"]
            losses = [loss for loss in losses if loss is not None]
            losses = torch.tensor(losses, dtype=torch.float64)
        else:
            losses = self._lean_epoch(iterator, training)
            self.history.new_batch()  # the last one only, which Checkpoint looks up
            self.history.record_batch(prefix + "_loss", float(losses[-1]))
        self._record_loss(losses, iterator.bounds, prefix)

    def _lean_epoch(self, iterator, training):
        """Losses of the batches, synchronised once."""
        self._set_training(training)
        step = self._lean_step if training else self._lean_check
        with torch.set_grad_enabled(training):
            return torch.stack([step(rows, target) for rows, target in iterator]).cpu()

    def _lean_step(self, rows, target):
        if isinstance(self.optimizer_, torch.optim.LBFGS):  # it asks more than once
            step = partial(self._gradients, rows, target)
            return self.optimizer_.step(step).detach()
        loss = self._gradients(rows, target)
        self.optimizer_.step()
        return loss.detach()

    def _gradients(self, rows, target):
        self.optimizer_.zero_grad()
        loss = self.get_loss(self.infer(rows), target, rows)
        loss.backward()
        self._clip()
        return loss

    def _lean_check(self, rows, target):
        return self.get_loss(self.infer(rows), target, rows)

    def _record_loss(self, losses, bounds, prefix):
        if not torch.isfinite(losses).all():
            self._refuse(losses, prefix)
        sizes = torch.tensor([stop - start for start, stop in bounds])
        mean = float((losses.double() * sizes).sum() / sizes.sum())
        self._record_best(prefix + "_loss", mean)
        self.history.record(prefix + "_loss", mean)

    def _record_best(self, key, loss):
        """Note whether no earlier epoch was better: Checkpoint looks at that."""
        rows = reversed(self.history)
        best = next((row[key] for row in rows if row.get(key + "_best")), torch.inf)
        self.history.record(key + "_best", loss < best)

    def _refuse(self, losses, prefix):
        batch = int((~torch.isfinite(losses)).nonzero()[0, 0]) + 1
        raise FloatingPointError(
            f"the {prefix} loss is {float(losses[batch - 1])} in epoch "
            f"{len(self.history)}, batch {batch} of {len(losses)}. Likely causes: lr "
            f"(now {self.lr}) is too large, or inputs are not scaled (put a "
            "StandardScaler into a ModalityTransformer)."
        )


class _AsModule(nn.Module):
    """An objective, which may have a state or not."""

    def __init__(self, objective):
        super().__init__()
        self.objective = objective

    def forward(self, outputs, target, weight=None):
        return self.objective(outputs, target, weight)
