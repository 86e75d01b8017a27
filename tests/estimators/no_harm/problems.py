"""Small problems for the no-harm estimators."""

import numpy as np

from skmm import ModalityDict, NoHarmFusionClassifier, NoHarmFusionRegressor
from skmm.nn import MLPEncoder

FAST = {
    "encoders": MLPEncoder((8,)),
    "cv": 3,
    "max_epochs": 15,
    "lr": 0.01,
    "random_state": 0,
    "device": "cpu",
}


def classifier(**settings):
    return NoHarmFusionClassifier(**{**FAST, **settings})


def regressor(**settings):
    return NoHarmFusionRegressor(**{**FAST, **settings})


def thesis(**settings):
    kept = {name: value for name, value in FAST.items() if name != "cv"}
    return NoHarmFusionClassifier(**{**kept, "guarantee": None, **settings})


def complementary(n=150, seed=0):
    """Modalities "a" and "b" each determine half of y; "noise" is independent."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, 3)), rng.normal(size=(n, 4))
    X = ModalityDict(a=a, b=b, noise=rng.normal(size=(n, 5)))
    return X, np.where(a[:, 0] + b[:, 0] > 0, "yes", "no")


def one_informative(n=150, seed=0):
    """Only "good" is informative."""
    rng = np.random.default_rng(seed)
    good = rng.normal(size=(n, 3))
    X = ModalityDict(good=good, useless=rng.normal(size=(n, 3)))
    return X, (good[:, 0] + 0.5 * rng.normal(size=n) > 0).astype(int)
