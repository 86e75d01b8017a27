"""What a fitted net says of its modalities' weights."""

import pandas as pd
from sklearn.utils.validation import check_is_fitted


class WeighsModalities:
    """Adds `modality_weights_`, where the net's fusion or head has such weights."""

    @property
    def modality_weights_(self):
        """Weight of each modality, and of each interaction that the fusion knows.

        Returns
        -------
        DataFrame
            The column "weight"; with ``LpNormFusion`` also "variance_share", the share
            of the block in the variance of the outputs in training.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        AttributeError
            If its fusion has no such weights.
        """
        check_is_fitted(self, "net_")
        module = self.net_.module_
        for part in (module.head, module.fusion):
            if hasattr(part, "modality_weights"):
                return _table(part)
        raise AttributeError(
            f"{type(module.fusion).__name__} has no weights of modalities; "
            "LpNormFusion and NoHarmFusion have."
        )


def _table(part):
    columns = {"weight": part.modality_weights()}
    if hasattr(part, "variance_shares"):
        columns["variance_share"] = part.variance_shares()
    return pd.DataFrame(columns).rename_axis("block")
