"""A part in the wrong place is refused by name when the net is assembled."""

import re

import pytest
import torch
from torch import nn

from skmm import FusionClassifier, FusionRegressor
from skmm.nn import (
    BilinearFusion,
    Block,
    ConcatFusion,
    HighwayFusion,
    MLPEncoder,
    MLPHead,
    SumFusion,
)
from skmm.nn.assemble import assemble, complete
from skmm.nn.shape_inference import built, probe_fusion, probe_head
from tests.toys import Normed, two_tables

X, y = two_tables()
QUICK = {"max_epochs": 1, "random_state": 0}


class WithoutWidth(ConcatFusion):
    def build(self, in_shape):
        super().build(in_shape)
        del self.out_features
        return self


class WrongWidth(ConcatFusion):
    def build(self, in_shape):
        super().build(in_shape)
        self.out_features = 5
        return self


class WithoutPresent(ConcatFusion):
    def forward(self, parts):
        return super().forward(parts)


class Forgetful(Block):
    def __init__(self, width=4):
        self.width = width

    def build(self, in_shape):
        self.out_features = self.width
        return self


class SevenOutputs(Block):
    def build(self, in_shape):
        self.out_features = 7
        self.linear = nn.Linear(in_shape[0], 7)
        return self

    def forward(self, x):
        return self.linear(x)


@pytest.mark.parametrize(
    "parts, kind, words",
    [
        ({"encoders": SumFusion()}, TypeError, "encoders['a']: SumFusion cannot be"),
        ({"encoders": MLPHead()}, ValueError, "encoders['a']: MLPHead cannot be built"),
        ({"fusion": MLPEncoder()}, TypeError, "fusion: MLPEncoder cannot be built for"),
        ({"fusion": MLPHead()}, TypeError, "fusion: MLPHead cannot"),
        ({"head": SumFusion()}, TypeError, "head: SumFusion cannot be built for an"),
        ({"head": MLPEncoder()}, ValueError, "head: MLPEncoder returned (64,) for"),
        ({"fusion": WithoutWidth()}, ValueError, "fusion: WithoutWidth.build must set"),
        ({"fusion": WrongWidth()}, ValueError, "WrongWidth returned (2, 128) for 2"),
        ({"fusion": WithoutPresent()}, TypeError, "fusion: WithoutPresent cannot read"),
        ({"head": SevenOutputs()}, ValueError, "head: SevenOutputs returned (2, 7)"),
        ({"encoders": Forgetful()}, TypeError, "Forgetful.__init__ must call super()"),
        ({"fusion": Forgetful()}, TypeError, "fusion: Forgetful cannot be built"),
    ],
    ids=lambda value: None if isinstance(value, type) else str(value)[:40],
)
def test_a_part_in_the_wrong_place_is_named(parts, kind, words):
    with pytest.raises(kind, match=re.escape(words)):
        FusionClassifier(**parts, **QUICK).fit(X, y)


@pytest.mark.parametrize("role", ["encoders", "fusion", "head"])
def test_the_error_says_what_such_a_part_does(role):
    wrong = MLPHead() if role != "head" else SumFusion()
    contract = r"An? (encoder|fusion|head) has build\(.*forward\("
    with pytest.raises((TypeError, ValueError), match=contract):
        FusionClassifier(**{role: wrong}, **QUICK).fit(X, y)


def test_outputs_of_a_head_are_those_of_the_target():
    two = torch.zeros(40, 2).numpy() + X["a"][:, :2]
    FusionRegressor(head=MLPHead(()), **QUICK).fit(X, two)
    with pytest.raises(ValueError, match=r"expected a tensor of shape \(2, 2\)"):
        FusionRegressor(head=SevenOutputs(), **QUICK).fit(X, two)


class NormedFusion(ConcatFusion):
    def build(self, in_shape):
        super().build(in_shape)
        self.norm = nn.BatchNorm1d(self.out_features)
        return self

    def forward(self, parts, present=None):
        return self.norm(super().forward(parts, present))


def test_trying_a_part_changes_nothing():
    fusion = NormedFusion().build({"a": 2, "b": 3})
    head = Normed(width=3).build((5,))
    probe_fusion(fusion, {"a": 2, "b": 3})
    probe_head(head.eval(), (5, 3))
    assert fusion.training and not head.training
    assert fusion.norm.num_batches_tracked == 0 and not fusion.norm.running_mean.any()


def test_a_lazy_layer_of_a_fusion_or_head_learns_its_width():
    class Lazy(Block):
        def build(self, in_shape):
            self.out_features = in_shape[1]
            self.layer = nn.LazyLinear(self.out_features)
            return self

        def forward(self, x):
            return self.layer(x)

    shapes = {"a": (3,)}
    module = assemble(complete(None, shapes), ConcatFusion(), Lazy(), shapes, 2)
    assert module.head.layer.weight.shape == (2, 64)


def test_a_parameter_out_of_range_names_the_part():
    with pytest.raises(ValueError, match=r"^fusion: The 'dropout' parameter of Concat"):
        built(ConcatFusion(dropout=2.0), {"a": 3}, "fusion")


def test_too_little_memory_names_the_part():
    with pytest.raises(MemoryError, match=r"fusion: .*memory for HighwayFusion.*fewer"):
        built(HighwayFusion(), {"a": 10**7, "b": 10**7}, "fusion")


def test_a_bilinear_layer_too_large_is_rejected():
    with pytest.raises(
        ValueError, match=r"'b'\] with widths 2048 and 300.*max_weights.*Low"
    ):
        built(BilinearFusion(), {"a": 2048, "b": 300}, "fusion")
    built(BilinearFusion(max_weights=8), {"a": 2, "b": 2}, "fusion")
