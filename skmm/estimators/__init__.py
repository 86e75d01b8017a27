"""Estimators, ready to use."""

from skmm.estimators.fusion import FusionClassifier, FusionRegressor
from skmm.estimators.late_fusion import LateFusionClassifier, LateFusionRegressor
from skmm.estimators.mulmix import MulMixClassifier
from skmm.estimators.no_harm import NoHarmFusionClassifier, NoHarmFusionRegressor

__all__ = [
    "FusionClassifier",
    "FusionRegressor",
    "LateFusionClassifier",
    "LateFusionRegressor",
    "MulMixClassifier",
    "NoHarmFusionClassifier",
    "NoHarmFusionRegressor",
]
