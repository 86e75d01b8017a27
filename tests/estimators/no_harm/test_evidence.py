"""The rules by which a weight is chosen, against closed forms and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skmm.data.finite import negative_log
from skmm.estimators.no_harm.evidence import (
    GRID,
    LADDER,
    by_unit,
    e_value,
    line_search,
    mean_and_error,
    mixture_gains,
    nested_tests,
    simplex_weights,
)

RNG = np.random.default_rng(0)


def probabilities(n, k=3, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(k), n)


def log_loss(true):
    return lambda proba: negative_log(proba[np.arange(len(true)), true])


def test_gains_by_hand():
    reference, other = np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])
    loss, grid = log_loss(np.array([0])), np.array([0, 0.5, 1])
    gains = mixture_gains(loss, reference, other, grid)
    np.testing.assert_allclose(gains[:, 0], np.log([1, 1.5, 2]))


@given(seed=st.integers(0, 1000))
def test_gains_are_concave_in_the_weight_and_zero_at_zero(seed):
    true = np.arange(20) % 3
    one, two = (probabilities(20, seed=s) for s in (seed, seed + 1))
    gains = mixture_gains(log_loss(true), one, two, GRID)
    assert (gains[0] == 0).all()
    assert (np.diff(gains, 2, axis=0) <= 1e-9).all()


@given(weight=st.floats(0.01, 0.99), seed=st.integers(0, 100))
def test_a_mixture_loses_at_most_what_its_weight_allows(weight, seed):
    """The pointwise bound of `max_harm`, whatever the other predicts."""
    reference, other = probabilities(30, seed=seed), np.eye(3)[RNG.integers(0, 3, 30)]
    gains = mixture_gains(
        log_loss(RNG.integers(0, 3, 30)), reference, other, np.array([weight])
    )
    assert gains.min() >= np.log1p(-weight) - 1e-9


def test_mean_and_error_are_those_of_a_sample():
    gains = RNG.normal(size=(2, 50))
    mean, error = mean_and_error(gains, np.ones(50))
    np.testing.assert_allclose(mean, gains.mean(1))
    np.testing.assert_allclose(error, gains.std(1, ddof=1) / np.sqrt(50))


def test_samples_of_weight_zero_are_ignored():
    gains, weight = RNG.normal(size=(2, 50)), np.repeat([1.0, 0.0], 25)
    some = mean_and_error(gains[:, :25], np.ones(25))
    np.testing.assert_allclose(mean_and_error(gains, weight), some)


def test_one_sample_is_not_evidence():
    assert mean_and_error(np.ones((1, 1)), np.ones(1))[1] == np.inf
    found = line_search(np.array([[0.0], [9.0]]), np.ones(1), np.array([0.0, 1.0]), 1.0)
    assert found.weight == 0 and found.lower_bound == 0


def test_groups_count_once():
    gains = np.array([[1.0, 3.0, 8.0]])
    units, weight = by_unit(gains, None, ["a", "a", "b"])
    np.testing.assert_allclose(units, [[2.0, 8.0]])
    np.testing.assert_allclose(weight, 1)
    units, weight = by_unit(gains, np.array([3.0, 1.0, 1.0]), ["a", "a", "b"])
    np.testing.assert_allclose(units, [[1.5, 8.0]])
    np.testing.assert_allclose(weight, [4.0, 1.0])


def test_repeating_every_sample_of_a_group_changes_nothing():
    gains, groups = RNG.normal(size=(2, 10)), np.arange(10)
    once = mean_and_error(*by_unit(gains, None, groups))
    twice = mean_and_error(*by_unit(np.tile(gains, 2), None, np.tile(groups, 2)))
    np.testing.assert_allclose(once, twice)


def test_groups_of_one_sample_are_weighted_like_samples():
    gains, weight = RNG.normal(size=(2, 10)), np.repeat([9.0, 1.0], 5)
    samples = mean_and_error(*by_unit(gains, weight))
    groups = mean_and_error(*by_unit(gains, weight, np.arange(10)))
    np.testing.assert_allclose(samples, groups)


def test_a_weight_of_two_repeats_the_sample_in_its_group():
    gains, groups = RNG.normal(size=(2, 10)), np.arange(10) // 2
    weight = 1.0 + np.arange(10) % 3
    rows = np.repeat(np.arange(10), weight.astype(int))
    once = mean_and_error(*by_unit(gains, weight, groups))
    again = by_unit(gains[:, rows], np.ones(len(rows)), groups[rows])
    np.testing.assert_allclose(once, mean_and_error(*again))


def test_line_search_by_hand():
    """Bounds 0, 2 - 1 · 1 and 3 - 1 · 4; a larger z leaves nothing."""
    grid, ones = np.array([0.0, 0.5, 1.0]), np.ones(2)
    gains = np.array([[0.0, 0.0], [1.0, 3.0], [-1.0, 7.0]])
    found = line_search(gains, ones, grid, 1.0)
    np.testing.assert_allclose(found.certain, [0, 1, -1])
    assert (found.weight, found.lower_bound) == (0.5, 1.0)
    assert line_search(gains, ones, grid, 3.0).weight == 0
    assert line_search(gains, ones, grid, 0.0).weight == 1.0


def test_no_gain_means_no_weight():
    gains = np.vstack([np.zeros(40), -np.abs(RNG.normal(size=(10, 40)))])
    found = line_search(gains, np.ones(40), GRID, 0.0)
    assert found.weight == 0 and found.lower_bound == 0


def test_e_values_by_hand():
    """No gain is worth 1; n times the largest loss is worth (1 - share)^n."""
    assert e_value(np.zeros((1, 1)), np.ones(1)) == 1
    worst = np.array([0.5])
    wanted = np.mean((1 - np.array([0.1, 0.3, 0.5, 0.7, 0.9])) ** 3)
    np.testing.assert_allclose(e_value(np.full((1, 3), -0.5), worst), wanted)


def test_the_tests_stop_at_the_first_that_does_not_reject():
    grid, n = np.array([0.1, 0.2, 0.3]), 400
    gains = np.array([np.full(n, 0.05), np.full(n, -0.01), np.full(n, 0.2)])
    found = nested_tests(gains, grid, -np.log1p(-grid), 0.05)
    assert found.weight == 0.1


def test_the_largest_accepted_gain_is_used():
    grid, n = np.array([0.1, 0.2, 0.3]), 400
    gains = np.array([np.full(n, 0.05), np.full(n, 0.09), np.full(n, 0.07)])
    found = nested_tests(gains, grid, -np.log1p(-grid), 0.05)
    assert found.weight == 0.2


@pytest.mark.parametrize("n", [50, 400])
def test_false_accepts_at_a_boundary_null(n):
    """Labels drawn from the reference: no mixture gains. At most alpha are accepted."""
    rng, accepted, repeats, alpha = np.random.default_rng(1), 0, 400, 0.05
    for _ in range(repeats):
        reference = rng.dirichlet(np.ones(2), n)
        true = (rng.random(n) > reference[:, 0]).astype(int)
        logit = np.log(reference) + rng.normal(0, 0.5, reference.shape)
        other = np.exp(logit) / np.exp(logit).sum(1, keepdims=True)
        gains = mixture_gains(log_loss(true), reference, other, LADDER)
        found = nested_tests(gains, LADDER, -np.log1p(-LADDER), alpha)
        accepted += found.weight > 0
    assert accepted / repeats <= alpha


def test_a_real_gain_is_found():
    rng, n = np.random.default_rng(2), 400
    other = rng.dirichlet(np.ones(2), n)
    true = (rng.random(n) > other[:, 0]).astype(int)
    reference = np.full((n, 2), 0.5)
    gains = mixture_gains(log_loss(true), reference, other, LADDER)
    found = nested_tests(gains, LADDER, -np.log1p(-LADDER), 0.05)
    assert found.weight >= 0.65


def test_pool_weights_find_the_informative_one():
    rng, n = np.random.default_rng(3), 300
    good = rng.dirichlet(np.ones(3), n)
    true = np.array([rng.choice(3, p=p) for p in good])
    weights = simplex_weights(log_loss(true), [np.full((n, 3), 1 / 3), good])
    assert weights[1] > 0.8 and weights.sum() == pytest.approx(1)


def test_pool_weights_in_closed_form():
    """Squared error: y = .3 a + .7 b."""
    a, b = RNG.normal(size=(2, 50, 1))
    y = 0.3 * a + 0.7 * b
    weights = simplex_weights(lambda p: ((p - y) ** 2).mean(1), [a, b])
    np.testing.assert_allclose(weights, [0.3, 0.7], atol=1e-4)
    assert simplex_weights(lambda p: p, [a]) == [1.0]


@given(arrays(float, (2, 6), elements=st.floats(-1, 1)), st.floats(0.1, 9))
def test_scaled_sample_weights_change_nothing(gains, factor):
    weight = np.linspace(1, 2, 6)
    one = mean_and_error(gains, weight)
    np.testing.assert_allclose(one, mean_and_error(gains, factor * weight), atol=1e-12)


@pytest.mark.parametrize("heavy", [1, 10, 20, 40])
def test_one_heavy_sample_is_not_certainty(heavy):
    """Without a gain, the mean minus 1 error is above zero in at most about 16 %."""
    rng, weight, found = np.random.default_rng(0), np.ones(100), 0
    weight[0] = heavy
    for _ in range(500):
        mean, error = mean_and_error(rng.normal(size=(1, 100)), weight)
        found += mean[0] - error[0] > 0
    assert found / 500 < 0.2


def test_a_sample_that_outweighs_all_others_is_not_evidence():
    weight = np.r_[1e9, np.ones(50)]
    assert mean_and_error(RNG.normal(size=(1, 51)), weight)[1] == np.inf


def test_nan_gains_are_not_chosen():
    gains = np.array([[0.0, 0, 0], [np.nan, 1, 1], [1, 1, 1.1]])
    found = line_search(gains, np.ones(3), np.array([0.0, 0.1, 0.2]), 1.0)
    assert found.weight == 0.2
