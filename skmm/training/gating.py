"""When a gate weighs, and how sharply."""

from skorch.callbacks import Callback


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
