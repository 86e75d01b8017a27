"""Encoder of tables by periodic embeddings of each feature.

===============  ==========================================  =========================
encoder          formula                                     parameters
===============  ==========================================  =========================
PeriodicEncoder  MLP of [e_1 ... e_F], where                 F k + F (2 k + 1) d (the
                 e_j = ReLU(W_j [sin v_j, cos v_j] + b_j),   second once if `lite`),
                 v_j = 2 pi c_j x_j                          and those of the MLP
===============  ==========================================  =========================

F is the number of features, k that of frequencies, d the width of an embedding.
"""

import math
from numbers import Integral, Real

import torch
from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm.nn.block import Block
from skmm.nn.composite.stack import StackedLinear
from skmm.nn.layers import ACTIVATIONS, dense_layers
from skmm.nn.scaling import SCALES

__all__ = ["PeriodicEncoder"]

POSITIVE = Interval(Integral, 1, None, closed="left")


class PeriodicEncoder(Block):
    r"""Periodic embedding of each feature of a table, then fully connected layers.

    .. math:: e_j = \mathrm{ReLU}(W_j [\sin v_j, \cos v_j] + b_j),
        \qquad v_j = 2 \pi c_j x_j

    The frequencies :math:`c_j` are learned. A net on the embeddings can follow a
    target that changes quickly with one feature, which a plain MLP smooths out.

    Parameters
    ----------
    hidden : tuple of int, default=(64,)
        Width of each layer after the embeddings; the last is the width of the result.
    activation : str, default="relu"
        Activation after each of these layers; see `MLPEncoder`.
    dropout : float in [0, 1), default=0.0
        Dropout probability after every activation.
    scale : {"robust"} or None, default="robust"
        How each column is scaled; see `MLPEncoder`.
    lite : bool, default=False
        Whether all features share :math:`W` and :math:`b`; this is PLR(lite).
    n_frequencies : int, default=16
        Number of frequencies of each feature.
    dim : int, default=8
        Width of the embedding of a feature.
    sigma : float, default=0.03
        Standard deviation of the initial frequencies, per unit of a scaled feature. The
        most important parameter: large values fit fine detail, and noise.

    Attributes
    ----------
    out_features : int
        ``hidden[-1]``; set by ``build``.

    Notes
    -----
    Shapes: (batch, n_features) to (batch, hidden[-1]). Samples with more than one
    dimension are flattened first. With ``scale=None``, features must have about unit
    scale. The frequencies are exempt from weight decay. Time and memory grow with
    n_features * n_frequencies.

    References
    ----------
    Gorishniy, Rubachev and Babenko, "On embeddings for numerical features in tabular
    deep learning", NeurIPS 2022, section 3.3. PLR(lite): Gorishniy et al., "TabR",
    ICLR 2024.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import PeriodicEncoder
    >>> encoder = PeriodicEncoder((32,), n_frequencies=4, dim=6).build((10,))
    >>> encoder(torch.zeros(5, 10)).shape
    torch.Size([5, 32])
    >>> encoder.embed(torch.zeros(5, 10)).shape
    torch.Size([5, 10, 6])
    """

    stackable = True

    search_space = {
        "hidden": [(32,), (64,), (128,), (64, 64), (128, 64)],
        "dropout": (0.0, 0.6),
        "scale": ["robust", None],
        "lite": [False, True],
        "sigma": [0.01, 0.03, 0.1, 0.3, 1.0],
    }

    _parameter_constraints = {
        "hidden": [tuple, list],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "scale": [StrOptions(set(SCALES)), None],
        "lite": ["boolean"],
        "n_frequencies": [POSITIVE],
        "dim": [POSITIVE],
        "sigma": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        hidden=(64,),
        *,
        activation="relu",
        dropout=0.0,
        scale="robust",
        lite=False,
        n_frequencies=16,
        dim=8,
        sigma=0.03,
    ):
        super().__init__()
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.scale = scale
        self.lite = lite
        self.n_frequencies = n_frequencies
        self.dim = dim
        self.sigma = sigma

    def build(self, in_shape):
        """Create the layers for samples of shape `in_shape`."""
        self.row_ndim = len(in_shape)
        count, k, dim = math.prod(in_shape), int(self.n_frequencies), int(self.dim)
        if self.scale is not None:
            self.scaling = SCALES[self.scale]().build((count,))
        self.frequencies = per_feature(count, 1, k, bias=False)
        nn.init.normal_(self.frequencies.weight, std=float(self.sigma))
        shared = nn.Linear(2 * k, dim) if self.lite else None
        self.linear = shared or per_feature(count, 2 * k, dim)
        self.layers, self.out_features = dense_layers(
            count * dim, self.hidden, self.activation, self.dropout
        )
        return self

    def adapt(self, x, weight=None):
        """Learn the scale of each column; see ``Block.adapt``."""
        if self.scale is not None:
            self.scaling.adapt(x, weight)
        return self

    def no_weight_decay(self):
        """Return the frequencies."""
        return [self.frequencies.weight]

    def embed(self, x):
        """(batch, ...) to (batch, n_features, dim), the embeddings of the features."""
        x, rates = x.flatten(-self.row_ndim), self.frequencies.weight
        if self.scale is not None:
            x = self.scaling(x)
        if not self.lite:  # each feature is a batch of its own
            waves = _waves(x.transpose(-2, -1)[..., None], rates)  # (F, batch, 2 k)
            return self.linear(waves).relu().transpose(-3, -2)
        waves = _waves(x[..., None], rates.transpose(-3, -2))  # (batch, F, 2 k)
        rows = self.linear(waves.flatten(-3, -2))  # all features are one batch
        return rows.unflatten(-2, waves.shape[-3:-1]).relu()

    def forward(self, x):
        """(batch, ...) to (batch, out_features)."""
        return self.layers(self.embed(x).flatten(-2))


def _waves(x, rates):
    angles = x * ((2 * math.pi) * rates)
    return torch.cat([angles.sin(), angles.cos()], -1)


def per_feature(count, n_in, n_out, bias=True):
    """Return one linear layer per feature, (count, batch, n_in) to (..., n_out)."""
    return StackedLinear([nn.Linear(n_in, n_out, bias) for _ in range(count)])
