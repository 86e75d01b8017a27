"""Means, paired differences and claims of the biodegradation benchmark.

A *pair* is a dict with the ``method`` and ``seed``, its error rates ``validation`` and
``test``, and ``lambda``. Differences are taken seed by seed, on the same test rows.
Their standard error over seeds says how sure they are for these molecules, split anew;
for new molecules, of which the training rows of different seeds share many, it is too
small. ``corrected`` is after Nadeau and Bengio, Machine Learning 52, 2003.
"""

import numpy as np
import pandas as pd
from scipy import stats

BASELINE = "descriptors"
TEST_TO_TRAIN = 670 / 1055
NOTE = "not comparable: other molecules, own splits"
FLAT = 0.02  # largest difference that counts as none
THESIS = {  # error rates of validation and test; Liu (2022), tables 4.2 and 4.3
    "image": (0.2105, 0.2693),
    "descriptors": (0.1453, 0.1398),
    "λ scalar, freeze both": (0.1430, 0.1284),
    "λ scalar, freeze descriptors": (0.1438, 0.1455),
    "λ scalar, freeze image": (0.1415, 0.1291),
    "λ scalar, end to end": (0.1469, 0.1355),
    "λ vector, freeze both": (0.1467, 0.1323),
    "λ vector, freeze descriptors": (0.1432, 0.1432),
    "λ vector, freeze image": (0.1415, 0.1316),
    "λ vector, end to end": (0.1457, 0.1409),
    "concatenation, freeze both": (0.1454, 0.1457),
    "concatenation, freeze descriptors": (0.1397, 0.1383),
    "concatenation, freeze image": (0.1356, 0.1334),
    "concatenation, end to end": (0.1423, 0.1337),
    "λ = 0, freeze both": (0.2128, 0.2643),
    "λ = 0.25, freeze both": (0.1589, 0.1769),
    "λ = 0.5, freeze both": (0.144, 0.1368),
    "λ = 0.75, freeze both": (0.148, 0.1256),
    "λ = 1, freeze both": (0.1473, 0.1295),
    "λ = 0, end to end": (0.2162, None),
    "λ = 0.25, end to end": (0.1548, None),
    "λ = 0.5, end to end": (0.1476, None),
    "λ = 0.75, end to end": (0.1479, None),
    "λ = 1, end to end": (0.1532, None),
}


def by_seed(pairs, column):
    """DataFrame of a column: one row per seed, one column per method."""
    return pd.DataFrame(pairs).pivot(index="seed", columns="method", values=column)


def mean_and_interval(values):
    """Mean over seeds, standard error, 95 % interval, and the corrected error."""
    values = np.asarray(values, float)
    n, mean, spread = len(values), values.mean(), values.std(ddof=1)
    half = stats.t.ppf(0.975, n - 1) * spread / np.sqrt(n)
    return {
        "mean": mean,
        "error": spread / np.sqrt(n),
        "lower": mean - half,
        "upper": mean + half,
        "corrected": spread * np.sqrt(1 / n + TEST_TO_TRAIN),
    }


def table(pairs, methods):
    """One row per method: means, the difference to the descriptors, and the thesis's.

    Parameters
    ----------
    pairs : list of dict
    methods : iterable of str

    Returns
    -------
    list of dict
    """
    test, validation = by_seed(pairs, "test"), by_seed(pairs, "validation")
    factor = by_seed(pairs, "lambda")
    rows = []
    for name in methods:
        row = {"method": name, "seeds": len(test)}
        row |= {"λ": factor[name].mean(), "validation": validation[name].mean()}
        row |= {"validation_SE": validation[name].sem()}
        row |= {"test": test[name].mean(), "test_SE": test[name].sem()}
        row |= difference(test[name] - test[BASELINE])
        rows.append(rounded(row | thesis(name)))
    return rows


def difference(values):
    """Columns of the paired difference to the descriptors alone."""
    found = mean_and_interval(values)
    return {
        "difference": found["mean"],
        "paired_SE": found["error"],
        "lower": found["lower"],
        "upper": found["upper"],
        "corrected_SE": found["corrected"],
    }


def thesis(name):
    """Columns of what the thesis found, for context."""
    validation, test = THESIS.get(name, (None, None))
    return {
        "thesis_validation": validation,
        "thesis_test": test,
        "thesis_is": NOTE if name in THESIS else "",
    }


def rounded(row):
    """Numbers with four decimals."""
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}


# -- claims ----------------------------------------------------------------------------


def claims(pairs):
    """What the thesis claims, and what this run says to it.

    Parameters
    ----------
    pairs : list of dict

    Returns
    -------
    list of dict
        ``here`` is "holds" or "opposite" where the whole 95 % interval over seeds says
        so, else "not significant".
    """
    test, factor = by_seed(pairs, "test"), by_seed(pairs, "lambda")
    both = "λ scalar, freeze both"
    at = {v: test[f"λ = {v:g}, freeze both"] for v in (0, 0.25, 0.5, 0.75, 1)}
    concatenated = "straight concatenation, freeze both"
    found = [
        less("steep to the image: error at λ = .5 < at 0", at[0.5] - at[0]),
        less("steep to the image: error at λ = .5 < at .25", at[0.5] - at[0.25]),
        inside(f"flat: errors at .75 and .5 within {FLAT}", at[0.75] - at[0.5]),
        less("U-shaped: error at λ = .75 < at 1", at[0.75] - at[1]),
        inside("learnt λ between .5 and .75", factor[both], 0.5, 0.75),
        less("λ scalar, both frozen < descriptors", test[both] - test[BASELINE]),
        less("λ = .75, both frozen < descriptors", at[0.75] - test[BASELINE]),
        less(
            "descriptors < straight concatenation, both frozen",
            test[BASELINE] - test[concatenated],
        ),
        less(
            "λ scalar: both frozen < end to end",
            test[both] - test["λ scalar, end to end"],
        ),
        less(
            "not the thesis's: crossfit < its own best modality",
            test["crossfit"] - test["crossfit, weight 0"],
        ),
    ]
    return [rounded(row) for row in found]


def less(claim, values):
    """A claim that a difference is negative."""
    found = mean_and_interval(values)
    holds, opposite = found["upper"] < 0, found["lower"] > 0
    return verdict(claim, found, holds, opposite)


def inside(claim, values, low=-FLAT, high=FLAT):
    """A claim that a mean lies between two numbers."""
    found = mean_and_interval(values)
    holds = low < found["lower"] and found["upper"] < high
    opposite = found["lower"] > high or found["upper"] < low
    return verdict(claim, found, holds, opposite)


def verdict(claim, found, holds, opposite):
    """Row of a claim."""
    here = "holds" if holds else "opposite" if opposite else "not significant"
    numbers = {key: found[key] for key in ("mean", "lower", "upper")}
    return {"claim": claim, "here": here, **numbers}


# -- picture ---------------------------------------------------------------------------


def draw(rows, path):
    """Error against fixed λ, with the learnt one marked; needs matplotlib."""
    from matplotlib import pyplot as plt

    frame = pd.DataFrame(rows).set_index("method")
    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    for colour, training in (("C0", "freeze both"), ("C1", "end to end")):
        fixed = frame.loc[[n for n in frame.index if n.endswith(training) and "=" in n]]
        values = [float(name.split()[2].rstrip(",")) for name in fixed.index]
        axes.errorbar(
            values, fixed["test"], fixed["test_SE"], color=colour, label=training
        )
        learnt = frame.loc[f"λ scalar, {training}"]
        axes.plot(learnt["λ"], learnt["test"], "*", color=colour, markersize=13)
    axes.axhline(frame.loc[BASELINE, "test"], color="0.5", ls=":", label=BASELINE)
    axes.set(xlabel="λ, weight of the descriptors (star: learnt)")
    axes.set(ylabel="error rate of the test rows")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=100)
