"""What a fitted model does with its modalities: functions, and displays that draw."""

from skmm.inspection.correlation import CrossCorrelationDisplay
from skmm.inspection.importance import modality_importance
from skmm.inspection.mixtures import MixtureDisplay
from skmm.inspection.over_learning import over_learning
from skmm.inspection.utilization import conditional_utilization

__all__ = [
    "CrossCorrelationDisplay",
    "MixtureDisplay",
    "conditional_utilization",
    "modality_importance",
    "over_learning",
]
