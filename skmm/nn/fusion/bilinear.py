"""Multiplicative interactions of two modalities.

In the table a and b are the embeddings of the first and the second modality, d_a and
d_b their widths.

========================  ================================  ==========================
fusion                    formula                           parameters
========================  ================================  ==========================
BilinearFusion("full")    a^T W_k b + U_k a + V_k b + c_k   k (d_a d_b + d_a + d_b + 1)
BilinearFusion("vector")  (W a + v) * b + (U a + c)         2 (d_a + 1) d_b
BilinearFusion("scalar")  (w a + v) b + (u a + c)           2 (d_a + 1)
========================  ================================  ==========================

A missing modality is replaced by zeros.
"""

from numbers import Integral

from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm.nn.block import Block
from skmm.nn.fusion.basic import columns_of

__all__ = ["BilinearFusion"]


class BilinearFusion(Block):
    r"""Bilinear and linear terms of two modalities.

    .. math:: z_k = a^\top W_k b + U_k a + V_k b + c_k

    Parameters
    ----------
    form : {"full", "vector", "scalar"}, default="full"
        "full" is the formula above. With "vector", the first modality scales and shifts
        each unit of the second (as in FiLM); with "scalar", all units by the same two
        numbers.
    width : int or None, default=None
        Width of the result of "full"; None is the larger of both widths. The result of
        the other forms has the width of the second modality.
    max_weights : int, default=2**27
        Largest allowed number of weights of "full"; the default is 0.5 GB.

    Raises
    ------
    ValueError
        In ``build``, if the number of modalities is not two, or if there would be more
        than `max_weights` weights.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d_m), ``present`` (batch, 2) bool, result (batch,
    width). Products grow with their factors: standardise the inputs, or lower the
    learning rate if training diverges. For three or more modalities see
    ``TensorFusion`` and ``LowRankTensorFusion``.

    References
    ----------
    Jayakumar et al., "Multiplicative interactions and where to find them", 2020.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import BilinearFusion
    >>> fuse = BilinearFusion(width=5).build({"image": 8, "table": 3})
    >>> fuse({"image": torch.zeros(4, 8), "table": torch.zeros(4, 3)}).shape
    torch.Size([4, 5])
    """

    supports_single = False

    _parameter_constraints = {
        "form": [StrOptions({"full", "vector", "scalar"})],
        "width": [Interval(Integral, 1, None, closed="left"), None],
        "max_weights": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, form="full", *, width=None, max_weights=2**27):
        super().__init__()
        self.form = form
        self.width = width
        self.max_weights = max_weights

    def build(self, in_shape):
        """Create the weights for ``in_shape = {first: width, second: width}``."""
        self.names = list(in_shape)
        if len(in_shape) != 2:
            raise ValueError(
                f"BilinearFusion needs exactly two modalities; got {self.names}. Use "
                "LowRankTensorFusion or TensorFusion, or select two with modalities=."
            )
        if self.form != "full" and self.width is not None:
            raise ValueError(
                f"width is only used when form='full'; got width={self.width} with "
                f"form={self.form!r}, whose result is as wide as {self.names[1]!r}."
            )
        make = self._full if self.form == "full" else self._scaled
        self.out_features = make(*in_shape.values())
        return self

    def _full(self, first, second):
        width = self.width or max(first, second)
        self._check_count(first, second, width)
        self.product = nn.Bilinear(first, second, width)
        self.first = nn.Linear(first, width, bias=False)
        self.second = nn.Linear(second, width, bias=False)
        return width

    def _check_count(self, first, second, width):
        if (count := first * second * width) > self.max_weights:
            raise ValueError(
                f"BilinearFusion of {self.names} with widths {first} and {second} and "
                f"a result of width {width} would have {count:,} weights, more than "
                f"max_weights={self.max_weights:,}. Set a smaller width=, use narrower "
                "encoders, or LowRankTensorFusion."
            )

    def _scaled(self, first, second):
        units = second if self.form == "vector" else 1
        self.scale, self.shift = nn.Linear(first, units), nn.Linear(first, units)
        return second

    def forward(self, parts, present=None):
        """Embeddings (batch, d_m) to (batch, out_features)."""
        a, b = columns_of(parts, self.names, present)
        if self.form == "full":
            return self.product(a, b) + self.first(a) + self.second(b)
        return self.scale(a) * b + self.shift(a)
