"""Other callables are refused with the contract of objectives."""

import numpy as np
import pytest
import torch
from torch import nn

from skmm import FusionRegressor
from skmm.model_selection import fit_replicas
from skmm.objectives import Objective, SquaredError, WeightedSum
from tests.toys import two_tables

X, _ = two_tables()
Y = X["a"][:, 0]
RULE = r"called with \(outputs, target, weight\) and returns a scalar.*'squared_error'"


def fit(objective):
    return FusionRegressor(objective=objective, max_epochs=1, random_state=0).fit(X, Y)


@pytest.mark.parametrize(
    "objective, words",
    [
        (nn.MSELoss(), r"MSELoss\(\) is a loss of torch.nn.*use 'squared_error'"),
        (nn.MSELoss, "class MSELoss is a loss of torch.nn.*use 'squared_error'"),
        (nn.CrossEntropyLoss(), r"CrossEntropyLoss\(\).*use 'cross_entropy'"),
        (nn.CrossEntropyLoss, "class CrossEntropyLoss.*use 'cross_entropy'"),
        (lambda outputs, target: 0.0, r"must accept \(outputs, .*got <function"),
        (SquaredError, r"the class SquaredError\. Pass an instance: SquaredError\(\)"),
        (lambda o, t, w: (o - t).square().mean(1), r"returned shape \(32,\), not a sc"),
        (lambda o, t, w: 1.0, "returned float, not a scalar"),
    ],
)
def test_other_callables_are_rejected(objective, words):
    with pytest.raises(TypeError, match=f"objective.*{words}.*{RULE}"):
        fit(objective)


@pytest.mark.parametrize("terms", [["squared_error"], [("squared_error", "1")], [3]])
def test_terms_of_a_sum_are_pairs(terms):
    with pytest.raises(ValueError, match="must be pairs of an objective and its weigh"):
        fit(WeightedSum(terms))


def test_a_term_that_is_a_class_is_rejected():
    with pytest.raises(TypeError, match="class SquaredError"):
        fit(WeightedSum([(SquaredError, 1.0)]))


def test_names_of_a_sum_are_looked_up_once():
    both = WeightedSum([("squared_error", 1.0)])
    assert both._terms() is both._terms()
    both.set_params(objectives=[("absolute_error", 2.0)])
    assert both._terms()[0][1] == 2.0


def test_a_function_and_a_module_of_three_arguments_do():
    class Own(nn.Module):
        def forward(self, outputs, target, weight=None):
            return (outputs - target).square().mean()

    own = fit(Own()).predict(X)
    same = fit(lambda o, t, w: (o - t).square().mean()).predict(X)
    assert (own == same).all()


class Rows(Objective):
    """Squared errors in a shape of choice."""

    def __init__(self, shape="(n, 1)"):
        self.shape = shape

    def rows(self, outputs, target):
        losses = (outputs - target).square()
        return {
            "(n, 1)": losses,
            "()": losses.mean(),
            "fewer": losses[1:, 0],
            "float": losses.mean().item(),
        }[self.shape]


@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 2.0, 3.0])])
@pytest.mark.parametrize(
    ("shape", "got"),
    [
        ("(n, 1)", r"shape \(3, 1\)"),
        ("()", r"shape \(\)"),
        ("fewer", r"shape \(2,\)"),
        ("float", "float"),
    ],
)
def test_rows_of_another_shape_are_refused(shape, got, weight):
    loss, outputs = Rows(shape), torch.randn(3, 1)
    words = rf"rows of objective Rows must return a tensor of shape \(3,\).*got {got}"
    with pytest.raises(ValueError, match=words):
        loss(outputs, torch.zeros(3, 1), weight)
    with pytest.raises(ValueError, match=words):
        loss.row_losses(outputs, torch.zeros(3, 1))


def test_rows_of_another_shape_are_refused_in_a_stack():
    model = FusionRegressor(objective=Rows(), max_epochs=1, random_state=0)
    with pytest.raises(ValueError, match="rows of objective Rows must return"):
        fit_replicas(model, X, Y, [np.arange(30), np.arange(10, 40)])
