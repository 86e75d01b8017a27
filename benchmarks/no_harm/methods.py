"""The methods of the no-harm table, as one table of functions of a task.

Every method is a bag of five folds: one net per fold, whose predictions are averaged.
Folds, starts and the rows set aside for early stopping are the same for all of them, so
that all differences are paired. To add a row, write a function of a `Task` that returns
a `Result`, and name it in `METHODS`.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

import skmm
from benchmarks.no_harm.table import row_losses
from skmm import FusionClassifier, FusionRegressor, ModalityDict, MulMixClassifier
from skmm.model_selection import fit_replicas
from skmm.nn import MLPEncoder, MLPHead, NoHarmFusion
from skmm.training import Stage

FOLDS = 5
ENCODER = MLPEncoder((32, 16))
RECIPE = {  # the defaults of NoHarmFusionClassifier, but for the head
    "head": MLPHead(()),
    "optimizer": "adamw",
    "lr": 3e-3,
    "weight_decay": 1e-3,
    "batch_size": 32,
    "max_epochs": 100,
    "early_stopping": True,
    "validation_fraction": 0.2,
    "patience": 20,
    "device": "cpu",
}
RATES = {"fusion": 0.01, "head": 3e-3, "encoders": 3e-3}  # λ moves farther
CROSSFIT = {"guarantee": "crossfit", "z": 1.0}
FIRST = repr(sorted(CROSSFIT.items()))


@dataclass
class Result:
    """Predictions for the test rows, what they cost, and what they are compared to."""

    predictions: np.ndarray
    fits: int
    seconds: float
    reference: np.ndarray | None = None  # None: the bag of the best single


@dataclass
class Bag:
    """One fitted model per fold."""

    models: list
    seconds: float

    @property
    def fits(self):
        """Number of models."""
        return len(self.models)

    def predict(self, X):
        """Mean of the models' predictions."""
        return np.mean([predictions(model, X) for model in self.models], axis=0)

    def out_of_fold(self, task):
        """Predictions for each training row of the model that has not seen it."""
        parts = [
            predictions(model, task.X[rows])
            for model, (_, rows) in zip(self.models, task.folds, strict=True)
        ]
        order = np.concatenate([rows for _, rows in task.folds])
        return np.concatenate(parts)[np.argsort(order)]


def predictions(model, X):
    """Probabilities of the classes, or values, as float64."""
    ask = getattr(model, "predict_proba", model.predict)
    return np.asarray(ask(X), float)


class Task:
    """One configuration and seed, with what several methods share."""

    def __init__(self, configuration, seed):
        X, self.y, X_test, self.y_test = configuration.draw(seed)
        self.X, self.X_test = ModalityDict(X), ModalityDict(X_test)
        self.seed = seed
        self.is_regression = configuration.task == "regression"
        kind = KFold if self.is_regression else StratifiedKFold
        self.splitter = kind(FOLDS, shuffle=True, random_state=seed)
        self.folds = list(self.splitter.split(self.y, self.y))
        self._shared = {}

    def shared(self, key, make):
        """What `make` returns; it is called once."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]

    def random_states(self, variant=0):
        """One seed per fold."""
        return [100 * self.seed + 10 * variant + fold for fold in range(FOLDS)]

    def bag(self, variant=0, per_fold=None, cls=None, **parameters):
        """Fit one model per fold; `per_fold` has further parameters for each."""
        if cls is None:
            cls = FusionRegressor if self.is_regression else FusionClassifier
        settings = {"encoders": ENCODER, **RECIPE}
        model = cls(**{**settings, **parameters})
        states = [{"random_state": state} for state in self.random_states(variant)]
        params = [a | b for a, b in zip(states, per_fold or [{}] * FOLDS, strict=True)]
        begun = time.perf_counter()
        samples = [train for train, _ in self.folds]
        models = fit_replicas(model, self.X, self.y, samples, params=params)
        return Bag(models, time.perf_counter() - begun)

    @property
    def singles(self):
        """A bag for each modality alone."""
        return self.shared(
            "singles", lambda: {name: self.bag(modalities=[name]) for name in self.X}
        )

    @property
    def oof_losses(self):
        """Mean out-of-fold loss of each single."""
        return self.shared(
            "losses",
            lambda: {
                name: row_losses(self.y, bag.out_of_fold(self)).mean()
                for name, bag in self.singles.items()
            },
        )

    @property
    def best(self):
        """Name of b, the single with the lowest out-of-fold loss."""
        return min(self.oof_losses, key=self.oof_losses.get)

    @property
    def reseeded(self):
        """A bag of b with other starts and other rows for early stopping."""
        return self.shared(
            "reseeded", lambda: self.bag(variant=1, modalities=[self.best])
        )


# -- methods ---------------------------------------------------------------------------


def best_single(task):
    return _of_singles(task, task.singles[task.best].predict(task.X_test))


def _of_singles(task, predicted, *more):
    """Cost of all singles, among which one had to choose, and of more bags."""
    bags = [*task.singles.values(), *more]
    fits, seconds = sum(bag.fits for bag in bags), sum(bag.seconds for bag in bags)
    return Result(predicted, fits, seconds)


def worst_single(task):
    name = max(task.oof_losses, key=task.oof_losses.get)
    return _of_singles(task, task.singles[name].predict(task.X_test))


def single_in_hindsight(task):
    found = [bag.predict(task.X_test) for bag in task.singles.values()]
    losses = [row_losses(task.y_test, predicted).mean() for predicted in found]
    return _of_singles(task, found[int(np.argmin(losses))])


def another_seed(task):
    return _of_singles(task, task.reseeded.predict(task.X_test), task.reseeded)


def mixed_with_reseeded(task):
    bags = [task.singles[task.best], task.reseeded]
    predicted = np.mean([bag.predict(task.X_test) for bag in bags], axis=0)
    return _of_singles(task, predicted, task.reseeded)


def concatenation(task):
    return _alone(task, task.bag(fusion="concat"))


def _alone(task, bag):
    return Result(bag.predict(task.X_test), bag.fits, bag.seconds)


def late_average(task):
    found = [bag.predict(task.X_test) for bag in task.singles.values()]
    return _of_singles(task, np.mean(found, axis=0))


def frozen_factor(task, factor):
    """λ and a new head on the encoders of the singles of each fold, which are kept."""
    pairs = {name: bag.models for name, bag in task.singles.items()}
    encoders = [
        {name: models[fold].encoders_[name] for name, models in pairs.items()}
        for fold in range(FOLDS)
    ]
    bag = task.bag(
        per_fold=[{"encoders": given} for given in encoders],
        fusion=NoHarmFusion(factor),
        stages=[Stage(["fusion", "head"])],
        lr=RATES,
    )
    return _of_singles(task, bag.predict(task.X_test), bag)


def factor_end_to_end(task):
    """λ, head and encoders, all from the start."""
    return _alone(task, task.bag(fusion=NoHarmFusion("scalar"), lr=RATES))


def mulmix(task):
    """MulMix, its probabilities calibrated; there is none for values: None."""
    if task.is_regression:
        return None
    cls = MulMixClassifier
    return _alone(task, task.bag(cls=cls, temperature="validation"))


METHODS: dict[str, Callable] = {
    "b": best_single,
    "b, another seed": another_seed,
    "b mixed with a reseeded b": mixed_with_reseeded,
    "worst single": worst_single,
    "best single in hindsight": single_in_hindsight,
    "concatenation": concatenation,
    "late average": late_average,
    "MulMix": mulmix,
    "thesis λ scalar, end to end": factor_end_to_end,
    "thesis λ scalar, freeze all": partial(frozen_factor, factor="scalar"),
    "thesis λ vector, freeze all": partial(frozen_factor, factor="vector"),
}

SLOW = [name for name in METHODS if name.startswith(("thesis", "MulMix"))]


# -- NoHarmFusion, compared to its own bag of b ----------------------------------------


def no_harm(task, weight=None, **parameters):
    """A guarded fusion; a weight of the fused nets may be given instead of the fitted.

    The Regressor has no "holdout" without a bound of the loss: None.
    """
    if task.is_regression and parameters["guarantee"] == "holdout":
        return None
    key = repr(sorted(parameters.items()))
    model, seconds = task.shared(key, lambda: _fit_no_harm(task, parameters))
    reference = own_best_single(model, task.X_test)
    deployed = model if weight is None else with_weight(model, weight)
    fits = (len(list(task.X)) + 1) * FOLDS  # all singles, and the fused net
    return Result(predictions(deployed, task.X_test), fits, seconds, reference)


def _fit_no_harm(task, parameters):
    regressor, classifier = "NoHarmFusionRegressor", "NoHarmFusionClassifier"
    cls = getattr(skmm, regressor if task.is_regression else classifier)
    settings = {"encoders": ENCODER, **RECIPE}
    settings |= {"cv": task.splitter, "random_state": task.random_states()[0]}
    begun = time.perf_counter()
    model = cls(**settings, **parameters).fit(task.X, task.y)
    return model, time.perf_counter() - begun


def own_best_single(model, X):
    """Predictions of the bag of b that a guarded fusion has fitted."""
    return predictions(with_weight(model, 0.0), X)


def stricter(task, z):
    """The fit of z = 1 with the weight that another z chooses."""
    model, _ = task.shared(FIRST, lambda: _fit_no_harm(task, CROSSFIT))
    curve = model.weight_curve_
    bound = (curve["gain"] - z * curve["standard_error"]).where(curve["weights"] > 0, 0)
    return no_harm(task, weight=curve["weights"][bound.argmax()], **CROSSFIT)


def with_weight(model, weight):
    """The same fit, with another weight of the fused nets."""
    other = copy.copy(model)
    other.weight_ = other.incomplete_weight_ = weight
    return other


if hasattr(skmm, "NoHarmFusionClassifier"):
    METHODS |= {
        "ungated residual": partial(no_harm, weight=1.0, **CROSSFIT),
        "crossfit, z = 1": partial(no_harm, **CROSSFIT),
        "crossfit, z = 1.645": partial(stricter, z=1.645),
        "holdout": partial(no_harm, guarantee="holdout"),
    }
