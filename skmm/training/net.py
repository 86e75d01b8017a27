"""A skorch net whose mini-batches are slices of tensors."""

from copy import deepcopy
from functools import partial

import torch
from skorch.callbacks import EpochTimer

from skmm._random import float32_default
from skmm._warnings import warn
from skmm.nn.composite.ensemble import Ensemble, with_gradient_of_sum
from skmm.nn.norms import running_statistics
from skmm.nn.shape_inference import check_objective_reads
from skmm.objectives.base import check_scalar, modules_in, validation_of
from skmm.training.batches import (
    Batches,
    check_weights,
    least_samples,
    mean_loss,
    slice_rows,
)
from skmm.training.callbacks import (
    VALID_LOSS,
    EarlyStopping,
    check_callbacks,
    overrides_batch_hook,
    raised_on_purpose,
)
from skmm.training.fingerprint import same_but_for_weights
from skmm.training.history import record_loss
from skmm.training.optimizers import (
    Learner,
    as_module,
    carry_state,
    clip_gradients,
    load_state,
    make_optimizer,
    penalised,
)
from skmm.training.pickling import PortableNet
from skmm.training.schedules import Schedule
from skmm.training.stages import check_stages, run_stages
from skmm.training.threads import BACKWARD, threads_for, work_of


class TensorNet(PortableNet):
    """A skorch net whose mini-batches are slices of tensors on the device.

    History, callbacks, checkpoints and ``save_params`` are those of skorch. The loop
    over mini-batches is faster; with a callback that overrides a per-batch hook it is
    that of skorch, in the same order and with the same result.

    Parameters
    ----------
    module : Module
    criterion : Objective
        Loss to minimise. It is copied if it has weights or buffers; its weights are
        trained.
    stages : list of Stage or None, default=None
        None trains all parts in one stage.
    weight_decay : float or dict, default=0.0
        L2 penalty. A dict sets it by part, like `lr`; see
        ``skmm.training.optimizers``.
    lr_schedule : None, str or callable, default=None
        See ``skmm.training.schedules.make_schedule``.
    gradient_clip : float or None, default=None
        Maximum norm of the gradient. None does not clip it.
    shuffle_seed : int, default=0
        Seed of the order of the samples.
    **kwargs
        See ``skorch.NeuralNet``.

    Attributes
    ----------
    criterion_ : Module
        The objective, wrapped if it is not a module.
    settings : list of str
        Parameters that are saved with the parts of the net.
    """

    settings = (
        "stages optimizer lr weight_decay lr_schedule gradient_clip batch_size "
        "max_epochs verbose"
    ).split()

    def __init__(
        self,
        module,
        criterion,
        *,
        stages=None,
        weight_decay=0.0,
        lr_schedule=None,
        gradient_clip=None,
        shuffle_seed=0,
        **kwargs,
    ):
        own = deepcopy(criterion) if modules_in(criterion) else criterion
        super().__init__(module, own, **kwargs)
        self.stages = stages
        self.weight_decay = weight_decay
        self.lr_schedule = lr_schedule
        self.gradient_clip = gradient_clip
        self.shuffle_seed = shuffle_seed

    # -- skorch's hooks ------------------------------------------------------------

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer())]

    def initialize_criterion(self):
        """Set the objective as a module, whose state checkpoints save and load."""
        check_objective_reads(self.criterion, self.module_)
        self.criterion_ = as_module(self.criterion)
        self.objective_learns_ = any(True for _ in self.criterion_.parameters())
        return self

    @property
    def learner_(self):
        """The module, and the objective if it has weights, which training changes."""
        if not self.objective_learns_:
            return self.module_
        return Learner(self.module_, self.criterion_)

    def initialize_module(self):
        """Set the module, and find the parts with a penalty."""
        self.module_ = self.module
        self.penalised_ = penalised(self.module)
        self.frozen_, self.stage_ = [], 1
        self.schedule_, self.earlier_schedule_ = None, None
        self.in_calls_ = False
        return self

    def torch_compile(self, module, name):
        """Compile the module in place, since a wrapper cannot be saved or stacked."""
        if self.compile and name == "module":
            module.compile()
        return module

    def initialize_optimizer(self, *args, **kwargs):
        """Create the optimizer from `optimizer`, `lr` and `weight_decay`."""
        if self.stages is not None:
            check_stages(self.stages, self.learner_)
        self._make_optimizer(self.lr)
        self.generator_ = torch.Generator().manual_seed(self.shuffle_seed)
        return self

    def _make_optimizer(self, lr):
        self.optimizer_ = make_optimizer(
            self.optimizer, self.learner_, lr, self.weight_decay
        )

    def _set_training(self, training=True):
        super()._set_training(training)
        for part in self.frozen_:
            part.eval()

    def infer(self, x, **fit_params):
        """Compute the outputs for a mini-batch."""
        inputs = (x.x, x.present, x.encoded) if x.encoded else (x.x, x.present)
        if x.by_member and not self.module_.training:
            return self.module_.outputs(*inputs)  # each has its own validation set
        if len(x) == 1 and self.module_.training:
            with running_statistics(self.module_):
                return self.module_(*inputs)
        return self.module_(*inputs)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Compute the objective plus the penalties of the parts."""
        objective = self.criterion if training else validation_of(self.criterion)
        compute, size = objective, 1
        if isinstance(self.module_, Ensemble):
            size = self.module_.size
            if training or X.by_member:
                compute = partial(self.module_.loss, objective)
        loss = check_scalar(compute(y_pred, y_true, X.weight), objective)
        for block in self.penalised_:
            loss = loss + block.penalty() / size
        return with_gradient_of_sum(loss, size) if training else loss

    def train_step_single(self, batch, **fit_params):
        """Compute loss and clipped gradients of one mini-batch."""
        step = super().train_step_single(batch, **fit_params)
        self._clip()
        return step

    def train_step(self, batch, **fit_params):
        """Train on one mini-batch, in the loop of skorch."""
        step = super().train_step(batch, **fit_params)
        if self.schedule_ is not None:
            self.schedule_.after_batch()
        return step

    def resume(self, earlier):
        """Continue from the training of another net with the same module.

        Parameters
        ----------
        earlier : TensorNet
            Its history and random state are continued, and so are the weights of the
            objective if it has the same parameters, and the state of the optimizer if
            it is of the same class. Learning rate, weight decay, batch size and
            callbacks are those of this net.

        Returns
        -------
        self
        """
        self.history_ = earlier.history
        self.generator_ = earlier.generator_
        self._share_objective(earlier)
        carry_state(earlier.optimizer_, self.optimizer_)
        return self

    def _share_objective(self, earlier):
        """Copy the weights of the objective of an earlier net if it is the same one."""
        weights = earlier.criterion_.state_dict(keep_vars=True)
        if weights and same_but_for_weights(self.criterion, earlier.criterion):
            self.criterion_.load_state_dict(weights, assign=True)
            self._make_optimizer(self.lr)
        elif weights and self.criterion_.state_dict():
            warn("objective changed since the first fit; its weights start again.")

    def schedule_in_calls(self, earlier):
        """Let the schedule go on from call to call of ``partial_fit``.

        Parameters
        ----------
        earlier : TensorNet or None
            That of the call before, if any.
        """
        self.in_calls_ = True
        if earlier is not None:
            self.earlier_schedule_ = earlier.lr_schedule, earlier.schedule_progress()

    def schedule_progress(self):
        """State of the schedule after a call of ``partial_fit``, or None."""
        if not self.in_calls_:
            return None
        if self.schedule_ is not None:
            return self.schedule_.progress()
        return None if self.earlier_schedule_ is None else self.earlier_schedule_[1]

    def best_epoch(self):
        """Epoch of the weights kept by early stopping, counted from 1."""
        own = [c for _, c in self.callbacks_ if isinstance(c, EarlyStopping)]
        return own[0].best_epoch_

    def progress(self):
        """Return the state of training: history, optimizer state, random state.

        Returns
        -------
        dict of lists, dicts, numbers and tensors
            It contains "objective" only if the objective has a state.
        """
        progress = {
            "history": list(self.history),
            "optimizer": self.optimizer_.state_dict()["state"],
            "generator": self.generator_.get_state(),
        }
        state = self.criterion_.state_dict()
        return {**progress, "objective": dict(state)} if state else progress

    def continue_from(self, progress):
        """Continue from the state of a net of the same structure and settings.

        Parameters
        ----------
        progress : dict
            Result of `progress` of that net.

        Returns
        -------
        self
        """
        self.history_ = type(self.history)(progress["history"])
        self.generator_.set_state(progress["generator"])
        if "objective" in progress:
            self.criterion_.load_state_dict(progress["objective"])
        load_state(self.optimizer_, progress["optimizer"])
        return self

    def snapshot(self):
        """Copy everything that training changes, for `roll_back`."""
        progress = self.progress()
        history = list(progress.pop("history"))  # rows of past epochs do not change
        copied = deepcopy((self.module_.state_dict(), progress))
        return copied[0], {**copied[1], "history": history}

    def roll_back(self, snapshot):
        """Undo the training since `snapshot` was called."""
        state, progress = snapshot
        self.module_.load_state_dict(state)
        self.continue_from(progress)

    # -- the loop ------------------------------------------------------------------

    @float32_default()
    def run(self, train, valid=None, epochs=None, monitor=None):
        """Train for some epochs, starting from the current weights.

        Parameters
        ----------
        train, valid : (TensorRows, Tensor)
            Samples and target; `valid` adds the validation loss.
        epochs : int, default=max_epochs
        monitor : callable, optional
            ``monitor(net)`` is a score of the validation set, which is recorded after
            every epoch in the column ``monitor.column``.

        Raises
        ------
        KeyboardInterrupt
            On Ctrl-C. The net then has the weights of the last step, or the best
            weights so far with early stopping.
        MemoryError
            If the device is out of memory; the message contains the batch size.
        FloatingPointError
            If a loss, or a weight after the last step, is NaN or infinite.
        """
        epochs = epochs or self.max_epochs
        self.finished_, self.monitor_ = False, monitor
        if self.stages or len(self.history):
            check_callbacks(self)
        run = partial(run_stages, self) if self.stages else self._run_stage
        try:
            work = BACKWARD * work_of(self.module_, train[0], self.batch_size)
            with threads_for(work):
                run(train, valid, epochs)
        except torch.OutOfMemoryError as error:
            raise MemoryError(
                f"{self.device} is out of memory for batches of batch_size="
                f"{self.batch_size}, with data and net on it. Use a smaller batch_size."
            ) from error
        finally:
            self.monitor_ = None  # it holds the validation set
            self.module_.eval()  # predictions need not walk over all parts
        check_weights(self.module_)
        return self

    def _run_stage(self, train, valid, epochs, cache=None):
        self.stop_training = False
        self.epochs_ = epochs
        if self.lr_schedule is not None:
            self.schedule_ = Schedule.of(self, len(train[0]))
        self.notify("on_train_begin", X=train[0], y=train[1])
        try:
            if cache is not None and self.epochs_:
                self._set_training(False)
                train, valid = cache.replace(self.frozen_, train, valid)
            self._run_epochs(train, valid)
            self.finished_ = self.stage_ == len(self.stages or [0])
        finally:
            self.notify("on_train_end", X=train[0], y=train[1])

    def _run_epochs(self, train, valid):
        data = {"dataset_train": train, "dataset_valid": valid}
        batches = self._batches(*train, self.batch_size, self.criterion, shuffled=True)
        checks = valid and self._slices(*valid)
        self._keep_start(valid)
        for _ in range(self.epochs_):
            self.notify("on_epoch_begin", **data)
            if self.stages:
                self.history.record("stage", self.stage_)
            self.run_single_epoch(batches, True, "train", self.train_step)
            self.run_single_epoch(checks, False, "valid", self.validation_step)
            if self.monitor_ is not None:
                self.history.record(self.monitor_.column, self.monitor_(self))
            if self.schedule_ is not None:
                losses = self.history[-1]
                loss = losses.get(VALID_LOSS, losses["train_loss"])
                self.history.record("lr", self.schedule_.after_epoch(loss))
            try:
                self.notify("on_epoch_end", **data)
            except KeyboardInterrupt as error:
                if not raised_on_purpose(error):
                    raise
                break
            if self.stop_training:
                break

    def _batches(self, rows, target, size, objective, shuffled=False):
        least = least_samples(self.criterion, size)
        order = self.generator_ if shuffled else None
        return Batches(rows, target, size, order, least, objective)

    def _keep_start(self, valid):
        """Evaluate the initial weights if a callback may keep them."""
        for _, callback in self.callbacks_:
            if isinstance(callback, EarlyStopping) and callback.keep_start:
                score = self.monitor_ and self.monitor_(self)
                score = self.loss_on(*valid) if self.monitor_ is None else score
                callback.compare(self, score, len(self.history))

    # -- the loop over mini-batches ---------------------------------------------

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Run one epoch; by the loop of skorch if a callback has a per-batch hook."""
        if iterator is None:
            return
        if any(overrides_batch_hook(callback) for _, callback in self.callbacks_):
            super().run_single_epoch(iterator, training, prefix, step_fn)
            losses = self.history[-1, "batches", :, prefix + "_loss"]
            losses = [loss for loss in losses if loss is not None]
            losses = torch.tensor(losses, dtype=torch.float64)
        else:
            losses = self._lean_epoch(iterator, training)
            self.history.new_batch()  # only the last one, which Checkpoint reads
            self.history.record_batch(prefix + "_loss", float(losses[-1]))
        record_loss(self, losses, iterator.sizes, prefix)

    def loss_on(self, rows, target):
        """Compute the mean validation loss of some samples.

        Parameters
        ----------
        rows : TensorRows
        target : Tensor
        """
        batches = self._slices(rows, target)
        return mean_loss(self._lean_epoch(batches, False), batches.sizes)

    def _slices(self, rows, target):
        """Validation samples, in slices."""
        size = slice_rows(rows, self.batch_size)
        return self._batches(rows, target, size, validation_of(self.criterion))

    def _work(self, batches, training):
        """Operations of a mini-batch."""
        work = work_of(self.module_, batches.rows, batches.bounds[0][1])
        return BACKWARD * work if training else work

    def _lean_epoch(self, iterator, training):
        """Losses of the mini-batches, synchronised once."""
        self._set_training(training)
        step = self._lean_step if training else self._lean_check
        work = self._work(iterator, training)
        with threads_for(work), torch.set_grad_enabled(training):
            return torch.stack([step(rows, target) for rows, target in iterator]).cpu()

    def _lean_step(self, rows, target):
        if isinstance(self.optimizer_, torch.optim.LBFGS):  # calls it more than once
            loss = self.optimizer_.step(partial(self._gradients, rows, target))
        else:
            loss = self._gradients(rows, target)
            self.optimizer_.step()
        if self.schedule_ is not None:
            self.schedule_.after_batch()
        return loss.detach()

    def _gradients(self, rows, target):
        self.optimizer_.zero_grad()
        loss = self.get_loss(self.infer(rows), target, rows, training=True)
        loss.backward()
        self._clip()
        return loss

    def _lean_check(self, rows, target):
        return self.get_loss(self.infer(rows), target, rows)

    def _clip(self):
        if self.gradient_clip is not None:
            clip_gradients(self.learner_, self.module_, self.gradient_clip)
