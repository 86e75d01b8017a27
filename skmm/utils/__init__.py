"""Checks for estimators and Blocks defined outside the package."""

from skmm.utils.block_checks import check_block
from skmm.utils.estimator_checks import (
    check_multimodal_estimator,
    multimodal_checks,
    parametrize_with_checks,
)

__all__ = [
    "check_block",
    "check_multimodal_estimator",
    "multimodal_checks",
    "parametrize_with_checks",
]
