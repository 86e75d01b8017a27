"""Measures and tests of differences, against formulas and by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss, mean_squared_error

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


def test_detectable_difference_has_80_percent_power():
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


def test_log_loss_of_an_unknown_class_is_large_and_finite():
    model = LogisticRegression().fit(X, Y)
    rows = LOSSES["neg_log_loss"].losses(model, X[:3], np.array([0, 7, 1]))
    assert np.isfinite(rows).all() and rows[1] > 30


def test_default_measures():
    assert choose_measure(LogisticRegression(), None, Y).name == "log-loss"
    assert choose_measure(LinearRegression(), None, Y).name == "squared error"
    assert choose_measure(LogisticRegression(), "roc_auc", Y).losses is None
