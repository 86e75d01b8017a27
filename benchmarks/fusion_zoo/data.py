"""The problems of the fusion zoo: rows of two or three modalities, all as tables."""

from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import StandardScaler

from benchmarks.common import split_by_class
from benchmarks.mulmix.data import eye_and_ear
from benchmarks.no_harm import real
from skmm import ModalityDict
from skmm.datasets import fetch_higgs, make_multimodal_classification

FIRST_SEED = 2000
GENERATED = {"n_samples": 4000, "n_features": 6}


@dataclass
class TrainingData:
    """Where rows come from, and how many are learnt and tested.

    Attributes
    ----------
    draw : callable
        ``draw(seed)`` returns X and y.
    train, test : int
    max_epochs : int
    """

    draw: callable
    train: int
    test: int
    max_epochs: int = 60

    def split(self, seed):
        """Standardised training rows and test rows: ``(X, y), (X, y)``."""
        X, y = self.draw(seed)
        train, test = split_by_class(y, self.train, self.test, seed)
        parts = {
            name: StandardScaler().fit(part[train]).transform(part)
            for name, part in X.items()
        }
        X = ModalityDict(parts)
        return (X[train], y[train]), (X[test], y[test])


def xor(seed):
    """The sign of a product: neither modality says anything alone."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 4000, 4))
    return ModalityDict(a=a, b=b), (a[:, 0] * b[:, 0] > 0).astype(int)


def additive(seed):
    return make_multimodal_classification(
        kinds=["unique"], random_state=seed, flip_y=0.1, **GENERATED
    )


def redundant(seed):
    return make_multimodal_classification(
        kinds=["redundant"], random_state=seed, noise=1.0, **GENERATED
    )


def digits(seed):
    """Three of the views of handwritten numerals."""
    X, y = real.mfeat("fou", "zer", "mor")()
    return ModalityDict(X), y


def splice(seed):
    X, y = real.splice()
    return ModalityDict(X), y


def chemicals(seed):
    X, y = real.biodegradation()
    return ModalityDict(X), y


def physics(seed):
    X, y = fetch_higgs(return_X_y=True)
    rows = np.random.default_rng(seed).permutation(len(y))[:10_000]
    return X[rows], y[rows]


PROBLEMS = {
    "xor": TrainingData(xor, 1000, 3000),
    "additive": TrainingData(additive, 600, 3000),
    "redundant": TrainingData(redundant, 300, 3000),
    "splice": TrainingData(splice, 1500, 1400, 30),
    "biodegradation": TrainingData(chemicals, 700, 230, 30),
    "digits, three views": TrainingData(digits, 500, 1500),
    "digits, eye and ear": TrainingData(eye_and_ear, 600, 2400),
    "HIGGS, 10,000": TrainingData(physics, 6000, 4000, 20),
}
CLAIMED = {"xor": PROBLEMS["xor"], "xor, 2,000 rows": TrainingData(xor, 2000, 2000)}
QUICK = ("xor", "additive")
NEED_FILES = {"splice", "digits, three views", "digits, eye and ear", "HIGGS, 10,000"}


def available(names):
    """Those of the problems whose files are there."""
    if real.folder() is None:
        if lost := sorted(NEED_FILES & set(names)):
            print(f"SKMM_DATA is not set: without {lost}")
        return [name for name in names if name not in NEED_FILES]
    return list(names)
