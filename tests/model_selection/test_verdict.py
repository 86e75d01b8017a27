"""The verdict, and importances of modalities."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from skmm.model_selection._comparison.verdict import (
    Outcome,
    Statistics,
    importance_of,
    judge,
)
from skmm.model_selection.splits import make_splits
from skmm.model_selection.statistics import (
    LOSSES,
    by_rows,
)

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 3)), RNG.integers(2, size=60)


def pairs(p_helps, p_harms):
    return pd.DataFrame(
        {
            "fused": "a + b",
            "against": ["a", "b"],
            "control": False,
            "p_helps": p_helps,
            "p_harms": p_harms,
        }
    )


@pytest.mark.parametrize(
    ("p_helps", "p_harms", "kind", "against"),
    [
        ([0.01, 0.04], [1.0, 1.0], "helps", "b"),
        ([0.01, 0.06], [1.0, 1.0], "no evidence", "b"),
        ([0.99, 0.01], [0.04, 1.0], "harms", "a"),
        ([0.99, 0.01], [0.06, 1.0], "no evidence", "a"),
    ],
)
def test_all_singles_must_be_beaten(p_helps, p_harms, kind, against):
    found, pair = judge(pairs(p_helps, p_harms), 0.05)
    assert (found, pair["against"]) == (kind, against)


def test_several_fused_subsets_are_corrected_for():
    table = pd.concat(
        [
            pairs([0.03, 0.03], [1.0, 1.0]).assign(fused=name)
            for name in ("a + c", "b + c", "a + b")
        ]
    )
    assert judge(table, 0.05)[0] == "no evidence"
    assert judge(table, 0.10)[0] == "helps"


def drawn_outcomes(names, rng):
    """Random losses of all subsets; rows and splits."""
    splits = make_splits(5, LogisticRegression(), X, Y, None, 0)
    outcomes = {}
    for code in range(2 ** len(names)):
        part = frozenset(n for i, n in enumerate(names) if code >> i & 1)
        rows = rng.normal(size=60)
        means = np.array([rows[test].mean() for _, test in splits.pairs])
        outcomes[part] = Outcome(means, rows)
    return outcomes, Statistics(splits, None, LOSSES["neg_log_loss"])


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "c"], list("abcd")])
def test_shapley_values_sum_to_the_total_gain(names):
    outcomes, statistics = drawn_outcomes(names, np.random.default_rng(1))
    nothing = outcomes.pop(frozenset())
    table = importance_of(outcomes, names, nothing, statistics)
    whole = nothing.rows.mean() - outcomes[frozenset(names)].rows.mean()
    assert table["shapley"].sum() == pytest.approx(whole)
    alone = nothing.rows - outcomes[frozenset(["a"])].rows
    assert table.loc["a", "alone"] == pytest.approx(alone.mean())
    expected = by_rows(alone, 5).standard_error
    assert table.loc["a", "alone_SE"] == pytest.approx(expected)


def test_shapley_values_of_two():
    outcomes, statistics = drawn_outcomes(["a", "b"], np.random.default_rng(2))
    v = {part: -outcome.rows.mean() for part, outcome in outcomes.items()}
    none, a, b, ab = (frozenset(part) for part in ("", "a", "b", "ab"))
    nothing = outcomes.pop(none)
    table = importance_of(outcomes, ["a", "b"], nothing, statistics)
    expected = 0.5 * (v[a] - v[none]) + 0.5 * (v[ab] - v[b])
    assert table.loc["a", "shapley"] == pytest.approx(expected)
    assert table.loc["a", "left_out"] == pytest.approx(v[ab] - v[b])


def test_shapley_symmetry_and_a_useless_modality():
    """b adds nothing to any subset: its value is zero; a and c are alike."""
    losses = {"": 1.0, "a": 0.6, "c": 0.6, "b": 1.0, "ab": 0.6, "bc": 0.6}
    losses |= {"ac": 0.1, "abc": 0.1}
    splits = make_splits(5, LogisticRegression(), X, Y, None, 0)
    outcomes = {
        frozenset(part): Outcome(np.full(5, loss), np.full(60, loss))
        for part, loss in losses.items()
    }
    statistics = Statistics(splits, None, LOSSES["neg_log_loss"])
    nothing = outcomes.pop(frozenset())
    table = importance_of(outcomes, list("abc"), nothing, statistics)
    np.testing.assert_allclose(table["shapley"], [0.45, 0.0, 0.45], atol=1e-12)


def test_unequal_groups_are_one_observation_each():
    rng = np.random.default_rng(0)
    groups = np.r_[np.zeros(100, int), np.arange(1, 51)]
    y, X = rng.normal(size=150), np.empty((150, 1))
    splits = make_splits(5, LinearRegression(), X, y, groups, 0)
    rows = rng.normal(size=150)
    means = np.array([rows[test].mean() for _, test in splits.pairs])
    both = Outcome(means, rows), Outcome(means * 0, rows * 0)
    found = Statistics(splits, groups, LOSSES["neg_log_loss"]).gain(*both)
    plain = rows[[0, *range(100, 150)]]
    plain[0] = rows[:100].mean()
    expected = plain.std(ddof=1) / np.sqrt(51) * np.sqrt(5 / 4) * (1 + 20 / 51)
    assert found.mean == pytest.approx(-plain.mean())
    assert expected * 0.99 <= found.standard_error < expected * 2
