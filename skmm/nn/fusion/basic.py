"""Concatenation and elementwise operations.

In the table h_m is the embedding of modality m, d its width, M their number.

==============  ==========================  ============  =========================
fusion          formula                     parameters    a missing modality
==============  ==========================  ============  =========================
ConcatFusion    MLP([h_1, ..., h_M])        of the MLP    zeros in its place
SumFusion       sum_m h_m                   none          adds nothing
MeanFusion      sum_m h_m / M               none          not counted
ProductFusion   prod_m h_m                  none          a factor of one
MaxFusion       max_m h_m                   none          ignored
==============  ==========================  ============  =========================

Except for ConcatFusion, widths must be equal; ``width=`` adds one linear map
(d_m + 1) d per modality.
"""

from numbers import Integral, Real

import torch
from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm.nn.block import Block, PerModality
from skmm.nn.layers import ACTIVATIONS, dense_layers

__all__ = ["ConcatFusion", "SumFusion", "MeanFusion", "ProductFusion", "MaxFusion"]


class ConcatFusion(Block):
    """Concatenation of the embeddings, optionally followed by dense layers.

    Parameters
    ----------
    hidden : tuple of int, default=()
        Widths of the dense layers.
    activation : str, default="relu"
        Activation after each layer; see ``MLPEncoder``.
    dropout : float in [0, 1), default=0.0
        Dropout probability after each layer.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m), ``present`` (batch, M) bool, result (batch,
    sum of d_m, or ``hidden[-1]``). "Add" of eq. 4 in Liu et al.,
    "Learn to Combine Modalities in Multimodal Deep Learning", 2018.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import ConcatFusion
    >>> fuse = ConcatFusion().build({"image": 8, "table": 3})
    >>> fuse({"image": torch.zeros(5, 8), "table": torch.zeros(5, 3)}).shape
    torch.Size([5, 11])
    """

    stackable = True

    search_space = {"hidden": [(), (32,), (64,)]}

    _parameter_constraints = {
        "hidden": [tuple, list],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(self, hidden=(), *, activation="relu", dropout=0.0):
        super().__init__()
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout

    def build(self, in_shape):
        """Create the layers for ``in_shape = {modality: width}``."""
        self.names = list(in_shape)
        self.layers, self.out_features = dense_layers(
            sum(in_shape.values()), self.hidden, self.activation, self.dropout
        )
        return self

    def forward(self, parts, present=None):
        """Embeddings (batch, d_m) to (batch, out_features)."""
        return self.layers(torch.cat(columns_of(parts, self.names, present), -1))


def columns_of(parts, names, present):
    """Return the embeddings in the order of the names, zeros for missing modalities.

    Parameters
    ----------
    parts : dict of str to Tensor (batch, d_m)
    names : list of str
    present : Tensor (batch, M) of bool or None

    Returns
    -------
    list of Tensor (batch, d_m)
    """
    columns = [parts[name] for name in names]
    if present is None:
        return columns
    pairs = zip(columns, present.unbind(-1), strict=True)
    return [column.masked_fill(~mask[..., None], 0.0) for column, mask in pairs]


class EqualWidthFusion(Block):
    """Base class of fusions of embeddings of equal width; subclasses define `merge`.

    Parameters
    ----------
    width : int or None, default=None
        Common width to which a linear map per modality brings the embeddings. None adds
        no maps and requires embeddings of equal width.
    """

    _is_abstract = True
    search_space = {"width": [32, 64, 128]}  # not None, which needs equal widths

    _parameter_constraints = {
        "width": [Interval(Integral, 1, None, closed="left"), None]
    }

    def __init__(self, width=None):
        super().__init__()
        self.width = width

    def build(self, in_shape):
        """Check the widths of ``in_shape = {modality: width}``, or make them equal."""
        self.names = list(in_shape)
        self.to_width, self.out_features = equal_widths(self, in_shape, self.width)
        return self

    def forward(self, parts, present=None):
        """Embeddings (batch, d_m) to (batch, out_features)."""
        columns = columns_of(parts, self.names, present)
        filled = dict(zip(self.names, columns, strict=True))
        return self.merge(self.stacked(filled), present)

    def stacked(self, parts):
        """Embeddings (batch, d_m) of the modalities, mapped to (batch, M, d)."""
        columns = [self.to_width[name](parts[name]) for name in self.names]
        return torch.stack(columns, -2)

    def merge(self, stacked, present):
        """(batch, M, d) and (batch, M) bool or None to (batch, d)."""
        raise TypeError(f"{type(self).__name__} must define merge(stacked, present).")


def equal_widths(block, widths, width=None):
    """Return one map per modality to a common width, and that width.

    Raises
    ------
    ValueError
        If the widths differ and `width` is None.
    """
    if width is not None:
        maps = {name: nn.Linear(d, width) for name, d in widths.items()}
        return PerModality(maps), width
    if len(set(widths.values())) > 1:
        raise ValueError(
            f"{type(block).__name__} needs embeddings of equal width; got {widths}. "
            "Use encoders of one width, or set width=, which adds a linear map per "
            "modality."
        )
    maps = {name: nn.Identity() for name in widths}
    return PerModality(maps), next(iter(widths.values()))


def fill_missing(stacked, present, value):
    """(batch, M, d) with `value` where `present` (batch, M) is False."""
    if present is None:
        return stacked
    return stacked.masked_fill(~present[..., None], value)


class SumFusion(EqualWidthFusion):
    """Sum of the embeddings.

    Parameters
    ----------
    width : int or None, default=None
        Common width to which a linear map per modality brings the embeddings. None adds
        no maps and requires embeddings of equal width.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import SumFusion
    >>> fuse = SumFusion().build({"a": 2, "b": 2})
    >>> parts = {"a": torch.tensor([[1.0, 2.0]]), "b": torch.tensor([[3.0, 5.0]])}
    >>> fuse(parts)
    tensor([[4., 7.]])
    >>> fuse(parts, present=torch.tensor([[True, False]]))
    tensor([[1., 2.]])
    """

    stackable = True

    def merge(self, stacked, present):
        """(batch, M, d) to (batch, d)."""
        return fill_missing(stacked, present, 0.0).sum(-2)


class MeanFusion(EqualWidthFusion):
    """Mean of the embeddings that are present; zeros if there are none.

    Parameters
    ----------
    width : int or None, default=None
        Common width to which a linear map per modality brings the embeddings. None adds
        no maps and requires embeddings of equal width.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import MeanFusion
    >>> fuse = MeanFusion().build({"a": 2, "b": 2})
    >>> fuse({"a": torch.tensor([[1.0, 2.0]]), "b": torch.tensor([[3.0, 5.0]])})
    tensor([[2.0000, 3.5000]])
    """

    stackable = True

    def merge(self, stacked, present):
        """(batch, M, d) to (batch, d)."""
        if present is None:
            return stacked.mean(-2)
        counts = present.sum(-1, keepdim=True).clamp(min=1)
        return fill_missing(stacked, present, 0.0).sum(-2) / counts


class ProductFusion(EqualWidthFusion):
    """Elementwise (Hadamard) product of the embeddings.

    Parameters
    ----------
    width : int or None, default=None
        Common width to which a linear map per modality brings the embeddings. None adds
        no maps and requires embeddings of equal width.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import ProductFusion
    >>> fuse = ProductFusion().build({"a": 2, "b": 2})
    >>> fuse({"a": torch.tensor([[1.0, 2.0]]), "b": torch.tensor([[3.0, 5.0]])})
    tensor([[ 3., 10.]])
    """

    stackable = True

    def merge(self, stacked, present):
        """(batch, M, d) to (batch, d)."""
        return fill_missing(stacked, present, 1.0).prod(-2)


class MaxFusion(EqualWidthFusion):
    """Elementwise maximum of the embeddings; zeros if no modality is present.

    Parameters
    ----------
    width : int or None, default=None
        Common width to which a linear map per modality brings the embeddings. None adds
        no maps and requires embeddings of equal width.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import MaxFusion
    >>> fuse = MaxFusion().build({"a": 2, "b": 2})
    >>> fuse({"a": torch.tensor([[1.0, 7.0]]), "b": torch.tensor([[3.0, 5.0]])})
    tensor([[3., 7.]])
    """

    stackable = True

    def merge(self, stacked, present):
        """(batch, M, d) to (batch, d)."""
        largest = fill_missing(stacked, present, -torch.inf).amax(-2)
        if present is None:
            return largest
        return largest.masked_fill(~present.any(-1, keepdim=True), 0.0)
