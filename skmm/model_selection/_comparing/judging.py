"""Tables of a comparison, and what may be said of it."""

from math import factorial

import numpy as np
import pandas as pd

from skmm.model_selection.statistics import holm

HELPS, NOTHING_SHOWN, HARMS = "helps", "no evidence", "harms"
PERCENTILES = (2.5, 97.5)


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
    """One row per fused subset and single: the gain, and the p values."""
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
    paired.loc[~kept, "p_harms"] = np.nan  # a control is no rival
    return paired


def _pair(fused, against, statistics, alpha):
    """Columns of one pair."""
    found = statistics.gain(fused, against)
    by_split = statistics.gain_by_splits(fused, against)
    lower, upper = found.interval(alpha)
    better = statistics.split_gains(fused, against) > 0
    return {
        "gain": found.mean,
        "standard_error": found.standard_error,
        "lower": lower,
        "upper": upper,
        "p_helps": found.p_above(),
        "p_harms": by_split.p_below(),
        "splits_better": float(better.mean()),
        "detectable": found.detectable(alpha),
        "observations": found.df + 1,
    }


def judge(paired, alpha):
    """Return "helps", "no evidence" or "harms", and the pair that decides.

    All modalities help if they are better than every single one; of several fused
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
    return NOTHING_SHOWN, closest


def importance_of(outcomes, names, nothing, statistics):
    """One row per modality: alone, left out, and its Shapley value, with errors.

    Parameters
    ----------
    outcomes : dict of frozenset of str to Outcome
    names : list of str
    nothing : Outcome or None
        Of the best constant.
    statistics : Statistics
    """
    known = outcomes if nothing is None else outcomes | {frozenset(): nothing}
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
    """Factors of the subsets' scores in the Shapley value of a modality."""
    others, count = [other for other in names if other != name], len(names)
    for code in range(2 ** len(others)):
        part = {other for i, other in enumerate(others) if code >> i & 1}
        order = factorial(len(part)) * factorial(count - len(part) - 1)
        factor = order / factorial(count)
        yield factor, part | {name}
        yield -factor, part
