"""Bilinear and tensor fusions: their formulas, and what they are limits of."""

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from skmm import FusionClassifier
from skmm.nn import (
    BilinearFusion,
    ConcatFusion,
    LowRankTensorFusion,
    MeanFusion,
    ProductFusion,
    SumFusion,
    TensorFusion,
)
from tests.nn.fusion.variants import embeddings, masks

PAIR = {"a": 3, "b": 2}


def pair(batch=5):
    generator = torch.Generator().manual_seed(0)
    return {
        n: torch.randn(batch, d, generator=generator, dtype=torch.float64)
        for n, d in PAIR.items()
    }


def bilinear(*args, **kwargs):
    torch.manual_seed(0)
    return BilinearFusion(*args, **kwargs).build(PAIR).double()


def test_full_is_its_formula():
    block, parts = bilinear(width=4), pair()
    a, b = parts.values()
    expected = torch.einsum("ni,kij,nj->nk", a, block.product.weight, b)
    expected = expected + a @ block.first.weight.T + b @ block.second.weight.T
    torch.testing.assert_close(block(parts), expected + block.product.bias)


def test_full_is_linear_in_the_kronecker_product_with_ones():
    block, parts = bilinear(width=4), pair()
    one = torch.ones(5, 1, dtype=torch.float64)
    a, b = (torch.cat([one, part], 1) for part in parts.values())
    products = torch.stack([torch.kron(x, y) for x, y in zip(a, b, strict=True)])
    weight = torch.zeros(4, 4, 3, dtype=torch.float64)
    weight[:, 1:, 1:] = block.product.weight
    weight[:, 1:, 0], weight[:, 0, 1:] = block.first.weight, block.second.weight
    weight[:, 0, 0] = block.product.bias
    torch.testing.assert_close(block(parts), products @ weight.flatten(1).T)


@pytest.mark.parametrize("form", ["full", "vector", "scalar"])
def test_without_products_it_adds(form):
    block, parts = bilinear(form), pair()
    product = block.product if form == "full" else block.scale
    product.weight.data.zero_()
    nothing = {n: torch.zeros_like(p) for n, p in parts.items()}
    alone = [block({**nothing, n: parts[n]}) for n in parts]
    torch.testing.assert_close(block(parts), sum(alone) - block(nothing))


@pytest.mark.parametrize("form", ["full", "vector", "scalar"])
def test_products_alone_are_bilinear(form):
    block, parts = bilinear(form), pair()
    for name, weight in block.named_parameters():
        if name not in ("product.weight", "scale.weight"):
            weight.data.zero_()
    for name in parts:
        scaled = block({**parts, name: 3 * parts[name]})
        torch.testing.assert_close(scaled, 3 * block(parts))
    assert block(parts).abs().max() > 0.01


def test_vector_and_scalar_scale_and_shift_the_second():
    parts = pair()
    a, b = parts.values()
    for form in ("vector", "scalar"):
        block = bilinear(form)
        expected = block.scale(a) * b + block.shift(a)
        torch.testing.assert_close(block(parts), expected)
        assert block.scale.out_features == (2 if form == "vector" else 1)
        assert block.out_features == 2


def test_roles_of_two_may_be_swapped():
    """With weights transposed, the second modality may come first."""
    block, parts = bilinear(width=4), pair()
    swapped = BilinearFusion(width=4).build({"b": 2, "a": 3}).double()
    swapped.product.weight.data = block.product.weight.transpose(1, 2)
    swapped.product.bias.data = block.product.bias
    swapped.first.weight.data = block.second.weight
    swapped.second.weight.data = block.first.weight
    torch.testing.assert_close(swapped(parts), block(parts))


def test_bilinear_needs_two_modalities():
    with pytest.raises(
        ValueError, match=r"exactly two modalities; got \['a', 'b', 'c'\]"
    ):
        BilinearFusion().build({"a": 2, "b": 2, "c": 2})
    with pytest.raises(ValueError, match="only used when form='full'; got width=3"):
        BilinearFusion("vector", width=3).build(PAIR)


def test_tensor_holds_every_product():
    parts = {"a": torch.tensor([[2.0]]), "b": torch.tensor([[3.0]])}
    found = TensorFusion().build({"a": 1, "b": 1})(parts)
    assert found.tolist() == [[1.0, 3.0, 2.0, 6.0]]
    assert TensorFusion().build(dict.fromkeys("abc", 4)).out_features == 125


def test_tensor_is_the_kronecker_product():
    parts = embeddings(names="abc")
    found = TensorFusion().build(dict.fromkeys("abc", 4)).double()(parts)
    for row in range(3):
        factors = [np.r_[1.0, part[row].numpy()] for part in parts.values()]
        expected = np.kron(np.kron(factors[0], factors[1]), factors[2])
        np.testing.assert_allclose(found[row].numpy(), expected)


def test_the_order_of_the_modalities_permutes_the_axes():
    parts = embeddings(names="abc")
    found = TensorFusion().build(dict.fromkeys("abc", 4)).double()(parts)
    turned = TensorFusion().build(dict.fromkeys("cab", 4)).double()(parts)
    cube = turned.unflatten(1, (5, 5, 5)).permute(0, 2, 3, 1)
    torch.testing.assert_close(found, cube.flatten(1))


def test_without_a_modality_its_products_vanish():
    parts, present = embeddings(), masks()
    block = TensorFusion().build(dict.fromkeys(parts, 4)).double()
    cube = block(parts, present).unflatten(1, (5, 5, 5))
    others = block(parts).unflatten(1, (5, 5, 5))
    assert (cube[1, :, 1:] == 0).all()  # the row lacks the second
    torch.testing.assert_close(cube[1, :, 0], others[1, :, 0])


def test_a_tensor_that_is_too_large_states_its_size():
    with pytest.raises(ValueError, match=r"274,625 wide.*width=8.*LowRankTensor"):
        TensorFusion(width=None).build(dict.fromkeys("abc", 64))
    with pytest.raises(ValueError, match=r"524,288 wide.*LowRankTensor"):
        TensorFusion().build({f"m{i}": 64 for i in range(19)})
    small = TensorFusion(width=8).build(dict.fromkeys("abc", 64))
    assert small.out_features == 9**3


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ((64, 64), (64, 64)),
        ((128, 128), (128, 128)),
        ((64, 64, 3), (64, 64, 3)),
        ((64, 64, 64), (26, 26, 26)),
        ((64, 5, 1000), (56, 5, 56)),
        ((64,) * 4, (10,) * 4),
        ((64,) * 15, (1,) * 15),
        ((30_000,), (19_999,)),
    ],
)
def test_a_width_is_chosen_where_the_tensor_would_be_large(given, kept):
    """The largest to which wide embeddings can be cut; what fits stays as it is."""
    block = TensorFusion().build({f"m{i}": d for i, d in enumerate(given)})
    widths = [getattr(map_, "out_features", None) for _, map_ in block.maps.items()]
    cut = [None if d == k else k for d, k in zip(given, kept, strict=True)]
    assert widths == cut
    assert block.out_features == math.prod(k + 1 for k in kept)
    if max(kept) > 1:
        wider = [min(d, max(kept) + 1) for d in given]
        assert list(given) == wider or math.prod(k + 1 for k in wider) > 20_000
        assert block.out_features <= 20_000


def test_a_smaller_bound_is_kept():
    block = TensorFusion(max_features=100).build({"a": 64, "b": 64})
    assert block.out_features == 10**2
    assert TensorFusion(width=4).build({"a": 4}).maps["a"].out_features == 4


def test_a_head_on_the_units_of_one_modality_is_additive():
    """Products of zero weight leave a sum of one linear map per modality."""
    parts = {
        n: p[:, :d] for (n, p), d in zip(embeddings(names="abc").items(), (2, 3, 4))
    }
    widths = {n: p.shape[1] for n, p in parts.items()}
    products = TensorFusion().build(widths)(parts).numpy()
    rng = np.random.default_rng(0)
    own = {n: rng.normal(size=d) for n, d in widths.items()}
    weight = np.zeros([d + 1 for d in widths.values()])
    weight[0, 0, 0] = 0.7
    weight[1:, 0, 0], weight[0, 1:, 0], weight[0, 0, 1:] = own.values()
    added = 0.7 + sum(parts[n].numpy() @ own[n] for n in parts)
    np.testing.assert_allclose(products @ weight.ravel(), added)


def test_dropout_acts_on_the_products_in_training():
    block, parts = TensorFusion(dropout=0.25), embeddings(200, names="abc")
    whole = block.build(dict.fromkeys("abc", 4)).eval()(parts)
    torch.manual_seed(0)
    found = block.train()(parts)
    kept = found != 0
    torch.testing.assert_close(found[kept], whole[kept] / 0.75)
    assert kept.double().mean().item() == pytest.approx(0.75, abs=0.02)


def explained(fusion, names="ab"):
    """R2 of a least-squares fit of a product of two on what a fusion gives."""
    rng = np.random.default_rng(0)
    parts = {n: torch.tensor(rng.normal(size=(3000, 1))) for n in names}
    fused = fusion.build(dict.fromkeys(names, 1)).double()(parts).detach().numpy()
    y = (parts["a"] * parts["b"]).numpy()[:, 0]
    return LinearRegression().fit(fused, y).score(fused, y)


@pytest.mark.parametrize("fusion", [ConcatFusion(), SumFusion(width=3), MeanFusion()])
def test_sums_explain_nothing_of_a_product(fusion):
    assert explained(fusion) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("fusion", [ProductFusion(), TensorFusion()])
def test_products_explain_all_of_a_product(fusion):
    assert explained(fusion) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "fusion", [BilinearFusion(width=4), LowRankTensorFusion(width=8)]
)
def test_maps_of_products_do_too(fusion):
    """Drawn weights span the four products of [1, a] and [1, b]."""
    torch.manual_seed(0)
    assert explained(fusion) == pytest.approx(1.0)


def test_three_default_encoders_fit():
    rng = np.random.default_rng(0)
    X = {name: rng.normal(size=(40, 2)) for name in "abc"}
    y = X["a"][:, 0] > 0
    model = FusionClassifier(fusion="tensor", max_epochs=1, random_state=0).fit(X, y)
    assert model.transform(X).shape == (40, 27**3)


def low_rank(rank=4, width=3, names="abc"):
    torch.manual_seed(1)
    template = LowRankTensorFusion(rank, width=width)
    block = template.build(dict.fromkeys(names, 4)).double()
    block.bias.data = torch.linspace(1, 2, block.out_features).double()
    return block


def whole(block):
    """Weight (width, products) of the linear layer that a low-rank one is."""
    total = 0.0
    for r in range(block.rank):
        product = torch.ones(1, block.out_features).double()
        for _, factor in block.factors.items():
            product = (product[:, None] * factor.weight[r][None]).flatten(0, 1)
        total = total + block.weights[r] * product
    return total.T


@pytest.mark.parametrize("rank", [1, 4])
def test_low_rank_is_a_layer_on_the_whole_tensor(rank):
    block, parts = low_rank(rank), embeddings(names="abc")
    tensor = TensorFusion().build(dict.fromkeys("abc", 4)).double()(parts)
    expected = tensor @ whole(block).T + block.bias
    torch.testing.assert_close(block(parts), expected, atol=1e-6, rtol=0)


def test_low_rank_registers_its_factors():
    block = low_rank()
    assert len(list(block.parameters())) == 3 + 2
    assert sum(p.numel() for p in block.parameters()) == 187
    assert all(p.requires_grad for p in block.parameters())


def test_low_rank_is_linear_in_each_factor():
    parts = embeddings(names="abc")
    for name in "abc":
        block = low_rank()
        before = block(parts) - block.bias
        block.factors[name].weight.data *= 2
        torch.testing.assert_close(block(parts) - block.bias, 2 * before)


def test_the_order_of_the_ranks_does_not_matter():
    block, parts = low_rank(), embeddings(names="abc")
    before, order = block(parts), torch.tensor([2, 0, 3, 1])
    block.weights.data = block.weights[order]
    for _, factor in block.factors.items():
        factor.weight.data = factor.weight[order]
    torch.testing.assert_close(block(parts), before)


@pytest.mark.parametrize("rank", [0, -1, 1.5])
def test_a_rank_is_a_positive_integer(rank):
    X = {name: np.zeros((8, 3)) for name in "ab"}
    model = FusionClassifier(fusion=LowRankTensorFusion(rank))
    with pytest.raises(ValueError, match="'rank' parameter of LowRankTensorFusion"):
        model.fit(X, [0, 1] * 4)


def test_products_of_binary_inputs():
    block = TensorFusion().build({"a": 1, "b": 1})
    for a, b in itertools.product([-1.0, 1.0], repeat=2):
        found = block({"a": torch.tensor([[a]]), "b": torch.tensor([[b]])})
        assert found[0, 3] == a * b
