"""Data sets: ``load_*`` come with the package."""

from skmm.datasets.biodegradation import load_biodegradation

__all__ = ["load_biodegradation"]
