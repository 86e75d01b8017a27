"""MulMix against its baselines: Tables 2 to 5 and Figures 2 and 3 of Liu et al. (2018).

Every method of a problem and seed has the same encoders, training rows, test rows, and
rows that early stopping looks at; MulMix* takes the beta with the fewest errors on the
latter. Errors are of the test rows, differences are paired by seed. The paper's figures
stand beside where the problem resembles its own; ours are smaller, so compare orders.

Run with ``OMP_NUM_THREADS=1 SKMM_DATA=... python -m benchmarks.mulmix [--quick]
[--seeds 5] [--jobs 2]``; a run that was stopped goes on where it was.
"""

import argparse
import sys
import warnings
from pathlib import Path

from joblib import Parallel, delayed
from tqdm import tqdm

from benchmarks.common import RESULTS, append, key, machine, report, stored
from benchmarks.mulmix.data import PROBLEMS, QUICK, available
from benchmarks.mulmix.methods import methods_of, run
from benchmarks.mulmix.table import claims, draw, over_learning_rows, table

CACHE = RESULTS / "mulmix_runs.jsonl"
FIRST_SEED = 1000  # --quick has the first three, and was looked at in development


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="4 problems, 3 seeds")
    parser.add_argument("--seeds", type=int, default=5, help="2 or more")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--cache", type=Path, default=CACHE, help="JSON lines")
    return parser.parse_args()


def collect(names, seeds, path, jobs):
    """All results; cells that are not stored are computed, one by one."""
    have = stored(path)
    cells = [(name, seed) for seed in seeds for name in names]
    missing = [
        (name, seed)
        for name, seed in cells
        if any((name, seed, method) not in have for method in methods_of(name))
    ]
    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered")
    tasks = (delayed(quietly)(name, seed) for name, seed in missing)
    for results in tqdm(parallel(tasks), total=len(missing), unit="cell"):
        append(path, results)
        have |= {key(found): found for found in results}
    return [have[n, s, m] for n, s in cells for m in methods_of(n)]


def quietly(name, seed):
    """One cell, without the question whether a table is an image."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "modality .* has samples", UserWarning)
        return run(name, seed)


def main():
    chosen = options()
    names = available(QUICK if chosen.quick else PROBLEMS)
    seeds = range(FIRST_SEED, FIRST_SEED + (3 if chosen.quick else chosen.seeds))
    path = None if chosen.quick else chosen.cache
    results = collect(names, seeds, path, chosen.jobs)
    facts = machine("torch", "skorch", "scikit-learn") | {"seeds": len(seeds)}
    report(table(results), "mulmix", facts, chosen.quick)
    print("\nrows that a single modality gets right and the fusion wrong (Table 4)")
    report(over_learning_rows(results), "mulmix_over_learning", facts, chosen.quick)
    print("\norders that the paper finds, by problem; p values are not adjusted")
    report(claims(results), "mulmix_claims", facts, chosen.quick)
    if not chosen.quick:
        draw(results, RESULTS / "mulmix.png")


if __name__ == "__main__":
    sys.exit(main())
