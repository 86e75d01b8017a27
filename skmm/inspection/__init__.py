"""What a fitted model does with its modalities: functions, and displays that draw."""

from skmm.inspection._plot.correlation import CrossCorrelationDisplay
from skmm.inspection._plot.importance import ModalityImportanceDisplay
from skmm.inspection._plot.interactions import InteractionDisplay
from skmm.inspection._plot.mixtures import MixtureDisplay
from skmm.inspection._plot.reliability import ReliabilityDisplay
from skmm.inspection._plot.robustness import RobustnessDisplay
from skmm.inspection.importance import modality_importance
from skmm.inspection.interactions import emap, interaction_decomposition
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
    "ReliabilityDisplay",
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
