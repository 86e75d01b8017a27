"""A primary modality whose embedding is shifted by the others.

===================  ===================================  ==================  ========
fusion               formula                              parameters          missing
===================  ===================================  ==================  ========
ModalityShiftFusion  norm(t + min(beta |t| / |v|, 1) v),  two maps for each   no shift
                     v = sum_m relu(G_m [h_m; t]) * W_m   secondary modality
                     h_m
===================  ===================================  ==================  ========

In the table t is the embedding of the primary modality, h_m the embedding of another
modality.
"""

from numbers import Real

import torch
from torch import nn

from skmm._sklearn import Interval
from skmm.nn.block import Block, PerModality
from skmm.nn.fusion.basic import columns_of

__all__ = ["ModalityShiftFusion"]


class ModalityShiftFusion(Block):
    r"""Shift the embedding of a primary modality by the other modalities.

    .. math:: h = \mathrm{LayerNorm}(t + \alpha v), \qquad
        \alpha = \min(\beta \lVert t \rVert / \lVert v \rVert, 1), \qquad
        v = \sum_m \mathrm{relu}(G_m [h_m; t]) \odot W_m h_m

    Parameters
    ----------
    primary : str or None, default=None
        Name of the primary modality; None is the first. If an estimator fuses several
        subsets of the modalities, each must contain `primary`.
    beta : float, default=1.0
        Largest length of the shift, relative to the length of t.
    dropout : float in [0, 1), default=0.5
        Dropout probability on the result.

    Raises
    ------
    ValueError
        In ``build``, if `primary` is not a modality.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m), ``present`` (batch, M) bool, result (batch, width
    of the primary modality). Samples without the primary modality all have the same
    result: their shift has length zero.

    References
    ----------
    "MAG" in Rahman et al., "Integrating multimodal information in large pretrained
    transformers", 2020.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import ModalityShiftFusion
    >>> fuse = ModalityShiftFusion("text").build({"audio": 3, "text": 8})
    >>> fuse({"audio": torch.zeros(4, 3), "text": torch.zeros(4, 8)}).shape
    torch.Size([4, 8])
    """

    search_space = {"beta": [0.25, 0.5, 1.0, 2.0], "dropout": (0.0, 0.6)}

    _parameter_constraints = {
        "primary": [str, None],
        "beta": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(self, primary=None, *, beta=1.0, dropout=0.5):
        super().__init__()
        self.primary = primary
        self.beta = beta
        self.dropout = dropout

    def build(self, in_shape):
        """Create the maps for ``in_shape = {modality: width}``."""
        self.names = list(in_shape)
        single = len(in_shape) == 1  # nothing shifts it
        self.first = self.names[0] if self.primary is None or single else self.primary
        if self.first not in in_shape:
            raise ValueError(
                f"primary must be one of the modalities {self.names}, or None for the "
                f"first; got {self.primary!r}."
            )
        width = self.out_features = in_shape[self.first]
        others = {name: d for name, d in in_shape.items() if name != self.first}
        gates = {name: nn.Linear(d + width, width) for name, d in others.items()}
        maps = {name: nn.Linear(d, width, bias=False) for name, d in others.items()}
        self.gates, self.maps = PerModality(gates), PerModality(maps)
        self.norm, self.drop = nn.LayerNorm(width), nn.Dropout(self.dropout)
        return self

    def forward(self, parts, present=None):
        """Embeddings (batch, d_m) to (batch, out_features)."""
        columns = columns_of(parts, self.names, present)
        columns = dict(zip(self.names, columns, strict=True))
        primary, shift = columns.pop(self.first), 0.0
        for name, column in columns.items():
            gate = torch.relu(self.gates[name](torch.cat([column, primary], -1)))
            shift = shift + gate * self.maps[name](column)
        return self.drop(self.norm(primary + self._bounded(shift, primary)))

    def _bounded(self, shift, primary):
        """`shift`, scaled to at most beta times the length of `primary`."""
        if not isinstance(shift, torch.Tensor):  # no other modality
            return shift
        longest = self.beta * torch.linalg.vector_norm(primary, dim=-1, keepdim=True)
        length = torch.linalg.vector_norm(shift, dim=-1, keepdim=True)
        return shift * (longest / (length + 1e-6)).clamp(max=1.0)
