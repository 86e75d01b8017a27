"""Fusions: the embeddings of all modalities to one."""

from skmm.nn.fusion.attention import AttentionFusion
from skmm.nn.fusion.basic import (
    ConcatFusion,
    MaxFusion,
    MeanFusion,
    ProductFusion,
    SumFusion,
)
from skmm.nn.fusion.bilinear import BilinearFusion
from skmm.nn.fusion.gated import ExpertFusion, GatedFusion, HighwayFusion
from skmm.nn.fusion.hierarchical import HierarchicalFusion
from skmm.nn.fusion.lp_norm import LpNormFusion
from skmm.nn.fusion.mixtures import MixtureFusion
from skmm.nn.fusion.no_harm import NoHarmFusion
from skmm.nn.fusion.shift import ModalityShiftFusion
from skmm.nn.fusion.side_by_side import SideBySideFusion
from skmm.nn.fusion.tensor import LowRankTensorFusion, TensorFusion
from skmm.nn.fusion.token_attention import CrossAttentionFusion, SelfAttentionFusion
from skmm.nn.fusion.transformer import TransformerFusion

__all__ = [
    "AttentionFusion",
    "BilinearFusion",
    "ConcatFusion",
    "CrossAttentionFusion",
    "ExpertFusion",
    "GatedFusion",
    "HierarchicalFusion",
    "HighwayFusion",
    "LowRankTensorFusion",
    "LpNormFusion",
    "MaxFusion",
    "MeanFusion",
    "MixtureFusion",
    "ModalityShiftFusion",
    "NoHarmFusion",
    "ProductFusion",
    "SelfAttentionFusion",
    "SideBySideFusion",
    "SumFusion",
    "TensorFusion",
    "TransformerFusion",
]
