"""All fusions, one line each, and inputs for them."""

from dataclasses import dataclass
from functools import partial

import torch

from skmm import nn

NAMES = ["image", "table", "text.en"]
WIDTH = 4


class Attentive(nn.AttentionFusion):
    """With scores that are not zero."""

    def _score(self):
        score = super()._score()
        torch.nn.init.normal_(score.weight)
        torch.nn.init.normal_(score.bias)
        return score


def embeddings(batch=6, names=NAMES, width=WIDTH):
    generator = torch.Generator().manual_seed(0)
    return {
        n: torch.randn(batch, width, generator=generator, dtype=torch.float64)
        for n in names
    }


def masks(batch=6, names=NAMES):
    rows = [[1, 1, 1], [1, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 1]]
    return torch.tensor(rows[:batch]).bool()[:, : len(names)]


class Values(torch.nn.Module):
    """All values of a fusion with named outputs, as one tensor; masks are left out."""

    def __init__(self, block):
        super().__init__()
        self.block = block
        self.out_features = block.out_features

    def forward(self, parts, present=None):
        outputs = self.block(parts, present).values()
        return torch.cat([t.flatten(1) for t in outputs if t.is_floating_point()], 1)


def built(make, names=NAMES, width=WIDTH):
    torch.manual_seed(0)
    block = make().build(dict.fromkeys(names, width)).double().eval()
    return Values(block) if block.gives else block


@dataclass
class Variant:
    """A fusion with its settings.

    Parameters
    ----------
    make : callable
    names : list of str
        The modalities it is tried with.
    """

    make: object
    names: list

    def built(self):
        return built(self.make, self.names)

    def parts(self, batch=6):
        return embeddings(batch, self.names)

    def masks(self, batch=6):
        return masks(batch, self.names)


MAKERS = {
    "attention": Attentive,
    "attention-3": lambda: Attentive(width=3),
    "bilinear": nn.BilinearFusion,
    "bilinear-scalar": lambda: nn.BilinearFusion("scalar"),
    "bilinear-vector": lambda: nn.BilinearFusion("vector"),
    "concat": nn.ConcatFusion,
    "concat-mlp": lambda: nn.ConcatFusion((6,), activation="tanh"),
    "cross_attention": lambda: nn.CrossAttentionFusion(6, heads=2),
    "expert": lambda: nn.ExpertFusion((6,), activation="tanh"),
    "gated": nn.GatedFusion,
    "gated-2": nn.GatedFusion,
    "hierarchical": lambda: nn.HierarchicalFusion((5, 3), activation="tanh"),
    "highway": lambda: nn.HighwayFusion(2),
    "low_rank_tensor": nn.LowRankTensorFusion,
    "lp_norm": lambda: nn.LpNormFusion(interactions=3),
    "lp_norm-raw": lambda: nn.LpNormFusion(interactions=2, normalize=False, width=3),
    "max": nn.MaxFusion,
    "max-3": lambda: nn.MaxFusion(width=3),
    "mean": nn.MeanFusion,
    "mean-3": lambda: nn.MeanFusion(width=3),
    "mixture": nn.MixtureFusion,
    "modality_shift": partial(nn.ModalityShiftFusion, "table"),
    "no_harm": lambda: nn.NoHarmFusion("vector"),
    "product": nn.ProductFusion,
    "product-3": lambda: nn.ProductFusion(width=3),
    "self_attention": lambda: nn.SelfAttentionFusion(6, heads=2),
    "side_by_side": nn.SideBySideFusion,
    "sum": nn.SumFusion,
    "sum-3": lambda: nn.SumFusion(width=3),
    "tensor": nn.TensorFusion,
    "tensor-3": lambda: nn.TensorFusion(width=3),
    "transformer": lambda: nn.TransformerFusion(6, heads=2, layers=2),
}
OF_TWO = {"bilinear", "bilinear-scalar", "bilinear-vector", "gated-2"}
VARIANTS = {
    name: Variant(make, NAMES[:2] if name in OF_TWO else NAMES)
    for name, make in MAKERS.items()
}
