"""The models of the comparison, each with the defaults of its package.

Ours get the modalities as they are. Peers get one table: modalities are joined, images
and sounds are flattened, and text becomes TF-IDF of its characters. Peers that need it
standardise the table. To add a model, write a function of a `Task`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    StackingClassifier,
    StackingRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmm

TREES = 300  # of classifiers: with fewer, probabilities of zero are frequent
TEXT_FEATURES = 1000
LEFT_OUT = {  # peers that cannot run beside skmm; requirements.txt says more
    "AutoGluon": "its releases need older pandas and scikit-learn",
    "pytorch-widedeep": "its torchvision does not load beside torch for CPUs",
}


@dataclass(frozen=True)
class Task:
    """What a model is made for."""

    is_regression: bool
    random_state: int

    def choose(self, classifier, regressor):
        """Return the one for this task."""
        return regressor if self.is_regression else classifier


@dataclass(frozen=True)
class Model:
    """How to make a model, and the package that it needs."""

    make: Callable  # of a Task; returns None where there is no such model
    package: str = "scikit-learn"
    module: str = "sklearn"

    @property
    def reason_to_leave_out(self):
        """Why the package cannot be imported, or None."""
        try:
            import_module(self.module)
        except Exception as error:  # a package may fail in any way
            return f"{type(error).__name__}: {error}".splitlines()[0]
        return None

    @property
    def version(self):
        """Package and version, part of the key of a stored result."""
        return f"{self.package} {version(self.package)}"


class OneTable(TransformerMixin, BaseEstimator):
    """Join modalities as the columns of one table of float32."""

    def fit(self, X, y=None):
        """Learn the n-grams of texts."""
        self.texts_ = {
            name: TfidfVectorizer(
                analyzer="char_wb", ngram_range=(1, 4), max_features=TEXT_FEATURES
            ).fit(X[name])
            for name in X
            if np.asarray(X[name]).dtype.kind in "OUT"
        }
        return self

    def transform(self, X):
        """Return an array of shape (n_samples, n_columns)."""
        return np.hstack([self._columns(name, X[name]) for name in X])

    def _columns(self, name, values):
        if name in self.texts_:
            return self.texts_[name].transform(values).toarray().astype(np.float32)
        values = np.asarray(values, np.float32)
        return values.reshape(len(values), -1)


def on_one_table(*steps):
    return make_pipeline(OneTable(), *steps)


# -- ours --------------------------------------------------------------------------


def ours(name, **parameters):
    """Classifier or regressor of a family, with its defaults."""

    def make(task):
        cls = getattr(skmm, name + task.choose("Classifier", "Regressor"), None)
        return cls and cls(random_state=task.random_state, **parameters)

    return Model(make, "skmm", "skmm")


# -- peers -------------------------------------------------------------------------


def penalised(task):
    """Logistic or ridge regression, on a standardised table."""
    if task.is_regression:
        return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 5, 17)))
    model = LogisticRegressionCV(
        Cs=np.logspace(-4, 1, 6),
        l1_ratios=(0.0,),
        cv=3,
        scoring="neg_log_loss",
        max_iter=1000,
        use_legacy_attributes=False,
    )
    return make_pipeline(StandardScaler(), model)


def extra_trees(task):
    if task.is_regression:
        return ExtraTreesRegressor(random_state=task.random_state)
    return ExtraTreesClassifier(TREES, random_state=task.random_state)


def boosted(task):
    cls = task.choose(HistGradientBoostingClassifier, HistGradientBoostingRegressor)
    return cls(random_state=task.random_state)


def stacking(task):
    """Return the three models above under a logistic or ridge regression."""
    parts = {"linear": penalised, "trees": extra_trees, "boosted": boosted}
    cls = task.choose(StackingClassifier, StackingRegressor)
    return cls([(name, make(task)) for name, make in parts.items()], cv=5)


def light_gbm(task):
    from lightgbm import LGBMClassifier, LGBMRegressor

    cls = task.choose(LGBMClassifier, LGBMRegressor)
    return cls(random_state=task.random_state, n_jobs=1, verbose=-1)


def cat_boost(task):
    from catboost import CatBoostClassifier, CatBoostRegressor

    return task.choose(CatBoostClassifier, CatBoostRegressor)(
        random_seed=task.random_state,
        thread_count=1,
        verbose=False,
        allow_writing_files=False,
    )


def pytabkit(name):
    """Return a maker of a net of pytabkit, which scales by itself."""

    def make(task):
        module = import_module("pytabkit")
        cls = getattr(module, f"{name}_{task.choose('Classifier', 'Regressor')}")
        settings = {"device": "cpu", "n_threads": 1, "verbosity": 0}
        return cls(random_state=task.random_state, **settings)

    return make


def peer(make, *where):
    return Model(lambda task: on_one_table(make(task)), *where)


MODELS = {
    "fusion": ours("Fusion"),
    "gated fusion": ours("Fusion", fusion="gated"),
    "late fusion": ours("LateFusion"),
    "MulMix": ours("MulMix"),
    "no harm": ours("NoHarmFusion"),
    "linear": peer(penalised),
    "extra trees": peer(extra_trees),
    "HistGB": peer(boosted),
    "stacking": peer(stacking),
    "LightGBM": peer(light_gbm, "lightgbm", "lightgbm"),
    "CatBoost": peer(cat_boost, "catboost", "catboost"),
    "RealMLP": peer(pytabkit("RealMLP_TD"), "pytabkit", "pytabkit"),
    "TabM": peer(pytabkit("TabM_D"), "pytabkit", "pytabkit"),
}
