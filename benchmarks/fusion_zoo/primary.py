"""Which modality to make the primary one of `ModalityShiftFusion`.

On the problems of `benchmarks.fusion_zoo`, with its encoders, head and rates: nets of
single modalities are compared on the validation set of early stopping, and each
modality is the primary one once. *Strongest* is the primary modality that is best alone
on the validation set, *others* the mean of all others. Test log-loss; differences are
paired by seed.

Run with ``OMP_NUM_THREADS=1 SKMM_DATA=... python -m benchmarks.fusion_zoo.primary
[--quick] [--seeds 5] [--jobs 2]``; a run that was stopped goes on where it was.
"""

import sys
import warnings

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss

from benchmarks.common import collect, machine, options, report
from benchmarks.fusion_zoo.data import FIRST_SEED, PROBLEMS, QUICK, available
from benchmarks.fusion_zoo.methods import FUSIONS, estimator
from skmm import restrict
from skmm.nn import ModalityShiftFusion

STRONGEST, OTHERS, GATED = "strongest", "others", "gated"


def run(problem, seed):
    """Test log-loss of each primary modality, by how good that is alone."""
    data = PROBLEMS[problem]
    train, test = data.split(seed)

    def fitted(fusion, names=None):
        model = estimator(fusion, seed, data.max_epochs)
        return (restrict(model, names) if names else model).fit(*train)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "modality .* has samples", UserWarning)
        alone = {
            name: min(fitted(FUSIONS["concat"], [name]).history_["valid_loss"])
            for name in train[0]
        }
        shifts = {n: fitted(ModalityShiftFusion(n, dropout=0.0)) for n in alone}
        losses = {n: loss_of(model, *test) for n, model in shifts.items()}
        gated = loss_of(fitted(FUSIONS["gated"]), *test)
    best = min(alone, key=alone.get)
    others = float(np.mean([loss for name, loss in losses.items() if name != best]))
    found = {STRONGEST: losses[best], OTHERS: others, GATED: gated}
    return [
        {"configuration": problem, "seed": seed, "method": name, "loss": loss}
        | {"primary": best}
        for name, loss in found.items()
    ]


def loss_of(model, X, y):
    return float(log_loss(y, model.predict_proba(X)))


def table(results):
    """By problem: mean losses, and paired differences with their standard errors."""
    frame = pd.DataFrame(results)
    losses = frame.pivot_table("loss", ["configuration", "seed"], "method", sort=False)
    rows = []
    for problem, part in losses.groupby(level=0, sort=False):
        primary = frame[frame.configuration == problem].groupby("seed")["primary"]
        counts = primary.first().value_counts()
        names = ", ".join(f"{name} {count}" for name, count in counts.items())
        found = {"problem": problem, "strongest in seeds": names}
        found |= part.mean().round(3).to_dict()
        for other in (OTHERS, GATED):
            less = part[STRONGEST] - part[other]
            found[f"strongest - {other}"] = round(less.mean(), 3)
            found[f"se, {other}"] = round(less.sem(), 3)
            found[f"better than {other}, seeds"] = int((less < 0).sum())
        rows.append(found)
    return [*rows, over_all(rows)]


def over_all(rows):
    """Mean differences, and their standard errors over the problems."""
    frame, found = pd.DataFrame(rows), {"problem": "all"}
    for other in (OTHERS, GATED):
        less, better = frame[f"strongest - {other}"], f"better than {other}, seeds"
        found[f"strongest - {other}"] = round(less.mean(), 3)
        found[f"se, {other}"] = round(less.sem(), 3)
        found[better] = frame[better].sum()
    return found


def main():
    words = __doc__.splitlines()[0], "fusion_zoo_primary_runs.jsonl", "2 problems"
    chosen = options(*words, seeds=5).parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + (1 if chosen.quick else chosen.seeds))
    names = available(QUICK if chosen.quick else PROBLEMS)
    cells = [(name, seed) for seed in seeds for name in names]
    path = None if chosen.quick else chosen.cache
    results = collect(run, cells, path, chosen.jobs)
    facts = machine("torch", "skorch", "scikit-learn") | {"seeds": len(seeds)}
    report(table(results), "fusion_zoo_primary", facts, chosen.quick)


if __name__ == "__main__":
    sys.exit(main())
