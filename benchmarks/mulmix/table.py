"""Tables, orders and pictures of the MulMix benchmark.

A *result* is a dict with the ``configuration`` (problem), ``seed``, ``method`` and its
``error`` on test rows. Differences are paired by seed; over seeds the rows of one data
set are split anew, so their standard error is of this data set, not of new ones.
"""

import re

import pandas as pd
from scipy import stats

from benchmarks.mulmix.data import PROBLEMS

MAIN = ("Base", "Fuse", "Add", "Add-Attend", "joint cross-entropy", "Mul", "MulMix")
MAIN += ("MulMix*", "MulMix, beta=1", "MulMix, beta=1, boosted")
ORDERS = [  # the paper's: the first has fewer errors than the second
    ("MulMix*", "MulMix"),
    ("MulMix", "Mul"),
    ("Mul", "Add"),
    ("MulMix", "Add"),
    ("Add", "Fuse"),
    ("Fuse", "Base"),
    ("Add-Attend", "Add"),
    ("MulMix, beta=1, boosted", "MulMix, beta=1"),
]
SURE = 0.05  # two-sided p of a paired difference


def errors(results, problem, column="error"):
    """Percent, one row per seed, one column per method."""
    frame = pd.DataFrame([r for r in results if r["configuration"] == problem])
    return 100 * frame.pivot(index="seed", columns="method", values=column)


def problems(results):
    """Names, in the order of the table of problems."""
    met = {found["configuration"] for found in results}
    return [name for name in PROBLEMS if name in met]


def table(results):
    """Table 2, 3 and 5: one row per problem and method."""
    rows = []
    for problem in problems(results):
        found, paper = errors(results, problem), PROBLEMS[problem].paper
        auc = errors(results, problem, "auc")
        for method in MAIN:
            gap = found[method] - found["Add"]
            rows.append(
                {
                    "problem": problem,
                    "method": method,
                    "error_%": round(found[method].mean(), 2),
                    "sd": round(found[method].std(), 2),
                    "minus_Add": round(gap.mean(), 2),
                    "paired_SE": round(gap.sem(), 2),
                    "AUC_%": round(float(auc[method].astype(float).mean()), 1),
                    "paper_error_%": paper.get(method),
                }
            )
    return rows


def over_learning_rows(results):
    """Table 4: errors that some single modality would not have made, in percent."""
    rows = []
    for problem in problems(results):
        found = errors(results, problem)
        missed = errors(results, problem, "over_learning")
        for method in ("Add", "Mul", "MulMix*"):
            rows.append(
                {
                    "problem": problem,
                    "method": method,
                    "error_%": round(found[method].mean(), 2),
                    "over_learning_%": round(missed[method].mean(), 2),
                    "paired_SE_to_Add": round(
                        (missed[method] - missed["Add"]).sem(), 2
                    ),
                }
            )
    return rows


def claims(results):
    """Which orders of the paper hold, problem by problem."""
    rows = []
    for problem in problems(results):
        found = errors(results, problem)
        for better, worse in ORDERS:
            rows.append(
                {"problem": problem, "order": f"{better} < {worse}"}
                | verdict(found[better] - found[worse])
            )
        depths = [c for c in found if c.endswith("layers")]
        best = found[depths].mean().idxmin()
        rows.append(
            {"problem": problem, "order": f"MulMix < every depth of Add ({best})"}
            | verdict(found["MulMix"] - found[best])
        )
    return rows


def verdict(gap):
    """Mean of paired differences, in percent, and whether it is surely below zero."""
    if gap.abs().max() == 0:
        return {"difference": 0.0, "paired_SE": 0.0, "seeds": "0", "holds": "equal"}
    as_theirs = gap.mean() < 0
    if stats.ttest_1samp(gap, 0).pvalue < SURE:
        holds = "yes" if as_theirs else "no, reversed"
    else:
        holds = "unclear, same sign" if as_theirs else "unclear"
    return {
        "difference": round(gap.mean(), 2),
        "paired_SE": round(gap.sem(), 2),
        "seeds": f"{int((gap < 0).sum())} of {len(gap)}",
        "holds": holds,
    }


def draw(results, path):
    """Figure 2, errors by depth of Add, and Figure 3, errors by beta."""
    import matplotlib.pyplot as plt

    names = problems(results)
    figure, axes = plt.subplots(
        2, len(names), figsize=(2.6 * len(names), 5), layout="constrained"
    )
    for column, problem in zip(axes.T, names, strict=True):
        found = errors(results, problem)
        column[0].set_title(problem, fontsize=9)
        _curve(column[0], found, "Add, {:g} layers", "hidden layers of Add")
        _curve(column[1], found, "MulMix, beta={:g}", "beta of MulMix")
    axes[0, 0].set_ylabel("test error, % (line: MulMix)")
    axes[1, 0].set_ylabel("test error, % (line: Add)")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _curve(axis, found, pattern, label):
    """Means and paired standard errors over a number in the method's name."""
    other = "MulMix" if "Add" in pattern else "Add"
    number = re.compile(re.escape(pattern).replace(r"\{:g\}", "([0-9.]+)"))
    matches = [number.fullmatch(name) for name in found]
    chosen = {float(match[1]): match[0] for match in matches if match}
    chosen = dict(sorted(chosen.items()))
    means = [found[name].mean() for name in chosen.values()]
    bars = [(found[name] - found[other]).sem() for name in chosen.values()]
    axis.errorbar(list(chosen), means, yerr=bars, marker="o", markersize=3)
    axis.axhline(found[other].mean(), color="black", linestyle=":")
    axis.set_xlabel(label)
