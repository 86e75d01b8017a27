"""Classifier and regressor mixins for estimators of one net."""

from functools import wraps

from sklearn.base import ClassifierMixin, RegressorMixin

from skmm.data.labels import check_row_labels
from skmm.data.validation import plain_target, with_target
from skmm.targets import ClassTarget, ValueTarget


def joined_by_row(score):
    """Decorator of a method ``score`` that rejects y with other row labels than X.

    y may be None if X is a torch Dataset with targets.
    """

    @wraps(score)
    def wrapper(self, X, y=None, sample_weight=None):
        X, y = with_target(X) if y is None else (X, y)
        check_row_labels(X, y=y, sample_weight=sample_weight)
        return score(self, X, plain_target(y), sample_weight)

    return wrapper


class NetClassifierMixin(ClassifierMixin):
    """Mixin for classifiers whose net returns logits."""

    _target_class = ClassTarget
    score = joined_by_row(ClassifierMixin.score)

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
