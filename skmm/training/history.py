"""The history of a net: its losses, and a table of all records."""

import pandas as pd
import torch

from skmm.training.batches import mean_loss

NOT_LOSSES = {  # columns of the history for skorch's callbacks
    "batches",
    "train_batch_count",
    "train_loss_best",
    "valid_batch_count",
    "valid_loss_best",
}


def history_frame(history):
    """Return the history of a net as a DataFrame with one row per epoch.

    Parameters
    ----------
    history : skorch.history.History

    Returns
    -------
    DataFrame
        Epoch, losses, seconds, and records of callbacks.
    """
    return pd.DataFrame(
        [{k: v for k, v in row.items() if k not in NOT_LOSSES} for row in history]
    )


def record_loss(net, losses, sizes, prefix):
    """Record the mean loss of an epoch, and whether it is the best so far.

    Parameters
    ----------
    net : TensorNet
    losses : Tensor of shape (n_batches,)
    sizes : list
        How much each mini-batch counts.
    prefix : {"train", "valid"}

    Raises
    ------
    FloatingPointError
        If a loss is NaN or infinite.
    """
    if not torch.isfinite(losses).all():
        _raise_not_finite(net, losses, prefix)
    mean, key = mean_loss(losses, sizes), f"{prefix}_loss"
    rows = reversed(net.history)
    best = next((row[key] for row in rows if row.get(key + "_best")), torch.inf)
    net.history.record(key + "_best", mean < best)  # read by Checkpoint of skorch
    net.history.record(key, mean)


def _raise_not_finite(net, losses, prefix):
    batch = int((~torch.isfinite(losses)).nonzero()[0, 0]) + 1
    raise FloatingPointError(
        f"the {prefix} loss is {float(losses[batch - 1])} in epoch "
        f"{len(net.history)}, batch {batch} of {len(losses)}. Likely causes: lr "
        f"(now {_rates(net)}) is too large, or inputs are not scaled (put a "
        "StandardScaler into a ModalityTransformer)."
    )


def _rates(net):
    """Learning rate, or the lowest and highest of the parts."""
    rates = {group["lr"] for group in net.optimizer_.param_groups}
    return " to ".join(f"{rate:g}" for rate in sorted({min(rates), max(rates)}))
