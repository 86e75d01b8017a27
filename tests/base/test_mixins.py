import numpy as np
import pytest
from sklearn.utils import get_tags

from skmm import FusionClassifier, FusionRegressor
from tests.toys import two_tables


def test_tags():
    classifier, regressor = get_tags(FusionClassifier()), get_tags(FusionRegressor())
    assert classifier.estimator_type == "classifier"
    assert classifier.classifier_tags.multi_label
    assert regressor.estimator_type == "regressor"
    assert regressor.target_tags.multi_output
    assert classifier.input_tags.sparse and classifier.target_tags.required


def test_one_class_raises():
    X, y = two_tables()
    with pytest.raises(
        ValueError, match="at least two classes; y has only one class, 'x'"
    ):
        FusionClassifier().fit(X, np.full(len(y), "x"))


def test_predictions_are_consistent():
    X, y = two_tables(60, classes=3)
    model = FusionClassifier(max_epochs=5, random_state=0).fit(X, y)
    proba, logits = model.predict_proba(X), model.decision_function(X)
    assert proba.shape == logits.shape == (60, 3)
    np.testing.assert_array_equal(model.predict(X), model.classes_[proba.argmax(1)])
    np.testing.assert_allclose(
        np.exp(logits) / np.exp(logits).sum(1, keepdims=True), proba
    )


def test_decision_function_of_two_classes():
    X, y = two_tables()
    model = FusionClassifier(max_epochs=2, random_state=0).fit(X, y)
    decision = model.decision_function(X)
    assert decision.shape == (40,)
    np.testing.assert_array_equal(model.predict(X), (decision > 0).astype(int))
    np.testing.assert_allclose(
        1 / (1 + np.exp(-decision)), model.predict_proba(X)[:, 1]
    )
