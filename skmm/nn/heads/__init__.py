"""Heads: fused embedding to outputs."""

from skmm.nn.heads.decoder import DecoderHead
from skmm.nn.heads.dense import IdentityHead, MLPHead, ResidualHead
from skmm.nn.heads.lp_norm import LpNormHead
from skmm.nn.heads.mixtures import MixtureHead

__all__ = [
    "DecoderHead",
    "IdentityHead",
    "LpNormHead",
    "MLPHead",
    "MixtureHead",
    "ResidualHead",
]
