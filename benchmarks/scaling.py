"""How cost and memory of a fit grow with rows, modalities and files on disk.

Run with ``python benchmarks/scaling.py [--quick]``; with ``OMP_NUM_THREADS=1`` for one
thread. Each row is a goal, what was reached, and in which direction. The *floor* is a
bare torch loop that picks rows of whole tensors as one writes it, ``tensor[rows]``
(``index_select``, which we use, is faster), with a fused Adam, timed in turn. Peaks are
of fresh processes, as Linux counts them; elsewhere they are left out.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import alternating_medians, arguments, machine, report, row
from memory import AnonymousPeak, can_measure, forget_peak, in_fresh_process, taken
from torch import nn

from skmm import FusionClassifier, ModalityDict
from skmm.nn import MLPEncoder, MLPHead

BATCH = 512
TABLES = {"a": 40, "b": 60}
WIDE = {"a": 100, "b": 150}  # 1 kB a row in float32
ROW_BYTES = 4 * sum(WIDE.values())
SLICE = 20_000  # rows that partial_fit gets at once


def make_data(n_rows, widths, dtype=np.float32):
    rng = np.random.default_rng(0)
    X = {n: rng.standard_normal((n_rows, d), dtype) for n, d in widths.items()}
    return ModalityDict(X), rule(*X.values())


def rule(first, second, *others):
    return (first[:, 0] + second[:, 0] > 0).astype(np.int64)


class Bare(nn.Module):
    """The same net, written by hand."""

    def __init__(self, widths):
        super().__init__()
        parts = [nn.Sequential(nn.Linear(d, 64), nn.ReLU()) for d in widths]
        self.encoders = nn.ModuleList(parts)
        width = 64 * len(parts)
        self.head = nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, *parts):
        """(batch, d) for each table to (batch, 2)."""
        pairs = zip(self.encoders, parts, strict=True)
        return self.head(torch.cat([encode(part) for encode, part in pairs], 1))


def floor(X, y, epochs):
    parts, target = [torch.from_numpy(v) for v in X.values()], torch.from_numpy(y)
    net = Bare([part.shape[1] for part in parts])
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    for _ in range(epochs):
        order, total = torch.randperm(len(y)), 0
        for start in range(0, len(y), BATCH):
            rows = order[start : start + BATCH]
            optimizer.zero_grad()
            outputs = net(*(part[rows] for part in parts))
            loss = nn.functional.cross_entropy(outputs, target[rows])
            loss.backward()
            optimizer.step()
            total = total + loss.detach()
        float(total)


def ours(epochs, **settings):
    return FusionClassifier(
        MLPEncoder((64,)),
        head=MLPHead((32,)),
        batch_size=BATCH,
        max_epochs=epochs,
        random_state=0,
        device="cpu",
        **settings,
    )


def before_training(X, y):
    """Everything that `fit` does before its first epoch."""
    model = ours(1)
    model.make_net(model.prepare(X, y).module)


# -- cost ------------------------------------------------------------------------------


def seconds_of(X, y, epochs, quick):
    """Medians for one epoch of the floor and of ours, and for what comes before."""
    tasks = {
        "floor": lambda: floor(X, y, epochs),
        "ours": lambda: ours(epochs).fit(X, y),
        "before": lambda: before_training(X, y),
    }
    seconds = alternating_medians(tasks, 3 if quick else 7, time.process_time)
    return {n: s if n == "before" else s / epochs for n, s in seconds.items()}


def growing_rows(quick):
    """Cost of a fit against the number of rows."""
    rows, per_row = [], {}
    for n_rows in [2000, 10_000, 50_000] + [200_000, 500_000] * (not quick):
        X, y = make_data(n_rows, TABLES)
        seconds = seconds_of(X, y, max(2, min(30, 100_000 // n_rows)), quick)
        per_row[n_rows] = seconds["ours"] / n_rows * 1e6
        case = f"n={n_rows}, {seconds['ours']:.3f} s/epoch, {per_row[n_rows]:.2f} us"
        rows.append(row("fit / floor", case, seconds["ours"] / seconds["floor"], 1.1))
        share = seconds["before"] / seconds["ours"]
        case = f"n={n_rows}, {seconds['before'] * 1e3:.1f} ms"
        rows.append(row("before the first epoch / epoch", case, share, 0.25))
    if not quick:
        growth = per_row[n_rows] / per_row[50_000]
        rows.append(row("cost of a row", f"n={n_rows} / n=50000", growth, 1.25))
    return rows


def growing_modalities(quick):
    """Cost of a fit against the number of modalities."""
    rows, first = [], None
    for count in [2, 4, 8] + [16, 32] * (not quick):
        X, y = make_data(10_000, {f"m{i}": 16 for i in range(count)})
        seconds = seconds_of(X, y, 10, quick)
        each = {name: value / count for name, value in seconds.items()}
        first = first or each
        ratio, bare = (each[name] / first[name] for name in ("ours", "floor"))
        case = f"M={count}, {each['ours'] * 1e3:.1f} ms/epoch each, floor {bare:.2f}"
        rows.append(row("fit / floor", case, seconds["ours"] / seconds["floor"], 1.1))
        rows.append(row("cost of a modality / of M=2", case, ratio, 1.1))
    return rows


# -- memory ----------------------------------------------------------------------------

PEAKS = {
    "fit, float32": {},
    "fit, float32, early stopping": {"early_stopping": True},
    "fit, float32, a tenth missing": {"missing": True},
    "fit, float64 of the user not counted": {"dtype": np.float64},
    "the same, early stopping": {"dtype": np.float64, "early_stopping": True},
    "the same, a tenth missing": {"dtype": np.float64, "missing": True},
    "predict_proba, float32": {"predict": True},
}


def peak_ratio(n_rows, dtype=np.float32, early_stopping=False, missing=False, **task):
    """(Peak above a process that fitted 10 rows) / (bytes of tensors and net).

    Tensors of float32 share the memory of the arrays, which so count once, unless
    rows are missing, whose zeros need a copy. The net counts four times: weights,
    gradients, two moments.
    """
    predict = task.get("predict", False)
    model = ours(2, early_stopping=early_stopping)
    model.fit(*make_data(10, WIDE, dtype)).predict_proba(make_data(10, WIDE)[0])
    before = taken("VmRSS")
    X, y = make_data(n_rows, WIDE, dtype)
    not_ours = sum(v.nbytes for v in X.values()) * (missing or dtype == np.float64)
    if missing:
        tenth = n_rows // 10
        X = X.with_missing("a", slice(tenth)).with_missing("b", slice(-tenth, None))
    forget_peak()
    model.predict_proba(X) if predict else model.fit(X, y)
    peak = taken("VmHWM") - before - not_ours
    net = sum(p.nbytes for p in model.net_.module_.parameters())
    tensors = n_rows * ROW_BYTES + (net if predict else y.nbytes + 4 * net)
    return peak / tensors


def peak_of_case(n_rows, case):
    return peak_ratio(n_rows, **PEAKS[case])


def peaks(quick):
    """Peak memory of a fit and of a prediction."""
    n_rows, size = (100_000, 100) if quick else (200_000, 200)
    return [
        row(
            "peak / (data + net)",
            f"{case}, {size} MB",
            in_fresh_process(peak_of_case, n_rows, case),
            1.5,
        )
        for case in PEAKS
    ]


# -- disk ------------------------------------------------------------------------------


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


def main():
    quick = arguments(__doc__).quick
    facts = machine("torch", "skorch", "scikit-learn", "numpy")
    facts["threads"] = torch.get_num_threads()
    rows = growing_rows(quick) + growing_modalities(quick)
    if can_measure():
        rows += peaks(quick) + files(quick)
    else:
        print(f"memory is not measured: {sys.platform} has no /proc/self/status")
    report(rows, "scaling", facts, quick)


if __name__ == "__main__":
    main()
