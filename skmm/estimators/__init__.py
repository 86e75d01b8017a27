"""Estimators, ready to use."""

from skmm.estimators.fusion import FusionClassifier, FusionRegressor

__all__ = ["FusionClassifier", "FusionRegressor"]
