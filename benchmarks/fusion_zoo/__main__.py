"""Every fusion on eight problems, on equal terms: what to pick when.

All methods of a problem and seed have the same rows, encoders (one layer of 32), rate,
epochs and early stopping, and a linear head, so that what a net knows of interactions
it knows by its fusion. *Harm* is the share of problems and seeds in which the test
log-loss is worse than that of the best single modality (chosen in hindsight, which is
strict); *interactions* the share of the outputs' variance that no sum of functions of
one modality each can have (``skmm.inspection.emap``).

What the formulas promise of xor is measured with 1,000 and with 2,000 rows; the latter
do not count in the ranks. ``--claims`` runs only these.

Run with ``OMP_NUM_THREADS=1 SKMM_DATA=... python -m benchmarks.fusion_zoo [--quick]
[--claims] [--seeds 3] [--jobs 2]``; a run that was stopped goes on where it was.
"""

import sys

from benchmarks.common import RESULTS, collect, machine, options, report
from benchmarks.fusion_zoo.data import CLAIMED, FIRST_SEED, PROBLEMS, QUICK, available
from benchmarks.fusion_zoo.methods import run
from benchmarks.fusion_zoo.table import claims, draw, table


def parsed():
    words = __doc__.splitlines()[0], "fusion_zoo_runs.jsonl", "2 problems, 1 seed"
    parser = options(*words)
    only = "only what the formulas promise of xor"
    parser.add_argument("--claims", action="store_true", help=only)
    return parser.parse_args()


def chosen_names(chosen):
    if chosen.claims:
        return list(CLAIMED)
    return available(QUICK if chosen.quick else PROBLEMS | CLAIMED)


def main():
    chosen = parsed()
    seeds = range(FIRST_SEED, FIRST_SEED + (1 if chosen.quick else chosen.seeds))
    cells = [(name, seed) for seed in seeds for name in chosen_names(chosen)]
    path = None if chosen.quick else chosen.cache
    results = collect(run, cells, path, chosen.jobs)
    facts = machine("torch", "skorch", "scikit-learn") | {"seeds": len(seeds)}
    if not chosen.claims:
        report(table(results), "fusion_zoo", facts, chosen.quick)
    print("\nwhat the formulas promise")
    report(claims(results), "fusion_zoo_claims", facts, chosen.quick)
    if not chosen.quick and not chosen.claims:
        draw(results, RESULTS / "fusion_zoo.png")


if __name__ == "__main__":
    sys.exit(main())
