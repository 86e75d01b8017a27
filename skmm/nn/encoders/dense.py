"""Encoders of tables.

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


class Flatten(Block):
    """Pass the numbers of a row on as they are, as one vector.

    With ``ConcatFusion`` this is early fusion: one network on the joined inputs.

    Attributes
    ----------
    out_features : int
        Number of values in a row.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import Flatten
    >>> Flatten().build((1, 8, 8))(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 64])
    """

    stackable = True

    def build(self, in_shape):
        """Note the width; there are no weights."""
        self.row_ndim = len(in_shape)
        self.out_features = math.prod(in_shape)
        return self

    def forward(self, x):
        """(batch, ...) to (batch, out_features)."""
        return x.flatten(-self.row_ndim)


class MLPEncoder(Block):
    """Fully connected layers with an activation after every one.

    Parameters
    ----------
    hidden : tuple of int, default=(64,)
        Width of each layer; the last is the width of the embedding.
    activation : str, default="relu"
        "relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "softplus" or
        "identity".
    dropout : float in [0, 1), default=0.0
        Probability of zeroing a unit, after every activation.

    Attributes
    ----------
    out_features : int
        ``hidden[-1]``; exists after ``build``.

    Notes
    -----
    Rows of more than one dimension are flattened first.

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
    }

    _parameter_constraints = {
        "hidden": [tuple, list],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(self, hidden=(64,), *, activation="relu", dropout=0.0):
        super().__init__()
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout

    def build(self, in_shape):
        """Make the layers for rows of shape `in_shape`."""
        self.row_ndim = len(in_shape)
        self.layers, self.out_features = dense_layers(
            math.prod(in_shape), self.hidden, self.activation, self.dropout
        )
        return self

    def forward(self, x):
        """(batch, ...) to (batch, out_features)."""
        return self.layers(x.flatten(-self.row_ndim))
