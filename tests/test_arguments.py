"""Functions of model_selection and inspection name the argument that is wrong."""

import inspect

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from skmm import (
    FusionClassifier,
    LateFusionClassifier,
    ModalityDict,
    NoHarmFusionClassifier,
    model_selection,
)
from skmm import inspection as functions
from skmm.model_selection import BootstrapOutOfBag, ModalitySearchCV
from skmm.preprocessing import DropCorruption

RNG = np.random.default_rng(0)
X = ModalityDict(a=RNG.normal(size=(40, 3)), b=RNG.normal(size=(40, 3)))
Y = (X["a"][:, 0] > 0).astype(int)
LATE = LateFusionClassifier(LogisticRegression())
FITTED = LateFusionClassifier(LogisticRegression()).fit(X, Y)
TABLE = {"estimator": LATE, "X": X, "y": Y}
HELD_OUT = {**TABLE, "estimator": FITTED}

CALLS = {  # a call that works
    model_selection.fit_replicas: {**TABLE, "samples": [np.arange(20)]},
    model_selection.cross_validate_replicas: {**TABLE, "cv": 2},
    model_selection.bootstrap_score: {**TABLE, "resampling": 2, "random_state": 0},
    model_selection.compare_modalities: {**TABLE, "resampling": 2, "random_state": 0},
    functions.modality_importance: {**HELD_OUT, "n_repeats": 1},
    functions.conditional_utilization: {**HELD_OUT, "n_repeats": 1},
    functions.emap: HELD_OUT,
    functions.interaction_decomposition: {"estimator": FITTED, "X": X},
    functions.robustness_curve: {
        **HELD_OUT,
        "corruption": DropCorruption(),
        "levels": [0, 1],
        "n_repeats": 1,
    },
    model_selection.default_search_space: {"estimator": LATE},
    functions.over_learning: {"fused": FITTED, "unimodal": {"a": Y}, "X": X, "y": Y},
}
FOLDS = ["5", 1, 2.5, [], [1, 2], [([0], [99])], [([0.5], [1.5])], [([], [1])], KFold]
BAD = {
    "estimator": ["abc", None, LateFusionClassifier, 5],
    "X": [5, None, object()],
    "y": [3, "yes", np.float64(2), np.arange(41), np.r_[Y, Y]],
    "sample_weight": ["abc", np.ones(80), np.ones(39), np.ones((40, 2)),
                      np.full(40, np.nan), np.full(40, -1.0), ["a"] * 40],
    "groups": [1, "abc", np.ones(80), np.ones(39), np.ones((40, 2))],
    "n_jobs": ["abc", 1.5, [1]],
    "memory": [-1, 0, "abc", 1.5],
    "cv": FOLDS,
    "resampling": FOLDS,
    "random_state": ["abc", -1, 1.5],
    "scoring": [5],
    "samples": [5, [[0.5]], [[99]], [[-1]], [[]], [3]],
    "params": [5, [5], [{}, {}], "abc"],
    "error_score": ["abc", None, [1]],
    "return_train_score": ["abc"],
    "return_estimator": ["abc"],
    "return_indices": ["abc"],
    "alpha": ["abc", 0, 1],
    "n_repeats": [0, "abc", 1.5],
    "unimodal": [5, {}, "abc", None],
    "baseline": ["abc", LateFusionClassifier],
}  # fmt: skip


CASES = [
    pytest.param(function, name, value, id=f"{function.__name__}-{name}-{number}")
    for function in CALLS
    for name in inspect.signature(function).parameters
    for number, value in enumerate(BAD.get(name, ()))
    if function is not model_selection.bootstrap_score
    or name != "resampling"
    or value != 1
]


@pytest.mark.parametrize(("function", "name", "value"), CASES)
def test_errors_name_the_argument(function, name, value):
    call = {**CALLS[function], name: value}
    with pytest.raises((ValueError, TypeError)) as caught:
        function(**call)
    assert name in str(caught.value)


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__name__)
def test_the_calls_work(function):
    function(**CALLS[function])


@pytest.mark.parametrize("cv", FOLDS)
@pytest.mark.parametrize(
    "estimator",
    [
        NoHarmFusionClassifier(max_epochs=1),
        LateFusionClassifier(LogisticRegression(), rule="stack"),
        ModalitySearchCV(LATE, {"rule": ["mean", "vote"]}, n_trials=1),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_folds_of_estimators(estimator, cv):
    with pytest.raises((ValueError, TypeError), match="cv"):
        estimator.set_params(cv=cv).fit(X, Y)
    estimator.set_params(cv=2)


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"n_splits": "10"}, "n_splits"),
        ({"n_splits": 1.5}, "n_splits"),
        ({"n_splits": -1}, "n_splits"),
        ({"n_splits": 0}, "n_splits"),
        ({"stratify": "no"}, "stratify"),
        ({"random_state": "abc"}, "random_state"),
    ],
)
def test_bootstraps(params, name):
    splitter = BootstrapOutOfBag(**params)
    with pytest.raises(ValueError, match=name):
        list(splitter.split(Y, Y))
    with pytest.raises(ValueError, match=name):
        splitter.get_n_splits()
    with pytest.raises(ValueError, match=name):
        model_selection.bootstrap_score(LATE, X, Y, resampling=splitter)


@pytest.mark.parametrize("trial", [5, None, "abc"])
def test_trials(trial):
    with pytest.raises(ValueError, match="trial"):
        model_selection.suggest(trial, {"a": [1, 2]})


def test_masks_are_splits():
    mask = np.arange(40) < 20
    as_masks = [(mask, ~mask)]
    as_indices = [(np.flatnonzero(mask), np.flatnonzero(~mask))]
    found = [
        model_selection.cross_validate_replicas(LATE, X, Y, cv=cv)["test_score"]
        for cv in (as_masks, as_indices)
    ]
    np.testing.assert_array_equal(*found)


def test_one_fitted_net_may_be_any_estimator():
    model = FusionClassifier(max_epochs=1, random_state=0).fit(X, Y)
    assert functions.emap(model, X[:10], Y[:10]).logits.shape == (10,)
