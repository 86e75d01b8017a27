"""Spectra and structures with 72 molecules: experiment 2 of the thesis (Liu, 2022).

Each of 100 bootstraps of 72 molecules trains five nets on the rows drawn: image, Raman
spectrum, both, and both with one of them replaced by noise; all share the rows. The
thesis reports, for every bootstrap, the best accuracy over all epochs on the rows out
of bag: a choice made by the rows that it is measured on. Beside it stand the accuracy
of the last epoch, and of the epoch that a fifth of the distinct rows drawn chooses.
The spectra are simulated from the molecules (``make_raman_molecules``), so that levels
do not compare with the thesis's; differences may.

Run with ``OMP_NUM_THREADS=1 python -m benchmarks.bootstrap_raman [--quick] [--jobs 2]
[--size 40]``; a run that was stopped goes on where it was.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from skorch.callbacks import Callback
from tqdm import tqdm

from benchmarks.bootstrap_raman.table import claims, draw, table
from benchmarks.common import RESULTS, append, key, machine, report, stored
from skmm import FusionClassifier, ModalityDict
from skmm.base.fit_many import fit_many
from skmm.datasets import make_raman_molecules
from skmm.model_selection import BootstrapOutOfBag
from skmm.nn import ConvEncoder, MLPEncoder, MLPHead
from skmm.preprocessing import MoleculeImager, NoiseModality, SpectrumBinner
from skmm.training import predict_outputs

CACHE = RESULTS / "bootstrap_raman_runs.jsonl"
ENCODERS = {"image": ConvEncoder(), "raman": MLPEncoder((160, 80, 20))}
SETUPS = {  # modalities, and which of them is replaced by noise
    "image": (["image"], None),
    "Raman": (["raman"], None),
    "image + Raman": (["image", "raman"], None),
    "image + noise": (["image", "raman"], "raman"),
    "noise + Raman": (["image", "raman"], "image"),
}


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="8 bootstraps, 15 epochs")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--size", type=int, default=40, help="of images; thesis: 80")
    parser.add_argument("--cache", type=Path, default=CACHE, help="JSON lines")
    return parser.parse_args()


DENSE = {"Raman"}  # whose nets are trained as one batch


class ValidAccuracy(Callback):
    """Note the accuracy on the rows set aside after every epoch."""

    def on_epoch_end(self, net, dataset_valid=None, **kwargs):
        """Ask the net."""
        rows, target = dataset_valid
        labels = predict_outputs(net.module_, rows).argmax(1)
        net.history.record("accuracy", (labels == target.cpu()).double().mean().item())


class Molecules:
    """72 molecules, drawn and measured.

    Parameters
    ----------
    size : int
        Of the images, in pixels.
    epochs : int
    """

    def __init__(self, size, epochs):
        self.X, self.y = make_raman_molecules(random_state=0)
        imager = MoleculeImager(size, 40 / size, channels="structure", oversize="scale")
        self.images, self.epochs = imager.fit_transform(self.X["smiles"]), epochs
        self.name = f"{size} x {size}, {epochs} epochs"

    def rows(self, train, test, setup, seed):
        """Modalities of the rows drawn and out of bag; spectra in the former's bins."""
        names, spoilt = SETUPS[setup]
        order = np.concatenate([train, test])
        spectra = self.X["spectrum"]
        raman = SpectrumBinner().fit(spectra[train]).transform(spectra[order])
        mean, scale = raman[: len(train)].mean(0), raman[: len(train)].std(0)
        parts = {
            "image": self.images[order].astype(np.float32),
            "raman": (raman - mean) / np.where(scale > 0, scale, 1.0),
        }
        if spoilt:
            noise = NoiseModality(random_state=seed).fit(parts[spoilt])
            parts[spoilt] = noise.transform(parts[spoilt])
        return ModalityDict({name: parts[name] for name in names}), self.y[order]

    def model(self, setup, seed, **params):
        """The net of a setup."""
        return FusionClassifier(
            {name: ENCODERS[name] for name in SETUPS[setup][0]},
            head=MLPHead(()),
            max_epochs=self.epochs,
            early_stopping=True,
            random_state=seed,
            **params,
        )


def by_epoch(data, setup, train, test, seed):
    """Accuracy out of bag of the best and the last of all epochs."""
    X, y = data.rows(train, test, setup, seed)
    aside = np.arange(len(y)) >= len(train)
    model = data.model(setup, seed, patience=data.epochs, callbacks=[ValidAccuracy()])
    fit_many([model], [(X, y, None)], valid=[aside])
    found = [row["accuracy"] for row in model.net_.history]
    return {"best epoch": max(found), "last epoch": found[-1]}


def inner(data, setup, splits, seeds):
    """Accuracies out of bag of the epoch that some of the rows drawn choose.

    Small dense nets are trained as one batch.
    """
    models = [data.model(setup, seed, patience=15) for seed in seeds]
    rows, views, asides = [], [], []
    for (train, test), seed in zip(splits, seeds, strict=True):
        X, y = data.rows(train, test, setup, seed)
        rows.append((X[: len(train)], y[: len(train)], None))
        views.append((X[len(train) :], y[len(train) :]))
        asides.append(_some_of_the_distinct(train, seed))
    fit_many(models, rows, valid=asides)
    return [model.score(*view) for model, view in zip(models, views, strict=True)]


def _some_of_the_distinct(train, seed):
    """A fifth of the rows: all copies of one are on the same side."""
    distinct = np.unique(train)
    count = max(1, round(0.2 * len(distinct)))
    return np.isin(train, np.random.default_rng(seed).permutation(distinct)[:count])


def job(data, setup, split, seed):
    """Results of one bootstrap and setup."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = by_epoch(data, setup, *split, seed)
        if setup not in DENSE:
            found["inner"] = inner(data, setup, [split], [seed])[0]
        return found


def inner_together(data, splits, missing):
    """Inner accuracies of the missing dense nets, by bootstrap and setup."""
    found = {}
    for setup in DENSE:
        seeds = [b for b, name in missing if name == setup]
        scores = inner(data, setup, [splits[b] for b in seeds], seeds)
        found |= {(b, setup): score for b, score in zip(seeds, scores, strict=True)}
    return found


def collect(data, splits, path, jobs):
    """All results; what is not stored is computed."""
    have, name = stored(path), data.name
    cells = [(b, setup) for b in range(len(splits)) for setup in SETUPS]
    missing = [(b, s) for b, s in cells if (name, b, s) not in have]
    parallel = Parallel(n_jobs=jobs, return_as="generator")
    tasks = (delayed(job)(data, setup, splits[b], b) for b, setup in missing)
    dense = inner_together(data, splits, missing)
    results = tqdm(parallel(tasks), total=len(missing), unit="net")
    for (b, setup), found in zip(missing, results, strict=True):
        found.setdefault("inner", dense.get((b, setup)))
        result = {"configuration": name, "seed": b, "method": setup, **found}
        append(path, [result])
        have[key(result)] = result
    return [have[name, b, setup] for b, setup in cells]


def main():
    chosen = options()
    data = Molecules(chosen.size, 15 if chosen.quick else 40)
    splitter = BootstrapOutOfBag(8 if chosen.quick else 100, random_state=0)
    splits = list(splitter.split(data.y, data.y))
    path = None if chosen.quick else chosen.cache
    results = collect(data, splits, path, chosen.jobs)
    facts = (
        machine("torch", "rdkit") | {"bootstraps": len(splits)} | {"nets": data.name}
    )
    report(table(results), "bootstrap_raman", facts, chosen.quick)
    print("\nclaims of the thesis, by the corrected resampled t (95 % intervals)")
    report(claims(results), "bootstrap_raman_claims", facts, chosen.quick)
    if not chosen.quick:
        draw(results, RESULTS / "bootstrap_raman.png")


if __name__ == "__main__":
    sys.exit(main())
