"""What a fitted model does with its modalities: functions, and displays that draw."""

from skmm.inspection.correlation import CrossCorrelationDisplay
from skmm.inspection.importance import modality_importance
from skmm.inspection.mixtures import MixtureDisplay
from skmm.inspection.over_learning import over_learning

__all__ = [
    "CrossCorrelationDisplay",
    "MixtureDisplay",
    "modality_importance",
    "over_learning",
]
