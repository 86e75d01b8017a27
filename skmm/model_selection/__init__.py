"""Resampling and many refits."""

from skmm.model_selection.bootstrap import BootstrapOutOfBag
from skmm.model_selection.replicas import cross_validate_replicas, fit_replicas

__all__ = ["BootstrapOutOfBag", "cross_validate_replicas", "fit_replicas"]
