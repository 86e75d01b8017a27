"""Encoder of tables that is an ensemble of MLPs with shared weights.

===========  ==========================================  =============================
encoder      formula                                     parameters
===========  ==========================================  =============================
TabMEncoder  [h_1 ... h_k], or their mean, of members    sum d_l d_l+1
             of layers h -> s(S_i (W (R_i h)) + b_i)     + k (d_l + 2 d_l+1)
===========  ==========================================  =============================

R_i and S_i are diagonal; W is shared by all members.
"""

import math
from numbers import Integral, Real

import torch
from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm.nn.block import Block
from skmm.nn.composite.stack import StackedLinear
from skmm.nn.layers import ACTIVATIONS, check_widths
from skmm.nn.scaling import SCALES

__all__ = ["TabMEncoder"]


class TabMEncoder(Block):
    r"""Embeddings of several MLPs that share their weights.

    Layer by layer, member :math:`i` computes

    .. math:: h \mapsto s(S_i W R_i h + b_i),

    with shared :math:`W`, and its own diagonal :math:`R_i, S_i` and bias.

    Parameters
    ----------
    hidden : tuple of int, default=(64,)
        Width of each layer; the last is the width of the embedding of a member.
    activation : str, default="relu"
        Activation after every layer; see `MLPEncoder`.
    dropout : float in [0, 1), default=0.0
        Dropout probability after every activation, drawn for each member.
    scale : {"robust"} or None, default="robust"
        How each column is scaled; see `MLPEncoder`.
    n_members : int, default=16
        Number of members.
    mini : bool, default=False
        Whether members only differ in the first :math:`R_i`: TabM-mini.
    pooling : {"concat", "mean"}, default="concat"
        Whether the result is all members side by side, or their mean.

    Attributes
    ----------
    out_features : int
        ``n_members * hidden[-1]``, or ``hidden[-1]`` if pooling="mean"; set by
        ``build``.

    Notes
    -----
    Shapes: (batch, ...) to (batch, out_features). Samples with more than one dimension
    are flattened first. The first :math:`R_i` starts with random signs, all other
    scales with ones; the biases of all members start equal. Scales are exempt from
    weight decay.

    The result is one vector, so that every fusion and head can follow. In the paper
    each member has a head and a loss of its own, and predictions are averaged. With
    "concat", the layer that follows has weights of its own for each member, but one
    loss: members are not trained as separate predictors. With "mean" they share these
    weights too.

    The cost is about `n_members` times that of `MLPEncoder`.

    References
    ----------
    Gorishniy, Kotelnikov and Babenko, "TabM: Advancing tabular deep learning with
    parameter-efficient ensembling", ICLR 2025. Wen, Tran and Ba, "BatchEnsemble", ICLR
    2020, equation 5.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import TabMEncoder
    >>> encoder = TabMEncoder((32, 16), n_members=4).build((41,))
    >>> encoder(torch.zeros(5, 41)).shape
    torch.Size([5, 64])
    >>> encoder.members(torch.zeros(5, 41)).shape
    torch.Size([5, 4, 16])
    """

    stackable = True

    search_space = {
        "hidden": [(32,), (64,), (128,), (64, 64), (128, 64)],
        "dropout": (0.0, 0.6),
        "scale": ["robust", None],
        "n_members": [8, 16, 32],
        "mini": [False, True],
        "pooling": ["concat", "mean"],
    }

    _parameter_constraints = {
        "hidden": [tuple, list],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "scale": [StrOptions(set(SCALES)), None],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "mini": ["boolean"],
        "pooling": [StrOptions({"concat", "mean"})],
    }

    def __init__(
        self,
        hidden=(64,),
        *,
        activation="relu",
        dropout=0.0,
        scale="robust",
        n_members=16,
        mini=False,
        pooling="concat",
    ):
        super().__init__()
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.scale = scale
        self.n_members = n_members
        self.mini = mini
        self.pooling = pooling

    def build(self, in_shape):
        """Create the layers for samples of shape `in_shape`."""
        self.row_ndim = len(in_shape)
        widths = [math.prod(in_shape), *check_widths(self.hidden)]
        if self.scale is not None:
            self.scaling = SCALES[self.scale]().build((widths[0],))
        signs, count = MemberScale(widths[0], int(self.n_members)), len(widths) - 1
        signs.scale.weight.data.bernoulli_().mul_(2).sub_(1)
        layers = [signs]
        for i in range(count):
            layers += self._layer(*widths[i : i + 2], first=i == 0)
        self.layers = nn.Sequential(*layers)
        count = self.n_members if self.pooling == "concat" else 1
        self.out_features = int(count) * widths[-1]
        return self

    def _layer(self, n_in, n_out, first):
        """Shared linear map between the scales of the members, and an activation."""
        members = int(self.n_members)
        linear = nn.Linear(n_in, n_out, bias=bool(self.mini))
        after = [ACTIVATIONS[self.activation]()]
        after += [nn.Dropout(self.dropout)] if self.dropout else []
        if self.mini:
            return [SharedLinear(linear), *after]
        before = [] if first else [MemberScale(n_in, members)]
        bias = torch.empty(n_out).uniform_(-1, 1) / math.sqrt(n_in)  # as nn.Linear
        scaled = MemberScale(n_out, members, bias)
        return [*before, SharedLinear(linear), scaled, *after]

    def adapt(self, x, weight=None):
        """Learn the scale of each column; see ``Block.adapt``."""
        if self.scale is not None:
            self.scaling.adapt(x, weight)
        return self

    def no_weight_decay(self):
        """Return the scales of the members."""
        return [m.scale.weight for m in self.modules() if isinstance(m, MemberScale)]

    def members(self, x):
        """(batch, ...) to (batch, n_members, out_features)."""
        return self._members(x).transpose(-3, -2)

    def _members(self, x):
        """(batch, ...) to (n_members, batch, out_features)."""
        x = x.flatten(-self.row_ndim)
        if self.scale is not None:
            x = self.scaling(x)
        return self.layers(x.unsqueeze(-3))

    def forward(self, x):
        """(batch, ...) to (batch, out_features)."""
        if self.pooling == "mean":
            return self._members(x).mean(-3)
        return self.members(x).flatten(-2)


class MemberScale(nn.Module):
    """Multiply each feature by a weight of each member, and add a bias if given.

    Shapes: (n_members or 1, batch, width) to (n_members, batch, width). The weights
    start with ones, and the biases of all members with `bias` (width,).
    """

    stackable = True

    def __init__(self, width, n_members, bias=None):
        super().__init__()
        # linear maps of one number have weights (n_members, 1, width), which stack
        peers = [nn.Linear(1, width, bias is not None) for _ in range(n_members)]
        self.scale = StackedLinear(peers)
        nn.init.ones_(self.scale.weight)
        if bias is not None:
            self.scale.bias.data.copy_(bias.expand_as(self.scale.bias))

    def forward(self, x):
        """Scale every member."""
        weight, bias = self.scale.weight, self.scale.bias
        return x * weight if bias is None else torch.addcmul(bias, x, weight)


class SharedLinear(nn.Module):
    """One linear layer for all members, as one product."""

    stackable = True

    def __init__(self, linear):
        super().__init__()
        self.linear = linear

    def forward(self, x):
        """(n_members, batch, in) to (n_members, batch, out)."""
        return self.linear(x.flatten(-3, -2)).unflatten(-2, x.shape[-3:-1])
