"""Base class and mixins of the estimators."""

from skmm.base.estimator import ModalityEstimator
from skmm.base.mixins import NetClassifierMixin, NetRegressorMixin
from skmm.base.modality_subset import (
    modalities_made,
    restrict,
    takes_modalities,
)

__all__ = [
    "ModalityEstimator",
    "NetClassifierMixin",
    "NetRegressorMixin",
    "modalities_made",
    "restrict",
    "takes_modalities",
]
