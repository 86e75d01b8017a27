"""Weights under a norm constraint: closed form, projected steps, simplex."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skmm.nn.modality_weights import (
    best_weights,
    profile_penalty,
    project_onto_simplex,
    reported,
    step_towards,
)

NORMS = torch.tensor([3.0, 1.0], dtype=torch.float64)
EXPONENTS = [1, 1.5, 2, 4, math.inf]

entries = st.floats(-10, 10, width=32).map(float)
points = st.lists(entries, min_size=1, max_size=6)


def column(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


@pytest.mark.parametrize(
    ("p", "weights", "penalty"),
    [
        (1, (0.75, 0.25), 16.0),
        (2, (0.901259, 0.433280), 12.294003),
        (4, (0.961011, 0.619270), 10.979938),
        (math.inf, (1.0, 1.0), 10.0),
    ],
)
def test_closed_form(p, weights, penalty):
    expected = torch.tensor(weights, dtype=torch.float64)
    torch.testing.assert_close(best_weights(NORMS, p), expected, atol=1e-6, rtol=0)
    assert profile_penalty(NORMS, p).item() == pytest.approx(penalty, abs=1e-6)


@pytest.mark.parametrize("p", EXPONENTS)
def test_no_other_weights_are_better(p):
    rng = np.random.default_rng(0)
    norms = torch.tensor(rng.uniform(0.1, 3, 4))
    found = best_weights(norms, p)
    assert torch.linalg.vector_norm(found, p).item() == pytest.approx(1)
    least = profile_penalty(norms, p).item()
    assert (norms.square() / found).sum().item() == pytest.approx(least)
    for _ in range(300):
        other = torch.tensor(rng.uniform(0.01, 1, 4))
        other = other / torch.linalg.vector_norm(other, p)
        assert (norms.square() / other).sum() >= least - 1e-9


@pytest.mark.parametrize("p", EXPONENTS)
def test_weights_do_not_depend_on_the_scale_of_all_norms(p):
    torch.testing.assert_close(best_weights(NORMS * 7, p), best_weights(NORMS, p))
    assert best_weights(torch.tensor([2.0, 0.0]), p).tolist() == [1.0, 0.0]
    assert best_weights(torch.zeros(2), p).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("p", EXPONENTS)
def test_projected_steps_reach_the_closed_form(p):
    weights = torch.full((2,), 0.5, dtype=torch.float64)
    for _ in range(500):
        weights = step_towards(weights, NORMS, p)
    torch.testing.assert_close(weights, best_weights(NORMS, p), atol=1e-3, rtol=0)


def test_small_weights_are_reported_as_zero():
    assert reported(torch.tensor([1.0, 0.5, 1e-4])).tolist() == [1.0, 0.5, 0.0]


# -- projection onto the simplex -----------------------------------------------------


def nearest_by_enumeration(point):
    """Try every set of positive entries; the best feasible point is the projection."""
    point, best = np.asarray(point), None
    for size in range(1, len(point) + 1):
        for support in map(list, combinations(range(len(point)), size)):
            candidate = np.zeros(len(point))
            candidate[support] = point[support] - (point[support].sum() - 1) / size
            distance = ((candidate - point) ** 2).sum()
            if candidate.min() >= 0 and (best is None or distance < best[0]):
                best = distance, candidate
    return best[1]


@settings(max_examples=200, deadline=None)
@given(points)
def test_the_projection_is_the_nearest_point(point):
    projected = project_onto_simplex(column(*point))[:, 0].numpy()
    assert projected.min() >= 0 and projected.sum() == pytest.approx(1)
    np.testing.assert_allclose(projected, nearest_by_enumeration(point), atol=1e-7)


@settings(max_examples=50, deadline=None)
@given(points, entries)
def test_the_projection_ignores_a_common_part_and_is_idempotent(point, constant):
    point = column(*point)
    projected = project_onto_simplex(point)
    for same in (point + constant, projected):
        torch.testing.assert_close(project_onto_simplex(same), projected)


def test_each_column_is_projected_by_itself():
    points = torch.randn(4, 3, 2, dtype=torch.float64)
    together = project_onto_simplex(points)
    for row in range(3):
        for unit in range(2):
            alone = project_onto_simplex(points[:, row, unit])
            torch.testing.assert_close(together[:, row, unit], alone)


@pytest.mark.parametrize("far", [1e3, 1e10, 1e30])
def test_the_projection_of_a_distant_point_is_exactly_a_vertex(far):
    assert project_onto_simplex(torch.tensor([-far, far, 0.0])).tolist() == [0, 1, 0]
