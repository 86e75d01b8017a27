"""Small fusion estimators for the tests of this folder."""

import numpy as np

from skmm import FusionClassifier, FusionRegressor
from tests.toys import (
    two_tables,
)


def classifier(**params):
    return FusionClassifier(
        **{"max_epochs": 3, "random_state": 0, "lr": 0.01, **params}
    )


def regressor(**params):
    return FusionRegressor(**{"max_epochs": 3, "random_state": 0, "lr": 0.01, **params})


def proba(model, X, y, at=None, **fit):
    return model.fit(X, y, **fit).predict_proba(X if at is None else at)


def values(n=40, k=None, seed=0):
    X, _ = two_tables(n, seed)
    y = X["a"][:, 0] + 2 * X["b"][:, 1]
    return X, y if k is None else np.column_stack([y * (j + 1) - j for j in range(k)])


def fitted_encoder(encoders, name="a", **params):
    X, y = two_tables()
    return classifier(encoders=encoders, **params).fit(X, y).net_.module_.encoders[name]
