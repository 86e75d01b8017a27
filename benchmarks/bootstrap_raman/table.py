"""Tables, claims and pictures of the bootstraps of spectra and structures.

A *result* is a dict with the bootstrap (``seed``), the setup (``method``) and its
accuracies out of bag, by how the epoch was chosen.
"""

import numpy as np
import pandas as pd
from scipy import stats

SELECTIONS = ("best epoch", "last epoch", "inner")
THESIS = {  # mean accuracy, %; Liu (2022), section 4.2
    "image": 80.49,
    "Raman": 71.55,
    "image + Raman": 84.35,
    "image + noise": 79.49,
    "noise + Raman": 73.68,
}
TEST_TO_TRAIN = 0.368 / 0.632  # distinct rows
SIMILAR = 3.0  # percent: the thesis's differences to noise are -1.0 and +2.1
BETTER = [("image + Raman", "image"), ("image + Raman", "Raman")]
ALIKE = [("image + noise", "image"), ("noise + Raman", "Raman")]


def accuracies(results, selection):
    """Percent, one row per bootstrap, one column per setup."""
    frame = pd.DataFrame(results)
    return 100 * frame.pivot(index="seed", columns="method", values=selection)


def table(results):
    """Mean accuracy by setup and choice of the epoch."""
    found = {name: accuracies(results, name) for name in SELECTIONS}
    rows = []
    for setup, thesis in THESIS.items():
        row = {"setup": setup}
        for name in SELECTIONS:
            values = found[name][setup]
            low, high = np.percentile(values, [2.5, 97.5])
            row[f"{name}, %"] = round(values.mean(), 2)
            row[f"{name}, 95 % of bootstraps"] = f"{low:.0f} to {high:.0f}"
        for name in SELECTIONS[1:]:  # "inner" trains on fewer rows, "last" on the same
            gap = found["best epoch"][setup] - found[name][setup]
            row[f"best minus {name}"] = round(gap.mean(), 2)
        rows.append(row | {"thesis (best epoch), %": thesis})
    return rows


def interval(differences):
    """Mean and 95 % interval by the corrected resampled t."""
    n, spread = len(differences), differences.std(ddof=1)
    error = spread * np.sqrt(1 / n + TEST_TO_TRAIN)
    half = stats.t.ppf(0.975, n - 1) * error
    return differences.mean(), differences.mean() - half, differences.mean() + half


def claims(results):
    """Whether the thesis's claims hold, by how the epoch was chosen."""
    rows = []
    for name in SELECTIONS:
        found = accuracies(results, name)
        for first, second in [*BETTER, *ALIKE]:
            mean, low, high = interval(found[first] - found[second])
            rows.append(
                {
                    "epoch": name,
                    "claim": f"{first} {'>' if (first, second) in BETTER else '~'} "
                    f"{second}",
                    "difference, %": round(mean, 2),
                    "low": round(low, 2),
                    "high": round(high, 2),
                    "thesis, %": round(THESIS[first] - THESIS[second], 2),
                    "bootstraps lost": int((found[first] < found[second]).sum()),
                    "holds": _verdict((first, second) in BETTER, mean, low, high),
                }
            )
    return rows


def _verdict(better, mean, low, high):
    if better and (low > 0 or high < 0):
        return "yes" if low > 0 else "no, reversed"
    if better:
        return "unclear, same sign" if mean > 0 else "unclear"
    if -SIMILAR < low and high < SIMILAR:
        return "yes"
    return "unclear, similar" if abs(mean) < SIMILAR else "no"


def draw(results, path):
    """Accuracies of all bootstraps, and what both together gain over each alone."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(9, 6), layout="constrained")
    for row, name in zip(axes, ("best epoch", "inner"), strict=True):
        found = accuracies(results, name)
        row[0].boxplot([found[setup] for setup in THESIS], tick_labels=list(THESIS))
        row[0].plot(range(1, 6), THESIS.values(), "x", color="tab:red", label="thesis")
        row[0].set(ylabel=f"accuracy, %; {name}", ylim=(20, 102))
        row[0].tick_params(axis="x", rotation=20)
        row[0].legend()
        for first, second in BETTER:
            gain = (found[first] - found[second]).sort_values().to_numpy()
            row[1].plot(gain, label=f"{first} over {second}")
        row[1].axhline(0, color="black", linewidth=0.8)
        row[1].set(xlabel="bootstraps, sorted", ylabel="gain, %")
        row[1].legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)
