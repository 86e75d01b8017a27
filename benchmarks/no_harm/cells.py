"""One cell of the no-harm table: a configuration, a seed, and some methods.

Other processes import this, so it is no part of the script.
"""

from functools import cache

import torch

from benchmarks.no_harm.data import configurations
from benchmarks.no_harm.methods import METHODS, Task
from benchmarks.no_harm.table import compare, row_losses


@cache
def known():
    return configurations()


def run(name, seed, methods):
    """Pairs of some methods with b."""
    torch.set_num_threads(1)
    configuration = known()[name]
    task = Task(configuration, seed)
    facts = {"configuration": name, "seed": seed, "kind": configuration.kind}
    facts |= {"n": configuration.n, "modalities": configuration.n_modalities}
    return [{**facts, "method": method, **pair(task, method)} for method in methods]


def pair(task, method):
    """Losses and costs of a method; without losses if it is not for such a task."""
    result = METHODS[method](task)
    if result is None:
        return {"loss": None}
    reference = result.reference
    if reference is None:
        reference = task.singles[task.best].predict(task.X_test)
    losses = [row_losses(task.y_test, p) for p in (result.predictions, reference)]
    cost = {"fits": result.fits, "seconds": round(result.seconds, 3)}
    return compare(*losses) | cost
