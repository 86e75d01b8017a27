"""Every fusion on eight problems, on equal terms: what to pick when.

All methods of a problem and seed have the same rows, encoders (one layer of 32), rate,
epochs and early stopping, and a linear head, so that what a net knows of interactions
it knows by its fusion. *Harm* is the share of problems and seeds in which the test
log-loss is worse than that of the best single modality (chosen in hindsight, which is
strict); *interactions* the share of the outputs' variance that no sum of functions of
one modality each can have (``skmm.inspection.emap``).

Run with ``OMP_NUM_THREADS=1 SKMM_DATA=... python benchmarks/fusion_zoo.py [--quick]
[--seeds 3] [--jobs 2]``; a run that was stopped goes on where it was.
"""

import argparse
import sys
from pathlib import Path

from common import RESULTS, machine, report
from fusion_zoo_data import PROBLEMS, QUICK, available
from fusion_zoo_methods import run
from fusion_zoo_table import claims, draw, table
from joblib import Parallel, delayed
from no_harm_store import append, stored
from tqdm import tqdm

CACHE = RESULTS / "fusion_zoo_runs.jsonl"
FIRST_SEED = 2000


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2 problems, 1 seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--cache", type=Path, default=CACHE, help="JSON lines")
    return parser.parse_args()


def collect(names, seeds, path, jobs):
    """All results; problems and seeds that are not stored are computed."""
    results = list(stored(path).values())
    done = {(found["configuration"], found["seed"]) for found in results}
    wanted = [(name, seed) for seed in seeds for name in names]
    missing = [cell for cell in wanted if cell not in done]
    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered")
    tasks = (delayed(run)(*cell) for cell in missing)
    for found in tqdm(parallel(tasks), total=len(missing), unit="cell"):
        append(path, found)
        results += found
    return [r for r in results if (r["configuration"], r["seed"]) in wanted]


def main():
    chosen = options()
    names = available(QUICK if chosen.quick else PROBLEMS)
    seeds = range(FIRST_SEED, FIRST_SEED + (1 if chosen.quick else chosen.seeds))
    path = None if chosen.quick else chosen.cache
    results = collect(names, seeds, path, chosen.jobs)
    facts = machine("torch", "skorch", "scikit-learn") | {"seeds": len(seeds)}
    report(table(results), "fusion_zoo", facts, chosen.quick)
    print("\nwhat the formulas promise")
    report(claims(results), "fusion_zoo_claims", facts, chosen.quick)
    if not chosen.quick:
        draw(results, RESULTS / "fusion_zoo.png")


if __name__ == "__main__":
    sys.exit(main())
