"""Tables of a comparison, and the verdict drawn from them."""

from dataclasses import dataclass, replace
from math import factorial

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

from skmm.model_selection.statistics import (
    by_folds,
    by_rows,
    by_splits,
    group_means,
    holm,
)

HELPS, NO_EVIDENCE, HARMS = "helps", "no evidence", "harms"
PERCENTILES = (2.5, 97.5)
FEWEST = 60  # observations, for a statement on power


@dataclass
class Outcome:
    """Losses or scores of one subset.

    Attributes
    ----------
    splits : ndarray of shape (n_splits,)
        Mean loss, or score, of each split.
    rows : ndarray of shape (n_samples,) or None
        Loss of each sample, averaged over repeats; None where samples are not tested
        equally often.
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
    """Differences of outcomes: by samples where that is possible, else by splits.

    Attributes
    ----------
    splits : Splits
    groups : ndarray of shape (n_samples,) or None
    measure : Measure
    """

    splits: object
    groups: np.ndarray | None
    measure: object

    def mean(self, outcome):
        """Mean of an outcome."""
        return self._difference(outcome.rows, outcome.splits)

    def gain(self, outcome, reference):
        """Gain of an outcome over a reference; positive if it is better."""
        found = self.combined({1.0: outcome, -1.0: reference}.items())
        growth = self._growth(found, reference)
        return replace(found, growth=growth, bend=self.measure.bend)

    def combined(self, terms):
        """Gain of a sum of (factor, outcome); positive if it is better."""
        terms = [(self._sign * factor, outcome) for factor, outcome in terms]
        splits = sum(factor * outcome.splits for factor, outcome in terms)
        if any(outcome.rows is None for _, outcome in terms):
            return self._difference(None, splits)
        rows = sum(factor * outcome.rows for factor, outcome in terms)
        return self._difference(rows, splits)

    def most_gain(self, reference, alpha):
        """Upper bound of the reference's mean loss, which no gain can exceed."""
        bounded = self.measure.slope is not None
        return self.mean(reference).interval(alpha)[1] if bounded else np.inf

    def split_gains(self, outcome, reference):
        """Gain of an outcome over a reference in each split."""
        return self._sign * (outcome.splits - reference.splits)

    def detectable(self, found, reference, alpha):
        """Gain over a reference that is detected with about 80 % power, or NaN.

        It is NaN where the benchmark does not confirm the power: with few observations,
        and by splits.
        """
        if reference.rows is None or found.df + 1 < FEWEST:
            return np.nan
        return found.detectable(alpha, reference.splits.mean())

    def ranks(self, outcome, reference):
        """Share of better observations, and Wilcoxon's signed-rank test."""
        if outcome.rows is None or reference.rows is None:
            return {"samples_better": np.nan, "p_wilcoxon": np.nan}
        gains = group_means(reference.rows - outcome.rows, self.groups)
        share = float((gains > 0).mean() + (gains == 0).mean() / 2)
        p = float(wilcoxon(gains).pvalue) if gains.any() else 1.0
        return {"samples_better": share, "p_wilcoxon": p}

    @property
    def lower_is_better(self):
        """Whether the measure is a loss."""
        return self.measure.losses is not None

    @property
    def observations(self):
        """Unit of observation of the tests: "samples", "groups" or "splits"."""
        if not self.lower_is_better or self.splits.n_repeats is None:
            return "splits"
        return "samples" if self.groups is None else "groups"

    @property
    def _sign(self):
        return -1.0 if self.lower_is_better else 1.0

    def _difference(self, rows, splits):
        if rows is None:
            return by_splits(splits, self.splits.ratio)
        n_folds = self.splits.n_folds
        found, sizes = by_rows(rows, n_folds, self.groups), self.splits.test_sizes
        if self.groups is not None:  # groups are the observations of a split, too
            tests = [test for _, test in self.splits.pairs]
            tests = [group_means(rows[test], self.groups[test]) for test in tests]
            splits = np.array([test.mean() for test in tests])
            sizes = np.array([len(test) for test in tests])
        return by_folds(found, splits, sizes, n_folds)

    def _growth(self, found, reference):
        """Growth of the squared standard error per unit of gain over the reference."""
        if self.measure.slope is None:
            return 0.0
        slope = self.measure.slope(reference.splits.mean())
        if reference.rows is None:
            return slope * self.splits.ratio / self.splits.test_sizes.mean()
        return slope * found.widened / (found.df + 1)


def table_of(outcomes, statistics, alpha):
    """One row per subset: mean, standard error, interval and rank."""
    rows = {}
    for name, outcome in outcomes.items():
        found = statistics.mean(outcome)
        lower, upper = found.interval(alpha)
        rows[name] = {"mean": found.mean, "standard_error": found.standard_error}
        rows[name] |= {"lower": lower, "upper": upper}
        if statistics.splits.n_repeats is None:
            bounds = np.percentile(outcome.splits, PERCENTILES)
            rows[name] |= dict(zip(("percentile_2.5", "percentile_97.5"), bounds))
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("modalities")
    ascending = statistics.lower_is_better
    table["rank"] = table["mean"].rank(ascending=ascending, method="min").astype(int)
    return table


def paired_of(outcomes, subsets, statistics, alpha):
    """One row per fused subset and single modality: the gain, and the p values."""
    plain = [subset for subset in subsets if subset.control is None]
    singles = [str(subset) for subset in plain if len(subset.names) == 1]
    fused = [str(subset) for subset in plain if len(subset.names) > 1]
    controls = [str(subset) for subset in subsets if subset.control is not None]
    pairs = [(f, s, False) for f in fused for s in singles]
    pairs += [(fused[-1], control, True) for control in controls]
    rows = []
    for name, against, is_control in pairs:
        names = {"fused": name, "against": against, "control": is_control}
        found = _pair(outcomes[name], outcomes[against], statistics, alpha)
        rows.append(names | found)
    paired = pd.DataFrame(rows)
    kept = ~paired["control"]
    paired.loc[kept, "p_harms"] = holm(paired.loc[kept, "p_harms"])
    paired.loc[~kept, "p_harms"] = np.nan  # a control is not an alternative
    return paired


def _pair(fused, against, statistics, alpha):
    found = statistics.gain(fused, against)
    gains = statistics.split_gains(fused, against)
    limit = statistics.most_gain(against, alpha)
    lower, upper = found.interval(alpha, limit)
    return {
        "gain": found.mean,
        "standard_error": found.standard_error,
        "lower": lower,
        "upper": upper,
        "p_helps": found.p_above(),
        "p_harms": found.p_below(),
        "splits_better": float((gains > 0).mean()),
        **statistics.ranks(fused, against),
        "detectable": statistics.detectable(found, against, alpha),
        "observations": found.df + 1,
    }


def importance_of(outcomes, names, constant, statistics):
    """One row per modality: alone, left out, and its Shapley value, with errors.

    Parameters
    ----------
    outcomes : dict of frozenset of str to Outcome
    names : list of str
    constant : Outcome or None
        Of the best constant prediction.
    statistics : Statistics
    """
    known = outcomes if constant is None else outcomes | {frozenset(): constant}
    whole = frozenset(names)
    rows = {}
    for name in names:
        terms = {"alone": [(1.0, {name}), (-1.0, set())]}
        terms["left_out"] = [(1.0, whole), (-1.0, whole - {name})]
        terms["shapley"] = list(_shapley_terms(name, names))
        rows[name] = {}
        for key, parts in terms.items():
            parts = [(factor, known.get(frozenset(part))) for factor, part in parts]
            complete = all(outcome is not None for _, outcome in parts)
            found = statistics.combined(parts) if complete else None
            rows[name][key] = found.mean if found else np.nan
            rows[name][f"{key}_SE"] = found.standard_error if found else np.nan
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("modality")


def _shapley_terms(name, names):
    """Yield the factors of the subsets' scores in the Shapley value of a modality."""
    others, count = [other for other in names if other != name], len(names)
    for code in range(2 ** len(others)):
        part = {other for i, other in enumerate(others) if code >> i & 1}
        order = factorial(len(part)) * factorial(count - len(part) - 1)
        factor = order / factorial(count)
        yield factor, part | {name}
        yield -factor, part


def judge(paired, alpha):
    """Return "helps", "no evidence" or "harms", and the pair that decides.

    All modalities help if they are better than every single one; with several fused
    subsets the p values are adjusted.
    """
    plain = paired[~paired["control"]]
    largest = plain.groupby("fused", sort=False)["p_helps"].max()
    adjusted = dict(zip(largest.index, holm(largest), strict=True))
    whole = plain["fused"].iloc[-1]
    own = plain[plain["fused"] == whole]
    closest = own.loc[own["p_helps"].idxmax()].copy()
    closest["p_helps"] = adjusted[whole]
    if adjusted[whole] <= alpha:
        return HELPS, closest
    worst = own.loc[own["p_harms"].idxmin()]
    if worst["p_harms"] <= alpha:
        return HARMS, worst
    return NO_EVIDENCE, closest


def sentence(kind, pair, measure, observations, alpha):
    """Verdict, gain, interval, and the gain that could have been detected.

    Parameters
    ----------
    kind : str
    pair : Series
        Row of the paired table that decides.
    measure : str
    observations : {"samples", "groups", "splits"}
    alpha : float
    """
    level = f"{100 * (1 - alpha):g} % interval"
    interval = f"({level} {pair['lower']:.3g} to {pair['upper']:.3g})"
    gain, name, single = pair["gain"], pair["fused"], pair["against"]
    if kind == HELPS:
        text = (
            f"{name} is better than every single modality, and than the closest of "
            f"them, {single}, by {gain:.3g} {measure} {interval}, p = "
            f"{pair['p_helps']:.2g}."
        )
    elif kind == HARMS:
        text = (
            f"{name} is worse than {single} alone by {-gain:.3g} {measure} "
            f"(gain {gain:.3g}, {level} {pair['lower']:.3g} to {pair['upper']:.3g}), "
            f"p = {pair['p_harms']:.2g}."
        )
    else:
        text = (
            f"{name} gains {gain:.3g} {measure} {interval} over {single}, the closest "
            "single modality. " + _caution(pair, observations)
        )
        text += _typical(pair, observations, alpha)
    if observations == "splits":
        text += " The test is split-based and has low power."
    return f"{kind}: {text}"


def _caution(pair, observations):
    """Say what missing evidence does not mean."""
    if pair["standard_error"] == 0:
        return f"The difference is the same in all {observations}."
    text = "This does not show that it is useless"
    if np.isnan(pair["detectable"]):
        return text + "."
    return text + (
        f": with {pair['observations']} {observations} a gain of "
        f"{pair['detectable']:.2g} would have been detected with about 80 % power, a "
        "smaller one less often."
    )


def _typical(pair, observations, alpha):
    """Say in how many samples it is better, if that is not by chance."""
    if not pair["p_wilcoxon"] <= alpha:
        return ""
    better, share = pair["samples_better"] > 0.5, pair["samples_better"]
    share, kind = (share, "better") if better else (1 - share, "worse")
    return (
        f" It is {kind} in {100 * share:.0f} % of the {observations} (signed-rank p = "
        f"{pair['p_wilcoxon']:.2g}); the mean, which few of them may dominate, decides."
    )
