"""What all estimators share."""

from skmm.base.estimator import ModalityEstimator
from skmm.base.mixins import NetClassifierMixin, NetRegressorMixin
from skmm.base.modality_subset import restrict, takes_modalities
from skmm.persistence.saving import load

__all__ = [
    "NetClassifierMixin",
    "ModalityEstimator",
    "NetRegressorMixin",
    "load",
    "restrict",
    "takes_modalities",
]
