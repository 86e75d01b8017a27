import pytest
import torch

from skmm.nn import (
    ConcatFusion,
    MaxFusion,
    MeanFusion,
    MLPHead,
    ProductFusion,
    SumFusion,
)
from skmm.nn.fusion import basic
from skmm.nn.fusion.basic import EqualWidthFusion, equal_widths
from tests.nn.fusion.variants import NAMES, built, embeddings, masks

# What a row without any modality gives, per fusion.
NOTHING = {
    ConcatFusion: 0.0,
    SumFusion: 0.0,
    MeanFusion: 0.0,
    ProductFusion: 1.0,
    MaxFusion: 0.0,
}


EQUAL_WIDTH = [SumFusion, MeanFusion, ProductFusion, MaxFusion]


def test_the_table_is_complete():
    assert {cls.__name__ for cls in NOTHING} == set(basic.__all__)


def test_concat_puts_zeros():
    parts = embeddings()
    fused = built(ConcatFusion)(parts, masks())
    zeroed = [parts[n] * masks()[:, [i]] for i, n in enumerate(NAMES)]
    torch.testing.assert_close(fused, torch.cat(zeroed, 1))


@pytest.mark.parametrize("cls, value", NOTHING.items())
def test_a_sample_without_modalities_has_the_neutral_value(cls, value):
    fused = built(cls)(embeddings(), torch.zeros(6, 3, dtype=torch.bool))
    assert (fused == value).all()


@pytest.mark.parametrize("cls", EQUAL_WIDTH)
def test_one_modality_passes_through(cls):
    parts = embeddings(names=["image"])
    torch.testing.assert_close(built(cls, ["image"])(parts), parts["image"])


@pytest.mark.parametrize("cls", EQUAL_WIDTH)
def test_the_order_of_the_modalities_does_not_matter(cls):
    parts = embeddings()
    turned = built(cls, NAMES[::-1])(parts, masks().flip(1))
    torch.testing.assert_close(turned, built(cls)(parts, masks()))


@pytest.mark.parametrize("cls", EQUAL_WIDTH)
def test_width_adds_one_linear_per_modality(cls):
    widths = {"a": 2, "b": 5}
    block = cls(width=3).build(widths)
    count = sum(p.numel() for p in block.parameters())
    assert count == sum((d + 1) * 3 for d in widths.values())
    assert block.out_features == 3
    assert list(cls().build({"a": 2, "b": 2}).parameters()) == []


@pytest.mark.parametrize("cls", EQUAL_WIDTH)
def test_unequal_widths_raise(cls):
    expected = rf"{cls.__name__} needs .* equal width.*'a': 2, 'b': 5.*width="
    with pytest.raises(ValueError, match=expected):
        cls().build({"a": 2, "b": 5})


def test_identities_between_the_fusions():
    parts = embeddings()
    mean, total = built(MeanFusion)(parts), built(SumFusion)(parts)
    torch.testing.assert_close(mean * 3, total)
    exponents = {n: p.exp() for n, p in parts.items()}
    torch.testing.assert_close(built(ProductFusion)(exponents).log(), total)
    assert (built(MaxFusion)(parts) >= mean).all()


def test_a_factor_of_one_leaves_the_other():
    parts = embeddings(names=["a", "b"])
    ones = {"a": parts["a"], "b": torch.ones_like(parts["b"])}
    torch.testing.assert_close(built(ProductFusion, ["a", "b"])(ones), parts["a"])


def test_concat_and_a_linear_head_add_up():
    """Concatenation with a linear head is a sum of linear maps, one per modality."""
    widths = {"a": 2, "b": 3}
    parts = {n: torch.randn(6, d).double() for n, d in widths.items()}
    fuse = ConcatFusion().build(widths).double()
    head = MLPHead(()).build((5, 2)).double()
    weight_a, weight_b = head.predict.weight.split([2, 3], dim=1)
    added = parts["a"] @ weight_a.T + parts["b"] @ weight_b.T + head.predict.bias
    torch.testing.assert_close(head(fuse(parts)), added)


def test_equal_widths_needs_no_names_that_modules_forbid():
    maps, width = equal_widths(SumFusion(), {"a.b": 2, "keys": 3}, width=4)
    assert width == 4 and list(maps) == ["a.b", "keys"]


def test_the_base_class_raises():
    block = EqualWidthFusion().build({"a": 2})
    with pytest.raises(TypeError, match="must define merge"):
        block({"a": torch.zeros(1, 2)})
