"""RobustScale: its formula, weights, invariances, large tables, and stacks."""

import numpy as np
import pytest
import torch

from skmm.nn import MLPEncoder, RobustScale, scaling
from skmm.nn.block import built_clone
from skmm.nn.composite.stack import can_stack, stack
from skmm.nn.scaling import quantiles, robust_statistics, sampled
from tests.tools.scaling import robust

CLIPS = [3.0, 1.5, None]


def draw(n=61, seed=0):
    """Columns: normal, heavy-tailed, whole numbers, mostly zeros, two values, one."""
    rng = np.random.default_rng(seed)
    columns = [
        rng.normal(3, 5, n),
        rng.standard_cauchy(n) * 100,
        rng.integers(0, 9, n),
        rng.poisson(0.2, n) * rng.integers(1, 20, n),
        np.where(rng.random(n) < 0.3, -1.0, 4.0),
        np.full(n, 7.0),
    ]
    return np.stack(columns, 1).astype(np.float32)


def adapted(x, weight=None, **params):
    block = RobustScale(**params).build(x.shape[1:])
    x = torch.as_tensor(x)
    return block.adapt(x, None if weight is None else torch.as_tensor(weight).float())


@pytest.mark.parametrize("clip", CLIPS)
def test_formula(clip):
    x = draw()
    out = adapted(x, clip=clip)(torch.from_numpy(x))
    np.testing.assert_allclose(out, robust(x, clip=clip)(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("clip", CLIPS)
def test_two_values_become_zero_and_one(clip):
    x = draw()
    out = adapted(x, clip=clip)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(out[:, 4], x[:, 4] == 4, atol=1e-6)
    assert not out[:, 5].any()


@pytest.mark.parametrize("clip", CLIPS)
def test_it_is_the_identity_before_it_is_adapted(clip):
    x = torch.from_numpy(draw())
    assert torch.equal(RobustScale(clip).build((6,))(x), x)


def test_constants_stay_zero_for_other_values():
    block = adapted(np.full((5, 1), 2.0, np.float32))
    assert not block(torch.tensor([[2.0], [1e30], [-5.0]])).any()


def test_order_is_kept_and_values_are_within_the_clip():
    x = np.linspace(-1e4, 1e4, 2001, dtype=np.float32)[:, None]
    out = adapted(x[900:1100])(torch.from_numpy(x))[:, 0]
    assert (out.diff() >= 0).all() and out.abs().max() < 3
    assert (out[900:1100].diff() > 0).all()


def test_extreme_values_are_finite():
    most = np.finfo(np.float32).max
    x = np.array([[0, -most, 1e-44], [1, 0, 0], [2, most, 0], [3, 1, 0]], np.float32)
    rows = torch.tensor([[most], [-most], [0.0], [1e-44]]).expand(-1, 3)
    for clip in (3.0, 1.5):
        out = adapted(x, clip=clip)(rows)
        assert torch.isfinite(out).all() and (out.abs() <= clip).all()
    torch.testing.assert_close(adapted(x)(rows)[:2, 0], torch.tensor([3.0, -3.0]))


@pytest.mark.parametrize("seed", range(3))
def test_affine_changes_of_columns_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_cauchy((40, 4))
    changed = x * rng.uniform(0.01, 100, 4) + rng.normal(0, 10, 4)
    pair = [torch.from_numpy(v.astype(np.float32)) for v in (x, changed)]
    outs = [adapted(v)(v) for v in pair]
    torch.testing.assert_close(*outs, rtol=1e-3, atol=1e-4)


def test_an_offset_costs_no_digits_of_whole_numbers():
    x = np.random.default_rng(0).integers(0, 99, (50, 2)).astype(np.float32)
    outs = [adapted(v)(torch.from_numpy(v)) for v in (x, x + 1_000_000)]
    assert torch.equal(*outs)


def test_samples_with_axes_are_flattened():
    x = torch.from_numpy(draw(24).reshape(24, 2, 3))
    out = adapted(x)(x)
    assert torch.equal(out, adapted(x.flatten(1))(x.flatten(1)))
    assert adapted(x).out_features == 6


def test_inputs_have_gradients():
    block = adapted(draw()).double()
    x = torch.from_numpy(draw(5)).double().requires_grad_()
    assert torch.autograd.gradcheck(block, (x,), eps=1e-4, atol=1e-4)
    assert block(x).requires_grad and not list(block.parameters())


@pytest.mark.parametrize("clip", [1.0, 0, "3", float("nan")])
def test_clip_must_be_above_one(clip):
    with pytest.raises(ValueError, match="'clip' parameter of RobustScale"):
        built_clone(RobustScale(clip), (2,))


# -- weights -----------------------------------------------------------------------

LEVELS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize("n", [1, 2, 4, 5, 40, 101])
def test_quantiles_are_those_of_numpy(n):
    x = np.random.default_rng(n).integers(0, 6, (n, 5)).astype(np.float32)
    expected = np.quantile(x, LEVELS, axis=0, method="averaged_inverted_cdf")
    np.testing.assert_array_equal(quantiles(x, LEVELS), expected)


@pytest.mark.parametrize("seed", range(5))
def test_a_weight_of_two_is_the_row_twice(seed):
    rng = np.random.default_rng(seed)
    x, weight = draw(40, seed), rng.integers(0, 4, 40)
    expected = adapted(np.repeat(x, weight, axis=0))
    for scale in (1.0, 1 / weight.mean(), 1e-3):
        block = adapted(x, weight * scale)
        torch.testing.assert_close(block.state_dict(), expected.state_dict())


def test_rows_without_weight_do_not_count():
    x = draw()
    weight = np.r_[np.zeros(20), np.full(41, 0.3)]
    torch.testing.assert_close(
        adapted(x, weight).state_dict(), adapted(x[20:]).state_dict()
    )


def test_pieces_of_columns_give_the_same(monkeypatch):
    x, weight = draw(), np.arange(1.0, 62)
    whole = [robust_statistics(x, w, 3.0) for w in (None, weight)]
    monkeypatch.setattr(scaling, "PIECE", 61 * 4)
    parts = [robust_statistics(x, w, 3.0) for w in (None, weight)]
    np.testing.assert_array_equal(parts, whole)


# -- large tables ------------------------------------------------------------------


class Counted:
    """Rows of a source, which counts how many are read."""

    device = torch.device("cpu")

    def __init__(self, x):
        self.x, self.read = x, 0

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        part = self.x[index]
        self.read += len(part)
        return part


def test_only_a_sample_of_a_large_table_is_read():
    n = 3 * scaling.SAMPLES
    source = Counted(torch.linspace(0, 1, n)[:, None])
    block = RobustScale(None).build((1,)).adapt(source)
    assert source.read <= scaling.SAMPLES + 1
    torch.testing.assert_close(block.center, torch.tensor([0.5]), atol=0.02, rtol=0)
    torch.testing.assert_close(block.factor, torch.tensor([2.0]), atol=0.05, rtol=0)
    again = RobustScale(None).build((1,)).adapt(source)
    torch.testing.assert_close(again.state_dict(), block.state_dict(), rtol=0, atol=0)


def test_fewer_samples_of_wide_tables(monkeypatch):
    monkeypatch.setattr(scaling, "VALUES", 1000)
    monkeypatch.setattr(scaling, "LEAST", 20)
    x = torch.rand(300, 10)
    for width, n in ((10, 100), (1, 300)):
        assert sampled(x[:, :width])[0].shape == (n, width)
    monkeypatch.setattr(scaling, "LEAST", 150)
    values, weight = sampled(x, torch.arange(300.0))
    assert values.shape == (150, 10) and weight.min() > 0
    rows = {tuple(row) for row in x[weight.astype(int)].tolist()}
    assert rows == {tuple(row) for row in values.tolist()}


# -- stacks and encoders -----------------------------------------------------------


@pytest.mark.parametrize("make", [RobustScale, lambda: MLPEncoder((4,))])
def test_replicas_in_a_stack_have_their_own_statistics(make):
    xs = [torch.from_numpy(draw(30, seed)) for seed in range(3)]
    peers = [make().build((6,)).adapt(x) for x in xs]
    assert can_stack(peers[0])
    with torch.no_grad():
        stacked = stack(peers)(torch.stack(xs))
        for peer, x, out in zip(peers, xs, stacked, strict=True):
            torch.testing.assert_close(peer(x), out, rtol=1e-4, atol=1e-5)


def test_an_encoder_that_scales_is_one_that_reads_scaled_values():
    x = draw()
    torch.manual_seed(0)
    scaled = MLPEncoder((4,)).build((6,)).adapt(torch.from_numpy(x))
    torch.manual_seed(0)
    plain = MLPEncoder((4,), scale=None).build((6,)).adapt(torch.from_numpy(x))
    z = torch.from_numpy(robust(x)(x).astype(np.float32))
    torch.testing.assert_close(scaled(torch.from_numpy(x)), plain(z))
    assert "scaling" not in dict(plain.named_modules())


def test_names_of_scales_are_checked():
    with pytest.raises(ValueError, match=r"'scale' parameter of MLPEncoder.*'robust'"):
        built_clone(MLPEncoder(scale="standard"), (2,))
