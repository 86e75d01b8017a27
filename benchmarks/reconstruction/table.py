"""Table 4.1 of the thesis, its claims and its pictures.

A *cell* is (top rows or 0, factor of the smaller image or 0); the baseline sees all
rows. A *result* has its label as ``method``, and the ``loss`` on the test images.
"""

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

THESIS = {  # mean squared errors; Liu (2022), Table 4.1; two cells cannot be read
    (28, 0): 0.0123,
    (23, 0): 0.0148, (23, 4): 0.0143, (23, 2): 0.0123,
    (18, 0): 0.0214, (18, 4): 0.0173, (18, 2): 0.0133,
    (13, 0): 0.0331, (13, 7): 0.0272, (13, 4): 0.0208, (13, 2): 0.0145,
    (8, 0): 0.0595, (8, 7): 0.0402, (8, 4): 0.0267, (8, 2): 0.0142,
    (0, 7): 0.0473, (0, 4): 0.0266, (0, 2): 0.0142,
}  # fmt: skip
CLOSE = 0.15  # relative
EQUAL = 0.03
SLACK = 0.01  # of "monotone": seeds differ by as much


def cells(data):
    """The baseline, then top rows by factors; the last row has no top rows."""
    grid = [(top, factor) for top in (*data.tops, 0) for factor in (0, *data.factors)]
    return [(data.height, 0), *(cell for cell in grid if any(cell))]


def label(cell):
    """As "top 23 + 1/2"."""
    top, factor = cell
    return " + ".join(
        text for text, there in ((f"top {top}", top), (f"1/{factor}", factor)) if there
    )


def losses(results, data):
    """Mean loss by cell."""
    means = pd.DataFrame(results).groupby("method")["loss"].mean()
    return {cell: float(means[label(cell)]) for cell in cells(data)}


def table(results, data):
    """One row per number of top rows, one column per smaller image, theirs beside."""
    found, rows = losses(results, data), []
    for top in (data.height, *data.tops, 0):
        row = {"top rows": top}
        for factor in (0, *data.factors):
            if (top, factor) in found:
                name = f"1/{factor}" if factor else "alone"
                row[name] = round(found[top, factor], 4)
                row[f"thesis {name}"] = THESIS.get((top, factor))
        rows.append(row)
    if data.height != 28:
        rows = [{k: v for k, v in r.items() if "thesis" not in k} for r in rows]
    return rows


def summary(results, data):
    """How our table and the thesis's agree."""
    found = losses(results, data)
    mean = float(np.mean((data.test_images - data.images.mean(0)) ** 2))
    rows = [{"what": "loss of the mean training image", "value": round(mean, 4)}]
    if data.height == 28:
        ours = [found[cell] for cell in THESIS]
        theirs = list(THESIS.values())
        good = sum(o <= (1 + CLOSE) * t for o, t in zip(ours, theirs, strict=True))
        rank = spearmanr(ours, theirs).statistic
        rows += [
            {"what": f"cells within 15 % or better, of {len(ours)}", "value": good},
            {"what": "Spearman correlation", "value": round(float(rank), 3)},
        ]
    worst = max(loss for cell, loss in found.items())
    return [*rows, {"what": "largest loss of a net", "value": round(worst, 4)}]


def claims(results, data):
    """The four claims, yes or no, with what decides."""
    found, best = losses(results, data), data.factors[-1]
    whole = found[data.height, 0]
    rows = [[found[top, f] for f in (0, *data.factors)] for top in data.tops] + [
        [found[0, f] for f in data.factors]
    ]
    columns = [[found[top, f] for top in data.tops] for f in (0, *data.factors)]
    steps = [later <= (1 + SLACK) * one for row in rows for one, later in pairwise(row)]
    falls = [one <= (1 + SLACK) * later for c in columns for one, later in pairwise(c)]
    both = found[data.tops[0], best] / whole - 1
    alone = {c: loss for c, loss in found.items() if 0 in c and c[0] != data.height}
    nearest = min(alone, key=alone.get)
    return [
        _claim("a larger second modality, a smaller loss", steps, all(steps)),
        _claim("more top rows, a smaller loss", falls, np.mean(falls) >= 0.8),
        _claim(
            f"{label((data.tops[0], best))} is as good as all, within 3 %, or better",
            f"{100 * both:+.1f} %",
            both <= EQUAL,
        ),
        _claim(
            "no poor modality alone reaches the whole image",
            f"{label(nearest)}: {100 * (alone[nearest] / whole - 1):+.1f} %",
            alone[nearest] > whole,
        ),
    ]


def _claim(text, shown, holds):
    if isinstance(shown, list):
        shown = f"{sum(shown)} of {len(shown)} steps"
    return {"claim": text, "found": shown, "holds": "yes" if holds else "no"}


def draw(results, data, view, path):
    """Losses in both views, and what some images become."""
    import matplotlib.pyplot as plt

    found = losses(results, data)
    figure = plt.figure(figsize=(10, 9), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[1, 2])
    left, right = upper.subplots(1, 2, sharey=True)
    names = ["alone", *(f"+ 1/{f}" for f in data.factors)]
    for top in data.tops:
        values = [found[top, f] for f in (0, *data.factors)]
        left.plot(names, values, marker="o", label=f"top {top}")
    for f, name in zip((0, *data.factors), names, strict=True):
        values = [found[top, f] for top in data.tops]
        right.plot([str(top) for top in data.tops], values, marker="o", label=name)
    for axis in (left, right):
        axis.axhline(found[data.height, 0], color="black", linestyle=":")
        axis.legend(fontsize=8)
    left.set(ylabel="mean squared error")
    right.set(xlabel="top rows (dotted: the whole image)")
    _draw_images(lower, results, data, view)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_images(figure, results, data, view):
    """Rows: the truth, then inputs and reconstruction of three cells."""
    smallest, best = data.factors[0], data.factors[-1]
    chosen = [(data.tops[-1], 0), (0, smallest), (data.tops[-1], best)]
    shown = {found["method"]: np.array(found["shown"]) for found in results}
    count = len(next(iter(shown.values())))
    truth = data.test_images[:count]
    rows = [("truth", truth)]
    for cell in chosen:
        seen = view(truth, cell)
        rows += [(f"seen: {name}", part) for name, part in seen.items()]
        rows.append((f"from {label(cell)}", shown[label(cell)]))
    axes = figure.subplots(len(rows), count)
    for line, (name, images) in zip(axes, rows, strict=True):
        for axis, image in zip(line, images, strict=True):
            axis.imshow(image, cmap="gray_r", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", fontsize=8)
