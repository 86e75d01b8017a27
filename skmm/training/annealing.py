"""A temperature that falls with the epochs."""

from skorch.callbacks import Callback


class Anneal(Callback):
    """Move the temperature of a module from one value to another, by equal factors.

    Parameters
    ----------
    start, end : float
        In the first and the last epoch of every stage.
    """

    def __init__(self, start, end):
        self.start = start
        self.end = end

    def on_train_begin(self, net, **kwargs):
        """Start anew."""
        self.epoch_ = 0

    def on_epoch_begin(self, net, **kwargs):
        """Set the temperature of this epoch."""
        share = min(1.0, self.epoch_ / max(1, net.epochs_ - 1))
        net.module_.temperature.fill_(self.start * (self.end / self.start) ** share)
        self.epoch_ += 1
