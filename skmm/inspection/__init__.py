"""What a fitted model does with its modalities: functions, and displays that draw."""

from skmm.inspection.correlation import CrossCorrelationDisplay
from skmm.inspection.displays import ModalityImportanceDisplay, RobustnessDisplay
from skmm.inspection.importance import modality_importance
from skmm.inspection.interaction_display import InteractionDisplay
from skmm.inspection.interactions import emap, interaction_decomposition
from skmm.inspection.mixtures import MixtureDisplay
from skmm.inspection.over_fitting import overfitting_to_generalization_ratio
from skmm.inspection.over_learning import over_learning
from skmm.inspection.robustness import (
    RobustnessCurve,
    effective_robustness,
    relative_robustness,
    robustness_curve,
)
from skmm.inspection.utilization import conditional_utilization

__all__ = [
    "CrossCorrelationDisplay",
    "InteractionDisplay",
    "MixtureDisplay",
    "ModalityImportanceDisplay",
    "RobustnessCurve",
    "RobustnessDisplay",
    "conditional_utilization",
    "effective_robustness",
    "emap",
    "interaction_decomposition",
    "modality_importance",
    "over_learning",
    "overfitting_to_generalization_ratio",
    "relative_robustness",
    "robustness_curve",
]
