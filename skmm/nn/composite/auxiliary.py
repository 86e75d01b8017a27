"""A net whose modalities also predict alone, each by a head of its own."""

import torch

from skmm.nn.assemble import MultimodalModule
from skmm.nn.block import PerModality
from skmm.nn.shape_inference import built, probe_head


class AuxiliaryModule(MultimodalModule):
    """A `MultimodalModule` with a head more for each modality, on its embedding.

    Parameters
    ----------
    net : MultimodalModule
        Its parts are taken over.
    heads : dict of str to Block, built
        One for each modality.
    """

    def __init__(self, net, heads):
        super().__init__(net.encoders, net.fusion, net.head, net.widths)
        self.heads = PerModality(heads)

    def parts(self):
        """Submodules by the names under which training knows them."""
        heads = {f"heads__{name}": part for name, part in self.heads.items()}
        return {**super().parts(), **heads}

    def forward(self, x, present=None, encoded=()):
        """Outputs of all heads, (batch, (M + 1) K), the fused one last.

        Those of a modality that a row lacks are minus infinity.
        """
        parts = self.encode(x, present, encoded)
        said = [head(parts[name]) for name, head in self.heads.items()]
        if present is not None:
            pairs = zip(said, present.unbind(-1), strict=True)
            said = [out.masked_fill(~mask[:, None], -torch.inf) for out, mask in pairs]
        return torch.cat([*said, self.head(self.fusion(parts, present))], -1)


def auxiliary_heads(template, widths, n_outputs, seeded):
    """Clones of a head for embeddings of some widths, ``{modality: Block}``.

    Parameters
    ----------
    template : Block
    widths : dict of str to int
    n_outputs : int
    seeded : callable
        As for ``skmm.nn.assemble.assemble``.
    """
    heads = {}
    for name, width in widths.items():
        with seeded("heads", name):
            heads[name] = built(template, (width, n_outputs), "head")
            probe_head(heads[name], (width, n_outputs))
    return heads
