import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.dummy import DummyClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.tree import DecisionTreeClassifier

from skmm.metrics import classification_error_rate, classification_error_rate_scorer

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
