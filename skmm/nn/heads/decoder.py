"""Heads that decode one or several targets."""

import math

import torch

from skmm.nn.block import Block, PerModality, built_clone
from skmm.nn.decoders import MLPDecoder
from skmm.nn.layers import dense_layers

__all__ = ["DecoderHead"]


class DecoderHead(Block):
    """From a code to the values of one or several targets, side by side.

    Parameters
    ----------
    hidden : tuple of int, default=()
        Widths of ReLU layers that all targets share.
    decoders : dict of str to Block, or None, default=None
        A decoder for some or all targets; the others have ``MLPDecoder()``.
    shapes : dict of str to tuple of int, or None, default=None
        Shape of one row of each target; None is one target of as many values as there
        are outputs.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import ConvDecoder, DecoderHead
    >>> shapes = {"image": (1, 8, 8), "table": (5,)}
    >>> head = DecoderHead((16,), {"image": ConvDecoder()}, shapes).build((4, 69))
    >>> head(torch.zeros(2, 4)).shape
    torch.Size([2, 69])
    """

    stackable = True

    _parameter_constraints = {
        "hidden": [tuple, list],
        "decoders": [dict, None],
        "shapes": [dict, None],
    }

    def __init__(self, hidden=(), decoders=None, shapes=None):
        super().__init__()
        self.hidden = hidden
        self.decoders = decoders
        self.shapes = shapes

    def build(self, in_shape):
        """Make the layers for ``in_shape = (width of the code, outputs)``."""
        width, self.out_features = in_shape
        self.layers, width = dense_layers(width, self.hidden)
        shapes = self.shapes or {"y": (self.out_features,)}
        given = self.decoders or {}
        self.targets = PerModality(
            {
                name: self._decoder(name, given.get(name), (width, shape))
                for name, shape in shapes.items()
            }
        )
        return self

    def _decoder(self, name, template, in_shape):
        decoder = built_clone(MLPDecoder() if template is None else template, in_shape)
        values = math.prod(in_shape[1])
        if decoder.out_features != values:
            raise ValueError(
                f"the decoder of {name!r}, {type(decoder).__name__}, returns "
                f"{decoder.out_features} values for rows of shape {in_shape[1]}, which "
                f"have {values}."
            )
        return decoder

    def forward(self, x):
        """(batch, width) to (batch, outputs)."""
        shared = self.layers(x)
        return torch.cat([decoder(shared) for _, decoder in self.targets.items()], -1)
