"""Resampling, many refits, the comparison of modalities, and tuning."""

from skmm.model_selection.bootstrap import BootstrapOutOfBag
from skmm.model_selection.bootstrap_score import bootstrap_score
from skmm.model_selection.compare import ModalityComparison, compare_modalities
from skmm.model_selection.replicas import cross_validate_replicas, fit_replicas
from skmm.model_selection.search import ModalitySearchCV
from skmm.model_selection.search_space import default_search_space, suggest

__all__ = [
    "BootstrapOutOfBag",
    "ModalityComparison",
    "ModalitySearchCV",
    "bootstrap_score",
    "compare_modalities",
    "cross_validate_replicas",
    "default_search_space",
    "fit_replicas",
    "suggest",
]
