"""Time of `emap` against the loops that it replaces.

All n ** 2 pairs of rows are asked about. *Row by row*: n predictions, in each of which
the first modality of one row meets the other one of all rows. *Pair by pair*: a
prediction for each pair, timed on a sample of them. `emap` encodes each row once, and
asks fusion and head about all pairs. Ratios are of medians of runs that take turns, by
processor time. The loop over rows also shows that the projections are the same.

Run with ``OMP_NUM_THREADS=1 python -m benchmarks.emap [--quick]``.
"""

import time

import numpy as np
import torch

from benchmarks.common import alternating_medians, arguments, machine, report, row
from skmm import FusionClassifier, ModalityDict, ResidualFusionClassifier
from skmm.inspection import emap
from skmm.nn import ConvEncoder, MLPEncoder

ESTIMATORS = (FusionClassifier, ResidualFusionClassifier)
N = 100
PAIRS = 200  # of the sample
SHAPES = {"tables": (20,), "images": (1, 28, 28)}
ENCODERS = {"tables": MLPEncoder((32,)), "images": ConvEncoder((8, 16), hidden=(32,))}


def fitted(kind, estimator, n):
    """A model of three classes that was trained for an epoch, and n rows."""
    rng = np.random.default_rng(0)
    shapes = {"a": SHAPES[kind], "b": (20,)}
    X = ModalityDict({k: rng.normal(size=(n, *shape)) for k, shape in shapes.items()})
    encoders = {"a": ENCODERS[kind], "b": ENCODERS["tables"]}
    model = estimator(encoders, max_epochs=1, random_state=0)
    return model.fit(X, np.arange(n) % 3), X


def row_by_row(model, X):
    """The projection, from n predictions of n rows."""
    n = len(X)
    cells = []
    for i in range(n):
        met = {"a": np.repeat(X["a"][i : i + 1], n, axis=0), "b": X["b"]}
        cells.append(model.decision_function(ModalityDict(met)))
    cells = np.stack(cells)
    return cells.mean(1) + cells.mean(0) - cells.mean((0, 1))


def some_pairs(model, X, count):
    """Predictions of so many single pairs."""
    for i, j in np.random.default_rng(0).integers(len(X), size=(count, 2)):
        met = {"a": X["a"][i : i + 1], "b": X["b"][j : j + 1]}
        model.decision_function(ModalityDict(met))


def case_rows(kind, estimator, repeats):
    """Ratios of one kind of data and one estimator."""
    model, X = fitted(kind, estimator, N)
    tasks = {
        "emap": lambda: emap(model, X),
        "row by row": lambda: row_by_row(model, X),
        "pair by pair": lambda: some_pairs(model, X, PAIRS),
    }
    seconds = alternating_medians(tasks, repeats, time.process_time)
    seconds["pair by pair"] *= N**2 / PAIRS
    apart = np.abs(emap(model, X).logits - row_by_row(model, X)).max()
    facts = {"emap, ms": round(1000 * seconds["emap"], 1), "difference": apart}
    case = f"n={N}, {kind}, {estimator.__name__}"
    return [
        row(f"{loop} / emap", case, seconds[loop] / seconds["emap"], 10, False) | facts
        for loop in ("row by row", "pair by pair")
    ]


def main():
    quick = arguments(__doc__.splitlines()[0]).quick
    torch.set_num_threads(1)
    repeats = 1 if quick else 5
    rows = [
        found
        for kind in SHAPES
        for estimator in ESTIMATORS
        for found in case_rows(kind, estimator, repeats)
    ]
    report([{**one, "threads": 1} for one in rows], "emap", machine("torch"), quick)


if __name__ == "__main__":
    main()
