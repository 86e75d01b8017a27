"""The data container, and the function that turns user input into it."""

from skmm.data.modality_dict import ModalityDict
from skmm.data.validation import check_modalities

__all__ = ["ModalityDict", "check_modalities"]
