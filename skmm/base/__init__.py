"""What all estimators share."""

from skmm.base.estimator import ModalityEstimator
from skmm.base.faces import ClassifierFace, RegressorFace
from skmm.base.restrict import restrict, takes_modalities
from skmm.base.saving import load

__all__ = [
    "ClassifierFace",
    "ModalityEstimator",
    "RegressorFace",
    "load",
    "restrict",
    "takes_modalities",
]
