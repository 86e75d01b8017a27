"""A head for several mixtures of modalities."""

from numbers import Integral

import torch
from torch import nn

from skmm._sklearn import HasMethods, Interval
from skmm.nn.block import Block, built_clone
from skmm.nn.composite.stack import can_stack, stack
from skmm.nn.heads.dense import MLPHead

__all__ = ["MixtureHead"]


class MixtureHead(Block):
    """One head per mixture of a `MixtureFusion`, all of the same structure.

    ``MulMixClassifier`` uses it; `MultiplicativeLoss` reads its outputs.

    Parameters
    ----------
    n_mixtures : int, default=1
        Number C of mixtures.
    head : Block or None, default=None
        Head of each mixture; None is ``MLPHead()``.
    batched : bool, default=True
        Whether heads of dense layers are computed as one batched product, with the same
        outputs. Other heads are always computed one by one.

    Notes
    -----
    Reads ``{"mixtures": (batch, C, d), "available": (batch, C)}`` and returns
    ``{"logits": (batch, C, K), "available": (batch, C)}``. Logits of a mixture that is
    not available are arbitrary.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import MixtureHead
    >>> head = MixtureHead(2).build((2 * 8, 2 * 3))
    >>> available = torch.ones(5, 2, dtype=torch.bool)
    >>> outputs = head({"mixtures": torch.ones(5, 2, 8), "available": available})
    >>> outputs["logits"].shape
    torch.Size([5, 2, 3])
    """

    stackable = True
    reads = ("mixtures", "available")
    gives = ("logits", "available")

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
        """Create the heads for ``in_shape = (C d, C K)``."""
        in_features, self.out_features = in_shape
        if any(size % self.n_mixtures for size in in_shape):
            raise ValueError(
                f"MixtureHead({self.n_mixtures}) needs an embedding and outputs for "
                f"each of {self.n_mixtures} mixtures; got {in_features} values and "
                f"{self.out_features} outputs."
            )
        sizes = [size // self.n_mixtures for size in in_shape]
        head = MLPHead() if self.head is None else self.head
        heads = [built_clone(head, sizes) for _ in range(self.n_mixtures)]
        batched = self.batched and can_stack(heads[0]) and not _has_norm(heads[0])
        self.heads = stack(heads) if batched else nn.ModuleList(heads)
        return self

    def forward(self, x):
        """Mixtures (batch, C, d) to logits (batch, C, K)."""
        logits = self._logits(x["mixtures"].transpose(-3, -2)).transpose(-3, -2)
        return {"logits": logits.contiguous(), "available": x["available"]}

    def _logits(self, merged):
        """(..., C, batch, d) to (..., C, batch, K)."""
        if not isinstance(self.heads, nn.ModuleList):
            return self.heads(merged)
        parts = zip(self.heads, merged.unbind(-3), strict=True)
        return torch.stack([head(part) for head, part in parts], -3)


def _has_norm(module):
    return any(isinstance(part, nn.BatchNorm1d) for part in module.modules())
