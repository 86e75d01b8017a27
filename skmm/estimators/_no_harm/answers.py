"""Targets and predictions of the two no-harm estimators."""

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import check_array, column_or_1d

from skmm.estimators._no_harm.faces import ClassFace, ValueFace
from skmm.targets.classes import read_labels


class ClassAnswers(ClassifierMixin):
    """Classes and their probabilities."""

    def _face(self):
        return ClassFace(self)

    def _read_target(self, y):
        return column_or_1d(read_labels(y))

    def _learn_classes(self, y):
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes; y has only one "
                f"class, {self.classes_.tolist()[0]!r}."
            )

    def _largest_weight(self):
        return 1.0 if self.max_harm is None else float(-np.expm1(-self.max_harm))

    def _worst_loss(self, grid):
        """Most that a mixture of each weight can add to the log-loss of a row."""
        return -np.log1p(-grid)

    def _check_bound(self, losses):
        """Log-loss needs no bound."""

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n, n_classes)
        """
        return self._answer(X)

    def predict(self, X):
        """Most probable class.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n,)
        """
        best = self._answer(X).argmax(axis=1)
        return self.classes_[best]

    def candidate_predict_proba(self, X):
        """Probabilities by each modality's nets alone, and by the fused ones.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        dict of str to ndarray of shape (n, n_classes)
            The shares of the classes in rows that lack the modality.
        """
        return self._checked_candidates(X)


class ValueAnswers(RegressorMixin):
    """Values."""

    def _face(self):
        return ValueFace(self)

    def _read_target(self, y):
        needs = self.guarantee == "holdout" or self.max_harm is not None
        if self.loss_bound is not None and not needs:
            raise ValueError(
                f"loss_bound={self.loss_bound:g} has no meaning without max_harm or "
                "guarantee='holdout'."
            )
        if needs and self.loss_bound is None:
            raise ValueError(
                "squared error has no bound: guarantee='holdout' and max_harm need "
                "loss_bound=, the largest squared error that a row can have."
            )
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        self._flat = y.ndim == 1
        return y

    def _learn_classes(self, y):
        """Values have none."""

    def _largest_weight(self):
        return (
            1.0 if self.max_harm is None else min(1.0, self.max_harm / self.loss_bound)
        )

    def _worst_loss(self, grid):
        """Most that a mixture of each weight can add to the squared error of a row."""
        return grid * self.loss_bound

    def _check_bound(self, losses):
        """Refuse a bound that some row exceeds."""
        largest = max(float(rows.max()) for rows in losses)
        if self.loss_bound is not None and largest > self.loss_bound:
            raise ValueError(
                f"loss_bound={self.loss_bound:g} is no bound: a row that was held out "
                f"has a squared error of {largest:g}."
            )

    def predict(self, X):
        """Values in the units of y.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n,) or (n, k), as y was
        """
        values = self._answer(X)
        return values[:, 0] if self._flat else values

    def candidate_predict(self, X):
        """Values by each modality's nets alone, and by the fused ones.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        dict of str to ndarray of shape (n, k)
            The mean of y in rows that lack the modality.
        """
        return self._checked_candidates(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
