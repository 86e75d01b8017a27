"""Classes or values: what the two no-harm estimators do differently."""

import numpy as np
from tqdm.auto import tqdm

from skmm._random import derive
from skmm.base.training_data import mean_one, split_rows
from skmm.data.validation import parts_in_use
from skmm.estimators._no_harm.splits import groups_aside
from skmm.estimators.fusion import FusionClassifier, FusionRegressor
from skmm.targets.values import ValueTarget

SHARED = (
    "head",
    "optimizer",
    "lr",
    "weight_decay",
    "lr_schedule",
    "gradient_clip",
    "batch_size",
    "max_epochs",
    "early_stopping",
    "validation_fraction",
    "patience",
    "device",
)


class Face:
    """Make estimators with an owner's parameters, and read what they answer.

    Parameters
    ----------
    owner : estimator
        Has the parameters named in ``SHARED``.
    """

    def __init__(self, owner):
        self.owner = owner

    @property
    def stops(self):
        """Whether nets stop early."""
        return self.owner.early_stopping

    def set_aside(self, y, seed, groups=None):
        """Numbers of the rows that early stopping looks at.

        Of groups, if there are two or more, all rows.
        """
        labels = None if self.classes is None else y
        fraction, seed = self.owner.validation_fraction, derive(seed, "validation")
        if groups is not None and len(np.unique(groups)) > 1:
            return groups_aside(groups, labels, fraction, seed)
        return split_rows(len(y), fraction, labels, seed)[1]

    def estimator(self, encoders, seed, **changes):
        """Unfitted estimator of one net."""
        shared = {name: getattr(self.owner, name) for name in SHARED}
        return self.make(encoders, random_state=seed, **{**shared, **changes})

    def single(self, name, seed):
        """Unfitted estimator of one modality."""
        given = parts_in_use(self.owner.pretraining or {}, self.owner, "pretraining")
        own = given.get(name, {})
        return self.estimator(self.encoder(name), seed, **own)

    def encoder(self, name):
        """Template of one modality's encoder, or None."""
        given = self.owner.encoders
        if not isinstance(given, dict):
            return given
        return parts_in_use(given, self.owner, "encoders").get(name)

    def progress(self, names):
        """The same names, with a progress bar if the owner is verbose."""
        return tqdm(list(names), unit="modality", disable=not self.owner.verbose)

    def slower(self, times):
        """The learning rate, divided."""
        return self.owner.lr / times


class ClassFace(Face):
    """Probabilities of classes, and the log-loss."""

    make = FusionClassifier

    def __init__(self, owner):
        super().__init__(owner)
        self.classes = owner.classes_

    def prior_of(self, y, weight):
        """Shares of the classes."""
        numbers = np.searchsorted(self.classes, y)
        counts = np.bincount(numbers, weight, minlength=len(self.classes))
        return counts / counts.sum()

    def raw_prior(self, prior):
        """Logits of the shares of the classes."""
        return np.log(np.maximum(prior, 1e-6))

    def estimator(self, encoders, seed, **changes):
        """Unfitted estimator of one net."""
        weight = {"class_weight": self.owner.class_weight}
        return super().estimator(encoders, seed, **{**weight, **changes})

    def ask(self, model, X):
        """Probabilities (n, K)."""
        return model.predict_proba(X)

    def raw(self, model, X):
        """Logits (n, K)."""
        return model._outputs(X).double().numpy()

    def scaling(self, y, weight):
        """Nothing: logits are the same for all."""

    def scaled(self, answers, scaling):
        """Logits, as they are."""
        return answers

    def loss_of(self, y):
        """Return a function from probabilities to the losses of rows."""
        true = np.searchsorted(self.classes, y)
        return lambda proba: log_loss_rows(proba, true)


class ValueFace(Face):
    """Values, and the squared error."""

    make = FusionRegressor
    classes = None

    def prior_of(self, y, weight):
        """Mean of each column."""
        return np.atleast_1d(np.average(y, axis=0, weights=weight))

    def raw_prior(self, prior):
        """Means, as they are."""
        return prior

    def ask(self, model, X):
        """Values (n, k)."""
        values = model.predict(X)
        return values.reshape(len(values), -1)

    raw = ask

    def scaling(self, y, weight):
        """Location and scale of the rows that a net is fitted on."""
        return ValueTarget.learn(y, mean_one(weight))

    def scaled(self, answers, scaling):
        """Values as a net with these rows puts them out."""
        return (answers - scaling.mean) / scaling.scale

    def loss_of(self, y):
        """Return a function from values (n, k) to the losses of rows."""
        columns = y.reshape(len(y), -1)
        return lambda values: ((values - columns) ** 2).mean(axis=1)


def log_loss_rows(proba, true):
    """Minus the logarithm of the true class's probability, (n,)."""
    chosen = proba[np.arange(len(true)), true]
    return -np.log(np.clip(chosen, np.finfo(float).eps, 1))
