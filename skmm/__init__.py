"""Multimodal deep learning with the scikit-learn interface."""

from skmm.base import restrict
from skmm.data import ModalityDict
from skmm.estimators import FusionClassifier, FusionRegressor

__version__ = "0.1.0.dev0"

__all__ = ["FusionClassifier", "FusionRegressor", "ModalityDict", "restrict"]
