"""Data sets: ``load_*`` come with the package, ``make_*`` are drawn."""

from skmm.datasets.biodegradation import load_biodegradation
from skmm.datasets.planted import (
    make_multimodal_classification,
    make_multimodal_regression,
)
from skmm.datasets.raman import make_raman_molecules
from skmm.datasets.weak import make_complementary_modalities, make_weak_modality

__all__ = [
    "load_biodegradation",
    "make_complementary_modalities",
    "make_multimodal_classification",
    "make_multimodal_regression",
    "make_raman_molecules",
    "make_weak_modality",
]
