"""Heads of dense layers."""

from numbers import Real

from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm.nn.block import Block
from skmm.nn.layers import ACTIVATIONS, dense_layers

__all__ = ["IdentityHead", "MLPHead", "ResidualHead"]


class MLPHead(Block):
    """Hidden layers and the prediction layer.

    Parameters
    ----------
    hidden : tuple of int, default=(32,)
        Widths before the prediction layer; ``()`` leaves a linear head, with which a
        concatenation is additive in the modalities and cannot show interactions.
    activation : str, default="relu"
        As for ``MLPEncoder``; not applied to the outputs.
    dropout : float in [0, 1), default=0.0
        Probability of zeroing a hidden unit.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import MLPHead
    >>> MLPHead().build((16, 3))(torch.zeros(5, 16)).shape
    torch.Size([5, 3])
    """

    stackable = True

    _parameter_constraints = {
        "hidden": [tuple, list],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(self, hidden=(32,), *, activation="relu", dropout=0.0):
        super().__init__()
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout

    def build(self, in_shape):
        """Make the layers for ``in_shape = (width of the embedding, outputs)``."""
        in_features, self.out_features = in_shape
        self.layers, width = dense_layers(
            in_features, self.hidden, self.activation, self.dropout
        )
        self.predict = nn.Linear(width, self.out_features)
        return self

    def forward(self, x):
        """(batch, width) to (batch, outputs)."""
        return self.predict(self.layers(x))


class ResidualHead(Block):
    """Outputs that are given, plus a correction that starts at zero.

    The last columns of the embedding are outputs of a model that exists already, as
    many as there are outputs; hidden layers on the other columns correct them.

    Parameters
    ----------
    hidden : tuple of int, default=(16,)
        Widths before the correction's last layer, whose weights start at zero.
    activation : str, default="relu"
        As for ``MLPEncoder``.
    dropout : float in [0, 1), default=0.0
        Probability of zeroing a hidden unit.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import ResidualHead
    >>> head = ResidualHead().build((7, 2))
    >>> given = torch.tensor([[0.5, -1.0]])
    >>> torch.equal(head(torch.cat([torch.rand(1, 5), given], 1)), given)
    True
    """

    stackable = True

    _parameter_constraints = MLPHead._parameter_constraints

    def __init__(self, hidden=(16,), *, activation="relu", dropout=0.0):
        super().__init__()
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout

    def build(self, in_shape):
        """Make the layers for ``in_shape = (width of the embedding, outputs)``."""
        in_features, self.out_features = in_shape
        if in_features <= self.out_features:
            raise ValueError(
                f"ResidualHead needs more than {self.out_features} columns, the last "
                f"{self.out_features} of which are given outputs; got {in_features}."
            )
        self.layers, width = dense_layers(
            in_features - self.out_features, self.hidden, self.activation, self.dropout
        )
        self.correct = nn.Linear(width, self.out_features)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)
        return self

    def forward(self, x):
        """(batch, width) to (batch, outputs)."""
        given = x[..., -self.out_features :]
        return given + self.correct(self.layers(x[..., : -self.out_features]))


class IdentityHead(Block):
    """The embedding itself as outputs, for objectives of embeddings.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import IdentityHead
    >>> IdentityHead().build((4, None))(torch.ones(1, 4))
    tensor([[1., 1., 1., 1.]])
    """

    stackable = True
    reads = gives = None

    def build(self, in_shape):
        """Note the width of ``in_shape = (width of the embedding, anything)``."""
        self.out_features = in_shape[0]
        return self

    def forward(self, x):
        """(batch, width) as it is."""
        return x
