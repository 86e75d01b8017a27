"""A central stream of layers that adds the modalities at several depths.

==================  =================================  ===================  ==========
fusion              formula                            parameters           missing
==================  =================================  ===================  ==========
HierarchicalFusion  c_l+1 = s(W_l u_l),                one layer per depth  zeros at
                    u_l = a_l c_l + sum_m a_ml h_ml,   and stream, M + 1    all depths
                    h_ml+1 = s(V_ml h_ml)              scalars per depth
==================  =================================  ===================  ==========

In the table h_m0 is the embedding of modality m, c the central stream, s the
activation.
"""

from itertools import pairwise

import torch
from torch import nn

from skmm._sklearn import StrOptions
from skmm.nn.block import Block, PerModality
from skmm.nn.fusion.basic import columns_of
from skmm.nn.layers import ACTIVATIONS, check_widths

__all__ = ["HierarchicalFusion"]


class HierarchicalFusion(Block):
    r"""CentralNet: a central stream adds the streams of the modalities at every depth.

    .. math:: c_{l+1} = s\Bigl(W_l \bigl(a_l c_l + \sum_m a_{ml} h_{ml}\bigr)\Bigr),
        \qquad h_{m,l+1} = s(V_{ml} h_{ml})

    The scalars a are learnt. The first depth does not have a central stream.

    Parameters
    ----------
    hidden : tuple of int, default=(64, 64)
        Width of each depth; the last is the width of the result.
    activation : str, default="relu"
        See ``MLPEncoder``.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m), ``present`` (batch, M) bool, result (batch,
    ``hidden[-1]``). The first depth maps every embedding to ``hidden[0]``; their widths
    may differ. The layers of the encoders come before the first depth: keep the
    encoders shallow.

    References
    ----------
    Vielzeuf et al., "CentralNet: a multilayer approach for multimodal fusion", 2018.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import HierarchicalFusion
    >>> fuse = HierarchicalFusion((16, 8)).build({"image": 8, "table": 3})
    >>> fuse({"image": torch.zeros(4, 8), "table": torch.zeros(4, 3)}).shape
    torch.Size([4, 8])
    """

    search_space = {"hidden": [(32,), (64, 64), (64, 64, 64)]}

    _parameter_constraints = {
        "hidden": [tuple, list],
        "activation": [StrOptions(set(ACTIVATIONS))],
    }

    def __init__(self, hidden=(64, 64), *, activation="relu"):
        super().__init__()
        self.hidden = hidden
        self.activation = activation

    def build(self, in_shape):
        """Create the streams for ``in_shape = {modality: width}``."""
        if not check_widths(self.hidden):
            raise ValueError(
                "hidden must have at least one width, such as (64, 64), for "
                "HierarchicalFusion; got an empty tuple."
            )
        self.names, widths = list(in_shape), self.hidden
        first = {n: nn.Linear(d, widths[0]) for n, d in in_shape.items()}
        deeper = [
            {name: nn.Linear(*pair) for name in in_shape} for pair in pairwise(widths)
        ]
        self.streams = nn.ModuleList(map(PerModality, [first, *deeper]))
        pairs = pairwise([*widths, widths[-1]])
        self.central = nn.ModuleList(nn.Linear(*pair) for pair in pairs)
        self.factors = nn.Parameter(torch.ones(len(widths), len(in_shape)))
        self.passes = nn.Parameter(torch.ones(len(widths) - 1))
        self.act = ACTIVATIONS[self.activation]()
        self.out_features = widths[-1]
        return self

    def forward(self, parts, present=None):
        """Embeddings (batch, d_m) to (batch, out_features)."""
        columns, centre = columns_of(parts, self.names, present), None
        for depth, streams in enumerate(self.streams):
            layers = [layer for _, layer in streams.items()]
            pairs = zip(layers, columns, strict=True)
            columns = [self.act(layer(column)) for layer, column in pairs]
            total = self._stacked(columns, present) @ self.factors[depth]
            if depth:
                total = total + self.passes[depth - 1] * centre
            centre = self.act(self.central[depth](total))
        return centre

    def _stacked(self, columns, present):
        """(batch, width, M); zeros for missing modalities, whose bias would remain."""
        stacked = torch.stack(columns, -1)
        return stacked if present is None else stacked * present[..., None, :]
