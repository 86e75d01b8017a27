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
import sys
from pathlib import Path

import pandas as pd

from benchmarks.common import RESULTS, machine, report
from benchmarks.peers.models import LEFT_OUT, MODELS
from benchmarks.peers.runs import collect, digest, earlier
from benchmarks.peers.sets import CHOOSING, FIRST_SPLIT, SETS, seeds
from benchmarks.peers.tables import over_sets, per_set

CACHE = RESULTS / "peers_runs.jsonl"
QUICK_SETS = ["biodeg", "freesolv", "nutrimouse diet"]
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
    parser.add_argument("--stored", action="store_true", help="tables without new fits")
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
    runs = collect(sets, models, splits, chosen.cache, chosen.stored)
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
