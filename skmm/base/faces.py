"""The two faces of a net: classes and their probabilities, or values."""

from sklearn.base import ClassifierMixin, RegressorMixin

from skmm.base.targets import ClassTarget, ValueTarget


class ClassifierFace(ClassifierMixin):
    """Predictions of an estimator whose outputs are logits."""

    def _learn_target(self, y, weight=None, classes=None):
        target = ClassTarget.learn(y, classes)
        if target.n_outputs < 2 and not target.multilabel:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes; y has only one "
                f"class, {target.classes_.tolist()[0]!r}."
            )
        self.classes_ = target.classes_
        return target

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch, from the present weights if there are any.

        Parameters
        ----------
        X, y
            As for `fit`.
        classes : array-like, optional
            All classes, at the first call, where y does not have them all.
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        self
        """
        return self._fit_one_epoch(X, y, sample_weight, classes)

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows
            A modality may be missing in some rows, or, if it was so at fit, at all.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Columns as `classes_`; for multilabel targets one probability per label.
        """
        outputs = self._outputs(X)
        return self._target.proba(outputs)

    def decision_function(self, X):
        """Logits; for two classes the second minus the first.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n,) for two classes, else (n, n_classes)
        """
        outputs = self._outputs(X)
        return self._target.decision(outputs)

    def predict(self, X):
        """Most probable class, or for multilabel targets zeros and ones.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n,) or (n, n_labels)
        """
        outputs = self._outputs(X)
        return self._target.decode(outputs)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class RegressorFace(RegressorMixin):
    """Predictions of an estimator whose outputs are standardised values."""

    def _learn_target(self, y, weight=None, classes=None):
        return ValueTarget.learn(y, weight)

    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch, from the present weights if there are any.

        Location and scale of y are those of the first call.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        self
        """
        return self._fit_one_epoch(X, y, sample_weight)

    def predict(self, X):
        """Values in the units of y.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows
            A modality may be missing in some rows, or, if it was so at fit, at all.

        Returns
        -------
        ndarray of shape (n,) or (n, k), as y was
        """
        outputs = self._outputs(X)
        return self._target.decode(outputs)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
