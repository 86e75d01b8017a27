"""Multimodal deep learning with the scikit-learn interface."""

from importlib import import_module

from skmm._version import __version__ as __version__
from skmm.base import restrict
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
from skmm.persistence import export, load, save
from skmm.representation import CoordinatedEncoder, EncoderDecoderReconstructor

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
    "export",
    "load",
    "restrict",
    "save",
]

_SUBPACKAGES = (
    "data",
    "datasets",
    "estimators",
    "inspection",
    "metrics",
    "model_selection",
    "nn",
    "objectives",
    "preprocessing",
    "representation",
    "training",
    "utils",
)


def __dir__():
    return sorted({*globals(), *_SUBPACKAGES})


def __getattr__(name):
    """Import a subpackage on first access."""
    if name in _SUBPACKAGES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
