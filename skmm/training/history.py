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
    """One row per epoch: epoch, losses, seconds, and what callbacks recorded.

    Parameters
    ----------
    history : skorch.history.History

    Returns
    -------
    DataFrame
    """
    return pd.DataFrame(
        [{k: v for k, v in row.items() if k not in NOT_LOSSES} for row in history]
    )
