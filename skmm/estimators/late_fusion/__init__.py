"""Late fusion: one model per modality, whose predictions are combined."""

from skmm.estimators.late_fusion.estimator import (
    LateFusionClassifier,
    LateFusionRegressor,
)

__all__ = ["LateFusionClassifier", "LateFusionRegressor"]
