"""Measures and tests of differences, against formulas and by simulation."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss, mean_squared_error

from skmm import NoHarmFusionClassifier
from skmm.model_selection.statistics import (
    LOSSES,
    Difference,
    by_folds,
    by_rows,
    by_splits,
    choose_measure,
    holm,
    log_losses,
)

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 3)), RNG.integers(2, size=60)


def test_by_rows_is_a_t_test_with_a_wider_error():
    values = RNG.normal(0.1, 1, size=50)
    found = by_rows(values, n_folds=5)
    wider = np.sqrt(5 / 4) * (1 + 20 / 50)
    assert found.standard_error == pytest.approx(stats.sem(values) * wider)
    many = by_rows(values)
    expected = stats.ttest_1samp(values, 0).pvalue
    above = values.mean() > 0
    assert many.p_above() == pytest.approx(expected if above else 1.0)
    assert many.p_below() == pytest.approx(1.0 if above else expected)
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
    assert found.p_above() == (0.0 if sign > 0 else 1.0)
    assert found.p_below() == (0.0 if sign < 0 else 1.0)


NUMBERS = st.floats(-2, 2), st.floats(0.01, 1), st.floats(0, 1), st.floats(0.01, 0.3)


@settings(max_examples=100, deadline=None)
@given(*NUMBERS)
def test_p_values_and_intervals_are_one_procedure(mean, error, growth, alpha):
    found = Difference(mean, error, 30, growth)
    lower, upper = found.interval(alpha)
    assert (lower > 1e-9) <= (found.p_above() < alpha)
    assert (found.p_above() < alpha) <= (lower > -1e-9)
    assert (upper < -1e-9) <= (found.p_below() < alpha)
    assert (found.p_below() < alpha) <= (upper < 1e-9)


def test_an_upper_bound_has_the_error_that_it_would_have():
    found = Difference(0.3, 0.1, 30, growth=0.2)
    _, upper = found.interval(0.05)
    error = np.sqrt(0.1**2 + 0.2 * (upper - 0.3))
    assert upper - 0.3 == pytest.approx(stats.t.isf(0.025, 30) * error)
    assert found.interval(0.05, limit=0.6)[1] == pytest.approx(0.6)
    plain = Difference(0.3, 0.1, 30).interval(0.05)
    assert found.interval(0.05, limit=0.31)[1] == pytest.approx(plain[1])
    assert plain[1] - 0.3 == pytest.approx(0.3 - plain[0])


def test_the_error_of_folds_is_that_of_samples_if_each_fold_is_one():
    values = RNG.normal(size=30)
    found = by_rows(values, 30)
    error = by_folds(found, values, np.ones(30), 30).standard_error
    assert error == pytest.approx(found.standard_error)


def test_folds_widen_an_error_that_vanishes_over_samples():
    values = RNG.normal(size=(4, 25)) * 0.1 + np.arange(4)[:, None]
    found = by_rows(values.ravel(), 4)
    folds = by_folds(found, values.mean(1), np.full(4, 25), 4)
    expected = values.mean(1).std(ddof=1) / np.sqrt(3) * (1 + 20 / 100)
    assert folds.standard_error == pytest.approx(expected)
    assert folds.standard_error > 1.5 * found.standard_error
    same = by_folds(found, np.full(4, found.mean), np.full(4, 25), 4)
    assert same == found


def test_detectable_difference_has_80_percent_power():
    """Squared errors whose paired differences vary the more the larger the gain is."""
    n, noise, draws = 200, 1.0, 2000
    rng = np.random.default_rng(0)

    def draw(gain):
        """Squared errors without an effect of variance `gain`, minus with it."""
        effect, errors = rng.normal(size=n) * np.sqrt(gain), rng.normal(size=n) * noise
        values = (errors + effect) ** 2 - errors**2
        return by_rows(values)

    without = Difference(0.0, 1e-3, n - 1, growth=4 / n, bend=0.5)
    gain = without.detectable(0.05, 1.0)
    assert np.mean(
        [draw(gain).p_above() < 0.05 for _ in range(draws)]
    ) == pytest.approx(0.8, abs=0.05)
    fixed_error = (stats.t.isf(0.025, n - 1) + stats.norm.ppf(0.8)) * 1e-3
    assert gain > 10 * fixed_error
    assert np.isnan(Difference(0.0, 0.5, n - 1, 4 / n).detectable(0.05, 0.1))
    assert np.isnan(Difference(0.0, 0.5, n - 1).detectable(0.05, 1.0))


def break_even(seed, n=100, repeats=4, folds=5):
    """Gains of least squares by a feature that is worth just what it costs."""
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(n, 2)), rng.normal(size=n)
    y = x[:, 0] + x[:, 1] / np.sqrt(0.8 * n) + noise
    gains, splits = np.empty((repeats, n)), []
    for repeat in range(repeats):
        fold = rng.permutation(n) % folds
        for k in range(folds):
            train, test = fold != k, fold == k
            errors = []
            for columns in ([0], [0, 1]):
                fit = np.linalg.lstsq(x[train][:, columns], y[train])[0]
                errors.append((y[test] - x[test][:, columns] @ fit) ** 2)
            gains[repeat, test] = errors[0] - errors[1]
            splits.append(gains[repeat, test].mean())
    return gains.mean(0), np.array(splits)


def test_intervals_cover_a_gain_near_break_even():
    samples, folds = [], []
    for seed in range(300):
        gains, splits = break_even(seed)
        found = by_rows(gains, 5)
        wide = by_folds(found, splits, np.full(len(splits), 20), 5)
        wide = replace(wide, growth=4 / 80)
        samples.append(np.sign(found.interval(0.05)).sum() == 0)
        folds.append(np.sign(wide.interval(0.05)).sum() == 0)
    assert np.mean(samples) < 0.9 and np.mean(folds) > 0.95


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


def test_no_harm_and_comparisons_have_one_log_loss():
    """Of probabilities of zero, too."""
    proba = np.array([[0.0, 1.0], [1e-20, 1.0], [0.25, 0.75], [1.0, 0.0]])
    y, model = np.array(["a", "a", "b", "a"]), NoHarmFusionClassifier()
    model.classes_ = np.array(["a", "b"])
    model.predict_proba = lambda X: proba
    found = model._task().loss_of(y)(proba)
    np.testing.assert_array_equal(found, log_losses(model, None, y))
    assert np.isfinite(found).all() and found[3] == 0
