"""Conversion of y to the tensors that a net is trained on, and back."""

from skmm.targets.arrays import ArrayTarget
from skmm.targets.base import NoTarget, Target
from skmm.targets.classes import ClassTarget
from skmm.targets.values import ValueTarget

__all__ = [
    "ArrayTarget",
    "ClassTarget",
    "NoTarget",
    "Target",
    "ValueTarget",
]
