"""Which rates, widths and fusion suit 935 chemicals? A search, and an honest score.

Chemicals, readily biodegradable or not, as 41 descriptors and as a fingerprint of the
structure. A quarter of the rows is set aside before the search, whose 30 trials are
pruned over epochs and folds. With a file, a second run with more trials goes on.
Prints the best trials, what mattered, and scores on the rows set aside.

    python docs/examples/tune_biodegradation.py [trials] [study.log]
"""

import sys

import numpy as np
import optuna
import pandas as pd
from scipy.stats import loguniform, uniform
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm import FusionClassifier, ModalityDict
from skmm.datasets import load_biodegradation
from skmm.model_selection import ModalitySearchCV
from skmm.nn import AttentionFusion, ConcatFusion, MLPEncoder, ProductFusion
from skmm.preprocessing import ModalityTransformer, MoleculeFingerprint

NET = "fusionclassifier__"
SPACE = {
    f"{NET}lr": loguniform(1e-4, 1e-2),
    f"{NET}weight_decay": loguniform(1e-6, 1e-1),
    f"{NET}fusion": [ConcatFusion(), ProductFusion(32), AttentionFusion(32)],
    f"{NET}encoders__descriptors__hidden": [(32,), (64,), (64, 32)],
    f"{NET}encoders__descriptors__dropout": uniform(0, 0.6),
    f"{NET}encoders__fingerprint__hidden": [(16,), (32,), (64,)],
    f"{NET}encoders__fingerprint__dropout": uniform(0, 0.6),
}


def molecules():
    """Rows to search with, and rows set aside."""
    X, y = load_biodegradation(return_X_y=True)
    bits = MoleculeFingerprint(n_bits=512).fit_transform(X["smiles"])  # learns nothing
    X = ModalityDict(descriptors=X["descriptors"], fingerprint=bits)
    return train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)


def table_of(search):
    """The best trials, with readable parameters."""
    table = pd.DataFrame(search.cv_results_)
    names = {f"param_{name}": name.removeprefix(NET) for name in SPACE}
    table = table.rename(columns=names).sort_values("rank_test_score")
    shown = ["trial_number", "mean_test_score", "std_test_score", *names.values()]
    table = table[shown].head(5).T
    table.columns = range(1, table.shape[1] + 1)
    return table.map(lambda v: f"{v:.2g}" if isinstance(v, float) else v)


def main(n_trials=30, storage=None):
    """Search, print."""
    X_train, X_test, y_train, y_test = molecules()
    encoders = {"descriptors": MLPEncoder(), "fingerprint": MLPEncoder()}
    model = make_pipeline(
        ModalityTransformer({"descriptors": StandardScaler()}),
        FusionClassifier(encoders, max_epochs=15, random_state=0),
    )
    search = ModalitySearchCV(
        model,
        SPACE,
        n_trials=n_trials,
        scoring="balanced_accuracy",
        cv=5,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=5),
        storage=storage,
        random_state=0,
        verbose=1,
    ).fit(X_train, y_train)
    states = pd.Series(search.cv_results_["state"]).value_counts()
    print(
        f"{n_trials} trials: "
        + ", ".join(f"{n} {s.lower()}" for s, n in states.items())
    )
    print(table_of(search).to_string())
    forest = optuna.importance.FanovaImportanceEvaluator(seed=0)
    importance = optuna.importance.get_param_importances(
        search.study_, evaluator=forest
    )
    for name, share in list(importance.items())[:3]:
        print(f"{share:5.0%} of what differs is by {name.removeprefix(NET)}")
    before = model.fit(X_train, y_train)
    scores = {"as it was": before, "chosen": search.best_estimator_}
    print(f"\nBalanced accuracy of the best of {n_trials}: {search.best_score_:.3f}")
    for name, fitted in scores.items():
        right = fitted.predict(X_test) == y_test
        recalls = [right[y_test == label] for label in search.classes_]
        score = np.mean([hits.mean() for hits in recalls])
        error = np.sqrt(np.sum([hits.var() / len(hits) for hits in recalls])) / 2
        print(f"On {len(right)} rows never searched, {name}: {score:.3f} ± {error:.3f}")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else 30, given[1] if len(given) > 1 else None)
