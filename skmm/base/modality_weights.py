"""Weights of modalities that a fusion or head has learnt."""

import pandas as pd

from skmm.base.nets import members_of


def weights_table(module):
    """Table of the weights of modalities of a fitted module.

    Parameters
    ----------
    module : MultimodalModule or Ensemble

    Returns
    -------
    DataFrame
        With the column "weight", and "variance_share" if the part defines it. Means
        over the nets of an ensemble.

    Raises
    ------
    AttributeError
        If neither the head nor the fusion learns weights of modalities.
    """
    tables = [_table(net) for net in members_of(module)]
    return sum(tables[1:], tables[0]) / len(tables)


def _table(module):
    parts = [getattr(module, name, None) for name in ("head", "fusion")]
    part = next((part for part in parts if hasattr(part, "modality_weights")), None)
    if part is None:
        raise AttributeError(
            f"{type(parts[-1]).__name__} does not learn weights of modalities; use "
            "LpNormFusion or NoHarmFusion."
        )
    columns = {"weight": part.modality_weights()}
    if hasattr(part, "variance_shares"):
        columns["variance_share"] = part.variance_shares()
    return pd.DataFrame(columns).rename_axis("block")
