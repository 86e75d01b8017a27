"""How much a mixture gains over a reference, and what of that is certain.

All is computed from gains d, one per unit and weight w: the loss of the reference minus
the loss of ``(1 - w) reference + w other``. Units are rows, or groups of rows.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

GRID = np.linspace(0, 1, 11)
LADDER = np.array([0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95])  # tested in this order
HEAVIEST = 0.2  # share of the weight of all units that one of them may have
BETS = np.array([0.1, 0.3, 0.5, 0.7, 0.9])  # shares of the capital, fixed in advance


@dataclass
class Evidence:
    """What is known about every weight, and which one is used.

    Attributes
    ----------
    weights, gain, standard_error : ndarray (k,)
        Weights of the mixture, mean gain of each and its standard error.
    certain : ndarray (k,)
        Lower bound of the gain, or with a test the e-value.
    weight, lower_bound : float
        The weight that is used, and what it gains at least.
    """

    weights: np.ndarray
    gain: np.ndarray
    standard_error: np.ndarray
    certain: np.ndarray
    weight: float
    lower_bound: float


def mixture_gains(loss, reference, other, weights):
    """Gains of mixtures, (k, n).

    Parameters
    ----------
    loss : callable
        ``loss(predictions)`` returns the losses of the rows.
    reference, other : ndarray (n, ...)
        Predictions: probabilities of the classes, or values.
    weights : ndarray (k,)
    """
    before = loss(reference)
    mixed = [loss((1 - w) * reference + w * other) for w in weights]
    return before - np.array(mixed).reshape(len(weights), len(before))


def by_unit(gains, row_weight=None, groups=None):
    """Gains and weights of the units: rows, or the means over groups.

    Parameters
    ----------
    gains : ndarray (k, n)
    row_weight : ndarray (n,), optional
    groups : array-like (n,), optional
        All groups count the same.

    Returns
    -------
    (ndarray (k, units), ndarray (units,))
    """
    weight = np.ones(gains.shape[1]) if row_weight is None else row_weight
    if groups is None:
        return gains, weight
    _, unit = np.unique(groups, return_inverse=True)
    total = np.bincount(unit, weight)
    known = total > 0
    sums = np.array([np.bincount(unit, weight * gain) for gain in gains])
    return sums[:, known] / total[known], np.ones(known.sum())


def mean_and_error(gains, weight):
    """Weighted mean of the rows of `gains` and its standard error, (k,) each.

    The error is that of the jackknife: how far the mean moves without each unit. One
    that outweighs all others is no evidence.
    """
    share, n = weight / weight.sum(), np.count_nonzero(weight)
    mean = gains @ share
    if n < 2 or share.max() > max(HEAVIEST, 1.5 / n):
        return mean, np.full(len(gains), np.inf)
    moves = (gains - mean[:, None]) * (share / (1 - share))
    return mean, np.sqrt((moves**2).sum(axis=1) * (n - 1) / n)


def line_search(gains, weight, grid, z):
    """Choose the weight whose gain has the highest lower bound.

    The bound is the mean minus z standard errors. At weight 0 it is 0: without evidence
    the reference is kept.

    Parameters
    ----------
    gains : ndarray (k, units)
    weight : ndarray (units,)
    grid : ndarray (k,)
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
    """Choose among weights whose gain a sequence of tests has shown to be positive.

    The mean gain is concave in the weight and 0 at weight 0, so that a harmful weight
    makes all larger ones harmful: the tests go up the grid and stop at the first that
    does not reject, which keeps the error of all at `alpha`. Each is a bet: if the mean
    gain is not positive, the mean of ``prod(1 + share * d / worst)`` is at most one.

    Parameters
    ----------
    gains : ndarray (k, units)
        None is below ``-worst`` of its weight. All units count the same: weights
        that are known only with the units would void the test.
    grid, worst : ndarray (k,)
        Weights of the mixture, rising, none of them 0, and what each can lose at most.
    alpha : float

    Returns
    -------
    Evidence
        `certain` has the e-values; `lower_bound` is 0: a gain is shown, not its size.
    """
    mean, error = mean_and_error(gains, np.ones(gains.shape[1]))
    e_values = e_value(gains, worst)
    accepted = np.cumprod(e_values >= 1 / alpha).astype(bool)
    best = int(np.where(accepted, mean, -np.inf).argmax()) if accepted.any() else None
    chosen = 0.0 if best is None or mean[best] <= 0 else float(grid[best])
    return Evidence(grid, mean, error, e_values, chosen, 0.0)


def e_value(gains, worst):
    """Evidence against "no gain", (k,): large where it is strong.

    Parameters
    ----------
    gains : ndarray (k, units)
    worst : ndarray (k,)
        Largest possible loss of a unit.
    """
    bets = BETS[:, None, None] * (gains / worst[:, None])
    growth = np.log1p(np.maximum(bets, -BETS[:, None, None])).sum(axis=2)  # (bets, k)
    with np.errstate(over="ignore"):
        return np.exp(growth).mean(axis=0)


def simplex_weights(loss, predictions, row_weight=None):
    """Weights, summing to one, of the pool of predictions with the least mean loss.

    Parameters
    ----------
    loss : callable
        As for `mixture_gains`.
    predictions : list of ndarray (n, ...)
    row_weight : ndarray (n,), optional

    Returns
    -------
    ndarray (len(predictions),)
    """
    count, stacked = len(predictions), np.stack(predictions)
    if count == 1:
        return np.ones(1)

    def mean_loss(weights):
        return np.average(loss(np.tensordot(weights, stacked, 1)), weights=row_weight)

    found = minimize(
        mean_loss,
        np.full(count, 1 / count),
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        method="SLSQP",
    )
    weights = np.clip(found.x, 0, None)
    return weights / weights.sum()
