import itertools

import pytest
import torch

from skmm.nn import (
    AttentionFusion,
    ConcatFusion,
    MaxFusion,
    MeanFusion,
    MLPHead,
    ProductFusion,
    SumFusion,
)
from skmm.nn.fusion import basic
from skmm.nn.fusion.basic import EqualWidthFusion, equal_widths

NAMES = ["image", "table", "text.en"]
WIDTH = 4

# What a row without any modality gives, per fusion.
NOTHING = {
    ConcatFusion: 0.0,
    SumFusion: 0.0,
    MeanFusion: 0.0,
    ProductFusion: 1.0,
    MaxFusion: 0.0,
}


class Attentive(AttentionFusion):
    """With scores that are not zero."""

    def _score(self):
        score = super()._score()
        torch.nn.init.normal_(score.weight)
        torch.nn.init.normal_(score.bias)
        return score


EQUAL_WIDTH = [SumFusion, MeanFusion, ProductFusion, MaxFusion]
VARIANTS = [
    *NOTHING,
    lambda: ConcatFusion((6,), activation="tanh"),
    Attentive,
    lambda: Attentive(width=3),
    *(lambda cls=cls: cls(width=3) for cls in EQUAL_WIDTH),
]
IDS = [
    *(c.__name__ for c in NOTHING),
    "concat-mlp",
    "attention",
    "attention-3",
    *(f"{c.__name__}-3" for c in EQUAL_WIDTH),
]

every_fusion = pytest.mark.parametrize("make", VARIANTS, ids=IDS)


def embeddings(batch=6, names=NAMES, width=WIDTH):
    generator = torch.Generator().manual_seed(0)
    return {
        n: torch.randn(batch, width, generator=generator, dtype=torch.float64)
        for n in names
    }


def built(make, names=NAMES, width=WIDTH):
    torch.manual_seed(0)
    return make().build(dict.fromkeys(names, width)).double()


def without(block, make, names):
    """The same fusion, with the same weights, built for fewer modalities."""
    fewer = built(make, names)
    if not isinstance(block, ConcatFusion):
        state = block.state_dict()
        fewer.load_state_dict({k: state[k] for k in fewer.state_dict()})
        return fewer
    keep = [i for i, n in enumerate(NAMES) for _ in range(WIDTH) if n in names]
    columns = [i for i in range(len(NAMES) * WIDTH) if NAMES[i // WIDTH] in names]
    assert len(keep) == len(columns)
    for new, old in zip(fewer.parameters(), block.parameters(), strict=True):
        new.data = old.data[:, columns] if old.ndim == 2 else old.data
    return fewer


def masks(batch=6):
    return torch.tensor(
        [[1, 1, 1], [1, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 1]][:batch]
    ).bool()


def test_the_table_is_complete():
    assert {cls.__name__ for cls in NOTHING} == set(basic.__all__)


@every_fusion
def test_shape_and_width(make):
    block = built(make)
    assert block(embeddings()).shape == (6, block.out_features)
    assert block(embeddings(batch=1)).shape == (1, block.out_features)


@every_fusion
def test_all_present_is_no_mask(make):
    block = built(make)
    present = torch.ones(6, 3, dtype=torch.bool)
    torch.testing.assert_close(block(embeddings(), present), block(embeddings()))


@every_fusion
def test_missing_is_absent(make):
    """A masked modality acts as if the fusion had never known it."""
    if make is ConcatFusion:
        return _assert_concat_puts_zeros()
    block, parts = built(make), embeddings()
    fused = block(parts, masks())
    for row, present in enumerate(masks()):
        names = [n for n, there in zip(NAMES, present, strict=True) if there]
        alone = without(block, make, names)({n: parts[n][[row]] for n in names})
        torch.testing.assert_close(fused[[row]], alone)


def _assert_concat_puts_zeros():
    parts = embeddings()
    fused = built(ConcatFusion)(parts, masks())
    zeroed = [parts[n] * masks()[:, [i]] for i, n in enumerate(NAMES)]
    torch.testing.assert_close(fused, torch.cat(zeroed, 1))


@every_fusion
def test_what_is_masked_has_no_influence(make):
    block, parts, present = built(make), embeddings(), masks()
    for name, mask in zip(NAMES, present.unbind(1), strict=True):
        other = {n: p.clone() for n, p in parts.items()}
        other[name][~mask] = 1e6
        torch.testing.assert_close(block(other, present), block(parts, present))


@every_fusion
def test_what_is_masked_gets_no_gradient(make):
    block, present = built(make), masks()
    parts = {n: p.requires_grad_() for n, p in embeddings().items()}
    block(parts, present).square().sum().backward()
    for name, mask in zip(NAMES, present.unbind(1), strict=True):
        assert not parts[name].grad[~mask].any()
        assert parts[name].grad[mask].any()


@every_fusion
def test_the_order_of_the_dict_does_not_matter(make):
    block, parts = built(make), embeddings()
    for order in itertools.permutations(NAMES):
        turned = {name: parts[name] for name in order}
        assert torch.equal(block(turned, masks()), block(parts, masks()))


@every_fusion
def test_rows_do_not_see_each_other(make):
    block, parts = built(make), embeddings()
    some = {n: p[2:4] for n, p in parts.items()}
    fused = block(parts, masks())[2:4]
    torch.testing.assert_close(fused, block(some, masks()[2:4]))


@every_fusion
def test_a_row_without_any_modality_is_finite(make):
    block, nothing = built(make), torch.zeros(6, 3, dtype=torch.bool)
    parts = {n: p.requires_grad_() for n, p in embeddings().items()}
    fused = block(parts, nothing)
    assert torch.isfinite(fused).all() and (fused == fused[0]).all()
    fused.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in parts.values())


@pytest.mark.parametrize("cls, value", NOTHING.items())
def test_a_row_without_any_modality_has_the_neutral_value(cls, value):
    fused = built(cls)(embeddings(), torch.zeros(6, 3, dtype=torch.bool))
    assert (fused == value).all()


@every_fusion
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(make, masked):
    block, present = built(make), masks(3) if masked else None

    def fuse(*columns):
        return block(dict(zip(NAMES, columns, strict=True)), present)

    columns = [p.requires_grad_() for p in embeddings(batch=3).values()]
    assert torch.autograd.gradcheck(fuse, columns)


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
def test_unequal_widths_are_named(cls):
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


def test_the_base_says_what_to_define():
    block = EqualWidthFusion().build({"a": 2})
    with pytest.raises(TypeError, match="must define merge"):
        block({"a": torch.zeros(1, 2)})
