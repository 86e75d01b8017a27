"""No-harm fusion: fuse modalities as far as held-out evidence supports it."""

from skmm.estimators.no_harm.estimator import (
    NoHarmFusionClassifier,
    NoHarmFusionRegressor,
)

__all__ = ["NoHarmFusionClassifier", "NoHarmFusionRegressor"]
