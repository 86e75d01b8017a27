"""What is true of all fusions."""

import itertools

import pytest
import torch
from sklearn.base import clone

from skmm import nn
from skmm.nn import shape_inference as probing
from tests.nn.fusion.variants import (
    NAMES,
    VARIANTS,
    Attentive,
    built,
    embeddings,
    masks,
)

every_fusion = pytest.mark.parametrize("name", VARIANTS)

# As if a masked modality had never been known; of the others a part sees zeros.
FORGETS = ["attention", "attention-3"] + [
    f"{name}{width}"
    for name in ("max", "mean", "product", "sum")
    for width in ("", "-3")
]


def test_the_table_is_complete():
    classes = {type(v.make()).__name__ for v in VARIANTS.values()}
    assert (classes - {Attentive.__name__}) | {"AttentionFusion"} == set(
        nn.fusion.__all__
    )


@every_fusion
def test_shape_and_width(name):
    variant = VARIANTS[name]
    block = variant.built()
    assert block(variant.parts()).shape == (6, block.out_features)
    assert block(variant.parts(batch=1)).shape == (1, block.out_features)


@every_fusion
def test_a_mask_of_ones_equals_no_mask(name):
    variant = VARIANTS[name]
    block, parts = variant.built(), variant.parts()
    present = torch.ones(6, len(parts), dtype=torch.bool)
    torch.testing.assert_close(block(parts, present), block(parts))


SIZES = {  # parameters that are numbers of units, and values that are none
    "hidden": [(0,), (8, -1), (2.5,)],
    **dict.fromkeys(["width", "rank", "layers", "heads"], (0, -1, 2.5)),
}


@pytest.mark.parametrize("fusion", nn.fusion.__all__)
def test_invalid_sizes_raise(fusion):
    template = getattr(nn, fusion)()
    for name in template.get_params().keys() & SIZES:
        for value in SIZES[name]:
            bad = clone(template).set_params(**{name: value})
            with pytest.raises(ValueError, match=r"^fusion: ") as caught:
                probing.built(bad, {"a": 4, "b": 4}, "fusion")
            assert fusion in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("fusion", [nn.ExpertFusion(()), nn.HierarchicalFusion(())])
def test_fusions_that_need_a_layer(fusion):
    with pytest.raises(ValueError, match="hidden must have at least one width"):
        fusion.build({"a": 4, "b": 4})


@pytest.mark.parametrize("name", FORGETS)
def test_missing_is_absent(name):
    """A masked modality acts as if the fusion had never known it."""
    block, parts = VARIANTS[name].built(), embeddings()
    fused, state = block(parts, masks()), block.state_dict()
    for row, present in enumerate(masks()):
        there = [n for n, is_there in zip(NAMES, present, strict=True) if is_there]
        fewer = built(VARIANTS[name].make, there)
        fewer.load_state_dict({k: state[k] for k in fewer.state_dict()})
        alone = fewer({n: parts[n][[row]] for n in there})
        torch.testing.assert_close(fused[[row]], alone)


@every_fusion
def test_what_is_masked_has_no_influence(name):
    variant = VARIANTS[name]
    block, parts, present = variant.built(), variant.parts(), variant.masks()
    for modality, mask in zip(variant.names, present.unbind(1), strict=True):
        other = {n: p.clone() for n, p in parts.items()}
        other[modality][~mask] = 1e6
        torch.testing.assert_close(block(other, present), block(parts, present))


@every_fusion
def test_what_is_masked_gets_no_gradient(name):
    variant = VARIANTS[name]
    block, present = variant.built(), variant.masks()
    parts = {n: p.requires_grad_() for n, p in variant.parts().items()}
    block(parts, present).square().sum().backward()
    for modality, mask in zip(variant.names, present.unbind(1), strict=True):
        assert not parts[modality].grad[~mask].any()
        assert parts[modality].grad[mask].any()


@every_fusion
def test_what_is_missing_may_be_anything(name):
    variant = VARIANTS[name]
    parts, present = variant.parts(), variant.masks()
    wrong = {
        n: torch.where(there[:, None], parts[n], torch.nan).requires_grad_()
        for n, there in zip(variant.names, present.unbind(1), strict=True)
    }
    block = variant.built()
    fused = block(wrong, present)
    torch.testing.assert_close(fused, block(parts, present))
    fused.square().sum().backward()
    assert all(torch.isfinite(part.grad).all() for part in wrong.values())
    weights = [weight for weight in block.parameters() if weight.grad is not None]
    assert all(torch.isfinite(weight.grad).all() for weight in weights)


@every_fusion
def test_the_order_of_the_dict_does_not_matter(name):
    variant = VARIANTS[name]
    block, parts, present = variant.built(), variant.parts(), variant.masks()
    for order in itertools.permutations(variant.names):
        turned = {modality: parts[modality] for modality in order}
        assert torch.equal(block(turned, present), block(parts, present))


@every_fusion
def test_samples_are_independent(name):
    variant = VARIANTS[name]
    block, parts, present = variant.built(), variant.parts(), variant.masks()
    some = {n: p[2:4] for n, p in parts.items()}
    torch.testing.assert_close(block(parts, present)[2:4], block(some, present[2:4]))


@every_fusion
def test_a_sample_without_modalities_is_finite(name):
    variant = VARIANTS[name]
    block = variant.built()
    nothing = torch.zeros(6, len(variant.names), dtype=torch.bool)
    parts = {n: p.requires_grad_() for n, p in variant.parts().items()}
    fused = block(parts, nothing)
    assert torch.isfinite(fused).all()
    torch.testing.assert_close(fused, fused[:1].expand_as(fused))
    fused.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in parts.values())


@every_fusion
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(name, masked):
    variant = VARIANTS[name]
    block, present = variant.built(), variant.masks(3) if masked else None

    def fuse(*columns):
        return block(dict(zip(variant.names, columns, strict=True)), present)

    columns = [p.requires_grad_() for p in variant.parts(batch=3).values()]
    assert torch.autograd.gradcheck(fuse, columns)
