"""Small estimators that concatenate the numeric modalities."""

from itertools import pairwise

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from skmm.data import check_modalities


def concatenate(X):
    """All two-dimensional numeric leaves side by side, zero where missing."""
    leaves = {n: v.toarray() if sparse.issparse(v) else v for n, v in X.items()}
    tables = {n: v for n, v in leaves.items() if v.ndim == 2}
    parts = [np.where(X.present[n][:, None], v, 0.0) for n, v in tables.items()]
    return np.hstack([np.empty((len(X), 0)), *parts])


class TakesSparse(BaseEstimator):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class AutoConcat(ClassifierMixin, TakesSparse):
    """Logistic regression on the concatenated numeric modalities."""

    def __init__(self, C=1.0):
        self.C = C

    def fit(self, X, y, sample_weight=None):
        X = check_modalities(X, self)
        table = concatenate(X)
        if not table.shape[1]:  # no numeric modality was selected
            table = np.zeros((len(X), 1))
        self.model_ = LogisticRegression(C=self.C).fit(table, y, sample_weight)
        self.classes_ = self.model_.classes_
        return self

    def _table(self, X):
        check_is_fitted(self)
        table = concatenate(check_modalities(X, self, reset=False))
        return table if table.shape[1] else np.zeros((len(table), 1))

    def predict(self, X):
        table = self._table(X)
        return self.model_.predict(table)

    def predict_proba(self, X):
        table = self._table(X)
        return self.model_.predict_proba(table)

    def importances(self):
        """Mean absolute coefficient of each modality, zero for text."""
        shapes = [self.shapes_in_[name] for name in self.modalities_in_]
        edges = np.cumsum([0, *(shape[0] if shape else 0 for shape in shapes)])
        weights = np.abs(self.model_.coef_).mean(axis=0)
        pairs = pairwise(edges)
        return np.array([weights[i:j].mean() if j > i else 0.0 for i, j in pairs])


class Concatenate(TransformerMixin, TakesSparse):
    """The same concatenation as a transformer."""

    def fit(self, X, y=None):
        check_modalities(X, self)
        return self

    def transform(self, X):
        return concatenate(check_modalities(X, self, reset=False))
