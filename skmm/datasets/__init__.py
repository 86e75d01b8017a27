"""Data sets: ``load_*`` are bundled, ``make_*`` are generated.

``fetch_*`` are read from a local folder, or downloaded once.
"""

from skmm.datasets.biodegradation import load_biodegradation
from skmm.datasets.digits import fetch_avmnist, fetch_mfeat, fetch_mnist
from skmm.datasets.higgs import fetch_higgs
from skmm.datasets.motifs import make_dna_motif
from skmm.datasets.names import fetch_ssa_names
from skmm.datasets.planted import (
    make_multimodal_classification,
    make_multimodal_regression,
)
from skmm.datasets.raman import make_raman_molecules
from skmm.datasets.sentiment import make_sentiment_like
from skmm.datasets.weak import make_complementary_modalities, make_weak_modality

__all__ = [
    "fetch_avmnist",
    "fetch_higgs",
    "fetch_mfeat",
    "fetch_mnist",
    "fetch_ssa_names",
    "load_biodegradation",
    "make_complementary_modalities",
    "make_dna_motif",
    "make_multimodal_classification",
    "make_multimodal_regression",
    "make_raman_molecules",
    "make_sentiment_like",
    "make_weak_modality",
]
