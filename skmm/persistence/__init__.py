"""Save fitted estimators to files that contain data only, and load them."""

from skmm.persistence.exporting import export
from skmm.persistence.saving import load, save

__all__ = ["export", "load", "save"]
