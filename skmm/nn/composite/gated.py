"""Branches of which a gate chooses, row by row."""

import torch
from torch.nn import functional

from skmm.nn.composite.branches import Branches, learns


class GatedBranches(Branches):
    """Branches, and a gate that weighs them or chooses one in every row.

    Before the gate learns it gives no weights: only zeros, and -1 for branches that a
    row leaves closed as it has none of their modalities.

    Parameters
    ----------
    branches, names, kinds
        As for `Branches`.
    gate : MultimodalModule
        From all modalities to a number per branch.
    hard : bool
        Whether one branch has all the weight. In training its gradient is that of the
        soft weights; in prediction only the chosen branch reads a row.
    """

    def __init__(self, branches, names, kinds, gate, hard):
        super().__init__(branches, names, kinds)
        self.gate = gate
        self.hard = hard
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("gating", torch.zeros((), dtype=bool))

    def begin(self):
        """Note, when training begins, whether the gate learns, and so weighs."""
        self.gating.fill_(learns(self.gate))

    def parts(self):
        """Branches and gate by the names under which training knows them."""
        return {**super().parts(), "gate": self.gate}

    def mask(self, index, present):
        """Which modalities of a branch a row has, (batch, m)."""
        return present[:, self.columns[index]]

    def forward(self, x, present=None, encoded=()):
        """Outputs of the branches, then their weights, (batch, B K + B).

        Outputs of a branch that did not read a row are zero.

        Raises
        ------
        TypeError
            If modalities bring embeddings: the gate reads the modalities.
        """
        if encoded:
            raise TypeError("a gate reads modalities, not embeddings of them.")
        weights = self.weights(x, present)
        if self.training or not self.hard or not self.gating:
            said = [self._say(i, x, present) for i in range(len(self.branches))]
        else:
            chosen = weights.argmax(-1)
            said = [
                self._routed(i, chosen, x, present) for i in range(len(self.members))
            ]
        return torch.cat([*said, weights], -1)

    def weights(self, x, present=None):
        """Weight of each branch in each row, (batch, B).

        Branches of which a row has no modality are closed, unless it has none at all.
        """
        closed = self._closed(x, present)
        if not self.gating:
            return -closed.float()
        scores = self.gate(x, present) / self.temperature
        soft = scores.masked_fill(closed, -torch.inf).softmax(-1)
        return straight_through(soft) if self.hard else soft

    def _closed(self, x, present):
        if present is None:
            first = x[self.names[0]]
            size = len(first), len(self.members)
            return torch.zeros(size, dtype=bool, device=first.device)
        heard = [self.mask(i, present).any(-1) for i in range(len(self.members))]
        heard = torch.stack(heard, -1)
        return ~heard & heard.any(-1, keepdim=True)

    def _say(self, index, x, present):
        return self.branches[index](*self.inputs(index, x, present))

    def _routed(self, index, chosen, x, present):
        """Outputs of a branch in the rows that are its own, zeros elsewhere."""
        branch, mine = self.branches[index], (chosen == index).nonzero()[:, 0]
        out = torch.zeros(len(chosen), branch.head.out_features, device=chosen.device)
        if not len(mine):
            return out
        rows = {name: x[name][mine] for name in self.members[index]}
        said = self._say(index, rows, None if present is None else present[mine])
        return out.index_copy(0, mine, said.to(out.dtype))


def straight_through(soft):
    """One-hot weights of the largest, with the gradient of the soft ones.

    Parameters
    ----------
    soft : Tensor, shape (..., B)

    Examples
    --------
    >>> import torch
    >>> from skmm.nn.composite.gated import straight_through
    >>> straight_through(torch.tensor([[0.2, 0.7, 0.1]]))
    tensor([[0., 1., 0.]])
    """
    hard = functional.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft.dtype)
    return hard + (soft - soft.detach())
