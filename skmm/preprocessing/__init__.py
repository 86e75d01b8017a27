"""Transformers that turn one modality into what an encoder can read."""

from skmm.preprocessing.molecules import MoleculeFingerprint

__all__ = ["MoleculeFingerprint"]
