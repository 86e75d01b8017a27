"""Multimodal deep learning with the scikit-learn interface."""

from skmm.base import load, restrict
from skmm.data import ModalityDict
from skmm.estimators import (
    DynamicFusionClassifier,
    FusionClassifier,
    FusionRegressor,
    GradientBlendingClassifier,
    LateFusionClassifier,
    LateFusionRegressor,
    MulMixClassifier,
    NoHarmFusionClassifier,
    NoHarmFusionRegressor,
    ResidualFusionClassifier,
    ResidualFusionRegressor,
)
from skmm.representation import CoordinatedEncoder, EncoderDecoderReconstructor

__version__ = "0.1.0.dev0"

__all__ = [
    "CoordinatedEncoder",
    "DynamicFusionClassifier",
    "EncoderDecoderReconstructor",
    "FusionClassifier",
    "FusionRegressor",
    "GradientBlendingClassifier",
    "LateFusionClassifier",
    "LateFusionRegressor",
    "ModalityDict",
    "MulMixClassifier",
    "NoHarmFusionClassifier",
    "NoHarmFusionRegressor",
    "ResidualFusionClassifier",
    "ResidualFusionRegressor",
    "load",
    "restrict",
]
