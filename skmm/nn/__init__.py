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
    MixtureFusion,
    NoHarmFusion,
    ProductFusion,
    SumFusion,
)
from skmm.nn.heads import MixtureHead, MLPHead, ResidualHead

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
    "MaxFusion",
    "MeanFusion",
    "MixtureFusion",
    "MixtureHead",
    "NoHarmFusion",
    "ProductFusion",
    "ResidualHead",
    "SumFusion",
    "encoders",
    "fusion",
    "heads",
]
