"""What the benchmark of update rules computes, where the answer is known."""

import json
import math
import sys
from importlib import import_module
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

FOLDER = str(Path(__file__).parents[2] / "benchmarks")


@pytest.fixture(autouse=True)
def found(monkeypatch):
    """The folder of the benchmarks, whose scripts import each other by name."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(FOLDER)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(FOLDER):
            del sys.modules[name]


def cube():
    """Three signs, of mean zero, on a grid."""
    return np.meshgrid(*[[-1.0, 1.0]] * 3, indexing="ij")


@pytest.mark.parametrize("order", [1, 2, 3])
def test_orders_of_products_of_signs(order):
    residual, axes = import_module("update_rules_residual"), cube()
    sizes = combinations(range(3), order)
    values = 5 + sum(np.prod([axes[i] for i in some], 0) for some in sizes)
    parts = residual.by_order(values)
    for k, part in enumerate(parts, 1):
        wanted = values - 5 if k == order else np.zeros((2, 2, 2))
        np.testing.assert_allclose(np.broadcast_to(part, (2, 2, 2)), wanted, atol=1e-12)


def test_and_has_the_parts_of_the_paper():
    residual = import_module("update_rules_residual")
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
    residual = import_module("update_rules_residual")
    problem = residual.Planted((1, 2, 3), 100)
    _, (X, y), planted = problem.split(0)
    assert len(X) == len(y) == residual.TEST
    for part in planted.values():
        assert part.var() == pytest.approx(1.0, abs=0.25)
    noise = y - sum(planted.values())
    assert noise.std() == pytest.approx(problem.noise, abs=0.05)


def test_the_ratio_starts_with_the_shares_of_classes():
    blending = import_module("update_rules_blending")
    y = np.array([0, 1] * 10)
    ratio = blending.ratio_of(y, y, [0.2, 0.4])
    assert ratio == pytest.approx(0.2 / (math.log(2) - 0.4))


def test_equal_weights_learn_the_rows_that_others_learn():
    blending = import_module("update_rules_blending")
    train, _ = blending.small_and_large(0, train=60, test=10)
    model = blending.models_of("sgd", False, 0, train[0])["equal weights"]
    fitted = blending.trained("equal weights", model, *train)
    assert len(fitted.history_) == blending.SETTINGS["max_epochs"]
    assert set(fitted.blending_weights_.values()) == {1 / 3}


def test_a_large_net_reads_what_is_routed_to_it():
    dynamic = import_module("update_rules_dynamic")
    train, test = dynamic.easy_and_hard(0, train=200, test=60)
    full = dynamic.FusionClassifier(dynamic.ENCODERS, max_epochs=1).fit(*train)
    found = dynamic.gate_result("hard", 0.1, 0, train, test, full)
    assert found["unread"] == 0
    assert found["cost"] == pytest.approx(
        found["share"] + (1 - found["share"]) * found["cheap"]
    )
    assert found["paid"] > found["cost"]


def test_cells_that_are_stored_are_not_run_again(tmp_path):
    store, path, asked = import_module("no_harm_store"), tmp_path / "runs.jsonl", []

    def run(case, seed):
        asked.append((case, seed))
        return [{"configuration": case, "seed": seed, "method": m} for m in "xy"]

    assert len(store.collect(run, [("a", 0), ("a", 1)], path)) == 4
    again = store.collect(run, [("a", 1), ("b", 1)], path)
    assert asked == [("a", 0), ("a", 1), ("b", 1)]
    assert {(one["configuration"], one["seed"]) for one in again} == {
        ("a", 1),
        ("b", 1),
    }
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 6


def test_what_is_claimed_alone_has_no_rank():
    import_module("fusion_zoo_data")
    zoo = import_module("fusion_zoo_table")
    few = {"seed": 0, "train": 0.1, "interactions": 0.5, "parameters": 1}
    few |= {"seconds_per_epoch": 0.1}
    rows = [
        few | {"configuration": case, "method": method, "loss": loss, "error": loss}
        for case, loss in (("xor", 0.2), ("xor, 2,000 rows", 0.01))
        for method in ("bilinear", "single: a")
    ]
    (only,) = [one for one in zoo.table(rows) if one["method"] == "bilinear"]
    assert only["loss: xor"] == 0.2 and "loss: xor, 2,000 rows" not in only
    claimed = {one["rows"]: one for one in zoo.claims(rows)}
    assert claimed[1000]["met"] == "no" and claimed[2000]["met"] == "yes"


def test_what_is_chosen_is_cheap_and_within_a_standard_error():
    dynamic = import_module("update_rules_dynamic")

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


def test_ranks_are_surer_with_the_same_seeds_than_with_noise():
    import_module("fusion_zoo_data")
    zoo = import_module("fusion_zoo_table")
    rng = np.random.default_rng(0)

    def frame(noise):
        rows = [
            {"configuration": case, "seed": seed, "method": method}
            | {"loss": loss + noise * rng.normal()}
            for case in ("xor", "additive")
            for seed in range(5)
            for method, loss in (("a", 0.1), ("b", 0.2), ("single: x", 0.3))
        ]
        return zoo.frame_of(rows)

    sure, unsure = (zoo.uncertainty(frame(noise), 50) for noise in (0.0, 0.5))
    assert (sure["se of rank"] == 0).all()
    assert sure["ahead of first %"].to_dict() == {"a": 0, "b": 0, "best single": 0}
    assert (unsure["se of rank, seeds"] > 0.1).all()


def test_test_rows_do_not_standardise():
    tokens = import_module("fusion_zoo_tokens")
    part = np.r_[np.arange(10.0), 1e6]
    scaled = tokens.standardised(part, np.arange(10))
    assert scaled[:10].mean() == pytest.approx(0) and scaled[10] > 1e5
    assert scaled[:10].std() == pytest.approx(1)
