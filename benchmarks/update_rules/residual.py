"""What orders of interactions are said to say, where it is known."""

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.metrics import log_loss

from benchmarks.common import row
from benchmarks.fusion_zoo.data import PROBLEMS as REAL
from skmm import (
    FusionClassifier,
    FusionRegressor,
    ModalityDict,
    ResidualFusionClassifier,
    ResidualFusionRegressor,
)
from skmm.nn import MLPEncoder

NAMES = ("t", "v", "a")
TEST = 4000
MODES = ("joint", "sequential", "mro")
ONE_NET = "one net"
SETTINGS = {"lr": 5e-3, "batch_size": 64, "max_epochs": 40}
SLOWLY = {"lr": 1e-3, "max_epochs": 100}
STOPPED = {"early_stopping": True, "patience": 10}
QUANTILES = norm.ppf((np.arange(20) + 0.5) / 20)


@dataclass
class Planted:
    """A sum of terms of one, two and three numbers, each order of variance one.

    Attributes
    ----------
    orders : tuple of int
        Which orders there are.
    train : int
    noise : float
        Standard deviation of what no order explains.
    settings : dict
        Parameters of all estimators that differ.
    """

    orders: tuple
    train: int
    noise: float = 0.5
    settings: dict = field(default_factory=dict)

    def split(self, seed):
        """Training rows, test rows, and the planted parts of the latter by order."""
        rng = np.random.default_rng(seed)
        X = {name: rng.normal(size=(self.train + TEST, 1)) for name in NAMES}
        parts = {order: terms(X, order) for order in self.orders}
        noise = self.noise * rng.normal(size=self.train + TEST)
        X, y = ModalityDict(X), sum(parts.values()) + noise
        train, test = slice(self.train), slice(self.train, None)
        planted = {order: part[test] for order, part in parts.items()}
        return (X[train], y[train]), (X[test], y[test]), planted


def terms(X, order):
    """All products of so many of the numbers, added up, with variance one."""
    some = [np.prod([X[n][:, 0] for n in names], 0) for names in sets(order)]
    return sum(some) / np.sqrt(len(some))


def sets(order):
    return list(combinations(NAMES, order))


PROBLEMS = {
    "single": Planted((1,), 1000),
    "pairs": Planted((2,), 1000),
    "all orders": Planted((1, 2, 3), 1000),
    "all orders, slowly": Planted((1, 2, 3), 1000, settings=SLOWLY),
}
OF_CLASSES = ("splice", "biodegradation")
QUICK = ("single",)


def configurations(quick, available):
    """Names of what is run."""
    return list(QUICK) if quick else [*PROBLEMS, *available(OF_CLASSES)]


def run(problem, seed):
    """Results of all modes on one problem and seed."""
    judge = planted_results if problem in PROBLEMS else class_results
    return [
        {"method": f"{mode}{', stopped early' if stopped else ''}"}
        | judge(problem, seed, mode, SETTINGS | (STOPPED if stopped else {}))
        for stopped in (False, True)
        for mode in (ONE_NET, *MODES)
    ]


def fitted(one, residual, mode, settings, seed, data):
    settings = settings | {"random_state": seed}
    if mode == ONE_NET:
        return one(MLPEncoder((32,)), **settings).fit(*data)
    return residual(MLPEncoder((32,)), mode=mode, **settings).fit(*data)


def planted_results(problem, seed, mode, settings):
    """R², separation, and correlations with what was planted."""
    train, (X, y), planted = PROBLEMS[problem].split(seed)
    settings = settings | PROBLEMS[problem].settings
    kinds = FusionRegressor, ResidualFusionRegressor
    model = fitted(*kinds, mode, settings, seed, train)
    found = {"score": model.score(X, y)}
    if mode == ONE_NET:
        return found
    said = model.contributions(X)[:, :, 0]
    for order, part in planted.items():
        found[f"order {order}"] = float(np.corrcoef(said[:, order - 1], part)[0, 1])
    return found | {"separation": separation(model) / float(np.std(y))}


def separation(model):
    """Mean size of what higher orders say that lower ones could."""
    grid = np.stack(np.meshgrid(*[QUANTILES] * 3, indexing="ij"), -1).reshape(-1, 3, 1)
    X = ModalityDict({name: grid[:, i] for i, name in enumerate(NAMES)})
    second, third = model.contributions(X)[:, 1:, 0].T.reshape(2, *[len(QUANTILES)] * 3)
    single, _ = by_order(second + third)
    _, pairs = by_order(third)
    return float(np.abs(single).mean() + np.abs(pairs).mean())


def by_order(values):
    """Parts of one and of two variables of a function on a grid, without its mean."""
    mean = values.mean()
    single = sum(values.mean(pair, keepdims=True) for pair in combinations(range(3), 2))
    single = single - 3 * mean
    pairs = sum(values.mean(axis, keepdims=True) for axis in range(3))
    return single, pairs - 2 * single - 3 * mean


def class_results(problem, seed, mode, settings):
    """Accuracy and log-loss of all orders, accuracy of the first alone."""
    train, (X, y) = REAL[problem].split(seed)
    kinds = FusionClassifier, ResidualFusionClassifier
    model = fitted(*kinds, mode, settings, seed, train)
    found = {"score": model.score(X, y), "loss": log_loss(y, model.predict_proba(X))}
    if mode == ONE_NET:
        return found
    first = next(iter(model.staged_predict(X)))
    return found | {"first order": float(np.mean(first == y))}


COLUMNS = ["score", "loss", "first order", "separation"]
COLUMNS += [f"order {order}" for order in (1, 2, 3)]


def table(results):
    """Means over seeds: scores, separation, correlation of each order."""
    frame = pd.DataFrame(results).reindex(columns=["configuration", "method", *COLUMNS])
    groups = frame.groupby(["configuration", "method"], sort=False)
    found = groups.mean()
    for place, name in ((1, "score"), (3, "loss")):
        found.insert(place, f"se of {name}", groups[name].sem())
    found = found.round(3).reset_index()
    return found.rename(columns={"configuration": "problem"}).to_dict("records")


def claims(results):
    """Separation scores against half of those of joint training."""
    frame = pd.DataFrame(results)
    frame = frame[frame.configuration.isin(PROBLEMS)]
    means = frame.pivot_table("separation", "method", "configuration", sort=False)
    half = means.loc["joint"] / 2
    return [
        row("separation, half of joint", f"{problem}: {mode}", value, round(most, 3))
        for problem, most in half.items()
        for mode, value in means.loc[["sequential", "mro"], problem].round(3).items()
    ]
