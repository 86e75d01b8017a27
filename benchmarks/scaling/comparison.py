"""What one batch, more processes and a cluster buy for the comparison of modalities.

*Small*: all seven subsets of three modalities on 100 bootstraps of 72 rows, 700 fits of
small dense nets, against a loop that fits one after the other. *Large*: singles and all
on 5 folds of 1500 images and tables, nets that no batch of replicas takes. The cluster
is Dask's, of two worker processes on this machine; seconds until it is up, and until
its processes have imported torch, stand apart. All ways must give the same table.

Run with ``OMP_NUM_THREADS=1 python -m benchmarks.scaling.comparison [--quick]``.
"""

import contextlib
import itertools
import time
from functools import partial

import numpy as np
from joblib import Parallel, delayed, parallel_config
from sklearn.base import clone
from sklearn.metrics import log_loss

from benchmarks.common import alternating_medians, arguments, machine, report
from skmm import FusionClassifier, ModalityDict, restrict
from skmm.model_selection import BootstrapOutOfBag, compare_modalities
from skmm.nn import ConvEncoder, MLPEncoder, MLPHead

WORKERS = 2


def small(quick):
    """Data, model, and how to compare."""
    rng = np.random.default_rng(0)
    X = ModalityDict({name: rng.normal(size=(72, 20)) for name in "abc"})
    y = (X["a"][:, 0] + X["b"][:, 0] > 0).astype(int)
    model = FusionClassifier(
        MLPEncoder((32,)), head=MLPHead(()), max_epochs=30, random_state=0
    )
    splits = BootstrapOutOfBag(10 if quick else 100, random_state=0)
    return X, y, model, {"resampling": splits, "subsets": "all"}


def large(quick):
    """The same, with images."""
    rng, n = np.random.default_rng(0), 400 if quick else 1500
    X = ModalityDict(
        image=rng.normal(size=(n, 1, 16, 16)).astype(np.float32),
        table=rng.normal(size=(n, 20)).astype(np.float32),
    )
    y = (X["table"][:, 0] + X["image"][:, 0, 0, 0] > 0).astype(int)
    encoders = {"image": ConvEncoder(), "table": MLPEncoder((32,))}
    model = FusionClassifier(encoders, max_epochs=5, random_state=0)
    return X, y, model, {"resampling": 5, "random_state": 0}


def loop(X, y, model, resampling, subsets):
    """One fit after the other, as one writes it with scikit-learn."""
    splits = list(resampling.split(X, y))
    losses = {}
    for size in range(1, len(X.keys()) + 1):
        for names in itertools.combinations(X, size):
            part, one = X.select(names), restrict(model, names)
            losses[names] = [
                log_loss(
                    y[test],
                    clone(one).fit(part[train], y[train]).predict_proba(part[test]),
                )
                for train, test in splits
            ]
    return losses


@contextlib.contextmanager
def cluster():
    """A client of two workers that have imported torch, and the seconds it took."""
    from dask.distributed import Client, LocalCluster

    begun = time.perf_counter()
    settings = {"threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        LocalCluster(n_workers=WORKERS, processes=True, **settings) as workers,
        Client(workers) as client,
    ):
        client.run(imported)
        yield time.perf_counter() - begun


def imported():
    """Import what a fit needs."""
    import skmm.model_selection  # noqa: F401


def first_loky():
    """Seconds until loky's processes have imported torch."""
    begun = time.perf_counter()
    Parallel(n_jobs=WORKERS)(delayed(imported)() for _ in range(4 * WORKERS))
    return time.perf_counter() - begun


def on_dask(*args, **settings):
    with parallel_config("dask"):
        return compare_modalities(*args, **settings)


def ways(X, y, model, settings):
    """The same comparison by several ways, ``{name: function}``."""
    args, alone = (model, X, y), {"replicas": False}
    jobs = {"n_jobs": WORKERS}
    return {
        "one process, one by one": lambda: compare_modalities(
            *args, **settings, **alone
        ),
        "one process": lambda: compare_modalities(*args, **settings),
        "loky, one by one": lambda: compare_modalities(
            *args, **settings, **alone, **jobs
        ),
        "loky": lambda: compare_modalities(*args, **settings, **jobs),
        "Dask, one by one": lambda: on_dask(*args, **settings, **alone),
        "Dask": lambda: on_dask(*args, **settings),
    }


def noted(tasks, tables):
    """Tasks that leave their means in `tables`."""

    def run(name, task):
        tables[name] = task().table["mean"].to_numpy()

    return {name: partial(run, name, task) for name, task in tasks.items()}


def rows_of(case, problem, quick):
    """Seconds of each way, and how much faster than the first it is."""
    X, y, model, settings = problem
    tables = {}
    tasks = noted(ways(X, y, model, settings), tables)
    if case == "small":
        tasks = {"a loop by hand": lambda: loop(X, y, model, **settings)} | tasks
    seconds = alternating_medians(tasks, 1 if quick else 2)
    apart = np.max(np.ptp(list(tables.values()), axis=0))
    print(f"{case}: means of the ways differ by at most {apart:.1e}")
    first = next(iter(seconds.values()))
    return [
        {
            "case": case,
            "way": way,
            "seconds": round(value, 2),
            "times faster": round(first / value, 2),
        }
        for way, value in seconds.items()
    ]


def main():
    quick = arguments(__doc__.splitlines()[0]).quick
    loky = first_loky()
    with cluster() as dask:
        rows = rows_of("small", small(quick), quick)
        rows += rows_of("large", large(quick), quick)
    for way, value in {"loky": loky, "Dask": dask}.items():
        rows.append({"case": "start", "way": way, "seconds": round(value, 2)})
    facts = machine("torch", "scikit-learn", "joblib", "dask")
    report(rows, "scaling_comparison", facts, quick)


if __name__ == "__main__":
    main()
