"""Encoders that return several vectors per sample, for the fusions of tokens.

==============  =======================================  =============================
encoder         formula                                  parameters
==============  =======================================  =============================
PatchTokens     linear map of each patch, plus a learnt  (channels p^2 + 1) d + T d
                vector for its position
SequenceTokens  embedding of each character, or linear   256 d, or (channels p + 1) d
                map of p steps, plus sines of position
==============  =======================================  =============================

In the table d is the width, p the side of a patch, T the number of patches.
"""

import math
from numbers import Integral

import torch
from torch import nn

from skmm._sklearn import Interval
from skmm.nn.block import Block
from skmm.nn.encoders.recurrent import SYMBOLS

__all__ = ["PatchTokens", "SequenceTokens"]

POSITIVE = Interval(Integral, 1, None, closed="left")


class PatchTokens(Block):
    """Split an image into square patches, each of which becomes a token.

    Parameters
    ----------
    patch : int, default=4
        Side of a patch in pixels; incomplete patches are padded with zeros.
    width : int, default=64
        Width of a token.

    Notes
    -----
    Shapes: (batch, channels, height, width) to (batch, patches, width). It requires a
    fusion of tokens: `TransformerFusion`, `CrossAttentionFusion` or
    `SelfAttentionFusion`.

    References
    ----------
    Dosovitskiy et al., "An image is worth 16x16 words", 2021.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import PatchTokens
    >>> PatchTokens(4, width=8).build((1, 8, 10))(torch.zeros(2, 1, 8, 10)).shape
    torch.Size([2, 6, 8])
    """

    gives_tokens = True

    search_space = {"width": [32, 64, 128]}

    _parameter_constraints = {"patch": [POSITIVE], "width": [POSITIVE]}

    def __init__(self, patch=4, *, width=64):
        super().__init__()
        self.patch = patch
        self.width = width

    def build(self, in_shape):
        """Create the weights for images of shape (channels, height, width)."""
        if len(in_shape) != 3:
            raise ValueError(
                "PatchTokens expects images of shape (channels, height, width); got "
                f"samples of shape {tuple(in_shape)}."
            )
        channels, *sides = in_shape
        self.fill = [-side % self.patch for side in sides]
        count = math.prod(math.ceil(side / self.patch) for side in sides)
        self.map = nn.Conv2d(channels, self.width, self.patch, self.patch)
        self.places = nn.Parameter(0.02 * torch.randn(count, self.width))
        self.out_features = self.width
        return self

    def forward(self, x):
        """(batch, channels, height, width) to (batch, patches, width)."""
        below, right = self.fill
        patches = self.map(nn.functional.pad(x, (0, right, 0, below)))
        return patches.flatten(2).transpose(1, 2) + self.places


class SequenceTokens(Block):
    """Turn each character of a text, or every few steps of a sequence, into a token.

    Parameters
    ----------
    width : int, default=64
        Width of a token.
    patch : int, default=1
        Number of steps of a sequence of numbers per token; an incomplete last patch is
        padded with zeros.
    max_length : int or None, default=None
        Number of bytes of a text or steps that are read. None reads whole sequences,
        and up to 16,384 characters of a text, with a warning if one is longer.

    Notes
    -----
    Shapes: text (batch, longest), or sequences (batch, channels, length) or
    (batch, length), to (batch, tokens, width). The padding of short texts gives tokens
    of zeros, which the fusions of tokens skip. Positions are encoded by sines and
    cosines, so that new texts may be longer than those of ``fit``. Text is read as
    UTF-8 bytes.

    References
    ----------
    Vaswani et al., "Attention is all you need", 2017, section 3.5.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import SequenceTokens
    >>> read = SequenceTokens(8).build(())  # () is the shape of a text
    >>> read(torch.tensor([[98, 99, 0]]))[0].any(1)
    tensor([ True,  True, False])
    """

    gives_tokens = True
    in_dtype = torch.int64  # of text; `build` sets float32 for a sequence of numbers

    search_space = {"width": [32, 64, 128]}

    _parameter_constraints = {
        "width": [POSITIVE],
        "patch": [POSITIVE],
        "max_length": [POSITIVE, None],
    }

    def __init__(self, width=64, *, patch=1, max_length=None):
        super().__init__()
        self.width = width
        self.patch = patch
        self.max_length = max_length

    def build(self, in_shape):
        """Create the weights for text, (), or for (channels, length) or (length,)."""
        if len(in_shape) > 2:
            raise ValueError(
                "SequenceTokens expects text, or sequences of shape (channels, length) "
                f"or (length,); got samples of shape {tuple(in_shape)}."
            )
        if in_shape == () and self.patch > 1:
            raise ValueError(
                f"patch must be 1 for text, where each character is a token; got "
                f"patch={self.patch}."
            )
        self.in_dtype = torch.int64 if in_shape == () else torch.float32
        steps = (1, *in_shape)[-2] if in_shape else None
        self.map = (
            nn.Embedding(SYMBOLS, self.width, padding_idx=0)
            if steps is None
            else nn.Conv1d(steps, self.width, self.patch, self.patch)
        )
        self.out_features = self.width
        return self

    def forward(self, x):
        """(batch, longest) or (batch, ...) to (batch, tokens, width)."""
        x = x[..., : self.max_length]
        if isinstance(self.map, nn.Embedding):
            tokens = self.map(x)
            return (tokens + self._positions(tokens)) * (x > 0)[..., None]
        x = x[:, None] if x.ndim == 2 else x
        x = nn.functional.pad(x, (0, -x.shape[-1] % self.patch))
        tokens = self.map(x).transpose(1, 2)
        return tokens + self._positions(tokens)

    def _positions(self, tokens):
        """Sines and cosines (T, width) of each position."""
        count, width = tokens.shape[1:]
        options = {"device": tokens.device, "dtype": tokens.dtype}
        position = torch.arange(count, **options)[:, None]
        rates = torch.arange(0, width, 2, **options) * (-math.log(1e4) / width)
        angles = position * rates.exp()
        return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :width]
