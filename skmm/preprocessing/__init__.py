"""scikit-learn transformers, one modality each, and the one that holds them."""

from skmm.preprocessing.modality_transformer import ModalityTransformer

__all__ = ["ModalityTransformer"]
