"""Cost of a fit against the numbers of rows and of modalities."""

import time

from benchmarks.common import alternating_medians, row
from benchmarks.scaling.nets import TABLES, before_training, floor, make_data, ours


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
