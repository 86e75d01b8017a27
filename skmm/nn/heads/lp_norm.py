"""The prediction layer whose block norms give the weights of modalities."""

import math
from numbers import Real

import torch
from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm.nn.block import Block
from skmm.nn.modality_weights import (
    best_weights,
    profile_penalty,
    reported,
    step_towards,
)

__all__ = ["LpNormHead"]

TINY = 1e-12  # added under the root of a norm, whose slope at zero is infinite
MOMENTUM = 0.1


class LpNormHead(Block):
    r"""Sum of linear maps, one per block of the embedding, with a penalty on norms.

    It is the head of `LpNormFusion`.

    .. math:: \Lambda \Bigl(\sum_m \lVert W_m \rVert_F^q\Bigr)^{2/q}, \qquad
        q = \frac{2p}{p + 1}

    Parameters
    ----------
    names : tuple of str, default=()
        Names of the blocks.
    widths : tuple of int, default=()
        Widths of the blocks; empty is one block.
    p : float, default=1.0
        Order of the norm, at least 1; 1 selects blocks, infinity weights all equally.
    strength : float, default=0.01
        Factor Λ of the penalty.
    solver : {"profile", "alternating", "projected"}, default="profile"
        How weights are found: eliminated from the penalty; computed from the norms
        before each mini-batch, then fixed in the penalty; or updated by a step of
        projected gradient descent before each mini-batch. All have the same solution.

    Notes
    -----
    Shapes: (batch, sum of widths) to (batch, outputs). Its weights are exempt from
    weight decay.

    References
    ----------
    Varshneya et al., "InTense", IJCAI 2024; Kloft et al., "lp-norm multiple kernel
    learning", 2011.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import LpNormHead
    >>> head = LpNormHead(("a", "b"), (2, 1)).build((3, 1))
    >>> head.predict.weight.data = torch.tensor([[3.0, 0.0, 1.0]])
    >>> {name: round(w, 3) for name, w in head.modality_weights().items()}
    {'a': 0.75, 'b': 0.25}
    >>> round(head.penalty().item(), 3)
    0.16
    """

    _parameter_constraints = {
        "names": [tuple, list],
        "widths": [tuple, list],
        "p": [Interval(Real, 1, None, closed="both")],
        "strength": [Interval(Real, 0, None, closed="left")],
        "solver": [StrOptions({"profile", "alternating", "projected"})],
    }

    def __init__(self, names=(), widths=(), *, p=1.0, strength=0.01, solver="profile"):
        super().__init__()
        self.names = names
        self.widths = widths
        self.p = p
        self.strength = strength
        self.solver = solver

    def build(self, in_shape):
        """Create the layer for ``in_shape = (width of the embedding, outputs)``."""
        in_features, self.out_features = in_shape
        self.sizes = list(self.widths) or [in_features]
        self.blocks = list(self.names) or [str(i) for i in range(len(self.sizes))]
        if sum(self.sizes) != in_features or len(self.blocks) != len(self.sizes):
            raise ValueError(
                f"LpNormHead has names {self.blocks} and widths {self.sizes}, for an "
                f"embedding of width {in_features}."
            )
        self.predict = nn.Linear(in_features, self.out_features)
        count = len(self.sizes)
        equal = 1.0 if math.isinf(self.p) else count ** (-1 / self.p)
        self.register_buffer("weights", torch.full((count,), equal))
        self.register_buffer("variances", torch.zeros(count))
        return self

    def forward(self, x):
        """(batch, width) to (batch, outputs)."""
        if not self.training:
            return self.predict(x)
        weights = self.predict.weight.split(self.sizes, 1)
        pairs = zip(x.split(self.sizes, -1), weights, strict=True)
        terms = torch.stack([part @ weight.T for part, weight in pairs])
        self._update_variances(terms.detach())
        return terms.sum(0) + self.predict.bias

    def _update_variances(self, terms):
        """Running variance of the term of each block, (blocks, batch, outputs)."""
        variances = terms.var(1, correction=0).sum(-1)
        self.variances.lerp_(variances.to(self.variances.dtype), MOMENTUM)

    def norms(self):
        """Frobenius norm of the weights of each block, (blocks,)."""
        parts = self.predict.weight.split(self.sizes, 1)
        return torch.stack([(part.square().sum() + TINY).sqrt() for part in parts])

    def penalty(self):
        """Penalty on the norms, 0-d."""
        norms = self.norms()
        if self.solver == "profile":
            return self.strength * profile_penalty(norms, self.p)
        if self.training:
            self._renew(norms.detach())
        fixed = self.weights.to(norms.dtype).clamp(min=1e-6)
        return self.strength * (norms.square() / fixed).sum()

    def _renew(self, norms):
        if self.solver == "alternating":
            found = best_weights(norms, self.p)
        else:
            found = step_towards(self.weights.to(norms.dtype), norms, self.p)
        self.weights.copy_(found)

    @torch.no_grad()
    def modality_weights(self):
        """Return the weight of each block, ``{name: weight}``, with an lp norm of one.

        Weights below a thousandth of the largest are zero.
        """
        if self.solver == "projected":
            found = self.weights
        else:
            found = best_weights(self.norms() - math.sqrt(TINY), self.p)
        return dict(zip(self.blocks, reported(found).tolist(), strict=True))

    def variance_shares(self):
        """Return the share of each block in the variance of the outputs in training.

        Shares are relative to the sum of the variances of the terms of the blocks, and
        sum to one; covariances between blocks are not counted.
        """
        total = self.variances.sum().clamp(min=torch.finfo(self.variances.dtype).tiny)
        shares = (self.variances / total).tolist()
        return dict(zip(self.blocks, shares, strict=True))
