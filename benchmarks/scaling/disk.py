"""Memory that is added by learning from files that stay on disk."""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.common import alternating_medians, row
from benchmarks.scaling.memory import AnonymousPeak, in_fresh_process
from benchmarks.scaling.nets import ROW_BYTES, WIDE, make_data, ours, rule
from skmm import ModalityDict

SLICE = 20_000  # rows that partial_fit gets at once


def write(folder, n_rows):
    """Two tables and y as files, slice by slice."""
    maps, rng = on_disk(folder, n_rows, "w+"), np.random.default_rng(0)
    y = np.empty(n_rows, np.int64)
    for start in range(0, n_rows, SLICE):
        rows = slice(start, min(start + SLICE, n_rows))
        for leaf in maps.values():
            leaf[rows] = rng.standard_normal(leaf[rows].shape, np.float32)
        y[rows] = rule(*(leaf[rows] for leaf in maps.values()))
    np.save(folder / "y.npy", y)


def on_disk(folder, n_rows, mode="r"):
    return {
        name: np.memmap(folder / name, np.float32, mode, shape=(n_rows, width))
        for name, width in WIDE.items()
    }


def open_files(folder, n_rows):
    """Fit ten rows, so that the peak counts no imports; then open."""
    ours(1).fit(*make_data(10, WIDE))
    return ModalityDict(on_disk(folder, n_rows)), np.load(folder / "y.npy")


def learn_in_parts(folder, n_rows):
    """(Bytes added, accuracy on the last slice, which was not learnt)."""
    X, y = open_files(folder, n_rows)
    model, last = ours(1), n_rows - SLICE
    with AnonymousPeak() as peak:
        for start in range(0, last, SLICE):
            rows = slice(start, start + SLICE)
            model.partial_fit(X[rows], y[rows], classes=[0, 1])
        right = model.predict(X[last:]) == y[last:]
    return peak.added, right.mean()


def fit_at_once(folder, n_rows, settings):
    """Bytes that `fit` adds while the tables stay on disk."""
    X, y = open_files(folder, n_rows)
    with AnonymousPeak() as peak:
        ours(1, **settings).fit(X, y)
    return peak.added


def predict_at_once(folder, n_rows):
    """Bytes that `predict_proba` adds while the tables stay on disk."""
    X, _ = open_files(folder, n_rows)
    model = ours(1).fit(*make_data(10, WIDE))
    with AnonymousPeak() as peak:
        model.predict_proba(X)
    return peak.added


def disk_over_memory(folder, n_rows, quick):
    """Ratio of a fit on files, which the system keeps cached, to one on arrays."""
    X, y = open_files(folder, n_rows)
    copy = ModalityDict({name: np.array(leaf) for name, leaf in X.items()})
    tasks = {
        "disk": lambda: ours(1).fit(X, y),
        "memory": lambda: ours(1).fit(copy, y),
    }
    seconds = alternating_medians(tasks, 3 if quick else 5)
    return seconds["disk"] / seconds["memory"]


def files(quick):
    """Tables that are larger than the memory one wants to spend."""
    n_rows, budget = (100_000, 50) if quick else (1_000_000, 300)
    case = f"{n_rows * ROW_BYTES / 1e6:.0f} MB on disk"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, n_rows)
        ask = (folder, n_rows)
        in_parts, accuracy = in_fresh_process(learn_in_parts, *ask)
        whole = in_fresh_process(fit_at_once, *ask, {})
        stopping = in_fresh_process(fit_at_once, *ask, {"early_stopping": True})
        predicting = in_fresh_process(predict_at_once, *ask)
        ratio = in_fresh_process(disk_over_memory, *ask, quick)
    return [
        row("MB added by partial_fit", case, in_parts / 1e6, budget),
        row("its accuracy", case, accuracy, 0.9, at_most=False),
        row("MB added by fit", case, whole / 1e6, budget),
        row("MB added with early stopping", case, stopping / 1e6, budget),
        row("MB added by predict_proba", case, predicting / 1e6, budget),
        row("fit on files / on arrays", case, ratio, 1.5),
    ]
