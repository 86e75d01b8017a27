"""Estimators that learn representations: codes that reconstruct, and agree."""

from skmm.representation.coordinated import CoordinatedEncoder
from skmm.representation.reconstructor import EncoderDecoderReconstructor

__all__ = ["CoordinatedEncoder", "EncoderDecoderReconstructor"]
