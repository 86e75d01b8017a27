"""Branches that a gate weights or selects for each sample."""

import torch
from torch.nn import functional

from skmm.nn.composite.branches import Branches, learns


class GatedBranches(Branches):
    """Branches, and a gate that weights them or selects one for every sample.

    A branch is open for a sample if one of its modalities is present; without any
    modality, all branches are open.

    Parameters
    ----------
    branches, names, kinds
        See `Branches`.
    gate : MultimodalModule
        Maps all modalities to one number per branch.
    hard : bool
        Whether one branch has all the weight. In training, the gradient is that of the
        soft weights; in prediction, only the selected branch is computed.
    """

    gives = ("logits", "gate", "open")

    def __init__(self, branches, names, kinds, gate, hard):
        super().__init__(branches, names, kinds)
        self.gate = gate
        self.hard = hard
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("gating", torch.zeros((), dtype=bool))

    def begin(self):
        """Activate the gate at the start of training if it is trained."""
        self.gating.fill_(learns(self.gate))

    def parts(self):
        """Branches and gate by the names that training uses."""
        return {**super().parts(), "gate": self.gate}

    def mask(self, index, present):
        """Presence of the modalities of a branch, (batch, m)."""
        return present[:, self.columns[index]]

    def forward(self, x, present=None, encoded=()):
        """Outputs of the branches, and their weights if the gate is active.

        Outputs of a branch that was not computed for a sample are zero.

        Returns
        -------
        dict
            "logits" (batch, branches, outputs); the mask "open" (batch, branches),
            False for branches without a present modality; and, if the gate is active,
            the weights "gate" (batch, branches).

        Raises
        ------
        TypeError
            If x holds embeddings, since the gate reads the modalities.
        """
        if encoded:
            raise TypeError("a gate reads modalities, not embeddings of them.")
        is_open = self._open(x, present)
        outputs = {"open": is_open}
        if self.gating:
            outputs["gate"] = self._weights(x, present, is_open)
        if self.training or not self.hard or not self.gating:
            logits = [self._read(i, x, present) for i in range(len(self.branches))]
        else:
            chosen = outputs["gate"].argmax(-1)
            logits = [
                self._routed(i, chosen, x, present) for i in range(len(self.members))
            ]
        return {"logits": torch.stack(logits, 1), **outputs}

    def _weights(self, x, present, is_open):
        """Weight of each branch in each sample, (batch, branches)."""
        scores = self.gate(x, present) / self.temperature
        soft = scores.masked_fill(~is_open, -torch.inf).softmax(-1)
        return straight_through(soft) if self.hard else soft

    def _open(self, x, present):
        if present is None:
            first = x[self.names[0]]
            size = len(first), len(self.members)
            return torch.ones(size, dtype=bool, device=first.device)
        can_read = [self.mask(i, present).any(-1) for i in range(len(self.members))]
        can_read = torch.stack(can_read, -1)
        return can_read | ~can_read.any(-1, keepdim=True)

    def _read(self, index, x, present):
        return self.branches[index](*self.inputs(index, x, present))

    def _routed(self, index, chosen, x, present):
        """Outputs of a branch for the samples that selected it, zeros elsewhere."""
        branch, mine = self.branches[index], (chosen == index).nonzero()[:, 0]
        out = torch.zeros(len(chosen), branch.head.out_features, device=chosen.device)
        if not len(mine):
            return out
        rows = {name: x[name][mine] for name in self.members[index]}
        logits = self._read(index, rows, None if present is None else present[mine])
        return out.index_copy(0, mine, logits.to(out.dtype))


def straight_through(soft):
    """Return one-hot weights with the gradient of the soft weights.

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
