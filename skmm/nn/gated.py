"""Branches of which a gate chooses, row by row."""

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from skmm.nn.branches import Branches, learns
from skmm.nn.probing import zero_rows


class GatedBranches(Branches):
    """Branches, and a gate that weighs them or chooses one in every row.

    While the gate has not learnt anything it gives no weights, only zeros.

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
        if self.training and learns(self.gate):
            self.gating.fill_(True)
        weights = self.weights(x, present)
        if self.training or not self.hard or not weights.any():
            said = [self._say(i, x, present) for i in range(len(self.branches))]
        else:
            chosen = weights.argmax(-1)
            said = [
                self._routed(i, chosen, x, present) for i in range(len(self.members))
            ]
        return torch.cat([*said, weights], -1)

    def weights(self, x, present=None):
        """Weight of each branch in each row, (batch, B); zeros before the gate learns.

        Branches of which a row has no modality have none, unless it has none at all.
        """
        if not self.gating:
            first = x[self.names[0]]
            return torch.zeros(len(first), len(self.members), device=first.device)
        scores = self.gate(x, present) / self.temperature
        if present is not None:
            open_ = [self.mask(i, present).any(-1) for i in range(len(self.members))]
            open_ = torch.stack(open_, -1)
            open_ = open_ | ~open_.any(-1, keepdim=True)
            scores = scores.masked_fill(~open_, -torch.inf)
        soft = scores.softmax(-1)
        return straight_through(soft) if self.hard else soft

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
    >>> from skmm.nn.gated import straight_through
    >>> straight_through(torch.tensor([[0.2, 0.7, 0.1]]))
    tensor([[0., 1., 0.]])
    """
    hard = functional.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft.dtype)
    return hard + (soft - soft.detach())


@torch.no_grad()
def operations(module, shapes):
    """Additions and multiplications that a net needs for one row.

    Parameters
    ----------
    module : MultimodalModule
    shapes : dict of str to tuple
        Shape of one row of each modality.

    Returns
    -------
    float
        Of matrix products, convolutions and recurrent layers; torch's fast path of
        attention, and bilinear layers, are not seen.
    """
    rows = {n: zero_rows(e, shapes[n]) for n, e in module.encoders.items()}
    rows = {n: r if r.is_floating_point() else r + 1 for n, r in rows.items()}
    recurrent, hooks = [], []
    for part in module.modules():
        if isinstance(part, torch.nn.RNNBase):
            hooks.append(part.register_forward_hook(_counting(recurrent)))
    mode = module.training
    try:
        with FlopCounterMode(display=False) as counter:
            module.eval()(rows)
    finally:
        module.train(mode)
        for hook in hooks:
            hook.remove()
    return (counter.get_total_flops() + sum(recurrent)) / 2  # two rows


def _counting(found):
    """Hook that notes the operations of a recurrent layer, which are not counted."""

    def note(part, inputs, outputs):
        tokens = inputs[0]
        steps = tokens.data if hasattr(tokens, "batch_sizes") else tokens.flatten(0, 1)
        matrices = [p for p in part.parameters() if p.ndim == 2]
        found.append(2 * len(steps) * sum(p.numel() for p in matrices))

    return note
