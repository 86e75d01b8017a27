"""Real problems for the no-harm table: arrays per modality, and the target.

Those of scikit-learn and of skmm come with the packages. The others are read from the
folder that the environment variable SKMM_DATA names, one folder per data set with the
files that are named here.
"""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
)

from skmm.datasets import load_biodegradation
from skmm.preprocessing import MoleculeFingerprint


def folder():
    """Return the folder of further data, or None."""
    path = os.environ.get("SKMM_DATA")
    return Path(path) if path else None


@cache
def digit_halves():
    """Upper and lower half of an image of a digit."""
    images, y = _digits()
    return {"upper": _flat(images[:, :4]), "lower": _flat(images[:, 4:])}, y


@cache
def digit_quarters():
    """Four corners of an image of a digit."""
    images, y = _digits()
    halves = {"upper": images[:, :4], "lower": images[:, 4:]}
    X = {f"{name} left": _flat(part[..., :4]) for name, part in halves.items()}
    X |= {f"{name} right": _flat(part[..., 4:]) for name, part in halves.items()}
    return X, y


@cache
def digit_and_noise():
    """An image of a digit, and noise."""
    images, y = _digits()
    noise = np.random.default_rng(0).normal(size=(len(y), 64))
    return {"image": _flat(images), "noise": noise}, y


def _digits():
    data = load_digits()
    return data.images, data.target


def _flat(images):
    return images.reshape(len(images), -1)


@cache
def breast_cancer():
    """Mean, spread and worst value of ten properties of cell nuclei."""
    X, y = load_breast_cancer(return_X_y=True)
    return {"mean": X[:, :10], "error": X[:, 10:20], "worst": X[:, 20:]}, y


@cache
def wine():
    """Two groups of chemical measurements."""
    X, y = load_wine(return_X_y=True)
    return {"basic": X[:, :5], "colour": X[:, 5:]}, y


@cache
def diabetes():
    """What the physician sees, and the blood serum."""
    X, y = load_diabetes(return_X_y=True)
    return {"body": X[:, :4], "serum": X[:, 4:]}, y


@cache
def biodegradation():
    """Descriptors and fingerprint of a chemical; needs RDKit."""
    X, y = load_biodegradation(return_X_y=True)
    table = X["descriptors"].to_numpy(float)
    return {"descriptors": table, "fingerprint": _bits(X["smiles"])}, y


def _bits(smiles):
    return MoleculeFingerprint(n_bits=256).fit_transform(list(smiles)).astype(float)


def mfeat(*views):
    """Views of handwritten numerals (UCI Multiple Features)."""

    @cache
    def load():
        with np.load(folder() / "mfeat" / "mfeat.npz") as data:
            return {view: data[view] for view in views}, data["y"]

    return load


@cache
def mice():
    """Two halves of the genes of 40 mice, and their diet.

    Their fatty acids alone tell the diet: then losses are close to zero, and nets that
    are all but perfect differ by thousands of percent.
    """
    table = pd.read_csv(folder() / "nutrimouse" / "nutrimouse.csv.gz")
    genes = table.filter(regex="^gene_").to_numpy(float)
    return {"first": genes[:, ::2], "second": genes[:, 1::2]}, table["diet"].to_numpy()


@cache
def splice():
    """Both sides of a splice junction of DNA, as zeros and ones."""
    table = pd.read_csv(folder() / "splice" / "splice.csv.gz")
    table = table.drop_duplicates("sequence")
    letters = np.array([list(text) for text in table["sequence"]])
    ones = (letters[:, :, None] == np.array(list("ACGT"))).astype(float)
    X = {"upstream": _flat(ones[:, :30]), "downstream": _flat(ones[:, 30:])}
    return X, table["label"].to_numpy()


@cache
def bace():
    """Descriptors and fingerprint of inhibitors of an enzyme; needs RDKit."""
    table = pd.read_csv(folder() / "moleculenet" / "bace.csv.gz")
    known = ["smiles", "Class", "Model", "pIC50"]
    X = {"descriptors": table.drop(columns=known).to_numpy(float)}
    return X | {"fingerprint": _bits(table["smiles"])}, table["Class"].to_numpy()


@cache
def bace_strength():
    """As `bace`, with the strength of the inhibitor as the target."""
    table = pd.read_csv(folder() / "moleculenet" / "bace.csv.gz", usecols=["pIC50"])
    return bace()[0], table["pIC50"].to_numpy(float)
