"""The statistics of the no-harm benchmark, on pairs whose answer is known."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from benchmarks.no_harm import table


def pair(change, error=0.001, configuration="a", kind="noise", n=80, method="m"):
    """A method whose loss is `change` larger than b's, which is 2."""
    return {
        "configuration": configuration,
        "seed": 0,
        "method": method,
        "kind": kind,
        "n": n,
        "loss": 2 * (1 + change),
        "reference_loss": 2.0,
        "standard_error": error,
        "test_rows": round(1000 * (1 + change)),
        "fits": 5,
        "seconds": 1.0,
    }


def only(pairs):
    """The row of one method on all pairs."""
    return table.table(pairs, ["m"])[0]


def test_row_losses_average_to_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, p = rng.integers(3, size=50), rng.dirichlet(np.ones(3), 50)
    assert table.row_losses(y, p).mean() == pytest.approx(log_loss(y, p))
    np.testing.assert_array_equal(
        table.row_losses(np.r_[1.0, 2], np.r_[3.0, 2]), [4, 0]
    )


def test_a_sure_mistake_has_a_finite_loss():
    loss = table.row_losses(np.array([0]), np.array([[0.0, 1.0]]))
    assert loss == pytest.approx(-np.log(1e-15))


def test_the_error_is_that_of_paired_rows():
    rng = np.random.default_rng(0)
    easy = rng.normal(size=100) ** 2
    difference = rng.normal(size=100)
    found = table.compare(easy + difference, easy)
    assert found["standard_error"] == pytest.approx(difference.std(ddof=1) / 10)
    assert found["loss"] - found["reference_loss"] == pytest.approx(difference.mean())


@pytest.mark.parametrize(
    ("change", "error", "harmed", "gained"),
    [
        (0.05, 0.01, True, False),
        (0.05, 0.051, False, False),  # 0.1 is less than two of these
        (0.009, 1e-6, False, False),  # sure, but small
        (-0.05, 0.01, False, True),
        (-0.05, 0.051, False, False),
        (0.0, 0.0, False, False),
    ],
)
def test_harm_is_large_and_sure(change, error, harmed, gained):
    row = table.with_verdicts([pair(change, error)]).iloc[0]
    assert (row["harmed"], row["gained"]) == (harmed, gained)


def test_exact_interval_of_no_hit_is_the_known_formula():
    low, high = table.exact_interval(0, 420)
    assert low == 0
    assert high == pytest.approx(1 - 0.025 ** (1 / 420))


def test_the_clustered_interval_is_wider_where_clusters_agree():
    clusters = np.repeat(np.arange(40), 20)
    agree = clusters < 4
    spread = np.arange(800) % 10 == 0
    widths = [
        np.diff(table.clustered_interval(hits, clusters))[0] for hits in (agree, spread)
    ]
    assert widths[1] < 0.01 < 0.15 < widths[0]
    low, high = table.clustered_interval(agree, clusters)
    assert low < 0.1 < high


def test_shares_and_tail():
    changes = [0.3, 0.02, 0.005, -0.008, -0.2]
    errors = [1.0, 0.001, 0.001, 0.001, 0.001]
    row = only([pair(*both) for both in zip(changes, errors, strict=True)])
    assert row["harm %"] == 20 and row["worst harm %"] == 2
    assert row["largest %"] == 30 and row["test rows of largest"] == 1300
    assert row["worse %"] == 60 and row["worse by 1 %"] == 40
    assert row["gained %"] == 20
    assert row["regret %"] == pytest.approx(100 * 0.325 / 5)
    assert row["95th %"] == pytest.approx(100 * np.quantile(changes, 0.95), abs=0.01)


def test_gain_and_rest_are_geometric_means_of_their_kinds():
    pairs = [pair(-0.5, kind="complementary"), pair(1.0, kind="complementary")]
    pairs += [pair(-0.19, kind="redundant"), pair(0, kind="noise")]
    row = only([*pairs, pair(9, kind="other")])
    assert row["gain %"] == pytest.approx(0)  # half and twice
    assert row["rest %"] == pytest.approx(10)  # square root of 0.81


def test_rows_by_number_of_rows():
    pairs = [pair(0, n=n) for n in (80, 100, 101, 400, 401)]
    found = {row["n"]: row["pairs"] for row in table.table(pairs, ["m", "absent"])}
    assert found == {"all": 5, "n <= 100": 2, "n 101-400": 2, "n > 400": 1}


def test_goals_compare_with_the_ungated():
    names = ["crossfit, z = 1", "ungated residual"]
    pairs = [
        pair(change, kind="complementary", method=name)
        for name, change in zip(names, (-0.2, -0.4), strict=True)
    ]
    goals = {goal["goal"]: goal for goal in table.goals(table.table(pairs, names))}
    assert goals["gain %"]["met"] == "yes"
    kept = goals["gain %, share of the ungated"]
    assert (kept["reached"], kept["met"]) == (pytest.approx(50), "no")
    assert table.goals(table.table([pair(0)], ["m"])) == []
