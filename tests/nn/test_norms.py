"""VectorBatchNorm and IterativeBatchNorm: identities and invariances."""

import itertools

import pytest
import torch

from skmm.nn import FeatureBatchNorm, IterativeBatchNorm, VectorBatchNorm


def draw(n=200, d=4, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, d, generator=generator, dtype=torch.float64) + 3


def vbn(x, **settings):
    return VectorBatchNorm(x.shape[1], **settings).double()(x)


@pytest.mark.parametrize("scale", [0.1, 1.0, 50.0])
def test_total_variance_is_one(scale):
    found = vbn(draw(scale=scale), eps=1e-12)
    torch.testing.assert_close(found.mean(0), torch.zeros(4).double())
    torch.testing.assert_close(
        found.var(0, correction=0).sum(), torch.ones(()).double()
    )
    torch.testing.assert_close(found, vbn(draw(), eps=1e-12))  # scale does not matter


def test_relative_lengths_and_angles_are_preserved():
    x = draw()
    turn, _ = torch.linalg.qr(draw(4, 4, seed=1) - 3)
    torch.testing.assert_close(vbn(x @ turn), vbn(x) @ turn)
    gram = vbn(x) @ vbn(x).T
    double = vbn(torch.cat([x, x, x], 1))
    torch.testing.assert_close(double @ double.T, gram, atol=1e-5, rtol=1e-5)


def test_running_statistics_reach_those_of_the_data():
    norm, x = VectorBatchNorm(4, momentum=None).double(), draw(2000)
    for part in x.split(100):
        norm(part)
    torch.testing.assert_close(norm.mean, x.mean(0))
    expected = x.var(0).sum()
    assert norm.variance.item() == pytest.approx(expected.item(), rel=0.02)
    found = norm.eval()(x)
    assert found.var(0).sum().item() == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize("make", [FeatureBatchNorm, VectorBatchNorm])
def test_missing_samples_do_not_count(make):
    x, there = draw(50), torch.arange(50) % 3 > 0
    wrong = x.masked_fill(~there[:, None], 1e6)
    norm, other = make(4).double(), make(4).double()
    found = norm(wrong, there)
    torch.testing.assert_close(found[there], other(x[there]))
    assert (found[~there] == 0).all()
    for mine, its in zip(norm.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(mine, its)
    assert torch.isfinite(norm(wrong, there & (torch.arange(50) == 1))).all()


def test_feature_norm_is_batch_norm():
    x = draw()
    expected = torch.nn.BatchNorm1d(4, affine=False).double()(x)
    torch.testing.assert_close(FeatureBatchNorm(4).double()(x), expected)


def test_one_sample_is_normalised_by_running_statistics():
    norm, x, there = FeatureBatchNorm(4).double(), draw(50), torch.tensor([True])
    norm(x)
    mean, variance = norm.running_mean.clone(), norm.running_var.clone()
    row = draw(1, seed=1)
    expected = (row - mean) / (variance + norm.eps).sqrt()
    for found in (norm(row), norm(row, there)):
        torch.testing.assert_close(found, expected)
    assert (norm(row, ~there) == 0).all()
    assert torch.equal(norm.running_mean, mean)
    assert torch.equal(norm.running_var, variance)


def test_the_variance_that_is_kept_has_no_bias():
    x, norm = draw(5), VectorBatchNorm(4, momentum=None).double()
    norm(x)
    torch.testing.assert_close(norm.variance, x.var(0, correction=1).sum())


def parts(n=400, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(n, d, generator=generator, dtype=torch.float64) + m
        for m, d in enumerate((2, 3, 4))
    ]


def test_two_modalities_give_the_product_of_centred_parts():
    a, b = parts()[:2]
    found = IterativeBatchNorm((2, 3)).double()([a, b])
    centred = (a - a.mean(0))[:, :, None] * (b - b.mean(0))[:, None, :]
    torch.testing.assert_close(found, vbn(centred.flatten(1)))


def test_axes_of_three_modalities_are_aligned():
    x, y, z = parts()
    x = x + 0.5 * z[:, :2]  # so that no expectation vanishes
    y = y + z[:, 1:]
    found = IterativeBatchNorm((2, 3, 4)).double()([x, y, z])
    a, b, c = (part - part.mean(0) for part in (x, y, z))
    expected = torch.einsum("na,nb,nc->nabc", a, b, c)
    ab, ac, bc = (
        torch.einsum("na,nb->nab", first, second).mean(0)
        for first, second in itertools.combinations((a, b, c), 2)
    )
    for axis, (mean, rest) in enumerate([(bc, a), (ac, b), (ab, c)]):
        for i in range(len(x)):
            for j in range(rest.shape[1]):
                expected[i].select(axis, j).sub_(mean * rest[i, j])
    torch.testing.assert_close(found, vbn(expected.flatten(1)))


def test_effects_of_pairs_are_removed():
    """Products of three hold nothing that is linear in one of them."""
    x, y, _ = parts(20_000)
    z = torch.cat([y[:, :1], x[:, :1]], 1)
    found = IterativeBatchNorm((2, 3, 2)).double()([x, y, z])
    for part in (x, y, z):
        centred = (part - part.mean(0)) / part.std(0)
        assert (found.T @ centred / len(x)).abs().max() < 0.02


@pytest.mark.parametrize("training", [True, False])
def test_a_constant_modality_has_no_product(training):
    norm, (a, _, c) = IterativeBatchNorm((2, 4), momentum=None).double(), parts()
    constant = torch.full_like(c, 7.0)
    for _ in range(3):
        found = norm([a, constant])
    found = found if training else norm.eval()([a, constant])
    assert found.abs().max() < 1e-6


def test_samples_with_a_missing_modality_do_not_count_in_products():
    there = torch.arange(60) % 3 > 0
    rows = parts(60)
    wrong = [part.masked_fill(~there[:, None], 1e3) for part in rows]
    norm, other = (IterativeBatchNorm((2, 3, 4)).double() for _ in range(2))
    found = norm(wrong, there)
    torch.testing.assert_close(found[there], other([part[there] for part in rows]))
    assert (found[~there] == 0).all()
    for mine, its in zip(norm.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(mine, its)


def test_independent_modalities_have_nothing_to_remove():
    centred = [part - part.mean(0) for part in parts(50_000)]
    found = IterativeBatchNorm((2, 3, 4)).double()(centred)
    plain = torch.einsum("na,nb,nc->nabc", *centred).flatten(1)
    torch.testing.assert_close(found, vbn(plain), atol=0.1, rtol=0.1)
