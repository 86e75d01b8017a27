"""Multimodal classifiers and regressors."""

from skmm.estimators.blending import GradientBlendingClassifier
from skmm.estimators.dynamic import DynamicFusionClassifier
from skmm.estimators.fusion import FusionClassifier, FusionRegressor
from skmm.estimators.late_fusion import LateFusionClassifier, LateFusionRegressor
from skmm.estimators.mulmix import MulMixClassifier
from skmm.estimators.no_harm import NoHarmFusionClassifier, NoHarmFusionRegressor
from skmm.estimators.residual import (
    ResidualFusionClassifier,
    ResidualFusionRegressor,
)

__all__ = [
    "DynamicFusionClassifier",
    "FusionClassifier",
    "FusionRegressor",
    "GradientBlendingClassifier",
    "LateFusionClassifier",
    "LateFusionRegressor",
    "MulMixClassifier",
    "NoHarmFusionClassifier",
    "NoHarmFusionRegressor",
    "ResidualFusionClassifier",
    "ResidualFusionRegressor",
]
