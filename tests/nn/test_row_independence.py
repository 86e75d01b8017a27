"""Parts that mix the samples of a batch are noticed when the net is assembled."""

import numpy as np
import pytest
import torch
from torch import nn

from skmm import DynamicFusionClassifier, FusionClassifier, ModalityDict
from skmm.nn import Block, ConcatFusion, MLPEncoder, MLPHead, SumFusion
from skmm.nn.assemble import assemble, complete
from skmm.nn.row_independence import check_rows_independent
from tests.toys import MeanEmbedding, two_tables

X, Y = two_tables()
FAST = {"max_epochs": 1, "random_state": 0}
SHAPES = {"a": (3,), "b": (5,)}


class Centred(SumFusion):
    """Subtracts the mean of the batch."""

    def forward(self, parts, present=None):
        fused = super().forward(parts, present)
        return fused - fused.mean(0)


class CentredInTraining(SumFusion):
    def forward(self, parts, present=None):
        fused = super().forward(parts, present)
        return fused - fused.mean(0) if self.training else fused


class CentredEncoder(MLPEncoder):
    def forward(self, x):
        return super().forward(x - x.mean(0))


class Sorted(MLPHead):
    def forward(self, x):
        return super().forward(x.sort(0).values)


class Noisy(SumFusion):
    def forward(self, parts, present=None):
        fused = super().forward(parts, present)
        return fused + torch.randn_like(fused) + np.random.normal()


class Domain(nn.Module):
    """Reads only numbers above 1."""

    def forward(self, x):
        if (x != 0).any() and (x <= 1).any():
            raise ValueError("not above 1")
        return x


OF_THE_BATCH = nn.Sequential(
    nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False)
)


def module_of(encoders=None, fusion=None, head=None, shapes=SHAPES):
    fusion, head = fusion or ConcatFusion(), head or MLPHead()
    return assemble(complete(encoders, shapes), fusion, head, shapes, 2)


@pytest.mark.parametrize(
    ("parts", "where"),
    [
        ({"fusion": Centred()}, r"fusion \(Centred\)"),
        ({"encoders": {"b": CentredEncoder()}}, r"encoders\['b'\] \(CentredEncoder\)"),
        ({"head": Sorted()}, r"head \(Sorted\)"),
        ({"encoders": {"a": OF_THE_BATCH}}, r"encoders\['a'\] \(Sequential\)"),
    ],
)
def test_the_part_that_mixes_samples_is_named(parts, where):
    with pytest.raises(ValueError, match=f"{where}: .*depend on the other samples"):
        module_of(**parts)


def test_the_fix_for_a_norm_without_running_statistics_is_named():
    with pytest.raises(ValueError, match="track_running_stats=True"):
        module_of({"a": OF_THE_BATCH})


def test_estimators_reject_such_a_part():
    with pytest.raises(ValueError, match=r"fusion \(Centred\): "):
        FusionClassifier(fusion=Centred(), **FAST).fit(X, Y)
    with pytest.raises(ValueError, match=r"fusion \(Centred\): "):
        DynamicFusionClassifier(fusion=Centred(), **FAST).fit(X, Y)


@pytest.mark.parametrize(
    "parts",
    [
        {"fusion": CentredInTraining()},
        {"fusion": Noisy()},
        {"encoders": {"a": Domain()}},
        {"encoders": {"a": nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))}},
    ],
)
def test_other_parts_are_not_accused(parts):
    module_of(**parts)


X_A = two_tables(40)[0]["a"]
TEXT = ModalityDict(t=np.array(["ab", "c"] * 20, dtype=object), a=X_A)


class CentredText(MeanEmbedding):
    def forward(self, tokens):
        embedded = super().forward(tokens)
        return embedded - embedded.mean(0)


class PlainText(nn.Module):
    """A plain module that reads text, and may mix the samples."""

    def __init__(self, centred):
        super().__init__()
        self.table = nn.Embedding(257, 4)
        self.centred = centred

    def forward(self, tokens):
        embedded = self.table(tokens).mean(1)
        return embedded - embedded.mean(0) * self.centred


@pytest.mark.parametrize("encoder", [CentredText(), PlainText(centred=True)])
def test_encoders_of_text_are_tried_too(encoder):
    with pytest.raises(ValueError, match=r"encoders\['t'\] .*depend on the other"):
        FusionClassifier({"t": encoder}, **FAST).fit(TEXT, Y[:40])


@pytest.mark.parametrize("encoder", [MeanEmbedding(), PlainText(centred=False)])
def test_other_encoders_of_text_are_not_accused(encoder):
    FusionClassifier({"t": encoder}, **FAST).fit(TEXT, Y[:40])


class Numbered(SumFusion):
    """Adds the place in the batch: the first samples alone do not change."""

    def forward(self, parts, present=None):
        fused = super().forward(parts, present)
        return fused + torch.arange(len(fused))[:, None]


def test_the_order_of_the_samples_is_changed():
    with pytest.raises(ValueError, match=r"fusion \(Numbered\): "):
        module_of(fusion=Numbered())


def test_plain_modules_of_torch_are_tried():
    with pytest.raises(ValueError, match=r"encoders\['a'\] \(Sequential\): "):
        module_of({"a": nn.Sequential(nn.Linear(3, 4), nn.Softmax(0))})


def test_trying_draws_no_numbers_and_leaves_the_modes():
    module = module_of({"a": MLPEncoder().build((3,)).eval()}, fusion=Noisy())
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    check_rows_independent(module, SHAPES)
    assert torch.equal(torch.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])
    assert module.training and module.fusion.training
    assert not module.encoders["a"].training


def test_at_most_three_forwards():
    calls = []

    class Counted(SumFusion):
        def forward(self, parts, present=None):
            calls.append(len(next(iter(parts.values()))))
            return super().forward(parts, present)

    module_of(fusion=Counted())
    assert calls == [2, 4, 3]  # two to find the shape, then the samples, some of them


class Buffered(Block):
    """Looks back at what it saw before, which is no mixing within a batch."""

    def build(self, in_shape):
        self.out_features = sum(in_shape.values())
        self.register_buffer("seen", torch.zeros(()))
        return self

    def forward(self, parts, present=None):
        self.seen += 1
        return torch.cat(list(parts.values()), -1) + self.seen


def test_a_part_that_changes_with_every_call_is_not_accused():
    module_of(fusion=Buffered())
