"""Save fitted estimators to files that contain data only, and load them."""

from skmm.persistence.saving import load, save

__all__ = ["load", "save"]
