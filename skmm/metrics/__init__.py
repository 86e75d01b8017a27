"""Scores that scikit-learn does not have."""

from skmm.metrics.calibration import expected_calibration_error, reliability_curve
from skmm.metrics.error_rate import (
    classification_error_rate,
    classification_error_rate_scorer,
)
from skmm.metrics.masked import MaskedScorer, masked_scorer

__all__ = [
    "MaskedScorer",
    "classification_error_rate",
    "classification_error_rate_scorer",
    "expected_calibration_error",
    "masked_scorer",
    "reliability_curve",
]
