"""Estimators, ready to use."""

from skmm.estimators.fusion import FusionClassifier, FusionRegressor
from skmm.estimators.late_fusion import LateFusionClassifier, LateFusionRegressor

__all__ = [
    "FusionClassifier",
    "FusionRegressor",
    "LateFusionClassifier",
    "LateFusionRegressor",
]
