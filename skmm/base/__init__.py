"""What all estimators share."""

from skmm.base.estimator import ModalityEstimator
from skmm.base.faces import ClassifierFace, RegressorFace
from skmm.base.restrict import restrict, takes_modalities

__all__ = [
    "ClassifierFace",
    "ModalityEstimator",
    "RegressorFace",
    "restrict",
    "takes_modalities",
]
