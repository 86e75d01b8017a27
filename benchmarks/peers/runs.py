"""One fit of a model on a split of a set, its measures, and how they are stored."""

import hashlib
import json
import time
import warnings
from functools import cache
from pathlib import Path

import numpy as np
from sklearn.metrics import r2_score, roc_auc_score
from tqdm import tqdm

import skmm
from benchmarks.common import append
from benchmarks.no_harm.table import row_losses
from benchmarks.peers.models import MODELS, Task
from skmm.metrics import expected_calibration_error

KEY = ("set", "model", "split", "version")


def run(problem, name, split):
    """Fit and measure a model; None where there is no such model."""
    task = Task(problem.is_regression, random_state=split)
    model = MODELS[name].make(task)
    if model is None:
        return None
    (X, y), (X_test, y_test) = problem.split(split)
    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of peers, on their own affairs
        model.fit(X, y)
        ask = model.predict if problem.is_regression else model.predict_proba
        predicted = np.asarray(ask(X_test), float)
    seconds = time.process_time() - begun
    measures = measure_values if problem.is_regression else measure_classes
    return {"train": len(y), "test": len(y_test), "seconds": seconds} | measures(
        y_test, predicted
    )


def measure_values(y, predicted):
    predicted = predicted.reshape(-1)
    loss = row_losses(y, predicted).mean()
    found = {"loss": loss, "error": np.sqrt(loss), "auc": r2_score(y, predicted)}
    return {name: float(value) for name, value in found.items()} | {"ece": None}


def measure_classes(y, p):
    p = p / p.sum(axis=1, keepdims=True)
    labels = np.arange(p.shape[1])
    several = p.shape[1] > 2
    auc = roc_auc_score(y, p if several else p[:, 1], multi_class="ovr", labels=labels)
    found = {
        "loss": row_losses(y, p).mean(),
        "error": (p.argmax(axis=1) != y).mean(),
        "auc": auc,
        "ece": expected_calibration_error(y, p, labels=labels),
    }
    return {name: float(value) for name, value in found.items()}


# -- all runs ----------------------------------------------------------------------


@cache
def digest():
    """First letters of the hash of the code of skmm."""
    root = Path(skmm.__file__).parent
    code = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        code.update(path.read_bytes())
    return code.hexdigest()[:8]


def version_of(name):
    """Version of a model, such as "catboost 1.2" or "skmm 0.1, code 0a1b2c3d"."""
    model = MODELS[name]
    return model.version + (f", code {digest()}" if model.package == "skmm" else "")


def stored(path):
    """Stored runs by `KEY`; a torn last line is dropped."""
    runs = {}
    if path is not None and path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found = json.loads(line)
            except json.JSONDecodeError:
                continue
            runs[tuple(found[part] for part in KEY)] = found
    return runs


def collect(sets, models, splits, path, only_stored=False):
    """All runs; those that are not stored are computed. Failures are named.

    Parameters
    ----------
    sets : list of Set
    models : list of str
    splits : list of int
    path : Path or None
    only_stored : bool, default=False
        Compute nothing.

    Returns
    -------
    list of dict
    """
    have, runs = stored(path), []
    cells = [(each, split, m) for each in sets for split in splits for m in models]
    for each, split, model in (bar := tqdm(cells, unit="fit")):
        cell = dict(zip(KEY, (each.name, model, split, version_of(model)), strict=True))
        found = have.get(tuple(cell.values()))
        if found is None and not only_stored:
            bar.set_description(f"{each.name}, {model}")
            found = attempt(each, cell)
            append(path, [found] if found else [])
        runs += [found] if found else []
    return runs


def earlier(path, code, names, splits):
    """Stored runs of ours with other code, which the names of the models show."""
    return [
        found | {"model": f"{found['model']}, code {code}"}
        for found in stored(path).values()
        if found["version"].endswith(f"code {code}")
        and found["set"] in names
        and found["split"] in splits
    ]


def attempt(problem, cell):
    """Run one cell; None where there is no such model, or it fails."""
    try:
        found = run(problem, cell["model"], cell["split"])
    except Exception as error:  # of a peer; the others go on
        tqdm.write(f"failed: {cell['model']} on {cell['set']}: {error!r:.300}")
        return None
    return found and cell | found
