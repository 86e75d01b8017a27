"""Classifier and regressor mixins for estimators of one net."""

from functools import wraps

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, is_classifier
from sklearn.metrics import r2_score

from skmm._params import known_arguments
from skmm.data.finite import by_output, measured_entries
from skmm.data.labels import check_row_labels
from skmm.data.validation import plain_target, with_target
from skmm.targets import ClassTarget, ValueTarget


def joined_by_row(score):
    """Decorator of a method ``score`` that rejects y with other row labels than X.

    y may be None if X is a torch Dataset with targets.
    Entries of y that are NaN, of several outputs, are left out.
    """

    @wraps(score)
    def wrapper(self, X, y=None, sample_weight=None):
        X, y = with_target(X) if y is None else (X, y)
        check_row_labels(X, y=y, sample_weight=sample_weight)
        y = plain_target(y)
        masked = isinstance(y, np.ndarray) and measured_entries(y) is not None
        if not masked or y.shape[1] == 1:
            return score(self, X, y, sample_weight)
        if np.isnan(y).all():
            raise ValueError(
                f"y has no measured value in {len(y)} samples, so that there is no "
                "score; use samples with measured outputs."
            )
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight)
        mean = masked_accuracy if is_classifier(self) else masked_r2
        return mean(y, self.predict(X), sample_weight)

    return wrapper


def masked_accuracy(y, predicted, weight=None):
    """Share of the samples of which all measured labels are right.

    Samples without a measured label are left out.

    Parameters
    ----------
    y, predicted : ndarray of shape (n_samples, n_labels)
        Labels that are not measured are NaN in y.
    weight : ndarray of shape (n_samples,), optional
    """
    measured = ~np.isnan(y)
    some = measured.any(axis=1)
    right = ((predicted == y) | ~measured).all(axis=1)[some]
    return float(np.average(right, weights=None if weight is None else weight[some]))


def masked_r2(y, predicted, weight=None):
    """Mean R² of the outputs, each over the samples in which it is measured.

    Outputs that are measured in fewer than two samples are left out; NaN if all are.

    Parameters
    ----------
    y, predicted : ndarray of shape (n_samples, n_outputs)
        Entries that are not measured are NaN in y.
    weight : ndarray of shape (n_samples,), optional
    """
    found = [
        r2_score(true, values, sample_weight=own)
        for true, values, own in by_output(y, predicted, weight)
        if len(true) > 1
    ]
    return float(np.mean(found)) if found else float("nan")


class NetClassifierMixin(ClassifierMixin):
    """Mixin for classifiers whose net returns logits."""

    _target_class = ClassTarget
    score = joined_by_row(ClassifierMixin.score)

    @known_arguments
    def partial_fit(self, X, y=None, classes=None, sample_weight=None):
        """Train for one epoch, starting from the current weights, if any.

        Parameters
        ----------
        X, y
            See `fit`.
        classes : array-like, optional
            All classes. Only needed at the first call, if some are missing from y.
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        self
        """
        return self._fit_one_epoch(X, y, sample_weight, classes)

    def predict_proba(self, X):
        """Predict class probabilities.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
            A modality that was missing from some training samples may be missing.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns are in the order of `classes_`; one probability per label for
            multilabel targets.
        """
        outputs = self._outputs(X)
        return self._target.proba(outputs)

    def decision_function(self, X):
        """Predict logits, or their difference for two classes.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes, the logit of the second minus that of the first.
        """
        outputs = self._outputs(X)
        return self._target.decision(outputs)

    def predict(self, X):
        """Predict the most probable class, or a multilabel indicator matrix.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        outputs = self._outputs(X)
        return self._target.decode(outputs)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class NetRegressorMixin(RegressorMixin):
    """Mixin for regressors whose net returns standardised values."""

    _target_class = ValueTarget
    score = joined_by_row(RegressorMixin.score)

    @known_arguments
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train for one epoch, starting from the current weights, if any.

        y is standardised by the mean and standard deviation of the first call.

        Parameters
        ----------
        X, y, sample_weight
            See `fit`.

        Returns
        -------
        self
        """
        return self._fit_one_epoch(X, y, sample_weight)

    def predict(self, X):
        """Predict values in the units of y.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
            A modality that was missing from some training samples may be missing.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs), like y
        """
        outputs = self._outputs(X)
        return self._target.decode(outputs)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
