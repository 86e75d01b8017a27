"""The three estimators whose update rule differs, against plain ones.

*Residual fusion*: whether an order says only what lower ones cannot (the separation
score is the mean size of what higher orders say that lower ones could, in standard
deviations of y; correlations are with the planted parts), and what that costs in
accuracy. *Gradient blending*: joint training, equal weights, late fusion and the best
single modality (in hindsight), with Adam and with SGD, for all epochs and stopped
early; the ratio is over-fitting to gain between knowing the shares of classes and the
end of training, on test rows. *Dynamic fusion*: accuracy against cost, beside nets that
are always cheap or full, and a cascade that asks the full net where the cheap one is
least sure; how many rows the large encoder reads, and time of a prediction.

Run with ``OMP_NUM_THREADS=1 SKMM_DATA=... python -m benchmarks.update_rules [--quick]
[--seeds 5] [--jobs 2]``; a run that was stopped goes on where it was. Times are ratios
of this process alone, for which there should be one job.
"""

import sys
from functools import partial
from importlib import import_module

from benchmarks.common import RESULTS, collect, machine, options, report
from benchmarks.fusion_zoo.data import available
from benchmarks.update_rules import blending, dynamic, residual

FIRST_SEED = 3000
PARTS = {"residual": residual, "blending": blending, "dynamic": dynamic}


def main():
    words = __doc__.splitlines()[0], "update_rules_runs.jsonl", "generated data, 1 seed"
    chosen = options(*words, seeds=5).parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + (1 if chosen.quick else chosen.seeds))
    path = None if chosen.quick else chosen.cache
    facts, claims = machine("torch", "skorch", "scikit-learn"), []
    for name, part in PARTS.items():
        cases = part.configurations(chosen.quick, available)
        cells = [(case, seed) for seed in seeds for case in cases]
        results = collect(partial(run, part.__name__), cells, path, chosen.jobs)
        shown = facts | {"seeds": len(seeds)}
        report(part.table(results), f"update_rules_{name}", shown, chosen.quick)
        claims += part.claims(results)
        if name == "dynamic" and not chosen.quick:
            part.draw(results, RESULTS / "update_rules.png")
    report(claims, "update_rules_claims", shown, chosen.quick)


def run(part, case, seed):
    """Results of one cell of a part, which a process imports by its name."""
    found = import_module(part).run(case, seed)
    return [{"configuration": case, "seed": seed} | one for one in found]


if __name__ == "__main__":
    sys.exit(main())
