"""Default search spaces in scikit-learn's own searches."""

import numpy as np
import pytest
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmm
from skmm.model_selection import default_search_space
from skmm.nn import MLPEncoder
from skmm.preprocessing import ModalityTransformer
from tests.toys import two_tables

X, Y = two_tables(80)
FAST = {"max_epochs": 2, "random_state": 0}


def pipeline():
    return make_pipeline(
        ModalityTransformer({"a": StandardScaler()}),
        skmm.FusionClassifier({"a": MLPEncoder((4,)), "b": MLPEncoder((6,))}, **FAST),
    )


@pytest.mark.parametrize(
    "model",
    [
        pipeline(),
        skmm.MulMixClassifier(MLPEncoder((4,)), **FAST),
        skmm.LateFusionClassifier(skmm.FusionClassifier(**FAST)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_random_search(model):
    space = default_search_space(model)
    search = RandomizedSearchCV(model, space, n_iter=3, cv=2, random_state=0)
    again = RandomizedSearchCV(model, space, n_iter=3, cv=2, random_state=0)
    found, other = search.fit(X, Y), again.fit(X, Y)
    assert {*found.best_params_} == {*space}
    for key in ("mean_test_score", "std_test_score"):
        np.testing.assert_array_equal(found.cv_results_[key], other.cv_results_[key])
    assert found.predict(X).shape == (80,)


@pytest.mark.parametrize("resource", ["n_samples", "fusionclassifier__max_epochs"])
def test_halving(resource):
    model = pipeline()
    settings = {"resource": resource, "cv": 2, "random_state": 0}
    if resource != "n_samples":
        settings |= {"min_resources": 1, "max_resources": 4, "factor": 2}
    search = HalvingRandomSearchCV(model, default_search_space(model), **settings)
    found = search.fit(X, Y)
    assert found.n_iterations_ >= 2
    assert found.best_params_["fusionclassifier__lr"] > 0


def test_the_users_blocks_are_not_built_by_a_search():
    space = default_search_space(skmm.FusionClassifier())
    search = RandomizedSearchCV(
        skmm.FusionClassifier(**FAST), space, n_iter=4, cv=2, random_state=0
    )
    search.fit(X, Y)
    assert not any(block.is_built for block in [*space["fusion"], *space["head"]])


def test_a_grid_over_whole_fusions():
    space = {"fusion": default_search_space(skmm.FusionClassifier())["fusion"]}
    found = GridSearchCV(skmm.FusionClassifier(**FAST), space, cv=2).fit(X, Y)
    assert len(found.cv_results_["params"]) == len(space["fusion"]) > 1
