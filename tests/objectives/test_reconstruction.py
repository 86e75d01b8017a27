"""What the losses of a reconstruction are, and what their gradients are."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from skmm.objectives import ReconstructionLoss, SquaredError

torch.manual_seed(0)
Z, Y = torch.randn(6, 5), torch.rand(6, 5)
WEIGHT = torch.tensor([0.0, 2.0, 1.0, 1.0, 0.5, 1.5])


def gradient(objective, z, y=Y, weight=None):
    z = z.clone().requires_grad_()
    loss = objective(z, y, weight)
    loss.backward()
    return loss.detach(), z.grad


def test_mse_is_squared_error():
    assert torch.equal(ReconstructionLoss()(Z, Y), SquaredError()(Z, Y))


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_rmse_has_the_gradient_of_mse_over_twice_the_rmse(weight):
    mse, slope = gradient(ReconstructionLoss(), Z, weight=weight)
    rmse, other = gradient(ReconstructionLoss("rmse"), Z, weight=weight)
    torch.testing.assert_close(rmse, mse.sqrt())
    torch.testing.assert_close(other, slope / (2 * rmse))


def test_rmse_is_smooth_where_it_is_zero():
    _, slope = gradient(ReconstructionLoss("rmse"), Y)
    assert torch.equal(slope, torch.zeros_like(slope))


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_activation_comes_before_the_distance(activation):
    loss = ReconstructionLoss("mse", [(5, activation)])(Z, Y)
    expected = (getattr(torch, activation)(Z) - Y).square().mean()
    torch.testing.assert_close(loss, expected)


def test_bce_is_that_of_probabilities_and_stays_finite():
    bce = ReconstructionLoss("bce", [(5, "sigmoid")])
    expected = functional.binary_cross_entropy(Z.sigmoid(), Y)
    torch.testing.assert_close(bce(Z, Y), expected)
    loss, slope = gradient(bce, torch.full((1, 5), 500.0), torch.zeros(1, 5))
    assert loss == 500
    torch.testing.assert_close(slope, torch.full((1, 5), 0.2))


def test_bce_is_least_where_the_probability_is_the_target():
    bce = ReconstructionLoss("bce", [(5, "sigmoid")])
    _, slope = gradient(bce, Y.logit())
    np.testing.assert_allclose(slope, 0, atol=1e-7)


def test_targets_count_equally():
    parts = [(1, None), (4, "sigmoid")]
    loss = ReconstructionLoss("mse", parts)(Z, Y)
    first = (Z[:, :1] - Y[:, :1]).square().mean()
    second = (Z[:, 1:].sigmoid() - Y[:, 1:]).square().mean()
    torch.testing.assert_close(loss, (first + second) / 2)


@pytest.mark.parametrize("loss", ["mse", "rmse", "bce"])
def test_repeated_rows_change_nothing(loss):
    objective = ReconstructionLoss(loss, [(5, "sigmoid")])
    torch.testing.assert_close(
        objective(Z.repeat(2, 1), Y.repeat(2, 1)), objective(Z, Y)
    )


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"loss": "mae"}, "loss"),
        ({"parts": [(0, None)]}, "width"),
        ({"parts": [(5, "tanh")]}, "activation"),
        ({"loss": "bce"}, "sigmoid"),
        ({"loss": "bce", "parts": [(5, "relu")]}, "sigmoid"),
    ],
)
def test_bad_parameters(params, match):
    with pytest.raises(ValueError, match=match):
        ReconstructionLoss(**params)._validate_params()
