"""Whether `compare_modalities` keeps what it promises, cell by cell.

Modality a predicts y; modality b adds a linear effect of some strength, spread over 1,
5 or 20 features. Three strengths are tried in each cell:

none        b is noise, and fusion loses what its parameters cost
break-even  b adds just what its parameters cost: the mean gain is zero
stated      the gain that the verdicts at break-even state as detectable (median)

Counted are *helps* and *harms*, how often the 95 % interval of the gain covers the true
mean gain of models trained on as many samples as in a fold, and the power, *helps* at
the stated gain. The goals are a level of 5 % plus two standard errors (*helps* at none
and break-even, *harms* at break-even), coverage of 93 %, power of 70 to 90 %.
"skewed" has exponential features and noise. True gains are means over training sets,
on large test sets.

Run with ``OMP_NUM_THREADS=1 python benchmarks/false_alarms.py [--quick] [--jobs 2]
[--models linear trees net] [--rows 50 100]``; finished cells are kept in a cache, and
more data sets can be added with ``--sets``.
"""

import argparse
import json
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tqdm import tqdm

from benchmarks.common import RESULTS, machine, report
from skmm import FusionClassifier, FusionRegressor, ModalityDict
from skmm.base.fit_many import fit_many
from skmm.model_selection import compare_modalities
from skmm.model_selection.statistics import LOSSES
from skmm.nn import MLPEncoder, MLPHead

FEATURES_OF_A = 3
ROWS, COLUMNS = (50, 100, 250, 1000), (1, 5, 20)
REPEATS, FOLDS = 2, 5
STRENGTHS = np.array([0, 0.08, 0.16, 0.25, 0.35, 0.5, 0.75, 1, 1.5, 2, 3, 4])
TEST_ROWS = 2000
SCORINGS = {
    "regression": ("neg_mean_squared_error", "neg_mean_absolute_error"),
    "classification": ("neg_log_loss",),
}
NET = {"max_epochs": 30, "lr": 0.01, "batch_size": 64, "random_state": 0}
FOREST = {"n_estimators": 10, "min_samples_leaf": 5, "random_state": 0}


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="linear, n = 50, 20 sets")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--models", nargs="+", default=["linear", "trees", "net"])
    parser.add_argument("--rows", nargs="+", type=int, default=ROWS)
    parser.add_argument("--sets", type=int, default=100, help="data sets of a cell")
    path = RESULTS / "false_alarms.jsonl"
    parser.add_argument("--cache", type=Path, default=path, help="JSON lines")
    return parser.parse_args()


def joined(X):
    return np.hstack([X[name] for name in X])


def make_model(name, task):
    """A linear model, a small forest, or a small net."""
    first = task == "regression"
    if name == "net":
        kind = FusionRegressor if first else FusionClassifier
        return kind(MLPEncoder((8,)), head=MLPHead(()), **NET)
    if name == "linear":
        model = LinearRegression() if first else LogisticRegression()
    else:
        model = (RandomForestRegressor if first else RandomForestClassifier)(**FOREST)
    return make_pipeline(FunctionTransformer(joined), model)


def draw(task, n, columns, skewed, strength, seed):
    """One data set; b's effect has the direction of the sum of its features."""
    rng = np.random.default_rng(seed)

    def features(width):
        drawn = rng.exponential(size=(n, width)) - 1
        return drawn if skewed else rng.normal(size=(n, width))

    a, b = features(FEATURES_OF_A), features(columns)
    effect = a[:, 0] + strength * b.sum(1) / np.sqrt(columns)
    if task == "classification":
        y = (effect + rng.logistic(size=n) > 0).astype(int)
    else:
        y = effect + (rng.exponential(size=n) - 1 if skewed else rng.normal(size=n))
    return ModalityDict(a=a, b=b), y


def losses_on_test(name, task, sets, n, modalities):
    """Mean losses on the samples after the first n of every set, by scoring."""
    models = [make_model(name, task) for _ in sets]
    data = [(X.select(modalities)[:n], y[:n], None) for X, y in sets]
    if name == "net":
        fit_many(models, data)
    else:
        models = [m.fit(*rows[:2]) for m, rows in zip(models, data, strict=True)]
    tests = [(X.select(modalities)[n:], y[n:]) for X, y in sets]
    return {
        scoring: np.mean(
            [
                LOSSES[scoring].losses(m, *test).mean()
                for m, test in zip(models, tests, strict=True)
            ]
        )
        for scoring in SCORINGS[task]
    }


def gain_curves(name, task, n, columns, skewed, sets):
    """True mean gain of both modalities over a alone, at all strengths."""
    n = n * (FOLDS - 1) // FOLDS
    curves = {scoring: [] for scoring in SCORINGS[task]}
    for strength in STRENGTHS:
        drawn = [
            draw(task, n + TEST_ROWS, columns, skewed, strength, 10_000 + seed)
            for seed in range(sets)
        ]
        alone, both = (
            losses_on_test(name, task, drawn, n, modalities)
            for modalities in (["a"], ["a", "b"])
        )
        for scoring, curve in curves.items():
            curve.append(float(alone[scoring] - both[scoring]))
    return curves


def strength_for(curve, gain):
    """Weakest strength with that gain; NaN if none has it."""
    above = np.flatnonzero(np.array(curve) >= gain)
    if not len(above):
        return np.nan
    stop = max(above[0], 1) + 1
    return float(np.interp(gain, curve[stop - 2 : stop], STRENGTHS[stop - 2 : stop]))


def one_verdict(name, task, n, columns, skewed, strength, scoring, seed):
    """What the comparison says of both modalities against a."""
    X, y = draw(task, n, columns, skewed, strength, seed)
    kind = RepeatedKFold if task == "regression" else RepeatedStratifiedKFold
    splitter = kind(n_splits=FOLDS, n_repeats=REPEATS, random_state=seed)
    found = compare_modalities(
        make_model(name, task), X, y, resampling=splitter, scoring=scoring
    )
    pair = found.paired.set_index("against").loc["a"]
    return {
        "verdict": found.verdict.split(":")[0],
        **pair[["gain", "lower", "upper", "detectable"]].to_dict(),
    }


def summary(found, true_gain):
    """One row of the table."""
    covers = (found["lower"] <= true_gain) & (true_gain <= found["upper"])
    return {
        "true gain": round(true_gain, 4),
        "mean gain": round(found["gain"].mean(), 4),
        "helps %": round(100 * (found["lower"] > 0).mean(), 1),
        "harms %": round(100 * (found["verdict"] == "harms").mean(), 1),
        "coverage %": round(100 * covers.mean(), 1),
        "stated": round(found["detectable"].median(), 4),
    }


def cell_rows(name, task, n, columns, skewed, sets, jobs):
    """All strengths and losses of one cell."""
    curves = gain_curves(name, task, n, columns, skewed, max(20, sets // 2))
    rows = []
    for scoring, curve in curves.items():
        stated = np.nan
        for kind in ("none", "break-even", "stated"):
            goal = {"none": curve[0], "break-even": 0.0, "stated": stated}[kind]
            strength = 0.0 if kind == "none" else strength_for(curve, goal)
            if not np.isfinite(strength):
                continue
            call = (name, task, n, columns, skewed, strength, scoring)
            calls = (delayed(one_verdict)(*call, seed) for seed in range(sets))
            found = pd.DataFrame(Parallel(n_jobs=jobs)(calls))
            true_gain = float(np.interp(strength, STRENGTHS, curve))
            row = {"model": name, "loss": LOSSES[scoring].name, "n": n, "b": columns}
            row |= {"skewed": skewed, "effect": kind, "sets": sets}
            rows.append(row | {"strength": round(strength, 3)})
            rows[-1] |= summary(found, true_gain)
            if kind == "break-even":
                stated = found["detectable"].median()
    return rows


def goals(row):
    """Which goals a row misses; an empty string if none."""
    level = 5 + 200 * np.sqrt(0.05 * 0.95 / row["sets"])
    missed = []
    if row["effect"] != "stated" and row["helps %"] > level:
        missed.append("level of helps")
    if row["effect"] == "break-even" and row["harms %"] > level:
        missed.append("level of harms")
    if row["coverage %"] < 93:
        missed.append("coverage")
    if row["effect"] == "stated" and not 70 <= row["helps %"] <= 90:
        missed.append("power")
    return ", ".join(missed)


def stored(path):
    """Rows of finished cells by key."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {line["key"]: line["rows"] for line in map(json.loads, lines)}


def main():
    chosen = options()
    if chosen.quick:
        chosen.models, chosen.rows, chosen.sets = ["linear"], [50], 20
        chosen.cache = Path("/dev/null")
    done, rows = stored(chosen.cache), []
    cells = [
        (model, task, n, columns, skewed)
        for model, n, skewed, columns, task in product(
            chosen.models, chosen.rows, (False, True), COLUMNS, SCORINGS
        )
        if model == "linear" or not skewed
    ]
    for cell in tqdm(cells, unit="cell"):
        key = json.dumps([*cell, chosen.sets])
        if key not in done:
            done[key] = cell_rows(*cell, chosen.sets, chosen.jobs)
            with chosen.cache.open("a") as file:
                file.write(json.dumps({"key": key, "rows": done[key]}) + "\n")
        rows += [row | {"missed": goals(row)} for row in done[key]]
    facts = machine("torch", "scikit-learn") | {"resampling": f"{REPEATS} x {FOLDS}"}
    report(rows, "false_alarms", facts, chosen.quick)


if __name__ == "__main__":
    sys.exit(main())
