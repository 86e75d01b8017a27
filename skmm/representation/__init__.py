"""Estimators that learn representations: reconstruction and coordination."""

from skmm.representation.coordinated import CoordinatedEncoder
from skmm.representation.reconstructor import EncoderDecoderReconstructor

__all__ = ["CoordinatedEncoder", "EncoderDecoderReconstructor"]
