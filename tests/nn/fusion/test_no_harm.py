import itertools
import re

import pytest
import torch
from sklearn import clone
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss, softplus

from skmm import FusionClassifier, ModalityDict, load, restrict
from skmm.nn import Flatten, MeanFusion, MLPEncoder, MLPHead, NoHarmFusion
from skmm.nn.assemble import assemble
from skmm.nn.fusion.no_harm import EPSILON, geometric_mean, plane_weights
from tests.toys import two_tables

FACTORS, KINDS = ["scalar", "vector"], ["arithmetic", "geometric"]
CONSTRAINTS = ["clip", "sigmoid", "none"]
NAMES = ["image", "table", "text.en"]
WIDTH = 4

every_factor = pytest.mark.parametrize("factor", FACTORS)
every_kind = pytest.mark.parametrize("kind", KINDS)
every_constraint = pytest.mark.parametrize("constraint", CONSTRAINTS)
two_or_more = pytest.mark.parametrize("count", [2, 3, 5])


def embeddings(count=2, batch=6, width=WIDTH):
    generator = torch.Generator().manual_seed(0)
    return {
        f"m{i}": torch.randn(batch, width, generator=generator, dtype=torch.float64)
        for i in range(count)
    }


def built(*args, count=2, width=WIDTH, **params):
    widths = {f"m{i}": width for i in range(count)}
    return NoHarmFusion(*args, **params).build(widths).double()


def put(block, *values):
    """Set the free parameters: one row per parameter, the same for all units."""
    values = torch.tensor(values, dtype=block.free.dtype)
    with torch.no_grad():
        block.free.copy_(values.reshape(len(block.free), -1))
    return block


def at_random(block, scale=0.3):
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(block.free.shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        block.free.add_(scale * noise)
        block.free.copy_(plane_weights(block.free)[-len(block.free) :])
    return block


def inside(weights):
    ones = torch.ones_like(weights[0])
    torch.testing.assert_close(weights.sum(0), ones)
    return bool(((weights >= 0) & (weights <= 1)).all())


def minimise(block, loss, steps=400, lr=0.05, optimizer=torch.optim.SGD, more=()):
    opt = optimizer([*block.parameters(), *more], lr=lr)
    for _ in range(steps):
        opt.zero_grad()
        loss(block).backward()
        opt.step()
    return block


# -- the vertex: no harm --------------------------------------------------------------


def two_nets(factor, kind="arithmetic"):
    """Encoders and a head that are built, joined with the factor, and one by one."""
    torch.manual_seed(0)
    shapes = {"a": (3,), "b": (5,)}
    encoders = {name: MLPEncoder((8, WIDTH)).build(s) for name, s in shapes.items()}
    head = MLPHead((6,)).build((WIDTH, 3))

    def net(fusion, names):
        chosen = {name: shapes[name] for name in names}
        return assemble(encoders, fusion, head, chosen, 3).eval()

    both = net(NoHarmFusion(factor, kind=kind), ["a", "b"])
    alone = [net(NoHarmFusion(kind=kind), [name]) for name in shapes]
    plain = [nn.Sequential(encoders[name], head).eval() for name in shapes]
    return both, alone, plain


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("factor", ["fixed", *FACTORS])
def test_at_a_vertex_the_net_is_the_net_of_one_modality(factor, index):
    both, alone, plain = two_nets(float(index) if factor == "fixed" else factor)
    if factor != "fixed":
        put(both.fusion, *[float(index)] * both.fusion.free.shape[1])
    x = {"a": torch.randn(20, 3), "b": torch.randn(20, 5)}
    name = ["a", "b"][index]
    expected = plain[index](x[name])
    assert torch.equal(both(x), expected)
    assert torch.equal(alone[index]({name: x[name]}), expected)


@pytest.mark.parametrize("index", [0, 1])
def test_at_a_geometric_vertex_it_is_the_geometric_net_of_one_modality(index):
    both, alone, _ = two_nets(float(index), "geometric")
    x = {"a": torch.randn(20, 3), "b": torch.randn(20, 5)}
    name = ["a", "b"][index]
    torch.testing.assert_close(both(x), alone[index]({name: x[name]}))


@every_factor
@every_kind
@every_constraint
def test_one_modality_has_weight_one(factor, kind, constraint):
    block = built(factor, kind=kind, constraint=constraint, count=1)
    parts = embeddings(1)
    same = parts["m0"] if kind == "arithmetic" else softplus(parts["m0"]) + EPSILON
    torch.testing.assert_close(block(parts), same)
    assert list(block.parameters()) == [] and (block.weights() == 1).all()


def test_a_modality_may_be_removed_with_a_fixed_factor():
    X, y = two_tables()
    model = FusionClassifier(
        MLPEncoder((4,)), fusion=NoHarmFusion(0.3), max_epochs=2, random_state=0
    )
    fusions = [m.fit(X, y).net_.module_.fusion for m in (model, restrict(model, ["b"]))]
    assert [f.weights().tolist() for f in fusions] == [pytest.approx([0.7, 0.3]), [1]]


# -- what is linear and convex in the factor ------------------------------------------

GRID = torch.linspace(0, 1, 21, dtype=torch.float64)


def outputs_on_the_grid(factor):
    torch.manual_seed(0)
    head, parts = MLPHead(()).build((WIDTH, 3)).double(), embeddings()
    block = built(factor)
    with torch.no_grad():
        return torch.stack(
            [head(put(block, *[v] * block.free.shape[1])(parts)) for v in GRID]
        )


@every_factor
def test_outputs_of_a_linear_head_are_affine_in_the_factor(factor):
    z = outputs_on_the_grid(factor)
    expected = (1 - GRID)[:, None, None] * z[0] + GRID[:, None, None] * z[-1]
    torch.testing.assert_close(z, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "loss, target",
    [
        (cross_entropy, torch.tensor([0, 1, 2, 0, 1, 2])),
        (mse_loss, torch.arange(18.0).reshape(6, 3).double().sin()),
    ],
)
def test_the_loss_is_convex_in_the_factor(loss, target):
    values = torch.stack([loss(z, target) for z in outputs_on_the_grid("scalar")])
    second = values[2:] - 2 * values[1:-1] + values[:-2]
    assert (second >= -1e-9).all() and second.max() > 1e-6


CLOSED_FORM = {
    "m0": torch.tensor([[1.0], [2.0]], dtype=torch.float64),
    "m1": torch.zeros(2, 1, dtype=torch.float64),
}
TARGET = torch.tensor([[0.5], [1.5]], dtype=torch.float64)


@every_factor
@every_constraint
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_the_least_squares_factor_has_a_closed_form(factor, constraint, optimizer):
    """<y - z1, z2 - z1> / |z2 - z1|^2 = 0.3."""
    block = built(factor, constraint=constraint, width=1)
    minimise(
        block,
        lambda b: mse_loss(b(CLOSED_FORM), TARGET),
        steps=2000,
        optimizer=optimizer,
    )
    assert block.weights()[1].item() == pytest.approx(0.3, abs=1e-3)


# -- identities -----------------------------------------------------------------------


@every_kind
@every_constraint
@two_or_more
def test_a_vector_of_equal_entries_is_a_scalar(kind, constraint, count):
    params = {"kind": kind, "constraint": constraint, "count": count}
    scalar = at_random(built("scalar", **params))
    vector = built("vector", **params)
    with torch.no_grad():
        vector.free.copy_(scalar.free)  # to all units
    fused = [block(embeddings(count)) for block in (scalar, vector)]
    torch.testing.assert_close(*fused)
    for out in fused:
        (out**3).sum().backward()
    total = vector.free.grad.sum(1, keepdim=True)
    torch.testing.assert_close(total, scalar.free.grad)


@every_factor
@every_kind
@every_constraint
@two_or_more
def test_swapped_modalities_and_weights_are_the_same(factor, kind, constraint, count):
    block = at_random(built(factor, kind=kind, constraint=constraint, count=count))
    turned = clone(block)
    turned.names = block.names[::-1]
    with torch.no_grad():
        one = -block.free if constraint == "sigmoid" else 1 - block.free
        turned.free.copy_(one if count == 2 else block.free.flip(0))
    torch.testing.assert_close(turned.weights(), block.weights().flip(0))
    parts = embeddings(count)
    torch.testing.assert_close(turned(parts), block(parts))


@every_kind
@two_or_more
def test_equal_weights_are_the_mean(kind, count):
    block, parts = built(kind=kind, count=count), embeddings(count)
    mean = MeanFusion().build(dict.fromkeys(parts, WIDTH))
    if kind == "arithmetic":
        return torch.testing.assert_close(block(parts), mean(parts))
    logs = {n: (softplus(p) + EPSILON).log() for n, p in parts.items()}
    torch.testing.assert_close(block(parts).log(), mean(logs))


@every_factor
@every_constraint
@two_or_more
@pytest.mark.parametrize("masked", [False, True])
def test_duplicates_give_a_gradient_of_exactly_zero(factor, constraint, count, masked):
    """Rounding errors would do: Adam makes whole steps of them."""
    for batch, width in itertools.product([1, 7, 33, 129], [1, 3, 17, 126]):
        block = built(factor, constraint=constraint, count=count, width=width).float()
        one = torch.randn(batch, width)
        present = torch.ones(batch, count, dtype=torch.bool)
        present[::3, -1] = False
        fused = block(dict.fromkeys(block.names, one), present if masked else None)
        (fused * torch.randn_like(fused)).sum().backward()
        assert not block.free.grad.any()


@every_factor
@every_kind
@every_constraint
@two_or_more
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(factor, kind, constraint, count, masked):
    block = at_random(
        built(factor, kind=kind, constraint=constraint, count=count), 0.03
    )
    parts = embeddings(count, batch=2, width=WIDTH)
    present = torch.ones(2, count, dtype=torch.bool)
    present[0, 0] = False

    def fuse(free, *columns):
        named = dict(zip(parts, columns, strict=True))
        args = (named, present if masked else None)
        return torch.func.functional_call(block, {"free": free}, args)

    block.eval()
    inputs = [block.free.detach().clone(), *parts.values()]
    assert torch.autograd.gradcheck(fuse, [i.requires_grad_() for i in inputs])


# -- what is learnt -------------------------------------------------------------------


def informative_and_noise():
    """Embeddings of which the first knows the class, and the first's own head."""
    torch.manual_seed(0)
    y = torch.arange(200) % 2
    c1 = torch.randn(200, WIDTH) + 1.5 * y[:, None]
    parts = {"m0": c1, "m1": torch.randn(200, WIDTH)}
    head = MLPHead(()).build((WIDTH, 2))
    minimise(head, lambda h: cross_entropy(h(c1), y), optimizer=torch.optim.Adam)
    return parts, y, head


@every_factor
@every_constraint
@pytest.mark.parametrize("head_learns", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
def test_noise_gets_little_weight(factor, constraint, head_learns, swapped):
    parts, y, head = informative_and_noise()
    block = built(factor, constraint=constraint).float()
    block.names = block.names[::-1] if swapped else block.names
    minimise(
        block,
        lambda b: cross_entropy(head(b(parts)), y),
        steps=200,
        optimizer=torch.optim.Adam,
        more=head.parameters() if head_learns else (),
    )
    noise = block.weights()[0 if swapped else 1]
    assert noise.mean() < 0.2


def test_an_estimator_learns_that_a_modality_is_noise():
    parts, y, _ = informative_and_noise()
    X = ModalityDict(noise=parts["m1"].numpy(), table=parts["m0"].numpy())
    model = FusionClassifier(
        Flatten(),
        fusion="no_harm",
        head=MLPHead(()),
        lr=0.02,
        max_epochs=40,
        random_state=0,
    )
    fusion = model.fit(X, y.numpy()).net_.module_.fusion
    assert fusion.weights()[0] < 0.2
    assert model.score(X, y.numpy()) > 0.9


# -- staying inside -------------------------------------------------------------------


def pull(parts, towards):
    """Loss that falls when the fused embedding goes to one modality."""
    return lambda block: (block(parts) - parts[towards]).abs().sum()


@every_factor
@pytest.mark.parametrize("constraint", ["clip", "sigmoid"])
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
@two_or_more
def test_weights_stay_in_the_simplex_after_every_step(
    factor, constraint, optimizer, count
):
    block, parts = built(factor, constraint=constraint, count=count), embeddings(count)
    opt = optimizer(block.parameters(), lr=0.3)
    for step in range(30):
        opt.zero_grad()
        pull(parts, f"m{step // 10 % count}")(block).backward()
        opt.step()
        assert inside(block.weights())


@pytest.mark.parametrize("factor", [*FACTORS, 0.3, (0.25, 0.75)])
def test_a_file_keeps_the_weights(factor, tmp_path):
    X, y = two_tables()
    fusion = NoHarmFusion(factor, kind="geometric")
    model = FusionClassifier(MLPEncoder((4,)), fusion=fusion, lr=0.1, max_epochs=5)
    model.fit(X, y).save(tmp_path / "model.skmm")
    again = load(tmp_path / "model.skmm")
    weights = [m.net_.module_.fusion.weights() for m in (model, again)]
    assert torch.equal(*weights) and inside(weights[0])
    assert (again.predict_proba(X) == model.predict_proba(X)).all()


@every_factor
@two_or_more
def test_clip_reaches_the_vertex_exactly_and_leaves_it(factor, count):
    block = built(factor, count=count)
    for name in [*block.names, *block.names]:
        expected = [float(name == other) for other in block.names]
        ones = torch.ones(6, WIDTH, dtype=torch.float64)
        parts = {n: ones * w for n, w in zip(block.names, expected, strict=True)}
        minimise(block, pull(parts, name), steps=60)
        weights = block.weights().reshape(count, -1)
        assert all(column == expected for column in weights.T.tolist())


@pytest.mark.parametrize("start", [0.0, 1.0, -0.4, 1.7])
def test_a_factor_at_the_boundary_follows_an_inward_gradient(start):
    block = put(built(width=1), start)
    out = block(CLOSED_FORM)
    assert block.free.item() == min(max(start, 0), 1)  # taken back
    mse_loss(out, TARGET).backward()
    slope = block.free.grad.item()
    assert slope > 0.5 if start > 0.5 else slope < -0.5
    minimise(block, lambda b: mse_loss(b(CLOSED_FORM), TARGET))
    assert block.weights()[1].item() == pytest.approx(0.3, abs=1e-6)


def test_an_outward_gradient_at_the_boundary_has_no_effect():
    block, parts = put(built(), 1.0), embeddings()
    minimise(block, pull(parts, "m1"), steps=20)
    assert block.weights().tolist() == [0, 1]


@every_factor
@pytest.mark.parametrize("free", [[1.8], [-0.2], [0.9, 0.9, -0.3]])
def test_weights_outside_are_projected_after_the_last_step(factor, free):
    count = max(2, len(free))
    block, parts = built(factor, count=count), embeddings(count)
    for number, value in enumerate(free):
        block.free.data[number] = value
    weights, left = block.weights(), block.free.detach().clone()
    assert inside(weights)
    columns = torch.stack([parts[n] for n in block.names], 1)
    expected = (columns * weights.reshape(count, -1)).sum(1)
    torch.testing.assert_close(block.eval()(parts), expected)
    assert torch.equal(block.free, left)  # prediction changes nothing
    torch.testing.assert_close(block.train()(parts), expected)
    torch.testing.assert_close(block.weights(), weights)
    assert not torch.equal(block.free, left)


def test_a_frozen_factor_does_not_change():
    block = at_random(built("vector", count=3, width=99), scale=0.1)
    block.free.requires_grad_(False)
    before = block.free.clone()
    block(embeddings(3, width=99))
    assert torch.equal(block.free, before)


def test_no_constraint_leaves_the_interval_and_sums_to_one():
    for count in (2, 3):
        block, parts = built(constraint="none", count=count), embeddings(count)
        target = 2 * parts["m1"] - parts["m0"]
        minimise(block, lambda b, p=parts, t=target: mse_loss(b(p), t), lr=0.3)
        expected = torch.tensor([-1, 2, 0][:count]).double()
        torch.testing.assert_close(block.weights(), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_a_common_gradient_does_not_hide_differences(optimizer):
    """Adam's steps on slopes of 10, 11, 12 are equal, and a projection undoes them."""
    block = built(count=3, width=1)
    parts = {f"m{i}": torch.full((1, 1), 10.0 + i).double() for i in range(3)}
    minimise(block, lambda b: b(parts).sum(), steps=40, optimizer=optimizer)
    assert block.weights().tolist() == [1, 0, 0]


# -- parameters -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "factor, count, number",
    [
        ("scalar", 2, 1),
        ("vector", 2, WIDTH),
        ("scalar", 3, 3),
        ("vector", 3, 3 * WIDTH),
        (0.25, 2, 0),
        (1, 2, 0),
        ((0.2, 0.3, 0.5), 3, 0),
        ([0.5, 0.5], 2, 0),
    ],
)
@every_constraint
def test_number_of_parameters(factor, count, number, constraint):
    block = built(factor, constraint=constraint, count=count)
    assert sum(p.numel() for p in block.parameters()) == number


@every_factor
@every_constraint
@two_or_more
def test_weights_start_equal(factor, constraint, count):
    weights = built(factor, constraint=constraint, count=count).weights()
    assert weights.shape == ((count,) if factor == "scalar" else (count, WIDTH))
    torch.testing.assert_close(weights, torch.full_like(weights, 1 / count))
    assert not weights.requires_grad


def test_weights_are_a_copy():
    for block in (built(0.25), built()):
        before = block.weights().tolist()
        block.weights().zero_()
        assert block.weights().tolist() == before


def test_a_fixed_factor_is_the_weight_of_the_second():
    parts = embeddings()
    expected = 0.75 * parts["m0"] + 0.25 * parts["m1"]
    for factor in (0.25, (0.75, 0.25)):
        torch.testing.assert_close(built(factor)(parts), expected)
        assert built(factor).weights().tolist() == [0.75, 0.25]


def test_a_fixed_sequence_weighs_each():
    parts = embeddings(3)
    block = built((0.5, 0.125, 0.375), count=3)
    expected = 0.5 * parts["m0"] + 0.125 * parts["m1"] + 0.375 * parts["m2"]
    torch.testing.assert_close(block(parts), expected)


def test_only_the_factor_is_exempt_from_weight_decay():
    block = NoHarmFusion(width=3).build({"a": 2, "b": 5})
    assert [id(p) for p in block.no_weight_decay()] == [id(block.free)]
    maps = {id(p) for p in block.to_width.parameters()}
    assert len(maps) == 4 and id(block.free) not in maps
    assert NoHarmFusion(0.5).build({"a": 2, "b": 2}).no_weight_decay() == []
    assert MLPHead().build((2, 2)).no_weight_decay() == []


@pytest.mark.parametrize(
    "factor, count, message",
    [
        (1.5, 2, r"factor=1\.5\) needs a number in \[0, 1\].*got 1\.5.*0\.0 to 1\.0"),
        (-0.1, 2, r"factor=-0\.1\) needs a number in \[0, 1\].*got -0\.1"),
        (float("nan"), 2, r"factor=nan\) needs a number in \[0, 1\]"),
        (0.3, 3, r"factor=0\.3\) needs two modalities.*'m0', 'm1', 'm2'.*a tuple"),
        ((0.5, 0.5), 3, r"one weight for each of the 3 .*'m2'.*got 2\. Use 3 numbers"),
        ((0.5, 0.5), 1, r"one weight for each of the 1 .*got 2"),
        ((0.5, 0.6), 2, r"needs weights that sum to one; got the sum 1\.1.*/ sum"),
        ((1.5, -0.5), 2, r"needs non-negative numbers; got \[1\.5, -0\.5\]"),
        ((0.5, "b"), 2, r"needs non-negative numbers; got \[0\.5, 'b'\]"),
        ((float("nan"), 1), 2, "needs non-negative numbers"),
    ],
)
def test_an_invalid_factor_raises(factor, count, message):
    with pytest.raises(ValueError, match=rf"NoHarmFusion\(.*{message}") as error:
        built(factor, count=count)
    assert 'factor="scalar"' in str(error.value)


def test_fit_raises_the_error_of_the_fusion():
    X, y = two_tables()
    model = FusionClassifier(MLPEncoder((4,)), fusion=NoHarmFusion(1.5))
    expected = re.escape("NoHarmFusion(factor=1.5) needs a number in [0, 1]")
    with pytest.raises(ValueError, match=expected):
        model.fit(X, y)


@pytest.mark.parametrize(
    "params",
    [{"factor": "matrix"}, {"factor": None}, {"kind": "median"}, {"constraint": "box"}],
)
def test_other_invalid_parameters_raise(params):
    X, y = two_tables()
    model = FusionClassifier(MLPEncoder((4,)), fusion=NoHarmFusion(**params))
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
        model.fit(X, y)


# -- missing modalities ---------------------------------------------------------------

PRESENT = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 0, 1]]).bool()
WEIGHTS = (0.5, 0.125, 0.375)


@every_kind
@pytest.mark.parametrize("row", PRESENT.tolist())
def test_missing_is_absent(row, kind):
    """A row is fused as if the others had never been, by the weights they had."""
    parts = embeddings(3)
    fused = built(WEIGHTS, count=3, kind=kind)(parts, torch.tensor([row] * 6))
    kept = [i for i, there in enumerate(row) if there]
    total = sum(WEIGHTS[i] for i in kept)
    fewer = built(tuple(WEIGHTS[i] / total for i in kept), count=len(kept), kind=kind)
    alone = {f"m{j}": parts[f"m{i}"] for j, i in enumerate(kept)}
    torch.testing.assert_close(fused, fewer(alone))


@every_factor
@every_constraint
@pytest.mark.parametrize("free", [0.5, 0.0, 1.0])
def test_a_sample_with_only_the_second_modality_is_the_second(factor, constraint, free):
    block, parts = built(factor, constraint=constraint), embeddings()
    block.free.data.fill_(free)
    only = torch.tensor([[False, True]] * 6)
    torch.testing.assert_close(block(parts, only), parts["m1"])
    torch.testing.assert_close(block(parts, ~only), parts["m0"])


@every_factor
@every_constraint
@two_or_more
def test_no_mask_is_all_present(factor, constraint, count):
    block = at_random(built(factor, constraint=constraint, count=count))
    parts, present = embeddings(count), torch.ones(6, count, dtype=torch.bool)
    torch.testing.assert_close(block(parts, present), block(parts))


@every_kind
@every_constraint
def test_a_sample_without_modalities_has_the_neutral_value(kind, constraint):
    block = built(kind=kind, constraint=constraint, count=3)
    parts = {n: p.requires_grad_() for n, p in embeddings(3).items()}
    fused = block(parts, torch.zeros(6, 3, dtype=torch.bool))
    assert (fused == (0 if kind == "arithmetic" else 1)).all()
    fused.sum().backward()
    assert not any(p.grad.any() for p in parts.values())
    assert not block.free.grad.any()


@every_factor
@every_kind
@every_constraint
def test_what_is_masked_has_no_influence_and_no_gradient(factor, kind, constraint):
    block = built(factor, kind=kind, constraint=constraint, count=3)
    parts = {n: p[:5].clone().requires_grad_() for n, p in embeddings(3).items()}
    other = {
        n: p.detach().masked_fill(~PRESENT[:, [i]], torch.nan)
        for i, (n, p) in enumerate(parts.items())
    }
    fused = block(parts, PRESENT)
    torch.testing.assert_close(block(other, PRESENT), fused)
    fused.square().sum().backward()
    for part, mask in zip(parts.values(), PRESENT.T, strict=True):
        assert not part.grad[~mask].any() and part.grad[mask].all()
    assert block.free.grad.isfinite().all()


# -- the geometric mean ---------------------------------------------------------------


def test_the_geometric_mean_of_one_and_four_is_two():
    stacked, half = torch.tensor([[[1.0], [4.0]]]), torch.full((2, 1), 0.5)
    assert geometric_mean(stacked, half).item() == pytest.approx(2)


@pytest.mark.parametrize("tiny", [0.0, 1e-45, 1e-38, 1e-30, 1e-7])
def test_gradients_of_the_geometric_mean_are_finite_at_tiny_values(tiny):
    stacked = torch.tensor([[tiny], [4.0]], requires_grad=True)
    weights = torch.full((2, 1), 0.5, requires_grad=True)
    out = geometric_mean(stacked, weights)
    assert out.item() == pytest.approx((4 * tiny) ** 0.5, abs=1e-15, rel=1e-5)
    out.backward()
    assert stacked.grad.isfinite().all() and weights.grad.isfinite().all()


@pytest.mark.parametrize("value", [-1e4, -100.0, 0.0, 100.0])
def test_gradients_of_the_geometric_fusion_are_finite(value):
    block = built(kind="geometric").float()
    parts = {
        "m0": torch.full((2, WIDTH), value, requires_grad=True),
        "m1": torch.ones(2, WIDTH, requires_grad=True),
    }
    block(parts).sum().backward()
    for tensor in (*parts.values(), block.free):
        assert tensor.grad.isfinite().all()


def test_the_geometric_mean_is_at_most_the_arithmetic():
    parts = embeddings(3)
    positive = {n: softplus(p) + EPSILON for n, p in parts.items()}
    mean = built(WEIGHTS, count=3)(positive)
    assert (built(WEIGHTS, count=3, kind="geometric")(parts) <= mean).all()


# -- widths ---------------------------------------------------------------------------


def test_unequal_widths_need_width():
    with pytest.raises(ValueError, match=r"NoHarmFusion needs .* equal width.*width="):
        NoHarmFusion().build({"a": 2, "b": 5})
    block = NoHarmFusion("vector", width=3).build({"a": 2, "b": 5})
    parts = {"a": torch.randn(4, 2), "b": torch.randn(4, 5)}
    assert block(parts).shape == (4, 3) and block.weights().shape == (2, 3)


@every_kind
def test_leading_axes_may_be_several(kind):
    block = built(WEIGHTS, kind=kind, count=3)
    parts = {n: p.reshape(2, 3, WIDTH) for n, p in embeddings(3).items()}
    present = torch.ones(2, 3, 3, dtype=torch.bool)
    flat = block(embeddings(3)).reshape(2, 3, WIDTH)
    torch.testing.assert_close(block(parts, present), flat)
