"""Gradient blending: weights of heads from their gain and overfitting."""

import copy

import numpy as np
import torch
from skorch.callbacks import Callback

from skmm._random import derive, seeded
from skmm.data.tensors import to_device
from skmm.training.batches import predict_outputs

LEAST = 1e-3  # overfitting below this is noise
CARRIED = ("optimizer", "lr", "weight_decay", "gradient_clip", "batch_size")
SMALLEST = 0.1  # weight of the head that predicts, so that it always learns


def blending_weights(gain, overfitting, least=LEAST):
    r"""Compute weights of losses, :math:`w_k \propto G_k / O_k^2`.

    Parameters
    ----------
    gain : array-like of shape (n_heads,)
        Decrease G of the validation loss of each head; an increase counts as 0.
    overfitting : array-like of shape (n_heads,)
        Increase O of the difference between its validation and training loss.
    least : float, default=1e-3
        Smaller absolute values of `overfitting` are replaced by it.

    Returns
    -------
    ndarray of shape (n_heads,)
        They sum to one, and are equal if no gain is positive.

    References
    ----------
    Wang, Tran and Feiszli, "What makes training multi-modal classification networks
    hard?", 2020, eq. 4.

    Examples
    --------
    >>> from skmm.training import blending_weights
    >>> blending_weights([0.5, 0.3, 0.6], [0.1, 0.2, 0.4]).round(3).tolist()
    [0.816, 0.122, 0.061]
    """
    raw = np.atleast_1d(raw_weights(gain, overfitting, least))
    total = raw.sum()
    return raw / total if total > 0 else np.full(len(raw), 1 / len(raw))


def raw_weights(gain, overfitting, least=LEAST):
    """Gain divided by squared overfitting, clamped like in `blending_weights`."""
    gain = np.clip(np.asarray(gain, float), 0.0, None)
    return gain / np.square(np.maximum(np.abs(overfitting), least))


def with_trained_last(weights):
    """Weights of which the last, of the head that predicts, is at least `SMALLEST`."""
    if weights[-1] >= SMALLEST:
        return weights
    others = weights[:-1] * (1 - SMALLEST) / weights[:-1].sum()
    return np.append(others, SMALLEST)


class BlendLosses(Callback):
    """Estimate the weights of a `BlendedLoss`, once or every few epochs.

    For each head, a copy of the net is trained on the loss of this head alone, to
    measure its gain and its overfitting. The net itself is not changed.

    Parameters
    ----------
    heads : list of str
        Names of the heads.
    epochs : int
        Epochs for which each copy is trained.
    online : bool
        Estimate again every `epochs` epochs, not only once.
    seed : int
        Seed of the copies, for dropout.
    earlier : list of dict, default=()
        Estimates of earlier training.

    Attributes
    ----------
    estimates_ : list of dict
        One per estimate and head: epoch, head, gain, overfitting, weight; the earlier
        ones first. Epochs are counted from the start of all training.
    """

    def __init__(self, heads, epochs, online, seed, earlier=()):
        self.heads = heads
        self.epochs = epochs
        self.online = online
        self.seed = seed
        self.earlier = earlier

    def on_train_begin(self, net, **kwargs):
        """Continue from the earlier epochs and estimates."""
        self.estimates_, self.epoch_ = list(self.earlier), len(net.history)

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        """Estimate the weights if due and there is a validation set."""
        if dataset_valid is not None and self._is_due():
            self._estimate(net, dataset_train, dataset_valid)
        self.epoch_ += 1

    def _is_due(self):
        if not self.estimates_:
            return True
        since = self.epoch_ - self.estimates_[-1]["epoch"]
        return self.online and since >= self.epochs

    def _estimate(self, net, train, valid):
        before = losses_of(net, train), losses_of(net, valid)
        changes = [self._alone(net, k, train, valid) for k in range(len(self.heads))]
        after = np.array(changes).T  # train and valid, each of the head trained
        gain = before[1] - after[1]
        overfitting = (after[1] - after[0]) - (before[1] - before[0])
        weights = with_trained_last(blending_weights(gain, overfitting))
        net.criterion.weights = weights.tolist()
        numbers = {"gain": gain, "overfitting": overfitting, "weight": weights}
        self.estimates_ += [
            {"epoch": self.epoch_, "head": head}
            | {name: float(values[k]) for name, values in numbers.items()}
            for k, head in enumerate(self.heads)
        ]

    def _alone(self, net, index, train, valid):
        """Training and validation loss of a head after training on its loss alone."""
        weights = [float(k == index) for k in range(len(self.heads))]
        criterion = type(net.criterion)(
            net.criterion.objective, len(self.heads), weights
        )
        copied = copy_of(net, criterion)
        with seeded(derive(self.seed, "blend", self.epoch_, index), net.device):
            copied.run(train, None, self.epochs)
        return [losses_of(copied, pair)[index] for pair in (train, valid)]


def copy_of(net, criterion):
    """Copy a net and its weights, with another loss and without callbacks.

    Parameters
    ----------
    net : TensorNet
    criterion : Objective
    """
    settings = {name: getattr(net, name) for name in CARRIED}
    return type(net)(
        copy.deepcopy(net.module_),
        criterion,
        **settings,
        device=net.device,
        shuffle_seed=net.shuffle_seed,
        verbose=0,
    ).initialize()


@torch.no_grad()
def losses_of(net, pair):
    """Loss of each head on some samples, ndarray of shape (n_heads,)."""
    rows, target = pair
    # on the device of the net, where the weights of the objective are
    outputs = to_device(predict_outputs(net.module_, rows), net.device)
    weight = None if rows.weight is None else rows.weight.to(net.device)
    losses = net.criterion.losses(outputs, to_device(target, net.device), weight)
    return np.array([float(loss) for loss in losses])
