"""Resampling, many refits, and the comparison of modalities."""

from skmm.model_selection.bootstrap import BootstrapOutOfBag
from skmm.model_selection.bootstrap_score import bootstrap_score
from skmm.model_selection.compare import ModalityComparison, compare_modalities
from skmm.model_selection.replicas import cross_validate_replicas, fit_replicas

__all__ = [
    "BootstrapOutOfBag",
    "ModalityComparison",
    "bootstrap_score",
    "compare_modalities",
    "cross_validate_replicas",
    "fit_replicas",
]
