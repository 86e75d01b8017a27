"""Images and descriptors of molecules: experiment 3 of the thesis (Liu, 2022).

The 935 bundled molecules are split anew for every seed: test rows, and others, of which
the nets set some aside to choose their epoch, in the thesis's shares. Of single nets, λ
(scalar, vector, fixed), concatenation and the guarded fusion the table has the error
rate, one minus balanced accuracy, and its difference to the net of the descriptors
alone. All rows of a seed share the split and the single nets. The validation error is
of the rows that chose the epoch, so it is a little too good.

Run with ``OMP_NUM_THREADS=1 python -m benchmarks.biodegradation [--quick]
[--images small|chemception] [--seeds 10]``; a run that was stopped goes on where it
was. "chemception" has the thesis's nets and epochs on CUDA, and fewer epochs on a CPU.
The thesis's figures stand beside, but its 1725 molecules are not public.
"""

import argparse
import sys
import time
import warnings

import pandas as pd
from tqdm import tqdm

from benchmarks.biodegradation.nets import METHODS, OWN_SPLIT, Task, learnt
from benchmarks.biodegradation.settings import molecules, setting
from benchmarks.biodegradation.table import claims, draw, table
from benchmarks.common import RESULTS, append, machine, report, stored
from skmm.metrics import classification_error_rate

CACHE = RESULTS / "biodegradation_runs.jsonl"


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2 seeds, few epochs")
    parser.add_argument("--images", choices=("small", "chemception"), default="small")
    parser.add_argument("--seeds", type=int, default=10, help="2 or more")
    return parser.parse_args()


def pair(task, name):
    """Fit a method, and measure its errors."""
    begun = time.perf_counter()
    model = METHODS[name](task)
    seconds = time.perf_counter() - begun
    validation = None if name in OWN_SPLIT else error(model, task, task.validation)
    return {
        "configuration": task.setting.described(),
        "seed": task.seed,
        "method": name,
        "validation": validation,
        "test": error(model, task, task.test),
        "lambda": learnt(model),
        "seconds": seconds,
    }


def error(model, task, rows):
    """Error rate of some rows."""
    X, y = task.view(rows)
    return classification_error_rate(y, model.predict(X))


def collect(chosen, seeds, path):
    """All pairs; those that are not stored are computed, one by one."""
    have, data, name = stored(path), molecules(chosen), chosen.described()
    wanted = [(name, seed, method) for seed in seeds for method in METHODS]
    task = None
    for cell in tqdm([cell for cell in wanted if cell not in have], unit="net"):
        _, seed, method = cell
        if task is None or task.seed != seed:
            task = Task(chosen, data, seed)
        have[cell] = pair(task, method)
        append(path, [have[cell]])
    return [have[cell] for cell in wanted]


def main():
    warnings.filterwarnings("ignore", "RDKit has no finite", UserWarning)
    asked = options()
    chosen = setting(asked.images, asked.quick)
    seeds = range(2 if asked.quick else asked.seeds)
    pairs = collect(chosen, seeds, None if asked.quick else CACHE)
    rows = table(pairs, METHODS)
    facts = machine("torch", "scikit-learn", "numpy", "rdkit")
    facts |= {"nets": chosen.described(), "seeds": len(seeds)}
    facts["command"] = " ".join(["python -m benchmarks.biodegradation", *sys.argv[1:]])
    suffix = "" if asked.images == "small" else f"_{asked.images}"
    report(rows, f"biodegradation{suffix}", facts, asked.quick)
    print(pd.DataFrame(claims(pairs)).to_string(index=False))
    if not asked.quick:
        picture(rows, RESULTS / f"biodegradation{suffix}_lambda.png")


def picture(rows, path):
    """Draw the errors against λ, if matplotlib is there."""
    try:
        draw(rows, path)
    except ImportError:
        print("No picture: matplotlib is not installed.")


if __name__ == "__main__":
    main()
