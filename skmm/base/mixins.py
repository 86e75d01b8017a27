"""Mixins for estimators that hold one net: classes, or values."""

from sklearn.base import ClassifierMixin, RegressorMixin

from skmm.targets import ClassTarget, ValueTarget


class NetClassifierMixin(ClassifierMixin):
    """Predictions of an estimator whose net returns logits."""

    _target_class = ClassTarget

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch, starting from the current weights, if any.

        Parameters
        ----------
        X, y
            See `fit`.
        classes : array-like, optional
            All classes, at the first call, if some may be missing from y.
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        self
        """
        return self._fit_one_epoch(X, y, sample_weight, classes)

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
            A modality that was missing from some training samples may be missing.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`; for multilabel targets one probability
            per label.
        """
        return self._target.proba(self._outputs(X))

    def decision_function(self, X):
        """Logits; for two classes the second minus the first.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples,) for two classes, else (n_samples, n_classes)
        """
        return self._target.decision(self._outputs(X))

    def predict(self, X):
        """Most probable class, or for multilabel targets zeros and ones.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        return self._target.decode(self._outputs(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class NetRegressorMixin(RegressorMixin):
    """Predictions of an estimator whose net returns standardised values."""

    _target_class = ValueTarget

    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch, starting from the current weights, if any.

        Location and scale of y are those of the first call.

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
        """Values in the units of y.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
            A modality that was missing from some training samples may be missing.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs), like y
        """
        return self._target.decode(self._outputs(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
