"""Encoders for tables.

===========  ==============================================  =================
encoder      formula                                         parameters
===========  ==============================================  =================
Flatten      h = vec(x)                                      none
MLPEncoder   h = s(W_L ... s(W_1 vec(x) + b_1) ... + b_L)    sum (d_l + 1) d_l+1
===========  ==============================================  =================
"""

import math
from numbers import Real

from skmm._sklearn import Interval, StrOptions
from skmm.nn.block import Block
from skmm.nn.layers import ACTIVATIONS, dense_layers
from skmm.nn.scaling import SCALES


class Flatten(Block):
    """Flatten each sample to a vector, without weights.

    With ``ConcatFusion`` this is early fusion: one network on the concatenated inputs.

    Attributes
    ----------
    out_features : int
        Number of values in a sample.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import Flatten
    >>> Flatten().build((1, 8, 8))(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 64])
    """

    stackable = True

    def build(self, in_shape):
        """Set the width for samples of shape `in_shape`."""
        self.row_ndim = len(in_shape)
        self.out_features = math.prod(in_shape)
        return self

    def forward(self, x):
        """(batch, ...) to (batch, out_features)."""
        return x.flatten(-self.row_ndim)


class MLPEncoder(Block):
    """Fully connected layers, each followed by an activation.

    Parameters
    ----------
    hidden : tuple of int, default=(64,)
        Width of each layer; the last is the width of the embedding.
    activation : str, default="relu"
        "relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "softplus" or
        "identity".
    dropout : float in [0, 1), default=0.0
        Dropout probability after every activation.
    scale : {"robust"} or None, default="robust"
        "robust" scales every column by its median and quartiles in the training
        samples, and limits it smoothly to ±3, as `RobustScale`. None reads the values
        as they are.

    Attributes
    ----------
    out_features : int
        ``hidden[-1]``; set by ``build``.

    Notes
    -----
    Samples with more than one dimension are flattened first, and each value is a
    column.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import MLPEncoder
    >>> MLPEncoder((32, 16)).build((41,))(torch.zeros(5, 41)).shape
    torch.Size([5, 16])
    """

    stackable = True

    search_space = {
        "hidden": [(32,), (64,), (128,), (64, 64), (128, 64)],
        "dropout": (0.0, 0.6),
        "scale": ["robust", None],
    }

    _parameter_constraints = {
        "hidden": [tuple, list],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "scale": [StrOptions(set(SCALES)), None],
    }

    def __init__(self, hidden=(64,), *, activation="relu", dropout=0.0, scale="robust"):
        super().__init__()
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.scale = scale

    def build(self, in_shape):
        """Create the layers for samples of shape `in_shape`."""
        self.row_ndim = len(in_shape)
        width = math.prod(in_shape)
        if self.scale is not None:
            self.scaling = SCALES[self.scale]().build((width,))
        self.layers, self.out_features = dense_layers(
            width, self.hidden, self.activation, self.dropout
        )
        return self

    def adapt(self, x, weight=None):
        """Learn the scale of each column; see ``Block.adapt``."""
        if self.scale is not None:
            self.scaling.adapt(x, weight)
        return self

    def forward(self, x):
        """(batch, ...) to (batch, out_features)."""
        x = x.flatten(-self.row_ndim)
        if self.scale is not None:
            x = self.scaling(x)
        return self.layers(x)
