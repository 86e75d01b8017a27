"""Our own skorch callbacks: early stopping with best weights, and a progress bar."""

import copy
import dis

from skorch.callbacks import Callback, LRScheduler, ParamMapper
from tqdm.auto import tqdm


class BestWeights(Callback):
    """Stop when the validation loss no longer falls; go back to the best weights.

    Parameters
    ----------
    patience : int
        Epochs without improvement after which training stops.
    min_delta : float, default=0.0
        What counts as an improvement.
    keep_start : bool, default=False
        Count the weights before the first epoch too, as epoch 0, so that the result is
        never worse on the validation rows than what training started from.

    Attributes
    ----------
    best_epoch_ : int
        Counted from 1; 0 is the start.
    best_loss_ : float
    """

    def __init__(self, patience, min_delta=0.0, keep_start=False):
        self.patience = patience
        self.min_delta = min_delta
        self.keep_start = keep_start

    def on_train_begin(self, net, **kwargs):
        """Forget earlier bests."""
        self.best_loss_, self.best_epoch_, self.best_state_ = float("inf"), 0, None

    def on_epoch_end(self, net, **kwargs):
        """Keep the weights if they are the best so far, or ask to stop."""
        epoch = len(net.history)
        self.compare(net, net.history[-1, "valid_loss"], epoch)
        if epoch - self.best_epoch_ >= self.patience:
            net.stop_training = True

    def compare(self, net, loss, epoch):
        """Keep the weights if their loss is the lowest so far."""
        if loss < self.best_loss_ - self.min_delta:
            self.best_loss_, self.best_epoch_ = loss, epoch
            state = net.learner_.state_dict()
            self.best_state_ = {k: v.detach().clone() for k, v in state.items()}

    def on_train_end(self, net, **kwargs):
        """Restore the best weights and let go of the copy."""
        if self.best_state_ is not None:
            net.learner_.load_state_dict(self.best_state_)
        self.best_state_ = None


class RecordFusionWeights(Callback):
    """Note the mean weight of each modality after every epoch.

    For a net whose fusion has ``weights()`` that are those of all rows, as
    ``NoHarmFusion`` has. The columns of the history are
    "weight_<modality>", and with two modalities "lambda", the weight of the second.
    """

    def on_epoch_end(self, net, **kwargs):
        """Note them."""
        fusion = net.module_.fusion
        weights = fusion.weights()
        means = weights.reshape(len(weights), -1).mean(1).tolist()
        for name, mean in zip(fusion.names, means, strict=True):
            net.history.record(f"weight_{name}", mean)
        if len(means) == 2:
            net.history.record("lambda", means[1])


class AfterEpoch(Callback):
    """Show the net to a function after every epoch.

    Parameters
    ----------
    call : callable
        Gets the net; an error in it ends the training.
    """

    def __init__(self, call):
        self.call = call

    def on_epoch_end(self, net, **kwargs):
        """Call it."""
        self.call(net)


class EpochBar(Callback):
    """Progress bar over epochs with the latest losses (``verbose=1``)."""

    def on_train_begin(self, net, **kwargs):
        """Open the bar."""
        self.bar_ = tqdm(total=net.epochs_, unit="epoch")

    def on_epoch_end(self, net, **kwargs):
        """Advance it."""
        row = net.history[-1]
        losses = {key: row[key] for key in ("train_loss", "valid_loss") if key in row}
        self.bar_.set_postfix(losses, refresh=False)
        self.bar_.update()

    def on_train_end(self, net, **kwargs):
        """Close it."""
        self.bar_.close()
        self.bar_ = None


def own_callbacks(given):
    """Return copies of what a user gives, so that a fit leaves them as they are.

    Parameters
    ----------
    given : list of skorch callbacks or of (name, callback), or None

    Raises
    ------
    TypeError
        For anything else.
    """
    for item in given or ():
        one = item[-1] if isinstance(item, tuple) else item
        if not issubclass(one if isinstance(one, type) else type(one), Callback):
            raise TypeError(
                "callbacks must be a list of skorch callbacks, or of (name, callback); "
                f"got {item!r} in it."
            )
    return copy.deepcopy(given or [])


def refuse_callbacks(net):
    """Raise a ValueError for callbacks of skorch that would fail or be undone.

    A scheduler counts all epochs of the history, but a new stage, or a warm start, has
    a new optimizer. What ParamMapper and Freezer do to weights, stages do by name.
    """
    again = len(net.history) > 0
    for name, callback in net.callbacks_:
        if isinstance(callback, LRScheduler) and (net.stages or again):
            what = "stages" if net.stages else "warm_start and partial_fit"
            raise ValueError(
                f"callbacks: {name} cannot go on from one optimizer to the next, as "
                f"{what} need; use lr_schedule= instead."
            )
        if isinstance(callback, ParamMapper) and net.stages:
            raise ValueError(
                f"callbacks: stages decide what learns, {name} cannot; name the parts "
                "in Stage(train=...), or freeze weights before the fit."
            )


def overrides_batch_hook(callback):
    """Whether a callback wants to be called for every batch."""
    hooks = ("on_batch_begin", "on_batch_end", "on_grad_computed")
    return any(getattr(type(callback), h) is not getattr(Callback, h) for h in hooks)


def raised_on_purpose(error):
    """Whether a KeyboardInterrupt comes from a callback's ``raise``, not from Ctrl-C.

    skorch's EarlyStopping ends training by raising KeyboardInterrupt. A handler of
    signals that is written in Python raises too, but is no method of a callback.
    """
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    opcode = trace.tb_frame.f_code.co_code[trace.tb_lasti]
    by_callback = isinstance(trace.tb_frame.f_locals.get("self"), Callback)
    return by_callback and dis.opname[opcode] == "RAISE_VARARGS"


class GateSchedule(Callback):
    """Let a gate weigh where it learns, at a temperature that moves by equal factors.

    A run of fewer epochs than the net's `max_epochs`, as of ``partial_fit``, goes on
    where the epochs before it left the temperature.

    Parameters
    ----------
    start, end : float
        Temperature in the first and the last epoch of every stage; where there is but
        one epoch, that of `end`.
    """

    def __init__(self, start, end):
        self.start = start
        self.end = end

    def on_train_begin(self, net, **kwargs):
        """Tell the module, and count from here, or on."""
        net.module_.begin()
        self.before_ = len(net.history) if net.epochs_ == net.max_epochs else 0

    def on_epoch_begin(self, net, **kwargs):
        """Set the temperature of this epoch."""
        epoch, last = len(net.history) - 1 - self.before_, net.max_epochs - 1
        share = min(1.0, epoch / last) if last else 1.0
        net.module_.temperature.fill_(self.start * (self.end / self.start) ** share)
