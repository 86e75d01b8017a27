"""Barlow twins: the worked example, invariances, missing rows, and rank."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skmm.objectives import BarlowTwins, ByPosition, OverModalities
from skmm.objectives.correlation import cross_correlation

A = torch.tensor([[1, 0], [0, 1], [-1, 0], [0, -1]], dtype=torch.float64)
B = torch.tensor([[1, 1], [0, 1], [-1, -1], [0, -1]], dtype=torch.float64)


def drawn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def loss(*embeddings, weight=0.0051, present=None, rows=None):
    return BarlowTwins(weight)(torch.stack(embeddings), present, rows).item()


def test_worked_example():
    root = 0.5**0.5
    found = cross_correlation(A, B)
    np.testing.assert_allclose(found, [[1, root], [0, root]], atol=1e-6)
    assert loss(A, B, weight=0.0) == pytest.approx(0.085786, abs=1e-6)
    assert loss(A, B, weight=1.0) == pytest.approx(0.085786 + 0.5, abs=1e-6)
    assert loss(A, B) == pytest.approx(0.088336, abs=1e-6)


def test_correlations_are_those_of_numpy():
    a, b = drawn(30, 3), drawn(30, 3, seed=1)
    expected = np.corrcoef(a.T, b.T)[:3, 3:]
    np.testing.assert_allclose(cross_correlation(a, b), expected, atol=1e-7)


def test_equal_and_uncorrelated_features_cost_nothing():
    assert loss(A, A) == pytest.approx(0, abs=1e-7)


def test_a_flipped_feature_costs_four():
    flipped = A * torch.tensor([1.0, -1.0])
    assert loss(A, flipped) == pytest.approx(4, abs=1e-6)


@given(st.integers(0, 99), st.floats(0.1, 50), st.floats(-9, 9))
def test_invariances(seed, scale, shift):
    a, b = drawn(12, 4, seed=seed), drawn(12, 4, seed=seed + 100)
    expected = pytest.approx(loss(a, b), rel=1e-5)
    scales = scale * torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    assert loss(a * scales + shift, b) == expected  # of each feature
    assert loss(b, a) == expected
    assert loss(a.repeat(2, 1), b.repeat(2, 1)) == expected
    order = torch.randperm(12, generator=torch.Generator().manual_seed(seed))
    assert loss(a[order], b[order]) == expected


def test_weights_are_repeated_rows():
    a, b = drawn(6, 3), drawn(6, 3, seed=1)
    weight = torch.tensor([2.0, 1.0, 0.0, 3.0, 1.0, 1.0], dtype=torch.float64)
    rows = (
        weight.long()
        .repeat_interleave(weight.long())
        .new_tensor([i for i, w in enumerate(weight.int().tolist()) for _ in range(w)])
    )
    assert loss(a, b, rows=weight) == pytest.approx(loss(a[rows], b[rows]))
    assert loss(a, b, rows=7 * weight) == pytest.approx(loss(a, b, rows=weight))


def test_rows_that_lack_a_modality_take_no_part_in_its_pairs():
    z = drawn(3, 8, 2)
    present = torch.ones(8, 3, dtype=torch.bool)
    present[:3, 2] = False
    z[2, :3] = 1e6  # nobody looks
    expected = loss(z[0], z[1]) + loss(z[0, 3:], z[2, 3:]) + loss(z[1, 3:], z[2, 3:])
    assert loss(*z, present=present) == pytest.approx(expected / 3)
    present[:7, 2] = False  # one row is no pair
    assert loss(*z, present=present) == pytest.approx(loss(z[0], z[1]))


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_too_few_rows_and_constant_features_are_finite(rows):
    z = torch.full((2, rows, 3), 0.1, requires_grad=True)
    value = BarlowTwins()(z)
    value.backward()
    assert value.item() == pytest.approx(0 if rows == 1 else 3)
    assert torch.equal(z.grad, torch.zeros_like(z))


def test_one_modality_has_nothing_to_agree_with():
    z = drawn(1, 5, 2).requires_grad_()
    value = BarlowTwins()(z)
    value.backward()
    assert value == 0
    assert torch.equal(z.grad, torch.zeros_like(z))


@pytest.mark.parametrize(("rows", "width"), [(5, 8), (32, 32), (32, 50)])
def test_few_rows_cannot_reach_the_identity(rows, width):
    # not even when searched for, by the steepest way
    z = drawn(2, rows, width).requires_grad_()
    optimizer = torch.optim.Adam([z], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        BarlowTwins(1.0)(z).backward()
        optimizer.step()
    found = cross_correlation(*z.detach())
    assert torch.linalg.matrix_rank(found, tol=1e-6) <= rows - 1
    least = width - (rows - 1)
    distance = (found - torch.eye(width)).square().sum().item()
    assert distance >= least - 1e-6
    assert distance < least + 0.5  # the bound is reached


@pytest.mark.parametrize("weight", [0.0051, 0.05])
@pytest.mark.parametrize(("rows", "width"), [(32, 32), (32, 50)])
def test_loss_of_few_rows_is_bounded(rows, width, weight):
    # the best diagonal of rank n - 1 leaves D w c / (1 + w c), c = D / (n - 1) - 1
    c = width / (rows - 1) - 1
    least = width * weight * c / (1 + weight * c)
    for seed in range(3):
        z = drawn(rows, width, seed=seed)
        assert loss(z, z, weight=weight) >= least - 1e-9


def test_gradient():
    z = drawn(2, 6, 3).requires_grad_()
    assert torch.autograd.gradcheck(BarlowTwins(0.05), z)


def test_named_outputs_are_embeddings_and_mask():
    z, present = drawn(2, 6, 3), torch.ones(6, 2, dtype=torch.bool)
    present[0, 1] = False
    outputs = {"embeddings": z.transpose(0, 1), "present": present}
    expected = pytest.approx(loss(*z, present=present))
    assert BarlowTwins()(outputs, None).item() == expected
    assert ByPosition(BarlowTwins())(outputs, None).item() == expected


def test_over_modalities_is_deprecated():
    z, present = drawn(2, 6, 3), torch.ones(6, 2, dtype=torch.float64)
    present[0, 1] = 0
    outputs = torch.cat([z[0], z[1], present], 1)
    with pytest.warns(FutureWarning, match=r"0\.3.*reads the outputs 'embedd"):
        wrapped = OverModalities(BarlowTwins(), 2)
    assert wrapped(outputs, None).item() == loss(*z, present=present > 0)
    np.testing.assert_array_equal(wrapped.split(outputs)[0], z)


def test_bad_input():
    with pytest.raises(ValueError, match="n_modalities, n_samples, n_features"):
        BarlowTwins()(A)
    with pytest.raises(ValueError, match="mask"):
        BarlowTwins()(torch.stack([A, B]), torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="weight"):
        BarlowTwins(-1)._validate_params()
    with pytest.raises(ValueError, match="objective"):
        ByPosition("barlow_twins")._validate_params()
