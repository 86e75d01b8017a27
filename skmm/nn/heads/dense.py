"""Heads of dense layers."""

from numbers import Real

from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm.nn.block import Block
from skmm.nn.layers import ACTIVATIONS, dense_layers

__all__ = ["IdentityHead", "MLPHead", "ResidualHead"]


class MLPHead(Block):
    """Hidden layers followed by a linear prediction layer.

    Parameters
    ----------
    hidden : tuple of int, default=(32,)
        Widths of the hidden layers. ``()`` is a linear head; with ``ConcatFusion`` the
        net is then additive in the modalities, without interactions.
    activation : str, default="relu"
        Activation of the hidden layers; see ``MLPEncoder``.
    dropout : float in [0, 1), default=0.0
        Dropout probability of the hidden units.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import MLPHead
    >>> MLPHead().build((16, 3))(torch.zeros(5, 16)).shape
    torch.Size([5, 3])
    """

    stackable = True

    search_space = {"hidden": [(), (32,), (64,)], "dropout": (0.0, 0.6)}

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
        """Create the layers for ``in_shape = (width of the embedding, n_outputs)``."""
        in_features, self.out_features = in_shape
        self.layers, width = dense_layers(
            in_features, self.hidden, self.activation, self.dropout
        )
        self.predict = nn.Linear(width, self.out_features)
        return self

    def forward(self, x):
        """(batch, width) to (batch, n_outputs)."""
        return self.predict(self.layers(x))


class ResidualHead(Block):
    """Given outputs plus a learnt correction that is initialised at zero.

    The last `n_outputs` columns of the embedding are the outputs of an existing model;
    the correction is computed from the other columns.

    Parameters
    ----------
    hidden : tuple of int, default=(16,)
        Widths of the hidden layers of the correction; the weights of its last layer are
        initialised at zero.
    activation : str, default="relu"
        Activation of the hidden layers; see ``MLPEncoder``.
    dropout : float in [0, 1), default=0.0
        Dropout probability of the hidden units.

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
        """Create the layers for ``in_shape = (width of the embedding, n_outputs)``."""
        in_features, self.out_features = in_shape
        if in_features <= self.out_features:
            raise ValueError(
                f"ResidualHead needs an embedding of more than {self.out_features} "
                f"columns, the last {self.out_features} of which are given outputs; "
                f"got {in_features} columns."
            )
        self.layers, width = dense_layers(
            in_features - self.out_features, self.hidden, self.activation, self.dropout
        )
        self.correct = nn.Linear(width, self.out_features)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)
        return self

    def forward(self, x):
        """(batch, width) to (batch, n_outputs)."""
        given = x[..., -self.out_features :]
        return given + self.correct(self.layers(x[..., : -self.out_features]))


class IdentityHead(Block):
    """Return the embedding unchanged, for objectives on embeddings.

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
        """Set the width for ``in_shape = (width of the embedding, ignored)``."""
        self.out_features = in_shape[0]
        return self

    def forward(self, x):
        """(batch, width), unchanged."""
        return x
