"""Encoders: one modality to one embedding."""

from skmm.nn.encoders.dense import Flatten, MLPEncoder
from skmm.nn.encoders.image import Chemception, ConvEncoder
from skmm.nn.encoders.sequence import Conv1dEncoder

__all__ = ["Chemception", "Conv1dEncoder", "ConvEncoder", "Flatten", "MLPEncoder"]
