"""Callbacks of skmm, and checks of the callbacks that users pass."""

import copy
import dis
import warnings

from skorch.callbacks import Callback, LRScheduler, ParamMapper
from tqdm.auto import tqdm

LOSS, VALID_LOSS = "loss", "valid_loss"


class EarlyStopping(Callback):
    """Stop when the validation loss no longer decreases; restore the best weights.

    Unlike the callback of the same name in skorch, it always restores them.

    Parameters
    ----------
    patience : int
        Epochs without improvement after which training stops.
    min_delta : float, default=0.0
        Smallest decrease of the loss that counts as an improvement.
    keep_start : bool, default=False
        Include the initial weights, as epoch 0, so that the validation loss is never
        worse than before training.
    monitor : str, default="valid_loss"
        Column of the history to follow. Of all others than "valid_loss", more is
        better.

    Attributes
    ----------
    best_epoch_ : int
        Epoch with the lowest validation loss, or the highest score, counted from 1; 0
        is before training.
    best_loss_ : float
        Its validation loss, or minus its score.
    """

    monitor = VALID_LOSS  # of pickles from earlier versions

    def __init__(self, patience, min_delta=0.0, keep_start=False, monitor=VALID_LOSS):
        self.patience = patience
        self.min_delta = min_delta
        self.keep_start = keep_start
        self.monitor = monitor

    def on_train_begin(self, net, **kwargs):
        """Reset the best loss, epoch and weights."""
        self.best_loss_, self.best_epoch_, self.best_state_ = float("inf"), 0, None

    def on_epoch_end(self, net, **kwargs):
        """Keep the weights if they are the best; stop if patience has run out."""
        epoch = len(net.history)
        self.compare(net, net.history[-1, self.monitor], epoch)
        if epoch - self.best_epoch_ >= self.patience:
            net.stop_training = True

    def compare(self, net, value, epoch):
        """Keep a copy of the weights if their loss or score is the best so far."""
        loss = value if self.monitor == VALID_LOSS else -value
        if loss < self.best_loss_ - self.min_delta:
            self.best_loss_, self.best_epoch_ = loss, epoch
            state = net.learner_.state_dict()
            self.best_state_ = {k: v.detach().clone() for k, v in state.items()}

    def on_train_end(self, net, **kwargs):
        """Restore the best weights and delete the copy."""
        if self.best_state_ is not None:
            net.learner_.load_state_dict(self.best_state_)
        self.best_state_ = None


class RecordFusionWeights(Callback):
    """Record the mean weight of each modality in the history after every epoch.

    Requires a fusion with a method ``weights()``, such as ``NoHarmFusion``. The columns
    are "weight_<modality>", and "lambda", the weight of the second of two modalities.
    """

    def on_epoch_end(self, net, **kwargs):
        """Record the weights."""
        fusion = net.module_.fusion
        weights = fusion.weights()
        means = weights.reshape(len(weights), -1).mean(1).tolist()
        for name, mean in zip(fusion.names, means, strict=True):
            net.history.record(f"weight_{name}", mean)
        if len(means) == 2:
            net.history.record("lambda", means[1])


class EpochCallback(Callback):
    """Call a function after every epoch.

    Parameters
    ----------
    call : callable
        ``call(net)``. An exception ends the training.
    """

    def __init__(self, call):
        self.call = call

    def on_epoch_end(self, net, **kwargs):
        """Call the function."""
        self.call(net)


class ProgressBar(Callback):
    """Progress bar over epochs with the latest losses, used if ``verbose=1``."""

    def on_train_begin(self, net, **kwargs):
        """Show the bar."""
        self.bar_ = tqdm(total=net.epochs_, unit="epoch")

    def on_epoch_end(self, net, **kwargs):
        """Advance the bar."""
        row = net.history[-1]
        losses = {key: row[key] for key in ("train_loss", "valid_loss") if key in row}
        self.bar_.set_postfix(losses, refresh=False)
        self.bar_.update()

    def on_train_end(self, net, **kwargs):
        """Close the bar."""
        self.bar_.close()
        self.bar_ = None


def own_callbacks(given):
    """Check a user's callbacks and copy them, so that a fit does not change them.

    Parameters
    ----------
    given : list of skorch callbacks or of (name, callback), or None

    Returns
    -------
    list

    Raises
    ------
    TypeError
        If an item is not a callback.
    """
    for item in given or ():
        one = item[-1] if isinstance(item, tuple) else item
        if not issubclass(one if isinstance(one, type) else type(one), Callback):
            raise TypeError(
                "callbacks must be a list of skorch callbacks or of (name, callback); "
                f"got the item {item!r}."
            )
    return copy.deepcopy(given or [])


def column_of(monitor):
    """Column of the history that holds what the parameter `monitor` names."""
    if monitor == LOSS:
        return VALID_LOSS
    return f"valid_{monitor}" if isinstance(monitor, str) else "valid_score"


def callbacks_of(estimator):
    """Callbacks of a fit: copies of the user's, early stopping and a progress bar.

    Parameters
    ----------
    estimator : ModalityEstimator
        With the parameters `callbacks`, `patience`, `monitor` and `verbose`, and
        `early_stopping_`, the value of `early_stopping` in use.
    """
    # files of earlier releases do not have it
    stopping = getattr(estimator, "early_stopping_", estimator.early_stopping)
    own = []  # named, so as not to clash with a user's callbacks
    if stopping:
        keep_start = stopping == "keep_start"
        column = column_of(estimator.monitor)
        stopper = EarlyStopping(estimator.patience, 0.0, keep_start, column)
        own.append(("skmm_early_stopping", stopper))
    if estimator.verbose:
        own.append(("skmm_progress_bar", ProgressBar()))
    return [*(own_callbacks(estimator.callbacks) if estimator.callbacks else []), *own]


def check_callbacks(net):
    """Check that no skorch callback conflicts with stages or a warm start.

    An LRScheduler would count the epochs of earlier optimizers. A ParamMapper, such as
    Freezer, would be overridden by the stages.
    """
    again = len(net.history) > 0
    for name, callback in net.callbacks_:
        if isinstance(callback, LRScheduler) and (net.stages or again):
            what = "stages" if net.stages else "warm_start and partial_fit"
            raise ValueError(
                f"callbacks: {name} does not support {what}, which use several "
                "optimizers; set lr_schedule instead."
            )
        if isinstance(callback, ParamMapper) and net.stages:
            raise ValueError(
                f"callbacks: {name} has no effect with stages, which select the "
                "weights to train; set Stage(train=...), or freeze weights before fit."
            )


def raised_on_purpose(error):
    """Whether a KeyboardInterrupt was raised by a callback, and not by Ctrl-C.

    skorch's EarlyStopping raises KeyboardInterrupt to end training. A signal handler
    may raise it as well, but is not a method of a callback.
    """
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    opcode = trace.tb_frame.f_code.co_code[trace.tb_lasti]
    by_callback = isinstance(trace.tb_frame.f_locals.get("self"), Callback)
    return by_callback and dis.opname[opcode] == "RAISE_VARARGS"


class GateSchedule(Callback):
    """Activate a gate in training, at a temperature that changes geometrically.

    In ``partial_fit``, the schedule continues from call to call.

    Parameters
    ----------
    start, end : float
        Temperature in the first and the last epoch of every stage; `end` if there is
        only one epoch.
    """

    def __init__(self, start, end):
        self.start = start
        self.end = end

    def on_train_begin(self, net, **kwargs):
        """Activate the gate, and restart the schedule unless in ``partial_fit``."""
        net.module_.begin()
        self.before_ = len(net.history) if net.epochs_ == net.max_epochs else 0

    def on_epoch_begin(self, net, **kwargs):
        """Set the temperature of the epoch."""
        epoch, last = len(net.history) - 1 - self.before_, net.max_epochs - 1
        share = min(1.0, epoch / last) if last else 1.0
        net.module_.temperature.fill_(self.start * (self.end / self.start) ** share)


RENAMED = {
    "AfterEpoch": EpochCallback,
    "BestWeights": EarlyStopping,
    "EpochBar": ProgressBar,
}


def __getattr__(name):
    """Return a class by its deprecated name."""
    return renamed(name, __name__)


def renamed(name, module):
    """Return a class by its deprecated name, for ``__getattr__`` of a module."""
    if name not in RENAMED:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    new = RENAMED[name]
    warnings.warn(
        f"{name} was renamed to {new.__name__}; the old name will be removed in 0.3.",
        FutureWarning,
        stacklevel=3,
    )
    return new


def overrides_batch_hook(callback):
    """Whether a callback is called for every mini-batch."""
    hooks = ("on_batch_begin", "on_batch_end", "on_grad_computed")
    return any(getattr(type(callback), h) is not getattr(Callback, h) for h in hooks)
