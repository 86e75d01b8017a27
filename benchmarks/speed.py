"""What the training loop costs, as ratios to loops written by hand, in one run.

Run with ``python benchmarks/speed.py [--quick]``: first with one thread, by processor
time, then with as many as torch takes by itself, by the clock. Each row is a goal, what
was reached, and whether that meets it. The *floor* is a bare torch loop that slices
whole tensors and uses a fused Adam.
"""

import subprocess
import sys
import time
import warnings
from contextlib import contextmanager

import numpy as np
import torch
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from benchmarks.by_hand import (
    Bare,
    default_skorch,
    floor,
    make_data,
    ours,
    reencoding,
    scikit_learn,
)
from benchmarks.common import alternating_medians, arguments, machine, report, row
from benchmarks.molecule_images import IMAGER, rdkit_part
from benchmarks.speed_mulmix import mulmix_rows
from skmm import FusionClassifier, ModalityDict
from skmm.datasets import load_biodegradation
from skmm.model_selection import BootstrapOutOfBag, fit_replicas
from skmm.nn import (
    Chemception,
    ConvEncoder,
    Flatten,
    MLPEncoder,
    MLPHead,
    NoHarmFusion,
)
from skmm.training import Stage

CLOCK = time.perf_counter


def fit_rows(quick, clock):
    """Goal 1: one fit."""
    sizes = [(2000, 64, 10), (2000, 128, 10), (2000, 512, 30), (50_000, 512, 2)]
    rows = []
    for n_rows, batch_size, epochs in sizes[: 2 if quick else None]:
        X, y = make_data(n_rows)
        args = (X, y, batch_size, epochs)
        seconds = alternating_medians(
            {
                "floor": lambda args=args: floor(*args),
                "ours": lambda args=args: ours(*args),
                "scaled": lambda args=args: ours(*args, scale="robust"),
                "stopping": lambda args=args: ours(
                    *args, early_stopping=True, patience=epochs
                ),
                "skorch": lambda args=args: default_skorch(*args),
                "scikit-learn": lambda args=args: scikit_learn(*args),
            },
            repeats=3 if quick else 7,
            clock=clock,
        )
        case = f"n={n_rows}, batch {batch_size}"
        base = seconds["floor"]
        rows += [
            row("fit / floor", case, seconds["ours"] / base, 1.10),
            row("with early stopping / floor", case, seconds["stopping"] / base, 1.25),
            row("with scaling / fit", case, seconds["scaled"] / seconds["ours"], 1.15),
            row(
                "default skorch / fit",
                case,
                seconds["skorch"] / seconds["ours"],
                2.2 if batch_size >= 128 else 1.0,
                at_most=False,
            ),
            row(
                "MLPClassifier / fit",
                case,
                seconds["scikit-learn"] / seconds["ours"],
                1.0,
                at_most=False,
            ),
        ]
    return rows


def bootstrap_rows(quick, clock):
    """Goal 2: 100 bootstraps of 72 rows."""
    X, y = make_data(72)
    count, epochs = (20, 30) if quick else (100, 100)
    splitter = BootstrapOutOfBag(count, random_state=0)
    samples = [train for train, _ in splitter.split(X, y)]
    model = ours(X, y, 32, 1).set_params(max_epochs=epochs)
    scaled = clone(model).set_params(encoders__scale="robust")

    def one_by_one(fit):
        return lambda: [fit(X[rows], y[rows], 32, epochs) for rows in samples]

    seconds = alternating_medians(
        {
            "replicas": lambda: fit_replicas(model, X, y, samples),
            "floor": one_by_one(floor),
            "ours": one_by_one(ours),
            "scaled": lambda: fit_replicas(scaled, X, y, samples),
            "skorch": one_by_one(default_skorch),
        },
        repeats=1 if quick else 3,
        clock=clock,
    )
    case = f"{count} x 72 rows, {epochs} epochs"
    base = seconds["replicas"]
    return [
        row("floor loop / replicas", case, seconds["floor"] / base, 3.0, at_most=False),
        row("fits one by one / replicas", case, seconds["ours"] / base, 3.0, False),
        row("default skorch / replicas", case, seconds["skorch"] / base, 7.0, False),
        row("with scaling / replicas", case, seconds["scaled"] / base, 1.15),
    ]


def predict_rows(quick, clock):
    """Goal 7: predict_proba against the bare module."""
    X, y = make_data(20_000)
    model, bare = ours(X, y, 512, 1), Bare().eval()
    scaled = ours(X, y, 512, 1, scale="robust")
    rows = []
    for n_rows, wanted in ((1, 2.0), (128, 1.2), (20_000, 1.2)):
        part = X[:n_rows]
        tensors = [torch.from_numpy(np.ascontiguousarray(v)) for v in part.values()]

        def direct(tensors=tensors):
            with torch.inference_mode():
                return bare(*tensors).softmax(1).numpy()

        calls = 200 if n_rows < 1000 else 5
        seconds = alternating_medians(
            {
                "direct": lambda direct=direct: [direct() for _ in range(calls)],
                "ours": lambda part=part: [
                    model.predict_proba(part) for _ in range(calls)
                ],
                "scaled": lambda part=part: [
                    scaled.predict_proba(part) for _ in range(calls)
                ],
            },
            repeats=3 if quick else 7,
            clock=clock,
        )
        ratio = seconds["ours"] / seconds["direct"]
        rows.append(row("predict_proba / module", f"{n_rows} rows", ratio, wanted))
        ratio = seconds["scaled"] / seconds["ours"]
        rows.append(row("with scaling / predict_proba", f"{n_rows} rows", ratio, 1.15))
    return rows


def make_images(n_rows, shape=(1, 28, 28)):
    rng = np.random.default_rng(0)
    y = np.arange(n_rows) % 2
    images = rng.normal(size=(n_rows, *shape)).astype(np.float32)
    table = rng.normal(size=(n_rows, 40)).astype(np.float32)
    images += y[:, None, None, None]
    return ModalityDict(image=images, table=table), y


def convolution_rows(quick):
    """Goal 3: refits of a net that cannot be stacked."""
    X, y = make_images(200)
    rows = [np.arange(len(y))] * (2 if quick else 4)
    model = FusionClassifier(
        {"image": ConvEncoder()}, max_epochs=3, random_state=0, device="cpu"
    )
    seconds = alternating_medians(
        {
            "replicas": lambda: fit_replicas(model, X, y, rows),
            "processes": lambda: fit_replicas(model, X, y, rows, n_jobs=2),
            "ours": lambda: [model.fit(X[part], y[part]) for part in rows],
        },
        repeats=1 if quick else 5,
    )
    case = f"{len(rows)} x {len(y)} images, by the clock"
    return [
        row(
            f"fits one by one / {key}",
            case,
            seconds["ours"] / seconds[key],
            0.95,
            False,
        )
        for key in ("replicas", "processes")
    ]


def frozen_rows(quick):
    """Goal 4: both encoders frozen, those of the thesis and smaller ones."""
    epochs = 30 if quick else 150
    cases = [("Chemception, (4, 80, 80)", Chemception(), 50 if quick else 150)]
    cases += [("ConvEncoder, (1, 28, 28)", ConvEncoder(), 200 if quick else 1000)]
    shapes = [(4, 80, 80), (1, 28, 28)]
    rows = []
    for (name, encoder, n_rows), shape in zip(cases, shapes, strict=True):
        X, y = make_images(n_rows, shape)
        encoders = {"image": encoder, "table": MLPEncoder((64,))}
        ratio = frozen_ratio(encoders, X, y, epochs)
        case = f"{name}, {n_rows} rows, {epochs} epochs"
        wanted = 40 * epochs / 150
        goal = "re-encoding loop / frozen fit"
        rows += [row(goal, case, ratio, wanted, at_most=False)]
    return rows


def frozen_ratio(encoders, X, y, epochs):
    """How much longer a loop takes that encodes every batch anew."""
    settings = {"random_state": 0, "device": "cpu"}
    built = FusionClassifier(encoders, max_epochs=1, **settings).fit(X, y).encoders_
    head = MLPHead((32,)).build((126 + 64, 2))
    model = FusionClassifier(
        built, stages=[Stage(["fusion", "head"])], max_epochs=epochs, **settings
    )
    tasks = {
        "re-encoding": lambda: reencoding(head, built, X, y, epochs),
        "ours": lambda: model.fit(X, y),
    }
    seconds = alternating_medians(tasks, 1, time.process_time)
    return seconds["re-encoding"] / seconds["ours"]


def factor_rows(quick):
    """Goal 4: a grid of fixed factors on embeddings, as one batch."""
    n_rows, count = (300, 21) if quick else (1000, 101)
    X, y = make_data(n_rows)
    rng = np.random.default_rng(0)
    X = {n: rng.normal(size=(n_rows, 64)).astype(np.float32) for n in X}
    settings = {"fusion": NoHarmFusion(0.5), "head": MLPHead(()), "max_epochs": 10}
    model = FusionClassifier(Flatten(), **settings, random_state=0, device="cpu")
    grid = [{"fusion__factor": float(f)} for f in np.linspace(0, 1, count)]
    rows = [np.arange(n_rows)] * count
    tasks = {
        "grid": lambda: fit_replicas(model, X, y, rows, params=grid),
        "one": lambda: model.fit(X, y),
    }
    seconds = alternating_medians(tasks, 1 if quick else 3, time.process_time)
    ratio = seconds["grid"] / seconds["one"]
    return [row(f"{count} factors / one head", f"{n_rows} rows", ratio, 4)]


def molecule_rows(quick):
    """Goal 6: images of molecules, on one core."""
    smiles = load_biodegradation(return_X_y=True)[0]["smiles"]
    smiles = smiles[:: 10 if quick else 1]
    tasks = {
        "rdkit": lambda: rdkit_part(smiles),
        "all": lambda: IMAGER.transform(smiles),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        seconds = alternating_medians(tasks, 2 if quick else 7, time.process_time)
    rate, ratio = len(smiles) / seconds["all"], seconds["all"] / seconds["rdkit"] - 1
    case = f"{len(smiles)} molecules, 80 x 80"
    return [
        row("images of molecules per second", case, rate, 2000, at_most=False),
        row("properties and raster / RDKit's part", case, ratio, 1.0),
    ]


def thread_rows(quick):
    """A small fit with all threads of torch, alone and beside busy processes."""
    every, rng = torch.get_num_threads(), np.random.default_rng(0)
    X = {"a": rng.normal(size=(1000, 41)), "b": rng.normal(size=(1000, 64))}
    y, model = X["a"][:, 0] > 0, FusionClassifier(max_epochs=30, random_state=0)

    def with_threads(number):
        def fit():
            torch.set_num_threads(number)
            model.fit(X, y)

        return fit

    tasks, rows = {"one": with_threads(1), "all": with_threads(every)}, []
    for neighbours in (0, 2 * every):
        with busy(neighbours):
            for name, clock in (("cpu", time.process_time), ("clock", CLOCK)):
                seconds = alternating_medians(tasks, 3 if quick else 7, clock=clock)
                case = f"{every} threads, {neighbours} busy processes, {name}"
                ratio = seconds["all"] / seconds["one"]
                rows.append(row("small fit: all threads / one", case, ratio, 1.2))
    return rows


@contextmanager
def busy(count):
    """Some processes that only use processor time."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure(threads, clock, quick):
    """All rows with a number of threads."""
    torch.set_num_threads(threads)
    with threadpool_limits(threads):  # of scikit-learn's linear algebra
        rows = fit_rows(quick, clock) + bootstrap_rows(quick, clock)
        rows += predict_rows(quick, clock) + convolution_rows(quick)
        rows += frozen_rows(quick) + mulmix_rows(quick, clock)
        rows += factor_rows(quick) + molecule_rows(quick) if threads == 1 else []
        rows += thread_rows(quick) if threads > 1 else []
    return [{**row, "threads": threads} for row in rows]


def main():
    quick = arguments(__doc__).quick
    facts = machine("torch", "skorch", "scikit-learn", "numpy")
    every = torch.get_num_threads()
    rows = measure(1, time.process_time, quick)
    report(rows, "speed", facts, quick)  # now, for the rest takes as long again
    if every > 1:
        rows += measure(every, time.perf_counter, quick)
        report(rows, "speed", facts, quick)


if __name__ == "__main__":
    main()
