"""The tests behind a verdict, against formulas and by simulation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import GroupKFold, KFold, RepeatedKFold, ShuffleSplit

from skmm.model_selection import BootstrapOutOfBag
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
    by_splits,
    choose_measure,
    holm,
)

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 3)), RNG.integers(2, size=60)


def test_by_rows_is_a_t_test_with_a_wider_error():
    values = RNG.normal(0.1, 1, size=50)
    found = by_rows(values, n_folds=5)
    assert found.standard_error == pytest.approx(stats.sem(values) * np.sqrt(5 / 4))
    many = by_rows(values, n_folds=10**9)
    expected = stats.ttest_1samp(values, 0, alternative="greater")
    assert many.p_above() == pytest.approx(expected.pvalue)
    assert many.interval(0.05) == pytest.approx(
        tuple(stats.ttest_1samp(values, 0).confidence_interval())
    )


def test_groups_are_single_observations():
    values = RNG.normal(size=30)
    groups = np.repeat(np.arange(10), 3)
    means = values.reshape(10, 3).mean(1)
    assert by_rows(values, 5, groups) == by_rows(means, 5)
    order = RNG.permutation(30)
    again = by_rows(values[order], 5, groups[order])
    assert again.standard_error == pytest.approx(by_rows(means, 5).standard_error)


def test_corrected_resampled_t():
    values = RNG.normal(size=20)
    found = by_splits(values, ratio=0.25)
    expected = values.std(ddof=1) * np.sqrt(1 / 20 + 0.25)
    assert (found.mean, found.df) == (pytest.approx(values.mean()), 19)
    assert found.standard_error == pytest.approx(expected)
    t = values.mean() / expected
    two_sided = 2 * stats.t.sf(abs(t), 19)
    assert found.p_below() == pytest.approx(two_sided if t < 0 else 1.0)


@pytest.mark.parametrize("sign", [-1, 0, 1])
def test_a_constant_difference_has_no_error(sign):
    found = by_rows(np.full(20, float(sign)), 5)
    assert found.p_above() == {1: 0.0, 0: 0.5, -1: 1.0}[sign]


def test_detectable_difference_is_found_four_times_in_five():
    n, draws = 100, 2000
    found = [by_rows(RNG.normal(size=n), 10**9) for _ in range(200)]
    size = np.mean([f.detectable(0.05) for f in found])
    hits = [
        by_rows(RNG.normal(size, 1, size=n), 10**9).p_above() < 0.05
        for _ in range(draws)
    ]
    assert np.mean(hits) == pytest.approx(0.8, abs=0.04)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm(p_values):
    adjusted = holm(p_values)
    by_hand, largest = {}, 0.0
    for rank, i in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, p_values[i] * (len(p_values) - rank))
        by_hand[i] = min(largest, 1.0)
    np.testing.assert_allclose(adjusted, [by_hand[i] for i in range(len(p_values))])
    assert (adjusted >= np.asarray(p_values) - 1e-12).all()


def test_losses_of_rows_average_to_scikit_learns():
    model = LogisticRegression().fit(X, Y)
    rows = LOSSES["neg_log_loss"].losses(model, X, Y)
    assert rows.mean() == pytest.approx(log_loss(Y, model.predict_proba(X)))
    rows = LOSSES["accuracy"].losses(model, X, Y)
    assert 1 - rows.mean() == pytest.approx(model.score(X, Y))
    values = RNG.normal(size=(60, 2))
    model = LinearRegression().fit(X, values)
    rows = LOSSES["neg_mean_squared_error"].losses(model, X, values)
    assert rows.mean() == pytest.approx(mean_squared_error(values, model.predict(X)))


def test_a_class_that_training_lacked_costs_much_and_is_finite():
    model = LogisticRegression().fit(X, Y)
    rows = LOSSES["neg_log_loss"].losses(model, X[:3], np.array([0, 7, 1]))
    assert np.isfinite(rows).all() and rows[1] > 30


def test_default_measures():
    assert choose_measure(LogisticRegression(), None, Y).name == "log-loss"
    assert choose_measure(LinearRegression(), None, Y).name == "squared error"
    assert choose_measure(LogisticRegression(), "roc_auc", Y).losses is None


def test_default_splits_are_ten_times_five_folds():
    splits = make_splits(None, LogisticRegression(), X, Y, None, 0)
    assert (len(splits.pairs), splits.n_repeats, splits.n_folds) == (50, 10, 5)
    assert splits.ratio == pytest.approx(0.25)
    counts = {len(test) for _, test in splits.pairs}
    assert counts <= {11, 12, 13}


@pytest.mark.parametrize("resampling", [None, 3, BootstrapOutOfBag(3)])
def test_groups_stay_together(resampling):
    groups = np.repeat(np.arange(15), 4)
    for model, y in ((LogisticRegression(), Y), (LinearRegression(), X[:, 0])):
        splits = make_splits(resampling, model, X, y, groups, 0)
        assert len(splits.pairs) == (50 if resampling is None else 3)
        for train, test in splits.pairs:
            assert not set(groups[train]) & set(groups[test])


def test_splitters_that_separate_groups_are_refused():
    groups = np.repeat(np.arange(15), 4)
    with pytest.raises(ValueError, match=r"resampling=KFold.* splits group"):
        make_splits(KFold(3, shuffle=True), LogisticRegression(), X, Y, groups, 0)
    with pytest.raises(ValueError, match=r"cv=GroupKFold.* needs groups"):
        make_splits(GroupKFold(3), LogisticRegression(), X, Y, None, 0, "cv")


@pytest.mark.parametrize(
    ("resampling", "repeats"),
    [
        (5, 1),
        (RepeatedKFold(n_splits=4, n_repeats=3, random_state=0), 3),
        (BootstrapOutOfBag(7, random_state=0), None),
        (ShuffleSplit(6, random_state=0), None),
    ],
)
def test_what_a_splitter_allows(resampling, repeats):
    splits = make_splits(resampling, LogisticRegression(), X, Y, None, 0)
    assert splits.n_repeats == repeats


def test_bootstraps_count_rows_once():
    resampling = BootstrapOutOfBag(50, random_state=0)
    splits = make_splits(resampling, LogisticRegression(), X, Y, None, 0)
    assert splits.ratio == pytest.approx(0.368 / 0.632, rel=0.05)


def test_small_classes_are_named():
    y = np.array(["common"] * 57 + ["rare"] * 3)
    with pytest.raises(ValueError, match=r"'rare' has 3 row\(s\), fewer than the 5"):
        make_splits(None, LogisticRegression(), X, y, None, 0)


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


def test_several_fused_subsets_are_paid_for():
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
    return outcomes, Statistics(splits, None, lower_is_better=True)


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "c"], list("abcd")])
def test_shapley_values_share_the_whole(names):
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
    statistics = Statistics(splits, None, lower_is_better=True)
    nothing = outcomes.pop(frozenset())
    table = importance_of(outcomes, list("abc"), nothing, statistics)
    np.testing.assert_allclose(table["shapley"], [0.45, 0.0, 0.45], atol=1e-12)
