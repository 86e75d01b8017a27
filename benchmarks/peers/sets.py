"""Real data sets of the comparison with peers, and how they are split.

`CHOOSING` sets and splits may be looked at while defaults are chosen. The table that
is reported has all sets, and splits that are used for nothing else.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from skmm import ModalityDict
from skmm.datasets import (
    fetch_avmnist,
    fetch_higgs,
    fetch_mfeat,
    fetch_ssa_names,
    load_biodegradation,
)
from skmm.datasets._fetching import data_folder
from skmm.preprocessing import MoleculeDescriptors, MoleculeFingerprint

CHOOSING = ["biodeg", "bace", "esol", "splice", "mfeat", "nutrimouse genotype"]
CHOOSING += ["nutrimouse diet"]
FIRST_SPLIT = {"reported": 0, "choosing": 100}
TEST_SIZE = 0.25  # where a set names no numbers of rows


@dataclass(frozen=True)
class Set:
    """A data set.

    Attributes
    ----------
    name : str
    load : callable
        Returns a ModalityDict of raw values and y.
    file : str or None
        Its place in the data folder; None is bundled.
    is_regression : bool
    train, test : int or None
        Numbers of rows; None is 75 % and 25 %.
    """

    name: str
    load: Callable
    file: str | None = None
    is_regression: bool = False
    train: int | None = None
    test: int | None = None

    @property
    def is_there(self):
        """Whether the data folder has it."""
        return self.file is None or (data_folder() / self.file).exists()

    def split(self, seed):
        """Return X and y of the training rows, then of the test rows.

        Classes are numbers from 0, and have the same shares in both parts.
        """
        X, y = self.load()
        if not self.is_regression:
            y = np.unique(y, return_inverse=True)[1]
        train, test = train_test_split(
            np.arange(len(y)),
            train_size=self.train,
            test_size=self.test or TEST_SIZE,
            stratify=None if self.is_regression else y,
            random_state=seed,
        )
        return (X[train], y[train]), (X[test], y[test])


def seeds(purpose, n_splits):
    """Seeds of the splits for a purpose, "choosing" or "reported"."""
    first = FIRST_SPLIT[purpose]
    return list(range(first, first + n_splits))


# -- molecules ---------------------------------------------------------------------


def fingerprint(smiles):
    return MoleculeFingerprint().fit_transform(smiles)


def descriptors(smiles):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "RDKit has no finite", UserWarning)
        return MoleculeDescriptors().fit_transform(smiles)


@cache
def biodeg():
    """Published descriptors, and a fingerprint."""
    X, y = load_biodegradation(return_X_y=True)
    table = X["descriptors"]
    return ModalityDict(descriptors=table, fingerprint=fingerprint(X["smiles"])), y


@cache
def bace():
    """Published descriptors, and a fingerprint."""
    table = pd.read_csv(data_folder() / "moleculenet/bace.csv.gz")
    known = ["smiles", "Class", "Model", "pIC50"]
    X = ModalityDict(
        descriptors=table.drop(columns=known).astype(float),
        fingerprint=fingerprint(table["smiles"]),
    )
    return X, table["Class"].to_numpy()


@cache
def molecules(file, target):
    """Descriptors of RDKit, and a fingerprint."""
    table = pd.read_csv(data_folder() / file)
    smiles = table["smiles"]
    X = ModalityDict(descriptors=descriptors(smiles), fingerprint=fingerprint(smiles))
    return X, table[target].to_numpy()


def molecule_set(name, file, target, **settings):
    file = f"moleculenet/{file}.csv.gz"
    return Set(name, partial(molecules, file, target), file, **settings)


# -- other sets --------------------------------------------------------------------


@cache
def mfeat():
    """Six sets of features of handwritten digits."""
    return fetch_mfeat(return_X_y=True)


@cache
def mice(target):
    """Genes and fatty acids of 40 mice."""
    table = pd.read_csv(data_folder() / "nutrimouse/nutrimouse.csv.gz")
    X = ModalityDict(
        genes=table.filter(regex="^gene_"), lipids=table.filter(regex="^lipid_")
    )
    return X, table[target].to_numpy()


@cache
def splice():
    """Letters left and right of a splice junction as zeros and ones; no repeats."""
    table = pd.read_csv(data_folder() / "splice/splice.csv.gz")
    table = table.drop_duplicates("sequence")
    letters = np.array([list(text) for text in table["sequence"]])
    ones = (letters[:, :, None] == np.array(list("ACGT"))).astype(np.float32)
    left, right = (part.reshape(len(ones), -1) for part in (ones[:, :30], ones[:, 30:]))
    return ModalityDict(left=left, right=right), table["label"].to_numpy()


@cache
def avmnist():
    """Spoken digits, and images."""
    return fetch_avmnist(return_X_y=True)


@cache
def higgs():
    """Low-level and high-level features of collisions."""
    return fetch_higgs(return_X_y=True)


@cache
def names():
    """First names as text, and births by period."""
    return fetch_ssa_names(return_X_y=True)


ALL = [
    Set("biodeg", biodeg),
    Set("bace", bace, "moleculenet/bace.csv.gz"),
    molecule_set("bbbp", "bbbp", "p_np"),
    Set("splice", splice, "splice/splice.csv.gz"),
    Set("mfeat", mfeat, "mfeat/mfeat.npz"),
    Set(
        "nutrimouse genotype", partial(mice, "genotype"), "nutrimouse/nutrimouse.csv.gz"
    ),
    Set("nutrimouse diet", partial(mice, "diet"), "nutrimouse/nutrimouse.csv.gz"),
    Set("higgs", higgs, "higgs/higgs.npz", train=5000, test=5000),
    Set("names", names, "ssa_names/ssa_names.csv.gz", train=5000, test=5000),
    Set("avmnist", avmnist, "avmnist_fsdd/avmnist_fsdd.npz", train=1500, test=1500),
    molecule_set(
        "esol",
        "esol_delaney-processed",
        "measured log solubility in mols per litre",
        is_regression=True,
    ),
    molecule_set("freesolv", "freesolv_sampl", "expt", is_regression=True),
    molecule_set(
        "lipophilicity",
        "lipophilicity",
        "exp",
        is_regression=True,
        train=2000,
        test=2000,
    ),
]
SETS = {each.name: each for each in ALL}
