"""The defaults of skmm beside what a practitioner would use instead, on real data.

Every model has the defaults of its package and gets raw data: ours the modalities,
peers one table of all columns (see `benchmarks.peers.models`). All share the splits,
and run with one thread. Seconds are processor time of fit and prediction.

Run with ``OMP_NUM_THREADS=1 SKMM_DATA=... python -m benchmarks.peers [--quick]
[--sets ...] [--models ...] [--splits 5] [--choosing]``; a run that was stopped goes on
where it was. Defaults may be chosen by ``--choosing`` only, which has other splits and
some of the sets; the stored table is of splits that are used for nothing else. Results
are stored with the version of the package, ours with a digest of the code: what was
changed is run again, and ``--earlier CODE`` shows what is stored of another digest
beside it. Peers: ``pip install -r benchmarks/peers/requirements.txt``; one
that cannot be imported is left out, and named.
"""

import argparse
import hashlib
import json
import sys
import time
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score, roc_auc_score
from tqdm import tqdm

import skmm
from benchmarks.common import RESULTS, append, machine, report
from benchmarks.no_harm.table import row_losses
from benchmarks.peers.models import LEFT_OUT, MODELS, Task
from benchmarks.peers.sets import CHOOSING, FIRST_SPLIT, SETS, seeds
from benchmarks.peers.tables import over_sets, per_set
from skmm.metrics import expected_calibration_error

CACHE = RESULTS / "peers_runs.jsonl"
QUICK_SETS = ["biodeg", "esol", "nutrimouse diet"]
QUICK_MODELS = ["fusion", "no harm", "linear", "extra trees", "LightGBM", "CatBoost"]
QUICK_SPLITS = 2


def options(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    help = f"{len(QUICK_SETS)} sets, {len(QUICK_MODELS)} models, {QUICK_SPLITS} splits"
    parser.add_argument("--quick", action="store_true", help=help)
    parser.add_argument("--sets", nargs="+", choices=SETS, metavar="SET")
    parser.add_argument("--models", nargs="+", choices=MODELS, metavar="MODEL")
    parser.add_argument("--splits", type=int, help="5, or 2 with --quick")
    help = f"splits from {FIRST_SPLIT['choosing']} of the sets to choose defaults by"
    parser.add_argument("--choosing", action="store_true", help=help)
    parser.add_argument(
        "--earlier", metavar="CODE", help="digest of earlier code of ours"
    )
    parser.add_argument("--cache", type=Path, help=f"JSON lines; {CACHE.name}")
    return with_defaults(parser.parse_args(arguments))


def with_defaults(chosen):
    quick = chosen.quick
    chosen.purpose = "choosing" if chosen.choosing else "reported"
    chosen.sets = chosen.sets or (QUICK_SETS if quick else list(SETS))
    if chosen.choosing:
        chosen.sets = [name for name in chosen.sets if name in CHOOSING]
    chosen.models = chosen.models or (QUICK_MODELS if quick else list(MODELS))
    chosen.splits = chosen.splits or (QUICK_SPLITS if quick else 5)
    if chosen.cache is None and not quick:
        chosen.cache = CACHE
    return chosen


# -- one run -----------------------------------------------------------------------


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


KEY = ("set", "model", "split", "version")


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


def collect(sets, models, splits, path):
    """All runs; those that are not stored are computed. Failures are named.

    Parameters
    ----------
    sets : list of Set
    models : list of str
    splits : list of int
    path : Path or None

    Returns
    -------
    list of dict
    """
    have, runs = stored(path), []
    cells = [(each, split, m) for each in sets for split in splits for m in models]
    for each, split, model in (bar := tqdm(cells, unit="fit")):
        cell = dict(zip(KEY, (each.name, model, split, version_of(model)), strict=True))
        found = have.get(tuple(cell.values()))
        if found is None:
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


def there(names, models):
    """Sets and models that are installed; the others are named."""
    for name in names:
        if not SETS[name].is_there:
            print(f"left out: {name} (the data folder has no {SETS[name].file})")
    reasons = {name: MODELS[name].reason_to_leave_out for name in models}
    reasons = {name: reason for name, reason in reasons.items() if reason}
    for name, reason in (reasons | LEFT_OUT).items():
        print(f"left out: {name} ({reason})")
    sets = [SETS[name] for name in names if SETS[name].is_there]
    return sets, [name for name in models if name not in reasons]


def main(arguments=None):
    chosen = options(arguments)
    sets, models = there(chosen.sets, chosen.models)
    splits = seeds(chosen.purpose, chosen.splits)
    runs = collect(sets, models, splits, chosen.cache)
    runs += earlier(chosen.cache, chosen.earlier, [each.name for each in sets], splits)
    models += sorted({found["model"] for found in runs} - set(models))
    facts = machine("torch", *sorted({model.package for model in MODELS.values()}))
    facts |= {"code": digest(), "purpose": chosen.purpose}
    facts["seeds"] = f"{splits[0]}-{splits[-1]}"
    facts["command"] = " ".join(["python -m benchmarks.peers", *sys.argv[1:]])
    name = "peers" if chosen.purpose == "reported" else "peers_choosing"
    report(rounded(per_set(runs, models)), f"{name}_sets", facts, chosen.quick)
    report(rounded(over_sets(runs, models)), name, facts, chosen.quick)


def rounded(rows):
    return pd.DataFrame(rows).round(4).to_dict("records")


if __name__ == "__main__":
    main()
