"""The lean loop over batches: one forward, one backward, one step, no more."""

from functools import partial

import torch
from torch.nn.utils import clip_grad_norm_

from skmm.training.batches import Batches, slice_rows
from skmm.training.callbacks import overrides_batch_hook


class LeanEpochs:
    """Mixin of a skorch net: epochs without skorch's work on every batch.

    Losses stay on the device and are synchronised once per epoch. With a callback that
    overrides a per-batch hook the loop is skorch's own, with the same result.
    """

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

    def loss_on(self, rows, target):
        """Mean loss of rows, as of those that early stopping looks at.

        Parameters
        ----------
        rows : TensorRows
        target : Tensor
        """
        batches = Batches(rows, target, slice_rows(rows, self.batch_size))
        return mean_loss(self._lean_epoch(batches, False), batches.bounds)

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
        loss = self.get_loss(self.infer(rows), target, rows, training=True)
        loss.backward()
        self._clip()
        return loss

    def _lean_check(self, rows, target):
        return self.get_loss(self.infer(rows), target, rows)

    def _record_loss(self, losses, bounds, prefix):
        if not torch.isfinite(losses).all():
            self._refuse(losses, prefix)
        mean = mean_loss(losses, bounds)
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
            f"(now {self._rate()}) is too large, or inputs are not scaled (put a "
            "StandardScaler into a ModalityTransformer)."
        )

    def _rate(self):
        """Learning rate, or the lowest and highest of the parts."""
        rates = {group["lr"] for group in self.optimizer_.param_groups}
        return " to ".join(f"{rate:g}" for rate in sorted({min(rates), max(rates)}))

    def _clip(self):
        if self.gradient_clip is not None:
            clip_grad_norm_(self.module_.parameters(), self.gradient_clip)


def mean_loss(losses, bounds):
    """Mean over rows of the mean losses of batches (start, stop)."""
    sizes = torch.tensor([stop - start for start, stop in bounds])
    return float((losses.double() * sizes).sum() / sizes.sum())
