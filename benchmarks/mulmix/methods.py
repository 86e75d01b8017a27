"""The methods of the MulMix benchmark, all on the same rows and from the same seed."""

import time

import numpy as np
from sklearn.base import clone
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

from benchmarks.mulmix.data import PROBLEMS
from skmm import FusionClassifier, MulMixClassifier, restrict
from skmm.base.fit_many import fit_many
from skmm.inspection import over_learning
from skmm.nn import AttentionFusion, ConcatFusion, MLPHead

BETAS = [round(0.1 * i, 1) for i in range(11)]
FEW_BETAS = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]  # where fits are long
LONG = {"HIGGS", "names", "digits, six views"}
DEPTHS = (0, 1, 2, 3, 4)  # hidden layers after the concatenation


class Cell:
    """One problem and seed: rows, the models fitted so far, what they answer.

    Parameters
    ----------
    name : str
        Of the problem.
    seed : int
    """

    def __init__(self, name, seed):
        self.name, self.seed, self.problem = name, seed, PROBLEMS[name]
        self.train, self.test = self.problem.split(seed)
        rows, labels = np.arange(len(self.train[1])), self.train[1]
        aside = train_test_split(
            rows, test_size=0.2, stratify=labels, random_state=seed
        )[1]
        self.valid = np.isin(rows, aside)
        self.fitted, self.seconds = {}, {}

    def fit(self, key, model):
        """Fit a model on the training rows, unless it was before."""
        if key not in self.fitted:
            begun = time.perf_counter()
            fit_many([model], [(*self.train, None)], valid=[self.valid])
            self.seconds[key] = time.perf_counter() - begun
            self.fitted[key] = model
        return self.fitted[key]

    def estimator(self, cls, **params):
        """An estimator with the settings of the problem."""
        common = {"head": MLPHead((self.problem.width,)), "early_stopping": True}
        common |= self.problem.settings | {"random_state": self.seed}
        return cls(self.problem.encoders, **common | params)

    def add(self, **params):
        """A `FusionClassifier`."""
        key = f"add {sorted((k, repr(v)) for k, v in params.items())}"
        model = self.estimator(FusionClassifier, **{"fusion": "sum"} | params)
        return self.fit(key, model)

    def mix(self, mixtures="all", beta=0.5, **params):
        """A `MulMixClassifier`."""
        model = self.estimator(MulMixClassifier, mixtures=mixtures, beta=beta, **params)
        return self.fit(f"mix {mixtures} {beta} {sorted(params.items())}", model)

    def singles(self):
        """One model per modality."""
        whole = self.estimator(FusionClassifier, fusion="sum")
        return {
            name: self.fit(f"single {name}", clone(restrict(whole, [name])))
            for name in self.train[0]
        }

    def valid_loss(self, model):
        """Log-loss on the rows that early stopping looks at."""
        X, y = self.train[0][self.valid], self.train[1][self.valid]
        return log_loss(y, model.predict_proba(X), labels=model.classes_)

    def valid_error(self, model):
        """Share of errors on them."""
        return 1 - model.score(self.train[0][self.valid], self.train[1][self.valid])

    def betas(self):
        """The grid of MulMix*."""
        return FEW_BETAS if self.name in LONG else BETAS

    def best_beta(self):
        """The beta with the fewest errors on the rows set aside."""
        return min(self.betas(), key=lambda beta: self.valid_error(self.mix(beta=beta)))


class Average:
    """Mean probabilities of fitted models."""

    def __init__(self, models):
        self.models = list(models)
        self.classes_ = self.models[0].classes_

    def predict_proba(self, X):
        """Mean over the models."""
        return np.mean([model.predict_proba(X) for model in self.models], axis=0)


def best_single(cell):
    return min(cell.singles().values(), key=cell.valid_loss)


def deep(depth):
    """Add with hidden layers between concatenation and prediction."""

    def method(cell):
        hidden = (cell.problem.width,) * depth
        return cell.add(fusion=ConcatFusion(hidden), head=MLPHead(()))

    return method


METHODS = {
    "Base": best_single,
    "Fuse": lambda cell: Average(cell.singles().values()),
    "Add": lambda cell: cell.add(),
    "Add-Attend": lambda cell: cell.add(fusion=AttentionFusion()),
    "joint cross-entropy": lambda cell: cell.mix("singletons", 0.0),
    "Mul": lambda cell: cell.mix("singletons"),
    "MulMix": lambda cell: cell.mix(),
    "MulMix*": lambda cell: cell.mix(beta=cell.best_beta()),
    "MulMix, beta=1, boosted": lambda cell: cell.mix(beta=1.0, boosted=True),
}
METHODS |= {f"Add, {depth} layers": deep(depth) for depth in DEPTHS}


def by_beta(beta):
    return lambda cell: cell.mix(beta=beta)


def methods_of(name):
    """``{method: callable}`` for a problem."""
    betas = FEW_BETAS if name in LONG else BETAS
    return METHODS | {f"MulMix, beta={beta:g}": by_beta(beta) for beta in betas}


def run(name, seed):
    """One result per method."""
    cell = Cell(name, seed)
    rows = cell.test[0]
    alone = {n: model.predict(rows) for n, model in cell.singles().items()}
    return [
        result(cell, method, make(cell), alone)
        for method, make in methods_of(name).items()
    ]


def result(cell, method, model, alone):
    """What a method reaches on the test rows."""
    X, y = cell.test
    p = model.predict_proba(X)
    labels = model.classes_[p.argmax(1)]
    found = over_learning(labels, alone, X, y)
    return {
        "configuration": cell.name,
        "seed": cell.seed,
        "method": method,
        "error": found.error,
        "auc": float(roc_auc_score(y, p[:, 1])) if p.shape[1] == 2 else None,
        "log_loss": float(log_loss(y, p, labels=model.classes_)),
        "over_learning": found.over_learning_error,
        "beta": getattr(model, "beta", None),
        "test_rows": len(y),
    }
