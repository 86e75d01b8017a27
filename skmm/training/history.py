"""The history of a net as a table."""

import pandas as pd

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
