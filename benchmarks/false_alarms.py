"""How often `compare_modalities` says "helps" or "harms" where neither is true.

Modality a says something of the class, b nothing that the model could use: it is noise
(useless), says what a says (redundant), has its rows in another order (permuted), or
says just so much that what it adds is what its parameters cost (boundary; the strength
is found on other data sets). Of 200 data sets each, at most 16 may be a false "helps",
and as many a false "harms": 5 % and two standard errors. Useless, redundant and
permuted modalities do cost something, so that "harms" is not always false there; what
is counted is in the table, with the mean gain that large test sets show.

The second table is the power: how often "helps" is said where a and b are equally good
and both together are about .05 or .1 nats better than either.

Run with ``OMP_NUM_THREADS=1 python benchmarks/false_alarms.py [--quick] [--jobs 2]
[--models linear net] [--tables alarms power]``.
"""

import argparse
import sys
from itertools import chain, product

import numpy as np
from joblib import Parallel, delayed
from scipy.optimize import brentq
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tqdm import tqdm

from benchmarks.common import machine, report
from skmm import FusionClassifier, ModalityDict
from skmm.base.fit_many import fit_many
from skmm.model_selection import compare_modalities
from skmm.nn import MLPEncoder, MLPHead

WIDTHS = {"a": 5, "b": 5}
NULLS = ("useless", "redundant", "permuted", "boundary")
REPEATS, FOLDS = 2, 5
MOST = 16 / 200
TEST_ROWS = 4000
GAINS = (0.05, 0.1)  # nats, of the power


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20 data sets, n = 72")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--models", nargs="+", default=["linear", "net"])
    parser.add_argument("--tables", nargs="+", default=["alarms", "power"])
    return parser.parse_args()


def joined(X):
    return np.hstack([X[name] for name in X])


def make_model(name):
    """A linear model, or a small net."""
    if name == "linear":
        return make_pipeline(FunctionTransformer(joined), LogisticRegression())
    return FusionClassifier(
        MLPEncoder((8,)), head=MLPHead(()), max_epochs=40, lr=0.01, random_state=0
    )


def draw(kind, n, seed, strength=0.0):
    """Rows of one data set; `strength` is that of b, and of a too if b is useful."""
    rng = np.random.default_rng(seed)
    a, b = (rng.normal(size=(n, d)) for d in WIDTHS.values())
    own = strength if kind == "useful" else 1.0
    y = own * a[:, 0] + strength * b[:, 0] + rng.logistic(size=n) > 0
    if kind == "redundant":
        b = a @ rng.normal(size=(a.shape[1], b.shape[1])) / np.sqrt(a.shape[1])
    if kind == "permuted":
        b = (y[:, None] + rng.normal(size=b.shape))[rng.permutation(n)]
    return ModalityDict(a=a, b=b), y.astype(int)


def true_gain(name, kind, n, strength, seeds):
    """Mean gain of both over a on large test sets, over data sets of n rows."""
    sets = [draw(kind, n + TEST_ROWS, seed, strength) for seed in seeds]
    losses = {}
    for names in (["a"], ["a", "b"]):
        models = [make_model(name) for _ in sets]
        data = [(X.select(names)[:n], y[:n], None) for X, y in sets]
        if name == "net":
            fit_many(models, data)
        else:
            models = [m.fit(*rows[:2]) for m, rows in zip(models, data, strict=True)]
        losses[len(names)] = [
            log_loss(y[n:], m.predict_proba(X.select(names)[n:]))
            for m, (X, y) in zip(models, sets, strict=True)
        ]
    return float(np.mean(np.subtract(losses[1], losses[2])))


def strength_for(name, kind, n, gain, sets):
    """Strength at which both gain so much over a."""
    seeds = range(10_000, 10_000 + sets)

    def miss(strength):
        return true_gain(name, kind, n, strength, seeds) - gain

    return brentq(miss, 0.0, 6.0, xtol=0.02)


def verdict(name, kind, n, seed, strength):
    """First word of the verdict on one data set."""
    X, y = draw(kind, n, seed, strength)
    splitter = RepeatedStratifiedKFold(
        n_splits=FOLDS, n_repeats=REPEATS, random_state=seed
    )
    found = compare_modalities(make_model(name), X, y, resampling=splitter)
    return found.verdict.split(":")[0]


def rates(name, kind, n, sets, strength, jobs):
    """Shares of verdicts over data sets."""
    calls = (delayed(verdict)(name, kind, n, seed, strength) for seed in range(sets))
    parallel = Parallel(n_jobs=jobs, return_as="generator")
    found = list(tqdm(parallel(calls), total=sets, desc=f"{name} {kind} {n}"))
    return {word: found.count(word) / sets for word in ("helps", "harms")}


def row(name, kind, n, sets, strength, jobs):
    """One row of the table."""
    found = rates(name, kind, n, sets, strength, jobs)
    gain = true_gain(name, kind, n, strength, range(20_000, 20_000 + min(sets, 50)))
    return {
        "model": name,
        "n": n,
        "b": kind,
        "data sets": sets,
        "true gain": round(gain, 3),
        "helps %": round(100 * found["helps"], 1),
        "harms %": round(100 * found["harms"], 1),
    }


def false_alarm_rows(name, sizes, sets, jobs):
    """False verdicts by null and number of rows."""
    rows = []
    for n in sizes:
        boundary = strength_for(name, "boundary", n, 0.0, max(20, sets // 4))
        for kind in NULLS:
            strength = boundary if kind == "boundary" else 0.0
            found = row(name, kind, n, sets, strength, jobs)
            alarms = [found["helps %"]]
            alarms += [found["harms %"]] if kind == "boundary" else []
            found["false alarms <= 8 %"] = "yes" if max(alarms) <= 8 else "no"
            rows.append(found)
    return rows


def power_rows(name, sizes, sets, jobs):
    """How often a gain is found."""
    rows = []
    for n, gain in product(sizes, GAINS):
        strength = strength_for(name, "useful", n, gain, max(20, sets // 4))
        rows.append(row(name, "useful", n, sets, strength, jobs))
    return rows


def main():
    chosen = options()
    sets = 20 if chosen.quick else 200
    sizes = (72,) if chosen.quick else (72, 250)
    facts = machine("torch", "scikit-learn") | {"resampling": f"{REPEATS} x {FOLDS}"}
    if "alarms" in chosen.tables:
        rows = (false_alarm_rows(m, sizes, sets, chosen.jobs) for m in chosen.models)
        report(list(chain.from_iterable(rows)), "false_alarms", facts, chosen.quick)
    if "power" in chosen.tables:
        sizes = sizes if chosen.quick else (*sizes, 1000)
        rows = (power_rows(m, sizes, sets, chosen.jobs) for m in chosen.models)
        report(
            list(chain.from_iterable(rows)), "false_alarms_power", facts, chosen.quick
        )


if __name__ == "__main__":
    sys.exit(main())
