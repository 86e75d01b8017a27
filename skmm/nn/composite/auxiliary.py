"""A net with an additional head on the embedding of each modality."""

import torch

from skmm.nn.assemble import MultimodalModule
from skmm.nn.block import PerModality
from skmm.nn.shape_inference import built, check_plain, check_reads, probe_head


class AuxiliaryModule(MultimodalModule):
    """A `MultimodalModule` with an additional head on the embedding of each modality.

    Parameters
    ----------
    net : MultimodalModule
        Its parts are used without a copy.
    heads : dict of str to Block, built
        One per modality.
    """

    gives = ("logits", "available")

    def __init__(self, net, heads):
        check_plain(net, "a net in which every modality predicts alone")
        super().__init__(net.encoders, net.fusion, net.head, net.widths, net.to_adapt)
        self.heads = PerModality(heads)

    def parts(self):
        """Submodules by the names that training uses."""
        heads = {f"heads__{name}": part for name, part in self.heads.items()}
        return {**super().parts(), **heads}

    def forward(self, x, present=None, encoded=()):
        """Outputs of all heads, the fused head last, and which are available.

        Returns
        -------
        dict
            "logits" (batch, M + 1, K) and the mask "available" (batch, M + 1), False
            where the modality of a head is missing.
        """
        parts = self.encode(x, present, encoded)
        logits = [head(parts[name]) for name, head in self.heads.items()]
        fused = self.head(self.fusion(parts, present))
        always = fused.new_ones(len(fused), 1, dtype=torch.bool)
        if present is None:
            available = always.expand(-1, len(logits) + 1)
        else:
            available = torch.cat([present, always], -1)
        return {"logits": torch.stack([*logits, fused], 1), "available": available}


def auxiliary_heads(template, widths, n_outputs, seeded):
    """Return clones of a head for embeddings of some widths, ``{modality: Block}``.

    Parameters
    ----------
    template : Block
    widths : dict of str to int
    n_outputs : int
    seeded : callable
        See ``skmm.nn.assemble.assemble``.
    """
    name, fix = f"head={type(template).__name__}", "Use a head such as MLPHead."
    check_reads(name, template.reads, "the encoder of a modality", (), fix)
    heads = {}
    for name, width in widths.items():
        with seeded("heads", name):
            heads[name] = built(template, (width, n_outputs), "head")
            probe_head(heads[name], (width, n_outputs))
    return heads
