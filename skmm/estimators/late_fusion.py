"""Late fusion: one model per modality, joined after they predict."""

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_array, check_is_fitted

from skmm.base.targets import read_labels
from skmm.data import leaves
from skmm.estimators._late import LateFusion
from skmm.estimators.fusion import FusionClassifier, FusionRegressor


class LateFusionClassifier(ClassifierMixin, LateFusion):
    """Average the class probabilities of one model per modality.

    Parameters
    ----------
    estimators : dict of str to classifier, classifier or None, default=None
        One per modality, or one to be cloned for each; what is not given is a
        ``FusionClassifier()``. A scikit-learn classifier gets the modality's array;
        one with a parameter `modalities` gets a ModalityDict, and is restricted to its
        modality: what it has for others, as in `encoders` or `stages`, is ignored.
    rule : {"mean"}, default="mean"
        How answers are joined: the mean over the modalities that a row has.
    modalities : list of str or None, default=None
        Use only these; estimators of others are ignored.
    random_state : int, RandomState or None, default=None
        Of the models that are not given.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    estimators_ : dict of str to fitted classifier
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        As for ``FusionClassifier``.

    See Also
    --------
    FusionClassifier : one net on all modalities.

    Notes
    -----
    A row in which every modality is missing gets the class shares of the training
    rows. "Fuse" of Table 2 in Liu et al., "Learn to Combine Modalities in Multimodal
    Deep Learning", 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skmm import LateFusionClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = {"a": rng.normal(size=(60, 3)), "b": rng.normal(size=(60, 5))}
    >>> y = X["a"][:, 0] > 0
    >>> LateFusionClassifier(LogisticRegression()).fit(X, y).predict_proba(X).shape
    (60, 2)
    """

    def _default(self):
        return FusionClassifier(random_state=self.random_state)

    def _check_member(self, member, name):
        if not hasattr(member, "predict_proba"):
            kind = type(member).__name__
            raise TypeError(
                f"modality {name!r}: {kind} has no predict_proba, whose mean "
                f"{type(self).__name__} takes. Use a classifier that has it, or "
                f"CalibratedClassifierCV({kind}()) if it is a classifier."
            )

    def _read_target(self, y):
        y = column_or_1d(read_labels(y))
        self.classes_, counts = np.unique(y, return_counts=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes; y has only one "
                f"class, {self.classes_.tolist()[0]!r}."
            )
        self._prior_ = counts / counts.sum()
        return y

    def predict_proba(self, X):
        """Mean probabilities of the classes.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n, n_classes)
        """
        check_is_fitted(self, "estimators_")
        return self._mean(X, self._ask, len(self.classes_))

    def _ask(self, member, view):
        """Probabilities in the order of `classes_`; a class it never saw gets none."""
        proba = np.zeros((leaves.n_rows(view), len(self.classes_)))
        proba[:, np.searchsorted(self.classes_, member.classes_)] = (
            member.predict_proba(view)
        )
        return proba

    def predict(self, X):
        """Most probable class.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n,)
        """
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]


class LateFusionRegressor(RegressorMixin, LateFusion):
    """Average the predictions of one model per modality.

    Parameters
    ----------
    estimators : dict of str to regressor, regressor or None, default=None
        One per modality, or one to be cloned for each; what is not given is a
        ``FusionRegressor()``. A scikit-learn regressor gets the
        modality's array; one with a parameter `modalities` gets a ModalityDict, and is
        restricted to its modality.
    rule : {"mean"}, default="mean"
        How answers are joined: the mean over the modalities that a row has.
    modalities : list of str or None, default=None
        Use only these; estimators of others are ignored.
    random_state : int, RandomState or None, default=None
        Of the models that are not given.

    Attributes
    ----------
    estimators_ : dict of str to fitted regressor
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        As for ``FusionRegressor``.

    See Also
    --------
    FusionRegressor : one net on all modalities.

    Notes
    -----
    A row in which every modality is missing gets the mean of the training targets.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from skmm import LateFusionRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = {"a": rng.normal(size=(60, 3)), "b": rng.normal(size=(60, 5))}
    >>> y = X["a"][:, 0]
    >>> LateFusionRegressor({"a": Ridge(), "b": Ridge()}).fit(X, y).predict(X).shape
    (60,)
    """

    def _default(self):
        return FusionRegressor(random_state=self.random_state)

    def _read_target(self, y):
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        self._prior_ = np.atleast_1d(y.mean(axis=0))
        self._flat = y.ndim == 1
        return y

    def predict(self, X):
        """Mean of the predicted values.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n,) or (n, k), as y was
        """
        check_is_fitted(self, "estimators_")
        values = self._mean(X, self._ask, len(self._prior_))
        return values[:, 0] if self._flat else values

    def _ask(self, member, view):
        values = np.asarray(member.predict(view), dtype=np.float64)
        return values.reshape(len(values), -1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
