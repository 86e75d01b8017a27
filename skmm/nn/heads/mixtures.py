"""Heads of several mixtures of modalities."""

from numbers import Integral

import torch
from torch import nn

from skmm._sklearn import HasMethods, Interval
from skmm.nn.block import Block, built_clone
from skmm.nn.composite.stack import can_stack, stack
from skmm.nn.heads.dense import MLPHead

__all__ = ["MixtureHead"]


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
