"""Saving fitted estimators to files without code, and loading them."""

from skmm.persistence.saving import load, save

__all__ = ["load", "save"]
