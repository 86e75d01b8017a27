"""Losses to minimise: ``objective(outputs, target, weight)`` returns a scalar."""

from skmm.objectives.base import Objective
from skmm.objectives.blended import BlendedLoss
from skmm.objectives.compose import WeightedSum
from skmm.objectives.correlation import BarlowTwins, ByPosition, OverModalities
from skmm.objectives.gated import GatedLoss
from skmm.objectives.multiplicative import MultiplicativeLoss, OverCandidates
from skmm.objectives.reconstruction import ReconstructionLoss
from skmm.objectives.residual import ResidualLoss
from skmm.objectives.supervised import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    HuberError,
    SquaredError,
)

__all__ = [
    "AbsoluteError",
    "BarlowTwins",
    "BinaryCrossEntropy",
    "BlendedLoss",
    "ByPosition",
    "CrossEntropy",
    "GatedLoss",
    "HuberError",
    "MultiplicativeLoss",
    "Objective",
    "OverCandidates",
    "OverModalities",
    "ReconstructionLoss",
    "ResidualLoss",
    "SquaredError",
    "WeightedSum",
]
