"""Network parts: Blocks and how they are assembled."""

from skmm.nn import decoders, encoders, fusion, heads, norms, scaling
from skmm.nn.block import Block
from skmm.nn.decoders import *  # noqa: F403
from skmm.nn.encoders import *  # noqa: F403
from skmm.nn.fusion import *  # noqa: F403
from skmm.nn.heads import *  # noqa: F403
from skmm.nn.norms import *  # noqa: F403
from skmm.nn.scaling import *  # noqa: F403

__all__ = [
    "Block",
    "decoders",
    "encoders",
    "fusion",
    "heads",
    "norms",
    "scaling",
    *decoders.__all__,
    *encoders.__all__,
    *fusion.__all__,
    *heads.__all__,
    *norms.__all__,
    *scaling.__all__,
]
