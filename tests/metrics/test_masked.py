"""Scores of several outputs, of which some entries are not measured."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import (
    balanced_accuracy_score,
    f1_score,
    log_loss,
    make_scorer,
    r2_score,
    roc_auc_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_validate,
)

from skmm import FusionClassifier, FusionRegressor, ModalityDict
from skmm.metrics import (
    masked_scorer,
)

RNG = np.random.default_rng(0)
X = ModalityDict({name: RNG.normal(size=(90, 3)) for name in "ab"})
VALUES = np.c_[X["a"][:, 0], X["b"][:, 0], X["a"][:, 1]] + RNG.normal(size=(90, 3))
HOLES = RNG.random((90, 3)) < 0.4
LABELS = np.where(HOLES, np.nan, VALUES > 0)
WEIGHT = RNG.random(90)
quick = {"max_epochs": 3, "random_state": 0}
CLASSIFIER = FusionClassifier(**quick).fit(X, LABELS)
REGRESSOR = FusionRegressor(**quick).fit(X, np.where(HOLES, np.nan, VALUES))


def measured(k):
    return np.flatnonzero(~HOLES[:, k])


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    ("metric", "sign", "function", "method"),
    [
        ("roc_auc", 1, roc_auc_score, "predict_proba"),
        ("neg_log_loss", -1, log_loss, "predict_proba"),
        ("f1", 1, f1_score, "predict"),
        (make_scorer(balanced_accuracy_score), 1, balanced_accuracy_score, "predict"),
    ],
)
def test_each_output_is_scored_where_it_is_measured(
    metric, sign, function, method, weight
):
    found = getattr(CLASSIFIER, method)(X)
    own = [None if weight is None else weight[measured(k)] for k in range(3)]
    expected = [
        sign * function(LABELS[r, k], found[r, k], sample_weight=own[k])
        for k, r in enumerate(map(measured, range(3)))
    ]
    scores = masked_scorer(metric, average=None)(CLASSIFIER, X, LABELS, weight)
    np.testing.assert_allclose(scores, expected)
    mean = masked_scorer(metric)(CLASSIFIER, X, LABELS, sample_weight=weight)
    assert mean == pytest.approx(np.mean(expected))


def test_values_are_scored_where_they_are_measured():
    found = REGRESSOR.predict(X)
    pairs = [(VALUES[r, k], found[r, k]) for k, r in enumerate(map(measured, range(3)))]
    y = pd.DataFrame(np.where(HOLES, np.nan, VALUES))
    scores = masked_scorer("r2", average=None)(REGRESSOR, X, y)
    np.testing.assert_allclose(scores, [r2_score(*pair) for pair in pairs])
    assert masked_scorer("r2")(REGRESSOR, X, y) == REGRESSOR.score(X, y)


def test_outputs_that_cannot_be_scored_are_left_out():
    y = LABELS.copy()
    y[:, 1] = np.where(np.isnan(y[:, 1]), np.nan, 0)
    y[1:, 2] = np.nan
    scores = masked_scorer("roc_auc", average=None)(CLASSIFIER, X, y)
    assert np.isnan(scores).tolist() == [False, True, True]
    assert masked_scorer("roc_auc")(CLASSIFIER, X, y) == scores[0]
    with pytest.warns(UndefinedMetricWarning, match="no output can be scored"):
        assert np.isnan(masked_scorer("roc_auc")(CLASSIFIER, X, y * 0))


def test_multilabel_models_of_scikit_learn_are_scored():
    forest = RandomForestClassifier(20, random_state=0).fit(X["a"], VALUES > 0)
    proba = np.stack([p[:, 1] for p in forest.predict_proba(X["a"])], axis=1)
    r = measured(0)
    scores = masked_scorer("roc_auc", average=None)(forest, X["a"], LABELS)
    assert scores[0] == pytest.approx(roc_auc_score(LABELS[r, 0], proba[r, 0]))


def test_masked_scorer_in_cross_validation_and_search():
    model, cv = FusionClassifier(**quick), KFold(3)
    scoring = {"auc": masked_scorer("roc_auc"), "f1": masked_scorer("f1")}
    found = cross_validate(model, X, LABELS, cv=cv, scoring=scoring, n_jobs=2)
    assert np.isfinite(found["test_auc"]).all() and np.isfinite(found["test_f1"]).all()
    search = GridSearchCV(model, {"lr": [1e-3, 1e-2]}, cv=cv, scoring=scoring["auc"])
    assert search.fit(X, LABELS).best_score_ > 0.3


def test_masked_scorer_names_what_is_wrong():
    with pytest.raises(ValueError, match="average"):
        masked_scorer("roc_auc", average="micro")
    with pytest.raises(ValueError, match="roc-auc"):
        masked_scorer("roc-auc")
    with pytest.raises(TypeError, match="metric"):
        masked_scorer(3)
    with pytest.raises(ValueError, match=r"y of shape \(n_samples, n_outputs\)"):
        masked_scorer()(CLASSIFIER, X, LABELS[:, 0])
    with pytest.raises(ValueError, match=r"shape \(90, 3\) like the predictions"):
        masked_scorer()(CLASSIFIER, X, LABELS[:, :2])
