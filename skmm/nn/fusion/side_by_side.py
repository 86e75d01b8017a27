"""A fusion that keeps the embeddings apart, for objectives that compare them.

================  ===================================  ==============  =============
fusion            formula                              parameters      a missing
                                                                       modality
================  ===================================  ==============  =============
SideBySideFusion  [g_1(h_1), ..., g_M(h_M)]            of the          zeros, and
                                                       projectors g    not present
================  ===================================  ==============  =============

In the table h_m is the embedding of modality m.
"""

import torch

from skmm._sklearn import HasMethods
from skmm.nn.block import Block, PerModality, built_clone
from skmm.nn.decoders import MLPDecoder
from skmm.nn.encoders import Flatten
from skmm.nn.layers import check_widths

__all__ = ["SideBySideFusion"]


class SideBySideFusion(Block):
    """Project each embedding, and stack the results with the presence mask.

    Parameters
    ----------
    projector : tuple of int, Block or None, default=None
        Layers of which each modality has a clone. A tuple has the widths of dense
        layers, the last of which is linear; a Block is built like an encoder. None
        leaves embeddings unchanged, or, if their widths differ, maps them linearly to
        the smallest width.

    Attributes
    ----------
    names : list of str
        The modalities in order.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m), ``present`` (batch, M) bool; returns
    ``{"embeddings": (batch, M, D), "present": (batch, M)}``, D the common width.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import SideBySideFusion
    >>> fuse = SideBySideFusion().build({"a": 1, "b": 1})
    >>> parts = {"a": torch.tensor([[2.0]]), "b": torch.tensor([[3.0]])}
    >>> fuse(parts, torch.tensor([[True, False]]))["embeddings"].flatten()
    tensor([2., 0.])
    """

    gives = ("embeddings", "present")

    _parameter_constraints = {
        "projector": [tuple, list, HasMethods("build"), None],
    }

    def __init__(self, projector=None):
        super().__init__()
        self.projector = projector

    def build(self, in_shape):
        """Create the projectors for ``in_shape = {modality: width}``."""
        self.names = list(in_shape)
        projector, smallest = self.projector, min(in_shape.values())
        if projector is None and len({*in_shape.values()}) > 1:
            projector = (smallest,)
        maps = {name: _projector(projector, d) for name, d in in_shape.items()}
        self.maps = PerModality(maps)
        widths = {name: part.out_features for name, part in self.maps.items()}
        if len(set(widths.values())) > 1:
            raise ValueError(
                "the projector must return one width for all modalities; got "
                f"{widths}. Use a tuple, such as projector=({smallest},)."
            )
        self.out_features = len(widths) * widths[self.names[0]]
        return self

    def forward(self, parts, present=None):
        """Embeddings (batch, d_m) to (batch, M, D), and the mask."""
        columns = [self.maps[name](parts[name]) for name in self.names]
        if present is None:
            present = columns[0].new_ones(len(columns[0]), len(columns), dtype=bool)
        masks = present.unbind(-1)
        columns = [
            column.masked_fill(~mask[..., None], 0.0)
            for column, mask in zip(columns, masks, strict=True)
        ]
        return {"embeddings": torch.stack(columns, -2), "present": present}


def _projector(template, width):
    """Projector of one modality, built."""
    if template is None:
        return Flatten().build((width,))
    if not isinstance(template, (tuple, list)):
        return built_clone(template, (width,))
    *hidden, last = check_widths(template, "projector") or (width,)
    return MLPDecoder(tuple(hidden)).build((width, (last,)))
