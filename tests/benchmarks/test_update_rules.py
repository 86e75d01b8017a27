"""What the benchmark of update rules computes, where the answer is known."""

import math
from itertools import combinations

import numpy as np
import pytest

from benchmarks.update_rules import blending, dynamic, residual


def cube():
    """Three signs, of mean zero, on a grid."""
    return np.meshgrid(*[[-1.0, 1.0]] * 3, indexing="ij")


@pytest.mark.parametrize("order", [1, 2, 3])
def test_orders_of_products_of_signs(order):
    axes = cube()
    sizes = combinations(range(3), order)
    values = 5 + sum(np.prod([axes[i] for i in some], 0) for some in sizes)
    parts = residual.by_order(values)
    for k, part in enumerate(parts, 1):
        wanted = values - 5 if k == order else np.zeros((2, 2, 2))
        np.testing.assert_allclose(np.broadcast_to(part, (2, 2, 2)), wanted, atol=1e-12)


def test_and_has_the_parts_of_the_paper():
    values = np.zeros((2, 2, 2))
    values[1, 1, 1] = 1.0
    single, pairs = residual.by_order(values)
    mean = values.mean()
    np.testing.assert_allclose(
        [
            single[1, 1, 1] + mean,
            pairs[1, 1, 1],
            1 - mean - single[1, 1, 1] - pairs[1, 1, 1],
        ],
        [0.5, 0.375, 0.125],
    )


def test_planted_orders_have_variance_one():
    problem = residual.Planted((1, 2, 3), 100)
    _, (X, y), planted = problem.split(0)
    assert len(X) == len(y) == residual.TEST
    for part in planted.values():
        assert part.var() == pytest.approx(1.0, abs=0.25)
    noise = y - sum(planted.values())
    assert noise.std() == pytest.approx(problem.noise, abs=0.05)


def test_the_ratio_starts_with_the_shares_of_classes():
    y = np.array([0, 1] * 10)
    ratio = blending.ratio_of(y, y, [0.2, 0.4])
    assert ratio == pytest.approx(0.2 / (math.log(2) - 0.4))


def test_equal_weights_learn_the_rows_that_others_learn():
    train, _ = blending.small_and_large(0, train=60, test=10)
    model = blending.models_of("sgd", False, 0, train[0])["equal weights"]
    fitted = blending.trained("equal weights", model, *train)
    assert len(fitted.history_) == blending.SETTINGS["max_epochs"]
    assert set(fitted.blending_weights_.values()) == {1 / 3}


def test_a_large_net_reads_what_is_routed_to_it():
    train, test = dynamic.easy_and_hard(0, train=200, test=60)
    full = dynamic.FusionClassifier(dynamic.ENCODERS, max_epochs=1).fit(*train)
    found = dynamic.gate_result("hard", 0.1, 0, train, test, full)
    assert found["unread"] == 0
    assert found["cost"] == pytest.approx(
        found["share"] + (1 - found["share"]) * found["cheap"]
    )
    assert found["paid"] > found["cost"]


def test_what_is_chosen_is_cheap_and_within_a_standard_error():

    def rows(**accuracies):
        prices = {"a": 0.1, "b": 0.5, "c": 1.0}
        return [
            {"method": f"hard gate, {name}", "accuracy": value, "paid": prices[name]}
            for name, value in accuracies.items()
        ]

    found = rows(a=0.1, b=0.2, c=0.3)  # test rows, which do not choose
    tried = [*rows(a=0.85, b=0.89, c=0.9), dict(rows(a=1.0)[0], method="cascade, a")]
    few, more, many = (
        dynamic.chosen("hard gate", tried, found, count) for count in (30, 100, 10_000)
    )
    assert [one["chosen"] for one in (few, more, many)] == ["a", "b", "c"]
    assert few == found[0] | {"method": "chosen hard gate", "chosen": "a"}
