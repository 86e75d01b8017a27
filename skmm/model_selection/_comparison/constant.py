"""The best constant prediction, from which gains of single modalities are measured."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor

from skmm.data.masked_target import by_output, measured_entries


def best_constant(estimator, X, y, measure):
    """Return an unfitted model that predicts the best constant for a measure.

    Of regressors, that is the mean or the median, whichever is better for the whole of
    y: the mean for squared errors, the median for absolute errors.

    Parameters
    ----------
    estimator : estimator
    X : ModalityDict
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    measure : Measure
    """
    if is_classifier(estimator):
        return LabelShares() if y.ndim > 1 else DummyClassifier()
    masked = measured_entries(y) is not None
    kinds = [OutputConstant, DummyRegressor]
    models = [kinds[not masked](strategy=name) for name in ("mean", "median")]
    scores = [_score(model.fit(X, y), X, y, measure) for model in models]
    return models[int(scores[1] > scores[0])]


def _score(model, X, y, measure):
    if measure.losses is not None:
        return -float(np.mean(measure.losses(model, X, y)))
    return float(measure.score(model, X, y))


class OutputConstant(RegressorMixin, BaseEstimator):
    """Predict the mean or the median of each output where it is measured."""

    def __init__(self, strategy="mean"):
        self.strategy = strategy

    def fit(self, X, y):
        """Find the constants."""
        of = {"mean": np.mean, "median": np.median}[self.strategy]
        found = by_output(y.astype(np.float64), y)
        self.constant_ = np.array([of(true) for true, _, _ in found])
        return self

    def predict(self, X):
        """Return the constants for every sample."""
        return np.tile(self.constant_, (len(X), 1))


class LabelShares(ClassifierMixin, BaseEstimator):
    """Predict the share of each label where it is measured."""

    def fit(self, X, y):
        """Find the shares."""
        self.classes_ = np.arange(y.shape[1])
        self.shares_ = OutputConstant().fit(X, y)
        return self

    def predict_proba(self, X):
        """Return the shares for every sample."""
        return self.shares_.predict(X)

    def predict(self, X):
        """Return 1 for the labels of most samples, else 0."""
        return (self.predict_proba(X) > 0.5).astype(int)
