import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.dummy import DummyClassifier
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
    cross_val_score,
    cross_validate,
)
from sklearn.tree import DecisionTreeClassifier

from skmm import FusionClassifier, FusionRegressor, ModalityDict
from skmm.metrics import (
    classification_error_rate,
    classification_error_rate_scorer,
    masked_scorer,
)

#         TN 90,                 FP 10,        TP 30,       FN 20
Y_TRUE = ["NRB"] * 100 + ["RB"] * 50
Y_PRED = ["NRB"] * 90 + ["RB"] * 10 + ["RB"] * 30 + ["NRB"] * 20


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, pd.Categorical])
def test_confusion_matrix_by_hand(kind):
    rate = classification_error_rate(kind(Y_TRUE), kind(Y_PRED))
    assert type(rate) is float
    assert rate == pytest.approx(1 - (0.9 + 0.6) / 2)  # 0.25


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_constant_prediction(n_classes):
    y = np.repeat(np.arange(n_classes), np.arange(1, n_classes + 1))
    rate = classification_error_rate(y, np.zeros_like(y))
    assert rate == pytest.approx(1 - 1 / n_classes)


def test_right_and_wrong():
    y = np.array([0, 1, 1])
    assert classification_error_rate(y, y) == 0
    assert classification_error_rate(y, 1 - y) == 1


def test_repeating_one_class_changes_nothing():
    again = slice(100, None)  # the RB rows
    rate = classification_error_rate(Y_TRUE + Y_TRUE[again], Y_PRED + Y_PRED[again])
    assert rate == pytest.approx(0.25)


def test_weights_are_repetitions():
    weight = np.random.default_rng(0).integers(1, 4, size=len(Y_TRUE))
    repeated = [np.repeat(y, weight) for y in (Y_TRUE, Y_PRED)]
    weighted = classification_error_rate(Y_TRUE, Y_PRED, sample_weight=weight)
    assert weighted == pytest.approx(classification_error_rate(*repeated))
    assert abs(weighted - 0.25) > 1e-3


def test_a_class_without_weight_is_left_out():
    weight = [0.0] * 100 + [1.0] * 50
    rate = classification_error_rate(Y_TRUE, Y_PRED, sample_weight=weight)
    assert rate == pytest.approx(20 / 50)


def test_an_unseen_prediction_is_wrong_and_does_not_warn():
    assert classification_error_rate(["a", "a"], ["a", "b"]) == 0.5
    assert classification_error_rate(["a", "b"], ["a", "c"]) == 0.5
    assert classification_error_rate(["a", "a"], ["a", "a"]) == 0


@given(arrays(int, 20, elements=st.integers(0, 3)), arrays(int, 20))
def test_is_one_minus_balanced_accuracy(y_true, noise):
    y_pred = y_true[np.abs(noise) % len(y_true)]  # no unseen labels: no warning
    if len(np.unique(y_true)) > 1:
        expected = 1 - balanced_accuracy_score(y_true, y_pred)
        assert classification_error_rate(y_true, y_pred) == pytest.approx(expected)


@pytest.mark.parametrize(
    "y_true, y_pred, message",
    [
        ([0, 1, 1], [0, 1], "inconsistent numbers"),
        ([0.5, 0.1], [0, 1], "continuous"),
        ([0, 1], [0.3, 0.2], "continuous"),
        ([[0, 1], [1, 0]], [[0, 1], [1, 0]], "1d array"),
        ([], [], "empty"),
    ],
)
def test_invalid_labels(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        classification_error_rate(y_true, y_pred)


def test_scorer_is_negative_and_selects_the_better_model():
    X, y = np.zeros((12, 1)), np.array([0] * 9 + [1] * 3)
    model = DummyClassifier(strategy="most_frequent")
    scores = cross_val_score(
        model, X, y, cv=3, scoring=classification_error_rate_scorer
    )
    assert scores.tolist() == [-0.5] * 3
    X[:, 0] = y
    search = GridSearchCV(
        DecisionTreeClassifier(random_state=0),
        {"min_samples_leaf": [12, 1]},
        scoring=classification_error_rate_scorer,
        cv=3,
    ).fit(X, y)
    assert search.best_params_ == {"min_samples_leaf": 1}
    assert search.best_score_ == 0


# -- several outputs, of which some entries are not measured -----------------------

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
