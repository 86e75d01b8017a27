"""Training of a stack: one forward and backward pass and step for all replicas."""

import time
from dataclasses import dataclass, field

import torch

from skmm._random import float32_default
from skmm.data.tensors import map_tensors
from skmm.nn.composite.ensemble import Ensemble, with_gradient_of_sum
from skmm.nn.composite.stack import StackedBatchNorm, clip_stacked, stack, unstack
from skmm.objectives.base import validation_of
from skmm.training.batches import check_weights
from skmm.training.callbacks import EarlyStopping
from skmm.training.optimizers import (
    names_without_decay,
    optimizer_class,
)
from skmm.training.schedules import make_schedule

VALIDATION_ROWS = 1024


@dataclass
class Progress:
    """Losses by epoch, and the best weights of every replica.

    Attributes
    ----------
    rows : list of list of dict
        History of each replica.
    best_loss, best_epoch : list
    running : list of bool
    moments : dict of int to list of dict
        State of the optimizer of the replicas that have stopped, by parameter.
    orders : dict of int to Tensor
        Random state of their order of samples.
    """

    rows: list
    best_loss: torch.Tensor
    best_epoch: torch.Tensor
    running: torch.Tensor
    best: list = field(default_factory=list)
    moments: dict = field(default_factory=dict)
    orders: dict = field(default_factory=dict)


class StackedTraining:
    """Several nets of one structure, trained as one batch.

    Parameters
    ----------
    nets : list of TensorNet
        Initialised, of one structure, objective, batch size and optimizer class; lr,
        weight decay and seeds may differ.
    train, valid : StackedRows, StackedRows or None
    stopper : EarlyStopping or None
        Early stopping of all nets.
    """

    def __init__(self, nets, train, valid, stopper):
        self.nets, self.train, self.valid, self.stopper = nets, train, valid, stopper
        self.module = stack([net.module_ for net in nets])
        self.is_ensemble = isinstance(self.module, Ensemble)
        self.norms = [
            m for m in self.module.modules() if isinstance(m, StackedBatchNorm)
        ]
        self.parameters = list(self.module.parameters())
        self.optimizer = _StackedOptimizer(nets, self.module)
        count = len(nets)
        self.progress = Progress(
            rows=[[] for _ in nets],
            best_loss=torch.full((count,), float("inf"), dtype=torch.float64),
            best_epoch=torch.zeros(count, dtype=torch.int64),
            running=torch.ones(count, dtype=torch.bool),
        )

    @float32_default()
    def run(self, epochs):
        """Train, restore the best weights, and copy the results to the nets."""
        name, inner = self.nets[0].lr_schedule, self.optimizer.inner
        schedule = name and make_schedule(name, inner, epochs, 1)  # "cosine"
        if self.stopper is not None and self.stopper.keep_start:
            self._keep_best(0, self._check())
        for epoch in range(1, epochs + 1):
            begun, lr_share = time.time(), self.optimizer.lr_share
            losses = {"train_loss": self._train_epoch()}
            if self.valid is not None:
                losses["valid_loss"] = self._check()
            self._record(epoch, losses, time.time() - begun)
            if schedule is not None:
                self._note_lr(lr_share)
                schedule.step()
            if self.stopper is not None:
                self._keep_best(epoch, losses["valid_loss"])
            if not self.progress.running.any():
                break
        self._hand_back()
        for net in self.nets:
            check_weights(net.module_)

    def _train_epoch(self):
        self.module.train()
        rows = self.train.shuffled([net.generator_ for net in self.nets])
        total, counted = 0, 0
        for bounds in rows.bounds(self.nets[0].batch_size):
            batch = rows.batch(*bounds)
            losses, sizes = self._losses(batch, self.nets[0].criterion)
            self.optimizer.zero_grad()
            losses.sum().backward()
            if self.nets[0].gradient_clip is not None:
                clip_stacked(
                    self.parameters, self.nets[0].gradient_clip, 1 + self.is_ensemble
                )
            self.optimizer.step()
            total, counted = total + losses.detach() * sizes, counted + sizes
        return (total / counted).double().cpu()

    def _losses(self, batch, objective):
        """Mean loss of each replica without padding, and its size; shape (B,)."""
        for norm in self.norms:
            norm.rows = batch.real
        if self.is_ensemble and (self.module.training or batch.weight.ndim == 3):
            outputs = self.module.outputs(batch.x, batch.present)
            return self._losses_of_members(outputs, batch, objective)
        outputs = self.module(batch.x, batch.present)
        return _row_losses(outputs, batch, objective)

    def _losses_of_members(self, outputs, batch, objective):
        """Mean loss of the members of each replica, and its size; shape (B,)."""
        size = self.module.size
        outputs = map_tensors(_flat, outputs)
        losses, sizes = _row_losses(outputs, batch.repeated(size), objective)
        mean, sizes = losses.view(-1, size).mean(1), sizes.view(-1, size)[:, 0]
        return with_gradient_of_sum(mean, size), sizes

    @torch.no_grad()
    def _check(self):
        self.module.eval()
        objective, total, counted = validation_of(self.nets[0].criterion), 0, 0
        for start in range(0, self.valid.n_rows, VALIDATION_ROWS):
            stop = min(start + VALIDATION_ROWS, self.valid.n_rows)
            batch = self.valid.batch(start, stop)
            losses, sizes = self._losses(batch, objective)
            total, counted = total + losses * sizes, counted + sizes
        return (total / counted).double().cpu()

    def _record(self, epoch, losses, seconds):
        columns = {name: values.tolist() for name, values in losses.items()}
        for name, values in columns.items():
            if not all(value - value == 0 for value in values):  # NaN or infinite
                self._raise_not_finite(name, values, epoch)
        for b in self.progress.running.nonzero()[:, 0].tolist():
            row = {"batches": [], "epoch": len(self.nets[b].history) + epoch}
            row |= {name: values[b] for name, values in columns.items()}
            row["dur"] = seconds / len(self.nets)
            self.progress.rows[b].append(row)

    def _note_lr(self, share):
        for b in self.progress.running.nonzero()[:, 0].tolist():
            self.progress.rows[b][-1]["lr"] = self.nets[b].lr * share

    def _raise_not_finite(self, name, values, epoch):
        bad = next(b for b, value in enumerate(values) if value - value != 0)
        raise FloatingPointError(
            f"the {name.replace('_', ' ')} of replica {bad} is {values[bad]} in epoch "
            f"{epoch}. Likely causes: its lr ({self.nets[bad].lr}) is too large, or "
            "inputs are not scaled."
        )

    def _keep_best(self, epoch, losses):
        """Keep the weights of the replicas that improved; stop others by patience."""
        state = self.progress
        better = (losses < state.best_loss - self.stopper.min_delta) & state.running
        state.best_loss[better] = losses[better]
        state.best_epoch[better] = epoch
        tensors = list(self.module.state_dict().values())
        if not state.best:
            state.best = [tensor.clone() for tensor in tensors]
        rows = better.nonzero()[:, 0].to(tensors[0].device)
        for best, tensor in zip(state.best, tensors, strict=True):
            best[rows] = tensor[rows]
        stops = state.running & (epoch - state.best_epoch >= self.stopper.patience)
        state.running &= ~stops
        for b in stops.nonzero()[:, 0].tolist():  # its row goes on changing
            state.moments[b] = self.optimizer.row(b)
            state.orders[b] = self.nets[b].generator_.get_state()

    @torch.no_grad()
    def _hand_back_moments(self):
        """Set the state of each optimizer to the row of its replica.

        The modules of the nets bring the moments into the shapes of their weights.
        """
        modules = [net.module_ for net in self.nets]
        rows = [
            self.progress.moments.get(b) or self.optimizer.row(b)
            for b in range(len(self.nets))
        ]
        states = [[{} for _ in module.parameters()] for module in modules]
        for name in rows[0][0] if rows[0] else ():
            is_moment = rows[0][0][name].ndim > 0
            for i, p in enumerate(self.parameters if is_moment else ()):
                p.copy_(torch.stack([row[i][name] for row in rows]))
            unstack(self.module, modules)
            for module, row, state in zip(modules, rows, states, strict=True):
                for p, mine in zip(module.parameters(), state, strict=True):
                    mine[name] = (p.detach() if is_moment else row[0][name]).clone()
        for net, module, state in zip(self.nets, modules, states, strict=True):
            pairs = zip(module.parameters(), state, strict=True)
            net.optimizer_.state.update((p, mine) for p, mine in pairs if mine)

    @torch.no_grad()
    def _hand_back(self):
        weights = [p.clone() for p in self.parameters]
        self._hand_back_moments()
        for b, order in self.progress.orders.items():
            self.nets[b].generator_.set_state(order)
        for p, weight in zip(self.parameters, weights, strict=True):
            p.copy_(weight)
        for best, tensor in zip(
            self.progress.best, self.module.state_dict().values(), strict=False
        ):
            tensor.copy_(best)
        unstack(self.module, [net.module_ for net in self.nets])
        best = self.progress.best_epoch.tolist()
        for net, rows, epoch in zip(self.nets, self.progress.rows, best, strict=True):
            net.history.extend(rows)
            for _, callback in net.callbacks_:
                if isinstance(callback, EarlyStopping):
                    callback.best_epoch_ = epoch


def _row_losses(outputs, batch, objective):
    """Mean loss of each replica without padding, and its size; shape (B,)."""
    flat, target = map_tensors(_flat, outputs), map_tensors(_flat, batch.target)
    losses, counted = objective.row_losses(flat, target)
    total = (losses.view(batch.weight.shape) * batch.weight).sum(1)
    sizes = batch.sizes
    if counted is not None:  # padding is not observed
        sizes = counted.view(batch.weight.shape).sum(1)
    return objective.finish(total / sizes.clamp(min=1)), sizes


def _flat(tensor):
    return tensor.flatten(0, 1)


class _StackedOptimizer:
    """One optimizer for all replicas, each with its own lr and weight decay.

    Steps of the supported optimizers are proportional to lr, so that the step of a
    replica is the common step times its share of the largest lr.
    """

    def __init__(self, nets, module):
        cls = optimizer_class(nets[0].optimizer)
        parameters = list(module.parameters())
        lrs = torch.tensor([net.lr for net in nets], dtype=torch.float64)
        self.parameters = parameters
        self.decoupled = cls is torch.optim.AdamW
        self.lr = self._column([net.lr for net in nets])
        self.decay = self._column([net.weight_decay for net in nets])
        exempt = names_without_decay(nets[0].module_)
        for i, (name, _) in enumerate(module.named_parameters()):
            self.decay[i] *= name not in exempt
        self.share = (
            None if (lrs == lrs[0]).all() else [lr / lrs.max() for lr in self.lr]
        )
        if not any(net.weight_decay for net in nets):
            self.decay = None
        extra = {"weight_decay": 0.0} if self.decoupled else {}
        fused = {"fused": True} if cls in FUSED else {}
        self.largest = float(lrs.max())
        self.inner = cls(parameters, lr=self.largest, **extra, **fused)

    def _column(self, values):
        """Values of the replicas in the shape (B, 1, ...) of each parameter."""
        return [
            torch.tensor(values, dtype=p.dtype, device=p.device).view(
                -1, *[1] * (p.ndim - 1)
            )
            for p in self.parameters
        ]

    @property
    def lr_share(self):
        """Factor of the schedule on the learning rate, 1 at the start."""
        return self.inner.param_groups[0]["lr"] / self.largest

    def row(self, index):
        """Copy of the state of one replica, a dict of tensors for each parameter."""
        states = [self.inner.state.get(p, {}) for p in self.parameters]
        return [
            {
                n: (v[index] if v.ndim else v).clone()
                for n, v in state.items()
                if v is not None
            }
            for state in states
        ]

    def zero_grad(self):
        """Delete the gradients."""
        self.inner.zero_grad()

    @torch.no_grad()
    def step(self):
        """Decay, step, and scale down the steps of replicas with a smaller lr."""
        before = None
        if self.decay is not None:
            self._decay()
        if self.share is not None:
            before = [p.clone() for p in self.parameters]
        self.inner.step()
        if before is not None:
            for p, old, share in zip(self.parameters, before, self.share, strict=True):
                p.copy_(torch.lerp(old, p, share.expand_as(p)))

    def _decay(self):
        for p, decay, lr in zip(self.parameters, self.decay, self.lr, strict=True):
            if self.decoupled:
                p.mul_(1 - lr * self.lr_share * decay)
            else:
                p.grad.add_(decay * p)


FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)
