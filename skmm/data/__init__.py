"""The data container and the one door through which data enters."""

from skmm.data.modality_dict import ModalityDict
from skmm.data.validation import check_modalities

__all__ = ["ModalityDict", "check_modalities"]
