"""Can poor modalities stand in for a good one? Experiment 1 of the thesis (Liu, 2022).

An encoder-decoder reconstructs MNIST images from their top rows, from a smaller image,
and from both: Table 4.1, with the mean squared error on the 10,000 test images. The net
is the thesis's with a sigmoid at its end, for with its ReLU some pixels die. Training
is shorter than the thesis's 100 epochs, with a learning rate that falls to zero.

Run with ``OMP_NUM_THREADS=1 SKMM_DATA=... python -m benchmarks.reconstruction [--quick]
[--epochs 30] [--folds 1] [--jobs 2]``; a run that was stopped goes on where it was.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from sklearn.datasets import load_digits
from sklearn.model_selection import KFold
from tqdm import tqdm

from benchmarks.common import RESULTS, append, key, machine, report, stored
from benchmarks.reconstruction.table import cells, claims, draw, label, summary, table
from skmm import EncoderDecoderReconstructor
from skmm.datasets import fetch_mnist
from skmm.preprocessing import Downscale, TopRows

CACHE = RESULTS / "reconstruction_runs.jsonl"
SHOWN = 8  # test images whose reconstructions are kept for the picture


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="8 x 8 digits, 2 seeds")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--folds", type=int, default=1, help="of cross-validation")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--cache", type=Path, default=CACHE, help="JSON lines")
    return parser.parse_args()


class Digits:
    """The 8 x 8 digits of scikit-learn, in as many seeds as folds."""

    hidden = (48, 32, 20, 32, 48)
    settings = {"lr": 3e-3, "batch_size": 32}
    tops, factors, height = (7, 5, 4, 2), (4, 2), 8

    def __init__(self, epochs):
        images = load_digits().images / 16
        order = np.random.default_rng(0).permutation(len(images))
        self.images, self.test_images = images[order[:1400]], images[order[1400:]]
        self.epochs, self.name = epochs, f"digits, {epochs} epochs"


class Mnist:
    """60,000 and 10,000 images."""

    hidden = (250, 128, 81, 128, 250)
    settings = {"lr": 1e-3, "batch_size": 128}
    tops, factors, height = (23, 18, 13, 8), (7, 4, 2), 28

    def __init__(self, epochs):
        X, _ = fetch_mnist(subset="all", return_X_y=True)
        images = np.asarray(X["image"])[:, 0]
        self.images, self.test_images = images[:60_000], images[60_000:]
        self.epochs, self.name = epochs, f"MNIST, {epochs} epochs"


def view(images, cell):
    """The poor modalities of a cell: top rows, a smaller image, or both."""
    top, factor = cell
    parts = {}
    if top:
        parts["top"] = TopRows(top).fit_transform(images)
    if factor:
        parts["small"] = Downscale(factor).fit_transform(images)
    return parts


def run(data, cell, fold, folds):
    """Train one cell, and measure it on the test images."""
    rows = np.arange(len(data.images))
    if folds > 1:
        splits = list(KFold(folds, shuffle=True, random_state=0).split(rows))
        rows = splits[fold][0]
    model = EncoderDecoderReconstructor(
        data.hidden,
        max_epochs=data.epochs,
        lr_schedule="cosine",
        early_stopping=True,
        validation_fraction=0.1,
        patience=data.epochs,
        random_state=fold,
        **data.settings,
    ).fit(view(data.images[rows], cell), data.images[rows])
    predicted = model.predict(view(data.test_images, cell))
    return {
        "configuration": data.name,
        "seed": fold,
        "method": label(cell),
        "loss": float(np.mean((predicted - data.test_images) ** 2)),
        "epoch": model.best_epoch_,
        "shown": np.round(predicted[:SHOWN], 3).tolist(),
    }


def collect(data, folds, path, jobs, split):
    """All results; cells that are not stored are computed."""
    have = stored(path)
    wanted = [(cell, fold) for fold in range(folds) for cell in cells(data)]
    missing = [(c, f) for c, f in wanted if (data.name, f, label(c)) not in have]
    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered")
    tasks = (delayed(run)(data, c, f, folds if split else 1) for c, f in missing)
    for found in tqdm(parallel(tasks), total=len(missing), unit="net"):
        append(path, [found])
        have[key(found)] = found
    return [have[data.name, f, label(c)] for c, f in wanted]


def main():
    chosen = options()
    quick = chosen.quick
    data = Digits(45) if quick else Mnist(chosen.epochs)
    folds, path = (2, None) if quick else (chosen.folds, chosen.cache)
    results = collect(data, folds, path, chosen.jobs, split=not quick)
    facts = machine("torch", "scikit-learn") | {"data": data.name, "runs": folds}
    report(table(results, data), "reconstruction", facts, quick)
    print()
    report(summary(results, data), "reconstruction_summary", facts, quick)
    print("\nclaims of the thesis")
    report(claims(results, data), "reconstruction_claims", facts, quick)
    if not quick:
        draw(results, data, view, RESULTS / "reconstruction.png")


if __name__ == "__main__":
    sys.exit(main())
