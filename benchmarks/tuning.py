"""Time of a search: trials one by one, as one batch, and by scikit-learn.

20 trials on 5 folds of 200 rows in one process: only rates are drawn, so that all 100
nets have one structure; or widths and batch sizes too, so that a batch falls into
several stacks. Beside them the same number of draws by ``RandomizedSearchCV``, and what
a pruner saves. Ratios are of medians of runs that take turns.

Run with ``OMP_NUM_THREADS=1 python -m benchmarks.tuning [--quick]``.
"""

import numpy as np
import optuna
from scipy.stats import loguniform
from sklearn.model_selection import RandomizedSearchCV

from benchmarks.common import alternating_medians, arguments, machine, report
from skmm import FusionClassifier, ModalityDict
from skmm.model_selection import ModalitySearchCV
from skmm.nn import MLPEncoder

NUMBERS = {"lr": loguniform(1e-4, 1e-2), "weight_decay": loguniform(1e-6, 1e-2)}
STRUCTURES = {
    **NUMBERS,
    "encoders__hidden": [(16,), (32,), (64,)],
    "batch_size": [16, 32, 64],
}
BATCH, ALONE = "one batch", "one by one"
SKLEARN, PRUNED = "RandomizedSearchCV", "pruned"


def rows(n=200):
    """Two tables, and classes that need both."""
    rng = np.random.default_rng(0)
    X = ModalityDict(a=rng.normal(size=(n, 10)), b=rng.normal(size=(n, 20)))
    noise = rng.normal(size=n)
    return X, (X["a"][:, 0] + X["b"][:, 0] + noise > 0).astype(int)


def tasks(space, n_trials, epochs):
    """The ways to search, by name."""
    X, y = rows()
    model = FusionClassifier(MLPEncoder((32,)), max_epochs=epochs, random_state=0)
    shared = {"cv": 5, "refit": False, "scoring": "neg_log_loss"}

    def ours(**params):
        sampler = optuna.samplers.RandomSampler(seed=0)
        search = ModalitySearchCV(
            model, space, n_trials=n_trials, sampler=sampler, **shared, **params
        )
        return search.fit(X, y)

    def theirs():
        search = RandomizedSearchCV(
            model, space, n_iter=n_trials, random_state=0, **shared
        )
        return search.fit(X, y)

    pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=5)
    return {
        BATCH: ours,
        ALONE: lambda: ours(replicas=False),
        SKLEARN: theirs,
        PRUNED: lambda: ours(pruner=pruner),
    }


def compared(name, space, n_trials, epochs, repeats):
    """Rows of the table for one space, after a check that results are the same."""
    ways = tasks(space, n_trials, epochs)
    batch, alone = ways[BATCH](), ways[ALONE]()
    scores = [s.cv_results_["mean_test_score"] for s in (batch, alone)]
    np.testing.assert_allclose(*scores, rtol=1e-2, atol=1e-3)
    lost = alone.best_score_ - ways[PRUNED]().best_score_
    seconds = alternating_medians(ways, repeats)
    return [
        {
            "space": name,
            "search": way,
            "trials": n_trials,
            "seconds": round(value, 2),
            "times_faster": round(seconds[ALONE] / value, 2),
            "best_score_lost": round(lost, 4) if way == PRUNED else 0.0,
        }
        for way, value in seconds.items()
    ]


def main():
    quick = arguments(__doc__.splitlines()[0]).quick
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    n_trials, epochs, repeats = (4, 3, 1) if quick else (20, 30, 5)
    spaces = {"rates": NUMBERS, "rates, widths, batches": STRUCTURES}
    table = [
        row
        for name, space in spaces.items()
        for row in compared(name, space, n_trials, epochs, repeats)
    ]
    facts = machine("skmm", "torch", "scikit-learn", "optuna")
    report(table, "tuning", facts, quick)


if __name__ == "__main__":
    main()
