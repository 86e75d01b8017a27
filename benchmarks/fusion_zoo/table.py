"""Tables, claims and the picture of the fusion zoo."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from benchmarks.common import row
from benchmarks.fusion_zoo.data import CLAIMED, PROBLEMS
from benchmarks.fusion_zoo.methods import ADDITIVE, SINGLE, SOLVES_XOR


def frame_of(results):
    """One row per ranked problem, seed and method, with the loss of the best single."""
    frame = pd.DataFrame(results).rename(columns={"configuration": "problem"})
    frame = frame[frame.problem.isin(PROBLEMS)]
    single = frame.method.str.startswith(SINGLE)
    best = frame[single].groupby(["problem", "seed"])["loss"].min().rename("single")
    return frame.join(best, on=["problem", "seed"])


def by_problem(frame):
    """Mean test log-loss, methods by problems; the best single is a method."""
    fused = frame[~frame.method.str.startswith(SINGLE)]
    losses = fused.pivot_table(index="method", columns="problem", values="loss")
    singles = frame.groupby("problem")["single"].mean()
    order = list(dict.fromkeys(frame.problem))
    return pd.concat([losses, singles.to_frame("best single").T])[order]


def table(results):
    """One row per method, sorted by its mean rank over the problems."""
    frame = frame_of(results)
    losses = by_problem(frame)
    fused = frame[~frame.method.str.startswith(SINGLE)]
    fused = fused.assign(
        harm=fused.loss > fused.single, overfit=fused.loss - fused.train
    )
    means = fused.groupby("method")
    columns = {
        "mean rank": losses.rank().mean(axis=1),
        **uncertainty(frame),
        "harm %": 100 * means["harm"].mean(),
        "test - train": means["overfit"].mean(),
        "interactions": means["interactions"].mean(),
        "parameters": means["parameters"].mean(),
        "ms/epoch": 1000 * means["seconds_per_epoch"].mean(),
    }
    spread = fused.pivot_table("loss", "method", "problem", aggfunc="sem")
    spread = spread.reindex(columns=losses.columns)
    parts = losses.add_prefix("loss: "), spread.add_prefix("se: ")
    found = pd.concat([pd.DataFrame(columns), *parts], axis=1)
    found = found.sort_values("mean rank").round(3)
    return found.rename_axis("method").reset_index().to_dict("records")


def uncertainty(frame, draws=1000):
    """How sure mean ranks are, from a bootstrap of problems and of seeds in them.

    Columns: standard errors of the mean rank, where problems are drawn too, and where
    only seeds are; share of draws (of both) in which a method is ahead of the first.
    """
    if frame["seed"].nunique() < 2:
        return {}
    rng = np.random.default_rng(0)
    losses = [drawn_losses(frame, rng) for _ in range(draws)]
    of_seeds = pd.DataFrame([some.rank().mean(axis=1) for some in losses])
    count = losses[0].shape[1]
    resampled = (some.iloc[:, rng.integers(count, size=count)] for some in losses)
    of_both = pd.DataFrame([some.rank().mean(axis=1) for some in resampled])
    first = by_problem(frame).rank().mean(axis=1).idxmin()
    return {
        "se of rank": of_both.std(),
        "se of rank, seeds": of_seeds.std(),
        "ahead of first %": 100 * of_both.lt(of_both[first], axis=0).mean(),
    }


def drawn_losses(frame, rng):
    """As `by_problem`, of seeds that are drawn with replacement in each problem."""
    losses = []
    for problem, part in frame.groupby("problem", sort=False):
        fused = part[~part.method.str.startswith(SINGLE)]
        table = fused.pivot_table("loss", "seed", "method")
        table["best single"] = part.groupby("seed")["single"].first()
        rows = rng.integers(len(table), size=len(table))
        losses.append(table.iloc[rows].mean().rename(problem))
    return pd.concat(losses, axis=1)


def claims(results):
    """What must hold by the methods' formulas, of each number of rows."""
    frame = pd.DataFrame(results)
    parts = {name: frame[frame.configuration == name] for name in CLAIMED}
    return [
        found
        for name, part in parts.items()
        for found in claims_of(part, CLAIMED[name].train)
    ]


def claims_of(frame, count):
    right = 1 - frame.groupby("method")["error"].mean()
    share = frame.groupby("method")["interactions"].mean()
    additive = sorted(ADDITIVE & set(right.index))
    rows = [
        (row("xor is solved", name, right[name], 0.95, at_most=False), right[name])
        for name in SOLVES_XOR
        if name in right
    ]
    rows += [(row("xor is not solved", n, right[n], 0.6), right[n]) for n in additive]
    sums = [name for name in additive if name != "late average"]  # of probabilities
    rows += [(row("no interactions", n, share[n], 1e-6), share[n]) for n in sums]
    return [one | {"rows": count, "reached": round(value, 3)} for one, value in rows]


def draw(results, path):
    """Losses above the best method of each problem, sorted by rank."""
    losses = by_problem(frame_of(results))
    losses = losses.loc[losses.rank().mean(axis=1).sort_values().index]
    above = losses - losses.min()
    figure, axes = plt.subplots(figsize=(8, 8), layout="constrained")
    shown = np.clip(above, 0, 0.2)
    image = axes.imshow(shown, cmap="viridis_r", aspect="auto")
    axes.set_xticks(range(losses.shape[1]), losses.columns, rotation=30, ha="right")
    axes.set_yticks(range(len(losses)), losses.index)
    for i, j in np.ndindex(above.shape):
        value = above.iloc[i, j]
        if np.isfinite(value):
            color = "white" if value > 0.1 else "black"
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", color=color)
    figure.colorbar(image, label="test log-loss above the best (cut at 0.2)")
    figure.savefig(path, dpi=110)
