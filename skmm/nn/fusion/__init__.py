"""Fusions: the embeddings of all modalities to one."""

from skmm.nn.fusion.attention import AttentionFusion
from skmm.nn.fusion.basic import (
    ConcatFusion,
    MaxFusion,
    MeanFusion,
    ProductFusion,
    SumFusion,
)
from skmm.nn.fusion.mixtures import MixtureFusion
from skmm.nn.fusion.no_harm import NoHarmFusion
from skmm.nn.fusion.side_by_side import SideBySideFusion

__all__ = [
    "AttentionFusion",
    "ConcatFusion",
    "MaxFusion",
    "MeanFusion",
    "MixtureFusion",
    "NoHarmFusion",
    "ProductFusion",
    "SideBySideFusion",
    "SumFusion",
]
