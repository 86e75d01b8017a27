"""Which mixture of modalities answers where: the picture of the MulMix guide.

Three views show one of six classes; each is noise in 40 % of the rows. The picture has
one line per pattern of reliable views, one column per mixture.
"""

import sys

import numpy as np

from skmm import MulMixClassifier
from skmm.datasets import make_weak_modality
from skmm.inspection import MixtureDisplay


def main(path):
    """Train, and draw who answers for rows that were not trained on."""
    X, y, info = make_weak_modality(4000, random_state=0, return_info=True)
    train, test = slice(0, 2000), slice(2000, None)
    model = MulMixClassifier(max_epochs=30, early_stopping=True, random_state=0)
    model.fit(X[train], y[train])
    reliable = [_pattern(weak) for weak in info.weak[test]]
    display = MixtureDisplay.from_estimator(model, X[test], reliable).plot()
    display.axes_.set(ylabel="views that are not noise")
    display.figure_.savefig(path, dpi=110)
    return display.table


def _pattern(weak):
    return "".join(map(str, np.flatnonzero(~weak))) or "none"


if __name__ == "__main__":
    table = main(sys.argv[1] if len(sys.argv) > 1 else "which_mixture.png")
    print(table.round(2).to_string())
