"""Heads that decode one or several targets."""

import math

from skmm._sklearn import HasMethods
from skmm.nn.block import Block, PerModality, built_clone
from skmm.nn.decoders import MLPDecoder
from skmm.nn.layers import dense_layers

__all__ = ["DecoderHead"]

UNNAMED = "y"  # the place of a single target's decoder among the submodules


class DecoderHead(Block):
    """Decode a code to the values of one target, or of several by name.

    Parameters
    ----------
    hidden : tuple of int, default=()
        Widths of ReLU layers that all targets share.
    decoders : dict of str to Block, Block or None, default=None
        A decoder for some or all targets; the others get ``MLPDecoder()``. One Block is
        used for all targets.
    shapes : dict of str to tuple of int, tuple of int or None, default=None
        Shape of one sample of each target. A tuple is the shape of a single target
        without a name; None is a vector of all outputs.

    Notes
    -----
    The outputs of named targets are a dict, ``{target: (batch, n_values)}``; without a
    name they are a tensor (batch, n_values).

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import ConvDecoder, DecoderHead
    >>> shapes = {"image": (1, 8, 8), "table": (5,)}
    >>> head = DecoderHead((16,), {"image": ConvDecoder()}, shapes).build((4, 69))
    >>> {name: out.shape for name, out in head(torch.zeros(2, 4)).items()}
    {'image': torch.Size([2, 64]), 'table': torch.Size([2, 5])}
    """

    stackable = True

    _parameter_constraints = {
        "hidden": [tuple, list],
        "decoders": [dict, HasMethods("build"), None],
        "shapes": [dict, tuple, None],
    }

    def __init__(self, hidden=(), decoders=None, shapes=None):
        super().__init__()
        self.hidden = hidden
        self.decoders = decoders
        self.shapes = shapes

    @property
    def gives(self):
        """Names of the targets; () is a tensor."""
        return tuple(self.shapes) if isinstance(self.shapes, dict) else ()

    def build(self, in_shape):
        """Create the layers for ``in_shape = (width of the code, outputs)``."""
        width, self.out_features = in_shape
        self.layers, width = dense_layers(width, self.hidden)
        shapes = self.shapes
        if not isinstance(shapes, dict):
            shapes = {UNNAMED: (self.out_features,) if shapes is None else shapes}
        given = self.decoders
        if not isinstance(given, dict):
            given = dict.fromkeys(shapes, given)
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
                f"{decoder.out_features} values for samples of shape {in_shape[1]}, "
                f"which have {values}."
            )
        return decoder

    def forward(self, x):
        """(batch, width) to (batch, n_values), by name if the targets have names."""
        shared = self.layers(x)
        values = {name: decoder(shared) for name, decoder in self.targets.items()}
        return values if self.gives else values[UNNAMED]
