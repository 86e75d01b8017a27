"""Weights of NoHarmFusion: from free parameters, and with missing modalities."""

import pytest
import torch

from skmm.nn.fusion.no_harm import (
    UNDECIDED,
    clipped,
    plane_weights,
    renormalised,
    shared_rest,
    softmax_weights,
    weighted_sum,
)

EVERY = [plane_weights, softmax_weights, clipped]


def column(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


@pytest.mark.parametrize("far", [1e3, 1e10, 1e30])
def test_distant_parameters_give_an_exact_vertex(far):
    assert clipped(torch.tensor([[far]])).tolist() == [[0], [1]]
    assert clipped(torch.tensor([[-far]])).tolist() == [[1], [0]]


@pytest.mark.parametrize("weigh", EVERY)
@pytest.mark.parametrize("free", [column(0.3), column(4), column(-2, 0.4, 5, 5)])
def test_weights_sum_to_one_and_their_gradients_to_zero(weigh, free):
    free = free.clone().requires_grad_()
    weights = weigh(free)
    assert len(weights) == max(2, len(free))
    torch.testing.assert_close(weights.sum(0), torch.ones(1, dtype=torch.float64))
    (slope,) = torch.autograd.grad(weights.sum(), free)
    assert slope.abs().max() < 1e-12
    if weigh is not plane_weights:
        assert ((weights >= 0) & (weights <= 1)).all()


@pytest.mark.parametrize("weigh", EVERY)
@pytest.mark.parametrize("free", [column(0.3), column(0.2, 0.5, 0.3)])
def test_gradients_of_weights(weigh, free):
    assert torch.autograd.gradcheck(weigh, free.clone().requires_grad_())


def test_one_parameter_is_the_weight_of_the_second_modality():
    for weigh in (plane_weights, clipped):
        torch.testing.assert_close(weigh(column(0.3)), column(0.7, 0.3))
    half = softmax_weights(column(0.3))
    torch.testing.assert_close(half[1], torch.sigmoid(column(0.3))[0])


@pytest.mark.parametrize("free", [column(-3), column(5), column(-3, 5, 1)])
def test_clipped_has_a_gradient_outside(free):
    slopes = []
    for weigh in (clipped, plane_weights):
        copied = free.clone().requires_grad_()
        (weigh(copied)[-1]).sum().backward()
        slopes.append(copied.grad)
    assert slopes[0].any()
    torch.testing.assert_close(*slopes)


WEIGHTS = column(0.6, 0.3, 0.1)


def there(*rows):
    return torch.tensor(rows, dtype=torch.float64)[..., None]


@pytest.mark.parametrize(
    "row, expected",
    [
        ([1, 1, 1], [0.6, 0.3, 0.1]),
        ([0, 1, 1], [0, 0.75, 0.25]),
        ([1, 0, 1], [6 / 7, 0, 1 / 7]),
        ([0, 0, 1], [0, 0, 1]),
        ([0, 0, 0], [0, 0, 0]),
    ],
)
def test_renormalised_is_in_proportion(row, expected):
    shares = renormalised(WEIGHTS, there(row))
    torch.testing.assert_close(shares, there(expected))


@pytest.mark.parametrize("tiny", [0.0, 1e-30, UNDECIDED / 3])
def test_weights_that_sum_to_zero_are_equal(tiny):
    weights = column(1 - tiny, tiny, 0)
    assert renormalised(weights, there([0, 1, 1]))[0, :, 0].tolist() == [0, 0.5, 0.5]


@pytest.mark.parametrize("share", [renormalised, shared_rest])
@pytest.mark.parametrize(
    "weights",
    [WEIGHTS, column(1, 0, 0), column(1 - 1e-30, 1e-30, 0), column(1e-45, 0, 1)],
)
def test_gradients_of_shares_are_bounded(share, weights):
    weights = weights.float().requires_grad_()
    rows = there([1, 1, 1], [0, 1, 1], [1, 1, 0], [0, 1, 0], [0, 0, 0]).float()
    shares = share(weights, rows)
    shares.backward(torch.arange(15.0).reshape(5, 3, 1))
    assert weights.grad.isfinite().all() and weights.grad.abs().max() < 15 / UNDECIDED


@pytest.mark.parametrize("share", [renormalised, shared_rest])
@pytest.mark.parametrize("weight", [0.7, 1e-5, 0.0, 1.0])
def test_a_single_modality_has_weight_one_and_gradient_zero(share, weight):
    weights = torch.tensor([[1 - weight], [weight]], requires_grad=True)
    rows = there([0, 1], [1, 0]).float().repeat(100, 1, 1)
    shares = share(weights, rows)
    assert torch.equal(shares, rows)
    shares.backward(torch.randn(200, 2, 1))
    assert weights.grad.tolist() == [[0], [0]]


def test_shared_rest_needs_no_positive_sum():
    """Weights -1, 1, 1: those of the first two sum to zero."""
    shares = shared_rest(column(-1, 1, 1), there([1, 1, 0], [1, 1, 1], [0, 0, 0]))
    expected = there([-0.5, 1.5, 0], [-1, 1, 1], [0, 0, 0])
    torch.testing.assert_close(shares, expected)


def test_weighted_sum_is_the_sum():
    stacked = torch.randn(5, 3, 4, dtype=torch.float64)
    weights = torch.rand(5, 3, 4, dtype=torch.float64).softmax(1)
    expected = (stacked * weights).sum(1)
    torch.testing.assert_close(weighted_sum(stacked, weights), expected)


def test_gradients_of_a_weighted_sum_equal_those_of_the_sum_up_to_a_constant():
    stacked = torch.randn(3, 4, dtype=torch.float64)
    slopes = []
    for add in (weighted_sum, lambda c, w: (c * w).sum(-2)):
        free = column(0.2, -0.5, 0.3).requires_grad_()
        add(stacked, softmax_weights(free)).square().sum().backward()
        slopes.append(free.grad)
    torch.testing.assert_close(*slopes)
