"""Multimodal deep learning with the scikit-learn interface."""

from skmm.base import load, restrict
from skmm.data import ModalityDict
from skmm.estimators import (
    FusionClassifier,
    FusionRegressor,
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
    "EncoderDecoderReconstructor",
    "FusionClassifier",
    "FusionRegressor",
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
