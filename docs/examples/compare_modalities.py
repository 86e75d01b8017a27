"""Does a molecule's fingerprint add to its descriptors? One call, with intervals.

935 chemicals, readily biodegradable or not, as 41 descriptors and as a fingerprint of
the structure; 10 repeats of 5 folds, with the fingerprint's rows permuted as control.
Prints table and verdict, and writes a picture and a report.

    python docs/examples/compare_modalities.py [folder]
"""

import sys
from pathlib import Path

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm import FusionClassifier
from skmm.datasets import load_biodegradation
from skmm.model_selection import compare_modalities
from skmm.nn import MLPEncoder
from skmm.preprocessing import ModalityTransformer, MoleculeFingerprint


def main(folder):
    """Compare, print, draw."""
    X, y = load_biodegradation(return_X_y=True)
    bits = MoleculeFingerprint(n_bits=512).fit_transform(X["smiles"])  # learns nothing
    X = {"descriptors": X["descriptors"], "fingerprint": bits}
    model = make_pipeline(
        ModalityTransformer({"descriptors": StandardScaler()}),
        FusionClassifier(MLPEncoder((32,), dropout=0.3), max_epochs=15, random_state=0),
    )
    found = compare_modalities(
        model, X, y, controls="permuted", random_state=0, verbose=1
    )
    print(found)
    print(found.importance.round(3).to_string())
    found.plot("paired").figure_.savefig(folder / "compare_modalities.png", dpi=110)
    found.to_html(folder / "compare_modalities.html")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
