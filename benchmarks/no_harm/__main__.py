"""How often, and how much, adding modalities makes the best single one worse.

Every method is compared with b, the single modality with the lowest out-of-fold loss,
on the same test rows. *Harm* is a loss more than 1 % and more than 2 paired standard
errors larger than that of b; `change` is relative to its loss. *Gain* is the mean
reduction on complementary problems, *rest* on redundant ones and noise. The row "b,
another seed" shows what the count of harms is of two nets that differ by chance only.

Run with ``OMP_NUM_THREADS=1 SKMM_DATA=... python -m benchmarks.no_harm [--quick]
[--seeds dev|report] [--jobs 2]``; a run that was stopped goes on where it was. Rules
may be chosen by the seeds "dev" only; the stored table is of the seeds "report".
"""

import argparse
import sys
from itertools import product
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from benchmarks.common import RESULTS, append, key, machine, report, stored
from benchmarks.no_harm.cells import known, run
from benchmarks.no_harm.methods import METHODS, SLOW
from benchmarks.no_harm.table import goals, table

SEEDS = {"dev": range(20), "report": range(1000, 1020)}
QUICK = [
    "complementary, n=80",
    "complementary, n=250",
    "four parts, n=800",
    "redundant, n=250",
    "wide noise, n=80",
    "both weak, n=250",
    "xor, n=800",
    "complementary, values, n=250",
    "noise, values, n=80",
    "digit halves, n=250",
]
SLOW_SEEDS = 2  # for methods that take long
CACHE = RESULTS / "no_harm_runs.jsonl"


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="10 problems, 2 dev seeds")
    parser.add_argument("--seeds", choices=SEEDS, default="report")
    parser.add_argument("--n-seeds", type=int, default=20, help="only the first")
    parser.add_argument("--cache", type=Path, help=f"JSON lines; {CACHE.name}")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    chosen = parser.parse_args()
    if chosen.cache is None and not chosen.quick:
        chosen.cache = CACHE
    return chosen


def collect(names, seeds, path, jobs):
    """All pairs; those that are not stored are computed, cell by cell."""
    wanted = [
        (name, seed, method)
        for seed, name, method in product(seeds, names, METHODS)
        if method not in SLOW or seed in seeds[:SLOW_SEEDS]
    ]
    have = stored(path)
    missing = {}
    for name, seed, method in wanted:
        if (name, seed, method) not in have:
            missing.setdefault((name, seed), []).append(method)
    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered")
    cells = (delayed(run)(*cell, methods) for cell, methods in missing.items())
    for pairs in tqdm(parallel(cells), total=len(missing), unit="cell"):
        append(path, pairs)
        have |= {key(found): found for found in pairs}
    return [have[cell] for cell in wanted]


def main():
    chosen = options()
    names = QUICK if chosen.quick else list(known())
    seeds = SEEDS["dev"][:2] if chosen.quick else SEEDS[chosen.seeds][: chosen.n_seeds]
    pairs = collect(names, seeds, chosen.cache, chosen.jobs)
    rows = table([p for p in pairs if p["loss"] is not None], METHODS)
    facts = machine("torch", "scikit-learn", "numpy")
    facts |= {"configurations": len(names), "seeds": f"{seeds[0]}-{seeds[-1]}"}
    facts["command"] = " ".join(["python -m benchmarks.no_harm", *sys.argv[1:]])
    name = "no_harm" if chosen.seeds == "report" else "no_harm_dev"
    report(rows, name, facts, chosen.quick)
    if found := goals(rows):
        print(pd.DataFrame(found).to_string(index=False))


if __name__ == "__main__":
    main()
