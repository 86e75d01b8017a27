"""Heads: fused embedding to outputs."""

import math
from numbers import Integral, Real

import torch
from torch import nn

from skmm._sklearn import HasMethods, Interval, StrOptions
from skmm.nn.block import Block, PerModality, built_clone
from skmm.nn.decoders import MLPDecoder
from skmm.nn.layers import ACTIVATIONS, dense_layers
from skmm.nn.stack import can_stack, stack

__all__ = ["DecoderHead", "IdentityHead", "MLPHead", "MixtureHead", "ResidualHead"]


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


class MixtureHead(Block):
    """One head per mixture of modalities, all of one shape, behind a `MixtureFusion`.

    ``MulMixClassifier`` puts it there; its outputs need an objective over candidates.

    Parameters
    ----------
    n_mixtures : int, default=1
        C; the last C columns of the embedding say which mixtures a row can use.
    head : Block or None, default=None
        The head of each; None is ``MLPHead()``.
    batched : bool, default=True
        Whether heads of dense layers are computed together, as one product, not one by
        one; the outputs are the same. Other heads are always computed one by one.

    Notes
    -----
    Shapes: (batch, C (d + 1)) to (batch, C K); the K outputs of a mixture that a row
    cannot use are minus infinity.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import MixtureHead
    >>> head = MixtureHead(2).build((2 * (8 + 1), 2 * 3))
    >>> head(torch.ones(5, 18)).shape
    torch.Size([5, 6])
    """

    stackable = True

    _parameter_constraints = {
        "n_mixtures": [Interval(Integral, 1, None, closed="left")],
        "head": [HasMethods("build"), None],
        "batched": ["boolean"],
    }

    def __init__(self, n_mixtures=1, head=None, *, batched=True):
        super().__init__()
        self.n_mixtures = n_mixtures
        self.head = head
        self.batched = batched

    def build(self, in_shape):
        """Make the heads for ``in_shape = (C (d + 1), C K)``."""
        in_features, self.out_features = in_shape
        if any(size % self.n_mixtures for size in in_shape):
            raise ValueError(
                f"MixtureHead({self.n_mixtures}) needs an embedding and outputs for "
                f"each of {self.n_mixtures} mixtures; got {in_features} columns and "
                f"{self.out_features} outputs."
            )
        sizes = in_features // self.n_mixtures - 1, self.out_features // self.n_mixtures
        head = MLPHead() if self.head is None else self.head
        heads = [built_clone(head, sizes) for _ in range(self.n_mixtures)]
        batched = self.batched and can_stack(heads[0]) and not _has_norm(heads[0])
        self.heads = stack(heads) if batched else nn.ModuleList(heads)
        return self

    def forward(self, x):
        """(batch, C (d + 1)) to (batch, C K)."""
        count = self.n_mixtures
        merged = x[..., :-count].unflatten(-1, (count, -1)).transpose(-3, -2)
        outputs = self._answers(merged).transpose(-3, -2)  # (..., batch, C, K)
        absent = x[..., -count:] == 0
        return outputs.masked_fill(absent[..., None], -torch.inf).flatten(-2)

    def _answers(self, merged):
        """(..., C, batch, d) to (..., C, batch, K)."""
        if not isinstance(self.heads, nn.ModuleList):
            return self.heads(merged)
        parts = zip(self.heads, merged.unbind(-3), strict=True)
        return torch.stack([head(part) for head, part in parts], -3)


def _has_norm(module):
    return any(isinstance(part, nn.BatchNorm1d) for part in module.modules())


class DecoderHead(Block):
    """From a code to the values of one or several targets, side by side.

    Parameters
    ----------
    hidden : tuple of int, default=()
        Widths of ReLU layers that all targets share.
    decoders : dict of str to Block, or None, default=None
        A decoder for some or all targets; the others have ``MLPDecoder()``.
    shapes : dict of str to tuple of int, or None, default=None
        Shape of one row of each target; None is one target of as many values as there
        are outputs.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import ConvDecoder, DecoderHead
    >>> shapes = {"image": (1, 8, 8), "table": (5,)}
    >>> head = DecoderHead((16,), {"image": ConvDecoder()}, shapes).build((4, 69))
    >>> head(torch.zeros(2, 4)).shape
    torch.Size([2, 69])
    """

    stackable = True

    _parameter_constraints = {
        "hidden": [tuple, list],
        "decoders": [dict, None],
        "shapes": [dict, None],
    }

    def __init__(self, hidden=(), decoders=None, shapes=None):
        super().__init__()
        self.hidden = hidden
        self.decoders = decoders
        self.shapes = shapes

    def build(self, in_shape):
        """Make the layers for ``in_shape = (width of the code, outputs)``."""
        width, self.out_features = in_shape
        self.layers, width = dense_layers(width, self.hidden)
        shapes = self.shapes or {"y": (self.out_features,)}
        given = self.decoders or {}
        self.targets = PerModality(
            {
                name: self._decoder(name, given.get(name), (width, shape))
                for name, shape in shapes.items()
            }
        )
        return self

    def _decoder(self, name, template, in_shape):
        decoder = built_clone(MLPDecoder() if template is None else template, in_shape)
        values = math.prod(in_shape[1])
        if decoder.out_features != values:
            raise ValueError(
                f"the decoder of {name!r}, {type(decoder).__name__}, returns "
                f"{decoder.out_features} values for rows of shape {in_shape[1]}, which "
                f"have {values}."
            )
        return decoder

    def forward(self, x):
        """(batch, width) to (batch, outputs)."""
        shared = self.layers(x)
        return torch.cat([decoder(shared) for _, decoder in self.targets.items()], -1)


class IdentityHead(Block):
    """The embedding itself as outputs, for objectives that look at embeddings.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import IdentityHead
    >>> IdentityHead().build((4, None))(torch.ones(1, 4))
    tensor([[1., 1., 1., 1.]])
    """

    stackable = True

    def build(self, in_shape):
        """Note the width of ``in_shape = (width of the embedding, anything)``."""
        self.out_features = in_shape[0]
        return self

    def forward(self, x):
        """(batch, width) as it is."""
        return x
