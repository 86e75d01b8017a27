"""Tests of paired differences under resampling, and what they could have found.

=============  =====================================================================
by rows        the loss of a row, averaged over repeats, is one observation; the
               standard error is widened by sqrt(K / (K - 1)) for K folds, as the models
               of all folds share most of their rows
by splits      the score of a split is one observation; the variance of the mean is
               (1 / J + test rows / training rows) times theirs (Nadeau and Bengio)
=============  =====================================================================
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

POWER = 0.8  # with which the detectable difference would be found


@dataclass
class Difference:
    """A mean difference, and how sure it is.

    Attributes
    ----------
    mean, standard_error : float
    df : int
        Degrees of freedom.
    """

    mean: float
    standard_error: float
    df: int

    def p_above(self):
        """One-sided p value of a difference above zero."""
        return float(stats.t.sf(self._t(), self.df))

    def p_below(self):
        """Two-sided p value where the difference is below zero, else 1."""
        t = self._t()
        return float(2 * stats.t.cdf(t, self.df)) if t < 0 else 1.0

    def interval(self, alpha):
        """Two-sided interval of level 1 - alpha."""
        half = stats.t.isf(alpha / 2, self.df) * self.standard_error
        return self.mean - half, self.mean + half

    def detectable(self, alpha):
        """Smallest difference that a one-sided test finds in 4 of 5 such data sets."""
        quantiles = stats.t.isf(alpha, self.df) + stats.t.ppf(POWER, self.df)
        return float(quantiles * self.standard_error)

    def _t(self):
        if self.standard_error > 0:
            return self.mean / self.standard_error
        return np.sign(self.mean) * np.inf if self.mean else 0.0


def by_rows(values, n_folds=None, groups=None):
    """Difference from one value per row.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Differences of losses, averaged over repeats.
    n_folds : int or None, default=None
        K; None where one model answered for all rows, and is what is spoken of.
    groups : array-like of shape (n,), optional
        Rows of one group are averaged first, and are one observation.
    """
    if groups is not None:
        _, members = np.unique(groups, return_inverse=True)
        values = np.bincount(members, values) / np.bincount(members)
    n = len(values)
    error = values.std(ddof=1) / np.sqrt(n)
    error *= 1.0 if n_folds is None else np.sqrt(n_folds / (n_folds - 1))
    return Difference(float(values.mean()), float(error), n - 1)


def by_clusters(values, groups):
    """Difference of the mean over rows, of which those of one group go together.

    Parameters
    ----------
    values : ndarray of shape (n,)
    groups : array-like of shape (n,)
        Large groups count as many rows, unlike in `by_rows`.
    """
    _, members = np.unique(groups, return_inverse=True)
    mean, away = values.mean(), np.bincount(members, values - values.mean())
    count = len(away)
    factor = count / (count - 1) if count > 1 else np.nan
    error = np.sqrt(factor * np.square(away).sum()) / len(values)
    return Difference(float(mean), float(error), count - 1)


def by_splits(values, ratio):
    """Difference from one value per split: the corrected resampled t.

    Parameters
    ----------
    values : ndarray of shape (J,)
    ratio : float
        Test rows over training rows, of which those drawn twice count once.
    """
    n = len(values)
    error = values.std(ddof=1) * np.sqrt(1 / n + ratio)
    return Difference(float(values.mean()), float(error), n - 1)


def holm(p_values):
    """Holm's adjusted p values.

    Examples
    --------
    >>> from skmm.model_selection.statistics import holm
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    raised = np.maximum.accumulate(p_values[order] * factors)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted
