"""The problems of the MulMix benchmark: rows, encoders, and what the paper reached."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sklearn.preprocessing import StandardScaler

from benchmarks.common import split_by_class
from skmm import ModalityDict
from skmm.datasets import (
    fetch_avmnist,
    fetch_higgs,
    fetch_mfeat,
    fetch_ssa_names,
    make_complementary_modalities,
    make_weak_modality,
)
from skmm.nn import LSTMEncoder, MLPEncoder

TABLE_2 = ("Base", "Fuse", "Add", "Mul", "MulMix", "MulMix*")  # test error, %
HIGGS_SMALL = dict(zip(TABLE_2, (23.3, 22.5, 22.3, 21.8, 21.4, 21.2), strict=True))
HIGGS_FULL = dict(zip(TABLE_2, (21.7, 20.6, 20.0, 20.1, 19.6, 19.4), strict=True))
HIGGS_FULL |= {"MulMix, beta=1": 19.8, "MulMix, beta=1, boosted": 19.5}
NAMES = dict(zip(TABLE_2, (15.4, 7.97, 6.07, 6.05, 5.90, 5.86), strict=True))
NAMES |= {"Add-Attend": 6.07}


@dataclass
class TrainingData:
    """Rows, and how nets for them are made and trained.

    Attributes
    ----------
    draw : callable
        ``draw(seed)`` returns X and y.
    train, test : int
        Numbers of rows.
    encoders : Block or dict
    width : int
        Of the hidden layer of every head.
    settings : dict
        Parameters of all estimators.
    paper : dict
        The paper's test errors by method, in percent.
    scale : bool
        Standardise tables by the training rows.
    """

    draw: callable
    train: int
    test: int
    encoders: object
    width: int
    settings: dict = field(default_factory=dict)
    paper: dict = field(default_factory=dict)
    scale: bool = True

    def split(self, seed):
        """Training rows and test rows: ``(X, y), (X, y)``."""
        X, y = self.draw(seed)
        train, test = split_by_class(y, self.train, self.test, seed)
        X = _scaled(X, train) if self.scale else X
        return (X[train], y[train]), (X[test], y[test])


def _scaled(X, train):
    """Tables with means and deviations of the training rows; others as they are."""
    parts = {name: X[name] for name in X}
    for name, part in parts.items():
        if part.ndim == 2:
            parts[name] = StandardScaler().fit(part[train]).transform(part)
    return ModalityDict(parts)


def weak(seed):
    return make_weak_modality(3800, random_state=seed)


def complementary(seed):
    return make_complementary_modalities(3800, random_state=seed)


def noisy_complementary(seed):
    return make_complementary_modalities(3800, noise=1.2, random_state=seed)


def higgs(seed):
    return fetch_higgs(return_X_y=True)


def names(seed):
    """Names as characters, and logarithms of births by period."""
    X, y = fetch_ssa_names(return_X_y=True)
    births = np.log1p(np.asarray(X["births"], float))
    shares = births - births.mean(1, keepdims=True)
    return ModalityDict(name=X["name"], births=shares), y


def digits_by_six_views(seed):
    return fetch_mfeat(return_X_y=True)


def eye_and_ear(seed):
    X, y = fetch_avmnist(return_X_y=True)
    image = np.asarray(X["image"], np.float32).reshape(len(y), -1) / 255
    audio = np.asarray(X["audio"], np.float32).reshape(len(y), -1)
    return ModalityDict(image=image, audio=audio), y


GENERATED = {"max_epochs": 60, "patience": 10}
PHYSICS = {"max_epochs": 40, "patience": 5, "batch_size": 128, "weight_decay": 2e-5}
SPELLED = {"max_epochs": 12, "patience": 3, "batch_size": 128, "lr": 3e-3}
LETTERS = {"name": LSTMEncoder(64), "births": MLPEncoder((64,))}

PROBLEMS = {
    "weak views": TrainingData(weak, 800, 3000, MLPEncoder((32,)), 32, GENERATED),
    "complementary views": TrainingData(
        complementary, 800, 3000, MLPEncoder((32,)), 32, GENERATED
    ),
    "complementary, noisy": TrainingData(
        noisy_complementary, 800, 3000, MLPEncoder((32,)), 32, GENERATED
    ),
    "HIGGS, small": TrainingData(
        higgs, 6000, 7000, MLPEncoder((100, 100)), 100, PHYSICS, HIGGS_SMALL
    ),
    "HIGGS": TrainingData(
        higgs, 18_000, 7000, MLPEncoder((100, 100)), 100, PHYSICS, HIGGS_FULL
    ),
    "names": TrainingData(names, 8000, 8000, LETTERS, 64, SPELLED, NAMES),
    "digits, six views": TrainingData(
        digits_by_six_views, 500, 1500, MLPEncoder((64,)), 32, GENERATED
    ),
    "digits, eye and ear": TrainingData(
        eye_and_ear, 600, 2400, MLPEncoder((64,), dropout=0.2), 32, GENERATED
    ),
}
QUICK = ["weak views", "complementary views", "complementary, noisy", "HIGGS, small"]
FOLDER = {
    "HIGGS, small": "higgs",
    "HIGGS": "higgs",
    "names": "ssa_names",
    "digits, six views": "mfeat",
    "digits, eye and ear": "avmnist_fsdd",
}


def available(names):
    """Those problems whose data are there; of the others a line is printed."""
    root = Path(os.environ.get("SKMM_DATA", ""))
    there = [n for n in names if n not in FOLDER or (root / FOLDER[n]).is_dir()]
    for name in names:
        if name not in there:
            print(f"left out: {name} (set SKMM_DATA to the folder of {FOLDER[name]})")
    return there
