"""What the comparison says of its runs: per set, and over all sets.

A *run* is a dict with ``set``, ``model``, ``split`` and the measures of one fit:
``loss`` (log-loss or squared error), ``error`` (error rate or root of the squared
error), ``auc`` (ROC AUC or R²), ``ece`` (NaN for values) and ``seconds``.
"""

import numpy as np
import pandas as pd

REFERENCE = "CatBoost"
MEASURES = ["loss", "error", "auc", "ece", "seconds"]


def standard_error(values):
    """Of the mean, over the last axis of splits or sets; NaN for a single value."""
    return values.std(ddof=1) / np.sqrt(values.count())


def per_set(runs, models):
    """One row per set and model: means over splits, and differences of the loss.

    Differences to the reference are taken split by split. Splits share rows, so their
    standard error is of the choice of split, and too small for new samples.
    """
    losses = wide(runs, "loss")
    rows = []
    for (name, model), part in grouped(runs, models):
        row = {"set": name, "model": model, "splits": len(part)}
        row |= {measure: part[measure].mean() for measure in MEASURES}
        row["loss SE"] = standard_error(part["loss"])
        if REFERENCE in losses:
            loss = losses.loc[name]
            difference = (loss[model] - loss[REFERENCE]).dropna()
            row |= {"difference": difference.mean()}
            row |= {"difference SE": standard_error(difference)}
        rows.append(row)
    return rows


def wide(runs, measure):
    """One row per set and split, one column per model."""
    frame = pd.DataFrame(runs)
    return frame.pivot(index=["set", "split"], columns="model", values=measure)


def grouped(runs, models):
    """Runs of each set and model, models in the given order."""
    frame = pd.DataFrame(runs)
    groups = dict(list(frame.groupby(["set", "model"], sort=False)))
    names = frame["set"].unique()
    keys = [(name, model) for name in names for model in models]
    return [(key, groups[key]) for key in keys if key in groups]


def over_sets(runs, models):
    """One row per model: ratio of its loss to the reference, ranks, calibration.

    The ratio of a set is that of the mean losses over the splits that both models
    have; over sets it is a geometric mean. Ranks are among the models of a set.
    """
    losses = wide(runs, "loss")
    ranks = losses.groupby("set").mean().rank(axis=1)
    means = pd.DataFrame(runs).groupby("model")[["ece", "seconds"]].mean()
    rows = []
    for model in (name for name in models if name in losses):
        rank = ranks[model].dropna()
        row = {"model": model, "sets": len(rank)}
        if REFERENCE in losses:
            row |= ratios(losses[[model, REFERENCE]].dropna(), model)
        row |= {"rank": rank.mean(), "rank SE": standard_error(rank)}
        rows.append(row | means.loc[model].to_dict())
    return rows


def ratios(losses, model):
    """Ratio of the losses of a model to those of the reference, over sets."""
    if losses.empty:
        return {}
    values = losses.to_numpy()  # two columns, the same one for the reference itself
    means = pd.DataFrame(
        {"model": values[:, 0], "reference": values[:, -1]}, index=losses.index
    )
    means = means.groupby("set").mean()
    points = 100 * np.log(means["model"] / means["reference"])
    return {
        "log-points": points.mean(),
        "log-points SE": standard_error(points),
        "ratio": np.exp(points.mean() / 100),
        "worst ratio": np.exp(points.max() / 100),
        "worst set": points.idxmax(),
    }
