"""Nets and trainings of the biodegradation benchmark, as one table of methods.

The image comes first and the descriptors second, so λ is the weight of the descriptors.
The two single nets of a seed are trained once, by the estimator of the first row, and
all other rows start from them. To add a row, write a function of a `Task` that returns
a fitted model, and name it in `METHODS`.
"""

import copy
from functools import cached_property, partial

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skmm import FusionClassifier, ModalityDict, NoHarmFusionClassifier
from skmm._random import derive
from skmm.base.validation_split import split_samples
from skmm.nn import MLPHead, NoHarmFusion
from skmm.training import Stage

TEST = 670 / 1725  # the thesis's shares
VALIDATION = 191 / 1055  # of the others
LAMBDAS = (0.0, 0.25, 0.5, 0.75, 1.0)
STAGES = {
    "freeze both": [Stage(["fusion", "head"])],
    "freeze descriptors": [Stage(["encoders__image", "fusion", "head"])],
    "freeze image": [Stage(["encoders__descriptors", "fusion", "head"])],
    "end to end": None,
}
STOPPING = {
    "early_stopping": True,  # on the validation rows
    "validation_fraction": VALIDATION,
}
FACTOR_RATE = 0.01  # at least, as in NoHarmFusionClassifier


class Task:
    """One seed: the split, and the single nets that all rows share."""

    def __init__(self, setting, data, seed):
        self.setting = setting
        self.seed = seed
        self.arrays, self.y = data
        self.train, self.test = train_test_split(
            np.arange(len(self.y)), test_size=TEST, stratify=self.y, random_state=seed
        )
        self.scaler = StandardScaler().fit(self.arrays["descriptors"][self.train])

    def view(self, rows):
        """Modalities, descriptors standardised, and classes of some rows."""
        descriptors = self.scaler.transform(self.arrays["descriptors"][rows])
        X = ModalityDict(
            image=self.arrays["image"][rows], descriptors=descriptors.astype(np.float32)
        )
        return X, self.y[rows]

    @property
    def validation(self):
        """Rows by which the nets of the thesis's rows chose their epoch."""
        seed = derive(self.random_state, "validation")
        labels = self.y[self.train]
        return self.train[split_samples(len(labels), VALIDATION, labels, seed)[1]]

    @property
    def random_state(self):
        """That of the single nets, and of all fused ones."""
        return self.thesis.unimodal_["descriptors"].random_state

    def no_harm(self, **parameters):
        """Fit the estimator, with the setting's recipe."""
        given = self.setting
        model = NoHarmFusionClassifier(
            given.encoders,
            head=MLPHead(()),
            pretraining={"image": given.image, "descriptors": given.descriptors},
            optimizer="adam",
            weight_decay=0.0,
            random_state=self.seed,
            **STOPPING,
            **given.fused,
            **parameters,
        )
        return model.fit(*self.view(self.train))

    @cached_property
    def thesis(self):
        """λ scalar with both nets frozen; its `unimodal_` are the single nets."""
        return self.no_harm(guarantee=None, factor="scalar")

    @cached_property
    def crossfit(self):
        """The estimator's default guarantee."""
        return self.no_harm()

    def fuse(self, fusion, training, head=None):
        """Fit a fused net as the estimator does, but on the single nets of the seed."""
        single = self.thesis.unimodal_
        encoders = {name: model.encoders_[name] for name, model in single.items()}
        if training == "end to end":
            encoders, head = self.setting.encoders, head or MLPHead(())
        rate = self.setting.fused["lr"]
        rates = {"encoders": rate, "head": rate, "fusion": max(rate, FACTOR_RATE)}
        model = FusionClassifier(
            encoders,
            fusion=fusion,
            head=head or single[self.thesis.best_modality_].net_.module_.head,
            stages=STAGES[training],
            random_state=self.random_state,
            **STOPPING,
            **{**self.setting.fused, "lr": rates},
        )
        return model.fit(*self.view(self.train))


# -- methods ---------------------------------------------------------------------------


class Alone:
    """A model that sees one modality only."""

    def __init__(self, model, name):
        self.model, self.name = model, name

    def predict(self, X):
        """Classes."""
        return self.model.predict(X.select([self.name]))


def single(task, name):
    return Alone(task.thesis.unimodal_[name], name)


def another_seed(task):
    """The net of the descriptors from another start: what chance alone does."""
    name = "descriptors"
    model = clone(task.thesis.unimodal_[name]).set_params(random_state=task.seed + 1000)
    X, y = task.view(task.train)
    return Alone(model.fit(X.select([name]), y), name)


def factor(task, value, training):
    if (value, training) == ("scalar", "freeze both"):
        return task.thesis
    return task.fuse(NoHarmFusion(value), training)


def concatenation(task, training):
    """A linear layer to the width of one net stands before the prediction layer."""
    width = task.thesis.unimodal_["image"].encoders_["image"].out_features
    head = MLPHead((width,), activation="identity")
    return task.fuse("concat", training, head)


def straight_concatenation(task, training):
    return task.fuse("concat", training, MLPHead(()))


def guarded(task, weight=None):
    """The cross-fitted mix, or with the weight 0 its own bag of the best modality."""
    model = copy.copy(task.crossfit)
    if weight is not None:
        model.weight_ = model.incomplete_weight_ = weight
    return model


METHODS = {
    "image": partial(single, name="image"),
    "descriptors": partial(single, name="descriptors"),
    "descriptors, another seed": another_seed,
    **{
        f"λ {value}, {training}": partial(factor, value=value, training=training)
        for value in ("scalar", "vector")
        for training in STAGES
    },
    **{
        f"concatenation, {training}": partial(concatenation, training=training)
        for training in STAGES
    },
    **{
        f"straight concatenation, {training}": partial(
            straight_concatenation, training=training
        )
        for training in ("freeze both", "end to end")
    },
    **{
        f"λ = {value:g}, {training}": partial(factor, value=value, training=training)
        for training in ("freeze both", "end to end")
        for value in LAMBDAS
    },
    "crossfit": guarded,
    "crossfit, weight 0": partial(guarded, weight=0.0),
}

OWN_SPLIT = ("descriptors, another seed", "crossfit", "crossfit, weight 0")


def learnt(model):
    """λ of a fused net, its mean over units; NaN without one."""
    if isinstance(model, NoHarmFusionClassifier):
        return float("nan") if model.guarantee else float(np.mean(model.lambda_))
    fusion = getattr(getattr(model, "net_", None), "module_", None)
    weights = getattr(getattr(fusion, "fusion", None), "weights", None)
    return float("nan") if weights is None else float(weights()[1].mean())
