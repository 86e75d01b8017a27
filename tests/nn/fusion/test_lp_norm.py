"""LpNormFusion: weights in closed form, solvers that agree, degree inflation."""

import math

import numpy as np
import pytest
import torch

import skmm
from skmm import FusionClassifier, FusionRegressor
from skmm.model_selection import compare_modalities
from skmm.nn import (
    Flatten,
    LpNormFusion,
    LpNormHead,
    MLPHead,
    ModalityShiftFusion,
    NoHarmFusion,
    SumFusion,
)
from skmm.nn.modality_weights import (
    profile_penalty,
)
from tests.nn.fusion.variants import built, embeddings, masks

NORMS = torch.tensor([3.0, 1.0], dtype=torch.float64)
EXPONENTS = [1, 1.5, 2, 4, math.inf]


def head(solver="profile", p=1.0):
    made = LpNormHead(("a", "b"), (2, 1), p=p, solver=solver).build((3, 2)).double()
    made.predict.weight.data = torch.tensor([[3.0, 0, 0], [0, 0, 1]]).double()
    return made


def test_shares_are_relative_variances():
    """What a block always says is no share, however large."""
    made, rng = head(), np.random.default_rng(0)
    x = rng.normal(size=(50, 3)) * [1.0, 1.0, 2.0] + [0.0, 0.0, 100.0]
    made.predict.weight.data = torch.tensor(rng.normal(size=(2, 3)))
    made.train()(torch.tensor(x))
    weight = made.predict.weight.detach().numpy()
    said = [x[:, :2] @ weight[:, :2].T, x[:, 2:] @ weight[:, 2:].T]
    variances = np.array([block.var(0).sum() for block in said])
    shares = list(made.variance_shares().values())
    np.testing.assert_allclose(shares, variances / variances.sum())
    made(torch.full((4, 3), 7.0, dtype=torch.float64))  # says nothing new
    np.testing.assert_allclose(list(made.variance_shares().values()), shares)


@pytest.mark.parametrize("solver", ["alternating", "projected"])
def test_weights_are_updated_only_in_training(solver):
    made = head(solver)
    before = made.weights.clone()
    made.eval().penalty()
    assert torch.equal(made.weights, before)
    made.train().penalty()
    assert not torch.equal(made.weights, before)


@pytest.mark.parametrize("p", EXPONENTS)
def test_alternating_has_the_gradient_of_the_profile(p):
    slopes = {}
    for solver in ("profile", "alternating"):
        made = head(solver, p)
        penalty = made.penalty()
        assert penalty.item() == pytest.approx(0.01 * profile_penalty(NORMS, p).item())
        penalty.backward()
        slopes[solver] = made.predict.weight.grad
    torch.testing.assert_close(slopes["alternating"], slopes["profile"])


def test_square_roots_of_weights_may_multiply_the_blocks():
    """Sums of blocks times the root of their weight are the same predictor."""
    made, x = head(), torch.randn(5, 3, dtype=torch.float64)
    weights = torch.tensor(list(made.modality_weights().values())).double()
    roots = torch.cat([weights[:1], weights]).sqrt()
    front = x * roots @ (made.predict.weight / roots).T + made.predict.bias
    torch.testing.assert_close(front, made(x))
    ridge = (made.predict.weight / roots).square().sum()
    assert ridge.item() == pytest.approx(profile_penalty(NORMS, 1).item())


def test_the_penalty_of_zero_norms_has_a_gradient():
    made = LpNormHead(("a", "b"), (2, 1)).build((3, 1))
    made.predict.weight.data.zero_()
    made.penalty().backward()
    assert torch.isfinite(made.predict.weight.grad).all()
    assert made.modality_weights() == {"a": 0.0, "b": 0.0}


def test_blocks_are_kronecker_products():
    block, parts = (
        built(lambda: LpNormFusion(interactions=3, normalize=False), "abc"),
        embeddings(names="abc"),
    )
    found = block(parts)[0].numpy()
    a, b, c = (part[0].numpy() for part in parts.values())
    pairs = [np.kron(a, b), np.kron(a, c), np.kron(b, c)]
    expected = np.concatenate([a, b, c, *pairs, np.kron(np.kron(a, b), c)])
    np.testing.assert_allclose(found, expected)
    names = block.own_head().names
    assert names == ("a", "b", "c", "a x b", "a x c", "b x c", "a x b x c")


def test_interactions_are_limited_to_the_number_of_modalities():
    parts = embeddings(names="ab")
    two, three = (
        built(lambda k=k: LpNormFusion(interactions=k), "ab")(parts) for k in (2, 3)
    )
    torch.testing.assert_close(two, three, rtol=0, atol=0)


def test_missing_modalities_have_no_blocks():
    block = built(lambda: LpNormFusion(interactions=2), "abc")
    parts = embeddings(names="abc")
    found = block.train()(parts, masks(names="abc"))
    found = dict(zip(block.own_head().names, found.split(block.sizes, 1), strict=True))
    for name, values in found.items():
        members = ["abc".index(letter) for letter in name.split(" x ")]
        there = masks(names="abc")[:, members].all(1)
        assert (values[~there] == 0).all()
        assert (values[there] != 0).any()


def inflated(n=800, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, 4)).astype(np.float32)
    b = (3 + 0.01 * rng.normal(size=(n, 4))).astype(np.float32)
    return skmm.ModalityDict(a=a, b=b), a.sum(1) > 0


def fitted(X, y, **settings):
    fusion = LpNormFusion(**{"strength": 0.02, "interactions": 2, **settings})
    return FusionClassifier(
        Flatten(), fusion=fusion, lr=0.01, max_epochs=60, random_state=0
    ).fit(X, y)


def test_normalisation_prevents_degree_inflation():
    X, y = inflated()
    raw = fitted(X, y, normalize=False).modality_weights_["weight"]
    assert raw["a x b"] > 0.9
    model = fitted(X, y)
    weights = model.modality_weights_["weight"]
    assert weights["a"] > 0.8 and weights["a x b"] < 0.1
    assert model.score(X, y) > 0.95


def test_interactions_keep_their_weight():
    rng = np.random.default_rng(0)
    X = skmm.ModalityDict(a=rng.normal(size=(800, 4)), b=rng.normal(size=(800, 4)))
    table = fitted(X, X["a"][:, 0] * X["b"][:, 0] > 0).modality_weights_
    assert table["weight"]["a x b"] > 0.9
    assert table["variance_share"]["a x b"] > 0.8
    assert table["variance_share"].sum() == pytest.approx(1)


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_solvers_agree(p):
    rng = np.random.default_rng(0)
    X = {name: rng.normal(size=(300, 3)) for name in "ab"}
    y = 2 * X["a"][:, 0] + X["b"][:, 1] + rng.normal(size=300)
    found = {}
    for solver in ("profile", "alternating", "projected"):
        fusion = LpNormFusion(p, 0.1, solver=solver)
        model = FusionRegressor(
            Flatten(), fusion=fusion, lr=0.01, batch_size=300, max_epochs=400,
            random_state=0,
        ).fit(X, y)  # fmt: skip
        found[solver] = model.modality_weights_["weight"].to_numpy()
    np.testing.assert_allclose(found["alternating"], found["profile"], atol=1e-4)
    np.testing.assert_allclose(found["projected"], found["profile"], atol=0.02)


def test_weights_are_exempt_from_decay():
    X, y = inflated(60)
    model = fitted(X, y)
    weights = [
        FusionClassifier(
            Flatten(), fusion=LpNormFusion(), weight_decay=decay, max_epochs=2,
            random_state=0,
        ).fit(X, y).modality_weights_["weight"].to_numpy()
        for decay in (0.0, 0.5)
    ]  # fmt: skip
    np.testing.assert_array_equal(*weights)
    assert model.modality_weights_.index.name == "block"


def test_the_head_belongs_to_the_fusion():
    X, y = inflated(40)
    with pytest.raises(ValueError, match=r"head must be None .* LpNormHead"):
        FusionClassifier(fusion=LpNormFusion(), head=MLPHead()).fit(X, y)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"interactions": 2, "max_features": 20}, "24 wide.*max_features=20.*width=8"),
        ({"p": 0.5}, "'p' parameter of LpNormFusion"),
        ({"solver": "newton"}, "'solver' parameter of LpNormFusion"),
    ],
)
def test_invalid_input_raises(params, match):
    X, y = inflated(40)
    with pytest.raises(ValueError, match=match):
        FusionClassifier(Flatten(), fusion=LpNormFusion(**params)).fit(X, y)


def test_other_fusions_with_modality_weights():
    X, y = inflated(60)
    model = FusionClassifier(fusion=NoHarmFusion(0.25), max_epochs=1).fit(X, y)
    assert model.modality_weights_["weight"].to_dict() == {"a": 0.75, "b": 0.25}
    model = FusionClassifier(fusion=SumFusion(), max_epochs=1).fit(X, y)
    with pytest.raises(AttributeError, match="SumFusion does not learn weights"):
        model.modality_weights_
    assert not hasattr(FusionClassifier(), "modality_weights_")


def test_a_saved_model_keeps_its_weights(tmp_path):
    X, y = inflated(60)
    model = fitted(X, y)
    model.save(tmp_path / "model.safetensors")
    again = skmm.load(tmp_path / "model.safetensors")
    assert again.modality_weights_.equals(model.modality_weights_)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    "fusion",
    [
        "bilinear",
        "cross_attention",
        ModalityShiftFusion("b"),
        LpNormFusion(interactions=2),
    ],
)
def test_fusions_of_two_modalities_with_one_left(fusion):
    X, y = inflated(60)
    model = FusionClassifier(fusion=fusion, max_epochs=2, random_state=0)
    table = compare_modalities(model, X, y, resampling=2, random_state=0).table
    assert table["mean"].notna().all() and len(table) == 3


def test_batches_of_one_sample():
    X, y = inflated(9)
    model = FusionClassifier(fusion=LpNormFusion(), batch_size=1, max_epochs=2)
    assert np.isfinite(model.fit(X, y).predict_proba(X)).all()


def test_names_shared_by_two_blocks_raise():
    widths = {"a": 2, "b": 2, "a x b": 2}
    LpNormFusion().build(widths)
    with pytest.raises(ValueError, match=r"blocks: .*'a x b'.*is ambiguous"):
        LpNormFusion(interactions=2).build(widths)
