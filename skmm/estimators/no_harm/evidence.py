"""How much a mixture gains over a reference, and how certain the gain is.

The gain of a unit at weight w is the loss of the reference minus the loss of the
mixture ``(1 - w) reference + w other``. Units are samples, or groups of samples.

References
----------
Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting",
Journal of the Royal Statistical Society B 86, 2024: the tests of "holdout".
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

GRID = np.linspace(0, 1, 11)
LADDER = np.array([0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95])  # tested in this order
LARGEST_SHARE = 0.2  # of the total weight that one unit may have
BETS = np.array([0.1, 0.3, 0.5, 0.7, 0.9])  # fractions of the capital, fixed


@dataclass
class Evidence:
    """Gain of every weight that was tried, and the chosen weight.

    Attributes
    ----------
    weights, gain, standard_error : ndarray of shape (n_weights,)
        Weights of the mixture, mean gain of each and its standard error.
    certain : ndarray of shape (n_weights,)
        Lower bound of the gain; from tests, the e-value.
    weight, lower_bound : float
        The chosen weight, and the lower bound of its gain.
    """

    weights: np.ndarray
    gain: np.ndarray
    standard_error: np.ndarray
    certain: np.ndarray
    weight: float
    lower_bound: float


NO_EVIDENCE = Evidence(*[np.zeros(1)] * 4, 0.0, 0.0)  # without fused nets


def mixture(reference, other, weight):
    """``(1 - weight) reference + weight other``."""
    return (1 - weight) * reference + weight * other


def mixture_gains(loss, reference, other, weights):
    """Gains of mixtures, of shape (n_weights, n_samples).

    Parameters
    ----------
    loss : callable
        ``loss(predictions)`` returns the loss of each sample.
    reference, other : ndarray of shape (n_samples, ...)
        Predictions: class probabilities, or values.
    weights : ndarray of shape (n_weights,)
    """
    before = loss(reference)
    mixed = [loss(mixture(reference, other, weight)) for weight in weights]
    return before - np.array(mixed).reshape(len(weights), len(before))


def by_unit(gains, sample_weight=None, groups=None):
    """Gains and weights of the units: samples, or means over groups.

    Parameters
    ----------
    gains : ndarray of shape (n_weights, n_samples)
    sample_weight : ndarray of shape (n_samples,), optional
    groups : array-like of shape (n_samples,), optional
        A group has the sum of the weights of its samples; without weights, 1.

    Returns
    -------
    (ndarray of shape (n_weights, n_units), ndarray of shape (n_units,))
    """
    weight = np.ones(gains.shape[1]) if sample_weight is None else sample_weight
    if groups is None:
        return gains, weight
    _, unit = np.unique(groups, return_inverse=True)
    total = np.bincount(unit, weight)
    known = total > 0
    sums = np.array([np.bincount(unit, weight * gain) for gain in gains])
    units = np.ones(len(total)) if sample_weight is None else total
    return sums[:, known] / total[known], units[known]


def mean_and_error(gains, weight):
    """Weighted mean of each row of `gains` and its jackknife standard error.

    The error is infinite if there is a single unit, or one outweighs all others.
    """
    share, n = weight / weight.sum(), np.count_nonzero(weight)
    mean = gains @ share
    if n < 2 or share.max() > max(LARGEST_SHARE, 1.5 / n):
        return mean, np.full(len(gains), np.inf)
    moves = (gains - mean[:, None]) * (share / (1 - share))
    return mean, np.sqrt((moves**2).sum(axis=1) * (n - 1) / n)


def line_search(gains, weight, grid, z):
    """Choose the weight whose gain has the highest lower bound.

    The bound is the mean minus z standard errors. At weight 0 it is 0, so that the
    reference is kept without evidence of a gain.

    Parameters
    ----------
    gains : ndarray of shape (n_weights, n_units)
    weight : ndarray of shape (n_units,)
    grid : ndarray of shape (n_weights,)
        Weights of the mixture, the first of them 0.
    z : float

    Returns
    -------
    Evidence
    """
    mean, error = mean_and_error(gains, weight)
    with np.errstate(invalid="ignore"):
        bound = np.where(grid == 0, 0.0, mean - z * error)
    unsure = ~np.isfinite(error) & (grid > 0)
    bound = np.where(np.isnan(bound) | unsure, -np.inf, bound)
    best = int(bound.argmax())
    return Evidence(grid, mean, error, bound, float(grid[best]), float(bound[best]))


def nested_tests(gains, grid, worst, alpha):
    """Choose among weights whose mean gain is positive by a sequence of tests.

    The mean gain is concave in the weight and 0 at weight 0, so that if one weight is
    harmful, all larger ones are. The tests go up the grid and stop at the first that
    does not reject, which keeps the family-wise error rate at `alpha`.

    Parameters
    ----------
    gains : ndarray of shape (n_weights, n_units)
        At least ``-worst`` for each weight. All units have the same weight: weights
        that depend on the units would invalidate the test.
    grid, worst : ndarray of shape (n_weights,)
        Weights of the mixture, increasing and above 0, and the largest possible loss
        with each.
    alpha : float

    Returns
    -------
    Evidence
        `certain` has the e-values; `lower_bound` is 0, since the tests do not estimate
        the size of the gain.
    """
    mean, error = mean_and_error(gains, np.ones(gains.shape[1]))
    e_values = e_value(gains, worst)
    accepted = np.cumprod(e_values >= 1 / alpha).astype(bool)
    best = int(np.where(accepted, mean, -np.inf).argmax()) if accepted.any() else None
    chosen = 0.0 if best is None or mean[best] <= 0 else float(grid[best])
    return Evidence(grid, mean, error, e_values, chosen, 0.0)


def e_value(gains, worst):
    """Evidence against "the mean gain is not positive" for each weight.

    An e-value is a statistic whose mean is at most 1 under the hypothesis, so that it
    is at least ``1 / alpha`` with probability at most alpha. This one is the mean over
    several `BETS` of ``prod(1 + bet * gain / worst)`` (Waudby-Smith and Ramdas, 2024).

    Parameters
    ----------
    gains : ndarray of shape (n_weights, n_units)
    worst : ndarray of shape (n_weights,)
        Largest possible loss of a unit.
    """
    bets = BETS[:, None, None] * (gains / worst[:, None])
    growth = np.log1p(np.maximum(bets, -BETS[:, None, None])).sum(
        axis=2
    )  # (n_bets, n_weights)
    with np.errstate(over="ignore"):
        return np.exp(growth).mean(axis=0)


def simplex_weights(loss, predictions, sample_weight=None):
    """Weights of the weighted mean of predictions with the lowest mean loss.

    Parameters
    ----------
    loss : callable
        ``loss(predictions)`` returns the loss of each sample.
    predictions : list of ndarray of shape (n_samples, ...)
    sample_weight : ndarray of shape (n_samples,), optional

    Returns
    -------
    ndarray of shape (len(predictions),)
        Non-negative, with the sum 1.
    """
    count, stacked = len(predictions), np.stack(predictions)
    if count == 1:
        return np.ones(1)

    def mean_loss(weights):
        return np.average(
            loss(np.tensordot(weights, stacked, 1)), weights=sample_weight
        )

    found = minimize(
        mean_loss,
        np.full(count, 1 / count),
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        method="SLSQP",
    )
    weights = np.clip(found.x, 0, None)
    return weights / weights.sum()
