"""Data sets: ``load_*`` come with the package, ``make_*`` are drawn."""

from skmm.datasets.biodegradation import load_biodegradation
from skmm.datasets.planted import (
    make_multimodal_classification,
    make_multimodal_regression,
)
from skmm.datasets.weak import make_complementary_modalities, make_weak_modality

__all__ = [
    "load_biodegradation",
    "make_complementary_modalities",
    "make_multimodal_classification",
    "make_multimodal_regression",
    "make_weak_modality",
]
