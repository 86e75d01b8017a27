"""Encoders: one modality to one embedding."""

from skmm.nn.encoders.dense import Flatten, MLPEncoder

__all__ = ["Flatten", "MLPEncoder"]
