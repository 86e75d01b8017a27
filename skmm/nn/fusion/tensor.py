"""All products of the units of different modalities, full or of low rank.

In the table h_m is the embedding of modality m, d_m its width, M their number, d the
width of the result, R the rank.

===================  ================================  ============================
fusion               formula                           parameters
===================  ================================  ============================
TensorFusion         [1; h_1] x ... x [1; h_M]         none, or maps to a width;
                     (outer product, flattened)        the width of the result is
                                                       the product of d_m + 1
LowRankTensorFusion  sum_r w_r prod_m F_mr [1; h_m]    R d sum_m (d_m + 1) + R + d
                     + b
===================  ================================  ============================

A missing modality is replaced by zeros: products with it vanish, products without it
remain.
"""

import math
from bisect import bisect_right
from numbers import Integral, Real

import torch
from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm.nn.block import Block, PerModality
from skmm.nn.fusion.basic import columns_of

__all__ = ["TensorFusion", "LowRankTensorFusion"]

FEATURES = 20_000  # largest result with width="auto": two embeddings of width 140


class TensorFusion(Block):
    """Outer product of the embeddings, each extended by a constant one.

    The result has every unit and every product of units of different modalities.

    Parameters
    ----------
    width : int, "auto" or None, default="auto"
        Width to which each modality is linearly mapped first. "auto" maps only the
        widest embeddings, and only if the result would be wider than 20,000: three
        embeddings of width 64 are mapped to 26, four to 10. None adds no maps.
    dropout : float in [0, 1), default=0.0
        Dropout probability on the products.
    max_features : int, default=2**18
        Largest allowed width of the result.

    Raises
    ------
    ValueError
        In ``build``, if the result would be wider than `max_features`.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m), ``present`` (batch, M) bool, result (batch,
    product of d_m + 1). A linear head can use all interactions; its size and the time
    per epoch are proportional to the width of the result.

    References
    ----------
    Zadeh et al., "Tensor fusion network for multimodal sentiment analysis", 2017.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import TensorFusion
    >>> fuse = TensorFusion().build({"a": 1, "b": 1})
    >>> fuse({"a": torch.tensor([[2.0]]), "b": torch.tensor([[3.0]])})
    tensor([[1., 3., 2., 6.]])
    """

    search_space = {"width": [4, 8, 16]}

    _parameter_constraints = {
        "width": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
            None,
        ],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "max_features": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, *, width="auto", dropout=0.0, max_features=2**18):
        super().__init__()
        self.width = width
        self.dropout = dropout
        self.max_features = max_features

    def build(self, in_shape):
        """Create the maps for ``in_shape = {modality: width}``."""
        self.names = list(in_shape)
        widths = self._widths(in_shape.values())
        pairs = zip(in_shape.items(), widths, strict=True)
        maps = {name: self._map(d, width) for (name, d), width in pairs}
        self.maps, self.drop = PerModality(maps), nn.Dropout(self.dropout)
        self.out_features = _size(widths)
        if self.out_features > self.max_features:
            raise ValueError(
                f"TensorFusion of embeddings of widths {dict(in_shape)} would be "
                f"{self.out_features:,} wide, more than max_features="
                f"{self.max_features:,}. Set a smaller width=, such as width=8, or use "
                "LowRankTensorFusion."
            )
        return self

    def _widths(self, given):
        """Width of the factor of each modality."""
        if self.width != "auto":
            return [self.width or d for d in given]
        most = min(FEATURES, self.max_features)
        caps = range(1, max(given) + 1)
        cap = bisect_right(caps, most, key=lambda c: _size(min(c, d) for d in given))
        return [min(d, max(cap, 1)) for d in given]

    def _map(self, d, width):
        if width < d or isinstance(self.width, Integral):
            return nn.Linear(d, width, bias=False)  # zeros stay zeros
        return nn.Identity()

    def forward(self, parts, present=None):
        """Embeddings (batch, d_m) to (batch, out_features)."""
        columns = columns_of(parts, self.names, present)
        result = torch.ones_like(columns[0][..., :1])
        for name, column in zip(self.names, columns, strict=True):
            factor = _with_one(self.maps[name](column))
            result = (result[..., :, None] * factor[..., None, :]).flatten(-2)
        return self.drop(result)


def _size(widths):
    return math.prod(width + 1 for width in widths)


class LowRankTensorFusion(Block):
    r"""Linear map of all products, factorised into R products of linear maps.

    .. math:: h = \sum_{r=1}^R w_r \prod_m F_{mr} [1; h_m] + b

    It equals a linear layer on ``TensorFusion`` with a weight of rank R or less, but
    its cost grows with the sum of the widths instead of their product.

    Parameters
    ----------
    rank : int, default=4
        Rank R, usually 1 to 16.
    width : int or None, default=None
        Width of the result; None is the width of the widest embedding.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m), ``present`` (batch, M) bool, result (batch,
    width). Products of many small numbers vanish: standardise the inputs if there are
    many modalities. A separate learning rate, ``lr={"fusion": 3e-3}``, often helps.

    References
    ----------
    Liu et al., "Efficient low-rank multimodal fusion with modality-specific factors",
    2018.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import LowRankTensorFusion
    >>> fuse = LowRankTensorFusion(width=3).build({"a": 4, "b": 4, "c": 4})
    >>> sum(p.numel() for p in fuse.parameters())
    187
    """

    search_space = {"rank": [1, 2, 4, 8, 16], "width": [32, 64, 128]}

    _parameter_constraints = {
        "rank": [Interval(Integral, 1, None, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(self, rank=4, *, width=None):
        super().__init__()
        self.rank = rank
        self.width = width

    def build(self, in_shape):
        """Create the factors for ``in_shape = {modality: width}``."""
        self.names = list(in_shape)
        self.out_features = self.width or max(in_shape.values())
        shapes = {n: (self.rank, d + 1, self.out_features) for n, d in in_shape.items()}
        self.factors = PerModality({n: Factor(shape) for n, shape in shapes.items()})
        self.weights = nn.Parameter(torch.empty(self.rank))
        self.bias = nn.Parameter(torch.zeros(self.out_features))
        nn.init.normal_(self.weights, std=self.rank**-0.5)
        return self

    def forward(self, parts, present=None):
        """Embeddings (batch, d_m) to (batch, out_features)."""
        columns = columns_of(parts, self.names, present)
        products = 1.0
        for name, column in zip(self.names, columns, strict=True):
            products = products * self.factors[name](_with_one(column))
        return torch.einsum("r,rbo->bo", self.weights, products) + self.bias


class Factor(nn.Module):
    """The maps of one modality for all ranks.

    Parameters
    ----------
    shape : (rank, width in, width out)
    """

    def __init__(self, shape):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        for weight in self.weight:
            nn.init.xavier_normal_(weight)

    def forward(self, x):
        """(batch, width in) to (rank, batch, width out)."""
        return x @ self.weight


def _with_one(x):
    return torch.cat([torch.ones_like(x[..., :1]), x], -1)
