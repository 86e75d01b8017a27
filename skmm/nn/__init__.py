"""Network parts: Blocks and how they are assembled."""

from skmm.nn import encoders, fusion, heads
from skmm.nn.block import Block
from skmm.nn.encoders import (
    Chemception,
    Conv1dEncoder,
    ConvEncoder,
    Flatten,
    LSTMEncoder,
    MLPEncoder,
)
from skmm.nn.fusion import (
    AttentionFusion,
    ConcatFusion,
    MaxFusion,
    MeanFusion,
    NoHarmFusion,
    ProductFusion,
    SumFusion,
)
from skmm.nn.heads import MLPHead, ResidualHead

__all__ = [
    "AttentionFusion",
    "Block",
    "Chemception",
    "ConcatFusion",
    "Conv1dEncoder",
    "ConvEncoder",
    "Flatten",
    "LSTMEncoder",
    "MLPEncoder",
    "MLPHead",
    "ResidualHead",
    "MaxFusion",
    "MeanFusion",
    "NoHarmFusion",
    "ProductFusion",
    "SumFusion",
    "encoders",
    "fusion",
    "heads",
]
