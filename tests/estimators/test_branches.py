"""Fusions in nets side by side: what serves each, and what an error says."""

import numpy as np
import pytest

import skmm
from skmm import (
    DynamicFusionClassifier,
    FusionClassifier,
    GradientBlendingClassifier,
    ResidualFusionClassifier,
    ResidualFusionRegressor,
    nn,
)
from skmm.model_selection import compare_modalities
from tests.toys import two_tables

FAST = {"max_epochs": 2, "random_state": 0}
X, Y = two_tables(40)
THREE = X.assign(c=np.random.default_rng(5).normal(size=(40, 2)))
SEQUENCES = skmm.ModalityDict(
    {n: np.random.default_rng(i).normal(size=(40, 2, 9)) for i, n in enumerate("ab")}
)
TOKENS = nn.SequenceTokens(8)


@pytest.mark.parametrize(
    "fusion, orders",
    [
        ("bilinear", 2),
        (nn.LpNormFusion(interactions=3, width=4), 3),
        (nn.ModalityShiftFusion(), 3),
        ("no_harm", 3),
    ],
)
def test_fusions_serve_terms_of_fewer_modalities(fusion, orders):
    model = ResidualFusionClassifier(fusion=fusion, max_order=orders, **FAST)
    said = model.fit(THREE, Y).contributions(THREE, by="term")
    assert said.shape[1] == len(model.terms_) == {2: 6, 3: 7}[orders]
    assert np.isfinite(said).all()


@pytest.mark.parametrize(
    "model, message",
    [
        (
            ResidualFusionClassifier(fusion="mixture"),
            r"head=MLPHead reads a plain tensor, but fusion=MixtureFusion gives",
        ),
        (
            DynamicFusionClassifier(fusion="mixture", head=nn.MixtureHead()),
            r"head=MixtureHead reads .*'available', but fusion=ConcatFusion gives a",
        ),
        (
            ResidualFusionClassifier(fusion="bilinear"),
            r"term \('a', 'b', 'c'\): fusion: BilinearFusion .*Set max_order=2, or",
        ),
        (
            ResidualFusionRegressor(fusion=nn.ModalityShiftFusion("c")),
            r"term \('a', 'b'\): .*primary must be.*got 'c'.*max_order=1",
        ),
        (
            DynamicFusionClassifier(fusion="bilinear"),
            r"branch \('a', 'b', 'c'\): fusion: .*Leave this branch out of branches=",
        ),
        (
            DynamicFusionClassifier(
                fusion=nn.ModalityShiftFusion("c"), branches=[("a", "b"), ("a", "c")]
            ),
            r"branch \('a', 'b'\): fusion: ModalityShiftFusion .*got 'c'",
        ),
        (
            ResidualFusionClassifier(
                TOKENS, fusion=nn.TransformerFusion(6), modalities=["b"]
            ),
            r"term \('b',\): fusion: .*width must be a multiple.*Give a fusion",
        ),
    ],
)
def test_errors_name_the_net(model, message):
    data = SEQUENCES if model.encoders is TOKENS else THREE
    with pytest.raises(ValueError, match=message):
        model.set_params(**FAST).fit(data, Y)


def test_a_parameter_out_of_range_is_wrong_for_every_term():
    model = ResidualFusionClassifier(fusion=nn.LowRankTensorFusion(0))
    with pytest.raises(ValueError, match=r"^fusion: The 'rank' .* Got 0 instead\.$"):
        model.fit(THREE, Y)


def test_errors_of_encoders_are_as_they_were():
    with pytest.raises(ValueError, match=r"^encoders\['a'\]: ConvEncoder"):
        ResidualFusionClassifier(nn.ConvEncoder(), **FAST).fit(THREE, Y)


@pytest.mark.parametrize("kind", [ResidualFusionClassifier, DynamicFusionClassifier])
def test_tokens_of_one_modality_attend_to_each_other(kind):
    fusion = nn.CrossAttentionFusion(8, heads=2, dropout=0.1)
    model = kind(TOKENS, fusion=fusion, **FAST).fit(SEQUENCES, Y)
    alone = model.net_.module_.branches[0].fusion
    assert isinstance(alone, nn.SelfAttentionFusion)
    assert alone.get_params() == {"width": 8, "heads": 2, "dropout": 0.1}
    assert isinstance(model.net_.module_.branches[-1].fusion, nn.CrossAttentionFusion)


def test_one_modality_of_tokens_is_a_plain_fit():
    one = SEQUENCES.select(["b"])
    settings = {"encoders": TOKENS, "fusion": "cross_attention", **FAST}
    plain, residual = FusionClassifier(**settings), ResidualFusionClassifier(**settings)
    np.testing.assert_array_equal(
        plain.fit(one, Y).predict_proba(one), residual.fit(one, Y).predict_proba(one)
    )


@pytest.mark.parametrize(
    "kind",
    [
        FusionClassifier,
        ResidualFusionClassifier,
        DynamicFusionClassifier,
        GradientBlendingClassifier,
    ],
)
def test_modalities_are_compared_with_a_fusion_of_two(kind):
    model = kind(fusion="bilinear", **FAST)
    table = compare_modalities(model, X, Y, resampling=2, random_state=0).table
    assert table["mean"].notna().all() and len(table) == 3
