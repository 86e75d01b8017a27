"""Transformers for single modalities, and ModalityTransformer to combine them."""

from skmm.preprocessing.columns import ColumnsToModalities
from skmm.preprocessing.corruption import (
    DropCorruption,
    GaussianCorruption,
    NoiseModality,
    StructuredDropCorruption,
    SwapCorruption,
)
from skmm.preprocessing.descriptors import MoleculeDescriptors
from skmm.preprocessing.images import Downscale, TopRows
from skmm.preprocessing.modality_transformer import ModalityTransformer
from skmm.preprocessing.molecule_images import MoleculeImager
from skmm.preprocessing.molecules import MoleculeFingerprint
from skmm.preprocessing.spectra import SpectrumBinner

__all__ = [
    "ColumnsToModalities",
    "ModalityTransformer",
    "MoleculeFingerprint",
    "MoleculeImager",
    "MoleculeDescriptors",
    "SpectrumBinner",
    "TopRows",
    "Downscale",
    "NoiseModality",
    "GaussianCorruption",
    "DropCorruption",
    "SwapCorruption",
    "StructuredDropCorruption",
]
