"""Twelve assays, each measured for some of 7,823 molecules: masked targets on Tox21.

Descriptors and fingerprint of every molecule predict all assays with one net; NaN in y
is an assay that was not made, and no evidence. Prints the ROC AUC of each assay, on a
fifth of the molecules that is set aside: whole scaffolds, or random ones.

    python docs/examples/tox21.py tox21.csv.gz [scaffold | random]

The table of MoleculeNet has a column `smiles` and one column per assay; a path may be
left out if the folder SKMM_DATA has moleculenet/tox21.csv.gz.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from rdkit import Chem, RDLogger
from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

from skmm import FusionClassifier, ModalityDict, restrict
from skmm.metrics import masked_scorer
from skmm.nn import MLPEncoder
from skmm.preprocessing import (
    ModalityTransformer,
    MoleculeDescriptors,
    MoleculeFingerprint,
)

SEED = 0


def read(path):
    """Modalities, assays with NaN, and the scaffold of every molecule."""
    RDLogger.DisableLog("rdApp.*")
    table = pd.read_csv(path)
    smiles = table["smiles"]
    y = table.drop(columns=["smiles", "mol_id"], errors="ignore")
    X = ModalityDict(
        descriptors=np.nan_to_num(MoleculeDescriptors().fit_transform(smiles)),
        fingerprint=MoleculeFingerprint(n_bits=1024).fit_transform(smiles),
    )
    scaffolds = [MurckoScaffoldSmiles(mol=Chem.MolFromSmiles(s)) for s in smiles]
    return X, y, np.array(scaffolds)


def split(scaffolds, kind):
    """Indices of training and test molecules."""
    kinds = {"scaffold": GroupShuffleSplit, "random": ShuffleSplit}
    cut = kinds[kind](1, test_size=0.2, random_state=SEED)
    return next(cut.split(scaffolds[:, None], groups=scaffolds))


def main(path, kind="scaffold"):
    """Fit both modalities and each alone, print the AUC of each assay."""
    X, y, scaffolds = read(path)
    train, test = split(scaffolds, kind)
    print(f"{len(y)} molecules, {y.notna().to_numpy().mean():.0%} of assays measured")
    model = make_pipeline(
        ModalityTransformer({"descriptors": QuantileTransformer(random_state=SEED)}),
        FusionClassifier(
            MLPEncoder((64,), dropout=0.3),
            optimizer="adamw",
            weight_decay=1e-2,
            batch_size=128,
            early_stopping=True,
            random_state=SEED,
        ),
    )
    aucs = {}
    auc = masked_scorer("roc_auc", average=None)
    for names in (["descriptors"], ["fingerprint"], ["descriptors", "fingerprint"]):
        fitted = restrict(model, names).fit(X[train], y.iloc[train])
        aucs[" + ".join(names)] = auc(fitted, X[test], y.iloc[test])
    table = pd.DataFrame(aucs, index=y.columns)
    table.loc["mean"] = table.mean()
    table.insert(0, "measured", [*y.iloc[test].notna().sum(), ""])
    print(table.to_string(float_format="{:.3f}".format))


if __name__ == "__main__":
    given = sys.argv[1:]
    default = Path(os.environ.get("SKMM_DATA", "."), "moleculenet", "tox21.csv.gz")
    main(given[0] if given else default, *given[1:2])
