"""The table of the weights of modalities that a fusion or head has."""

import pandas as pd


def weights_table(module):
    """Weights of the modalities of a fitted module.

    Parameters
    ----------
    module : MultimodalModule

    Returns
    -------
    DataFrame
        The column "weight"; "variance_share" too where the part has it.

    Raises
    ------
    AttributeError
        If neither its head nor its fusion has such weights.
    """
    parts = [getattr(module, name, None) for name in ("head", "fusion")]
    part = next((part for part in parts if hasattr(part, "modality_weights")), None)
    if part is None:
        raise AttributeError(
            f"{type(parts[-1]).__name__} does not have weights of modalities; "
            "LpNormFusion and NoHarmFusion do."
        )
    columns = {"weight": part.modality_weights()}
    if hasattr(part, "variance_shares"):
        columns["variance_share"] = part.variance_shares()
    return pd.DataFrame(columns).rename_axis("block")
