"""Multimodal deep learning with the scikit-learn interface."""

from skmm.data import ModalityDict

__version__ = "0.1.0.dev0"
__all__ = ["ModalityDict"]
