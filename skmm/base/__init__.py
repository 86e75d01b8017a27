"""Base class and mixins of the estimators."""

from skmm.base.estimator import ModalityEstimator
from skmm.base.mixins import NetClassifierMixin, NetRegressorMixin
from skmm.base.modality_subset import (
    restrict,
    takes_modalities,
)

__all__ = [
    "ModalityEstimator",
    "NetClassifierMixin",
    "NetRegressorMixin",
    "restrict",
    "takes_modalities",
]
