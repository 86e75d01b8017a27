"""Network parts: Blocks and how they are assembled."""

from skmm.nn import decoders, encoders, fusion, heads
from skmm.nn.block import Block
from skmm.nn.decoders import ConvDecoder, MLPDecoder
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
    SideBySideFusion,
    SumFusion,
)
from skmm.nn.heads import (
    DecoderHead,
    IdentityHead,
    MixtureHead,
    MLPHead,
    ResidualHead,
)

__all__ = [
    "AttentionFusion",
    "Block",
    "Chemception",
    "ConcatFusion",
    "Conv1dEncoder",
    "ConvDecoder",
    "ConvEncoder",
    "DecoderHead",
    "Flatten",
    "IdentityHead",
    "LSTMEncoder",
    "MLPDecoder",
    "MLPEncoder",
    "MLPHead",
    "MaxFusion",
    "MeanFusion",
    "MixtureFusion",
    "MixtureHead",
    "NoHarmFusion",
    "ProductFusion",
    "ResidualHead",
    "SideBySideFusion",
    "SumFusion",
    "decoders",
    "encoders",
    "fusion",
    "heads",
]
