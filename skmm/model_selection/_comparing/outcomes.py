"""From results per split to one outcome per subset, and differences between them."""

from dataclasses import dataclass

import numpy as np

from skmm.model_selection.statistics import by_rows, by_splits


@dataclass
class Outcome:
    """What one subset reached.

    Attributes
    ----------
    splits : ndarray of shape (J,)
        Mean loss, or score, of each split.
    rows : ndarray of shape (n,) or None
        Loss of each row, averaged over repeats, where that exists.
    """

    splits: np.ndarray
    rows: np.ndarray | None


def outcome_of(results, splits):
    """Collect the results of one subset, one per split."""
    if "score" in results[0]:
        return Outcome(np.array([result["score"] for result in results]), None)
    means = np.array([np.mean(result["losses"]) for result in results])
    if splits.n_repeats is None:
        return Outcome(means, None)
    total = np.zeros(sum(len(test) for _, test in splits.pairs) // splits.n_repeats)
    for (_, test), result in zip(splits.pairs, results, strict=True):
        total[test] += result["losses"]
    return Outcome(means, total / splits.n_repeats)


@dataclass
class Statistics:
    """How outcomes are compared: by rows where that is possible, else by splits.

    Attributes
    ----------
    splits : Splits
    groups : ndarray or None
    lower_is_better : bool
    """

    splits: object
    groups: np.ndarray | None
    lower_is_better: bool

    def mean(self, outcome):
        """Mean of an outcome."""
        return self._of(outcome.rows, outcome.splits)

    def gain(self, outcome, reference):
        """By how much an outcome is better than a reference."""
        return self.combined({1.0: outcome, -1.0: reference}.items())

    def combined(self, terms):
        """Difference of a sum of (factor, outcome), counted upwards if better."""
        sign = -1.0 if self.lower_is_better else 1.0
        terms = [(sign * factor, outcome) for factor, outcome in terms]
        splits = sum(factor * outcome.splits for factor, outcome in terms)
        if any(outcome.rows is None for _, outcome in terms):
            return self._of(None, splits)
        return self._of(sum(factor * outcome.rows for factor, outcome in terms), splits)

    def split_gains(self, outcome, reference):
        """By how much an outcome is better, split by split."""
        sign = -1.0 if self.lower_is_better else 1.0
        return sign * (outcome.splits - reference.splits)

    def gain_by_splits(self, outcome, reference):
        """The gain by splits, in any case."""
        gains = self.split_gains(outcome, reference)
        return by_splits(gains, self.splits.ratio)

    @property
    def observations(self):
        """What one observation of the tests is."""
        if not self.lower_is_better or self.splits.n_repeats is None:
            return "splits"
        return "rows" if self.groups is None else "groups"

    def _of(self, rows, splits):
        if rows is None:
            return by_splits(splits, self.splits.ratio)
        return by_rows(rows, self.splits.n_folds, self.groups)
