"""scikit-learn transformers, one modality each, and the one that holds them."""

from skmm.preprocessing.modality_transformer import ModalityTransformer
from skmm.preprocessing.molecules import MoleculeFingerprint

__all__ = ["ModalityTransformer", "MoleculeFingerprint"]
