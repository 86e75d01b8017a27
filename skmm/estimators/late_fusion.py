"""Late fusion: one model per modality, joined after they predict."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_array, check_is_fitted

from skmm._params import NestedParams
from skmm._sklearn import HasMethods, StrOptions, VisualBlock
from skmm._views import as_table, naming
from skmm.base import takes_modalities
from skmm.base.saving import MembersSaving
from skmm.base.targets import read_labels, require_target
from skmm.base.weights import checked_weight
from skmm.data import check_modalities, leaves
from skmm.data.names import parts_in_use
from skmm.estimators.fusion import FusionClassifier, FusionRegressor


class _LateFusion(MembersSaving, NestedParams, BaseEstimator):
    """What the classifier and the regressor share: fitting and asking the members."""

    _nested = ("estimators",)

    _parameter_constraints = {
        "estimators": [dict, HasMethods(["fit", "predict"]), None],
        "rule": [StrOptions({"mean"})],
        "modalities": [list, tuple, np.ndarray, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self, estimators=None, *, rule="mean", modalities=None, random_state=None
    ):
        self.estimators = estimators
        self.rule = rule
        self.modalities = modalities
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        """Fit one model per modality, on the rows in which it is present.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional
            Passed to the models.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If names or shapes do not fit, or a model refuses its modality.
        """
        self._validate_params()
        X = check_modalities(X, self, modalities=self.modalities, finite=False)
        require_target(self, y, len(X))
        y = self._read_target(y)
        if sample_weight is not None:
            sample_weight = checked_weight(len(X), sample_weight)
        self.estimators_ = {
            name: self._fit_member(member, name, X, y, sample_weight)
            for name, member in self._members().items()
        }
        return self

    def _members(self):
        """One unfitted model per modality."""
        given = self.estimators
        if isinstance(given, dict):
            given = parts_in_use(given, self, "estimators")
        else:
            given = dict.fromkeys(self.modalities_in_, given)
        members = {name: given.get(name) for name in self.modalities_in_}
        return {
            n: clone(self._default() if m is None else m) for n, m in members.items()
        }

    def _fit_member(self, member, name, X, y, sample_weight):
        rows = np.flatnonzero(X.present[name])
        if len(rows) == 0:
            raise ValueError(
                f"modality {name!r} is missing in every row: leave it out."
            )
        weight = {} if sample_weight is None else {"sample_weight": sample_weight[rows]}
        with naming(name):
            return member.fit(_view(member, name, X, rows), y[rows], **weight)

    def _mean(self, X, ask, width):
        """Average over a row's modalities of ``ask(member, view)``, (rows, width)."""
        check_is_fitted(self, "estimators_")
        X = check_modalities(X, self, reset=False, finite=False)
        total, votes = np.zeros((len(X), width)), np.zeros((len(X), 1))
        for name, member in self.estimators_.items():
            rows = np.flatnonzero(X.present[name])
            if len(rows):
                with naming(name):
                    total[rows] += ask(member, _view(member, name, X, rows))
                votes[rows] += 1
        return np.where(votes > 0, total / np.maximum(votes, 1), self._prior_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags

    def _sk_visual_block_(self):
        if not isinstance(self.estimators, dict):
            return VisualBlock("single", self, names=str(self))
        parts = self.estimators
        return VisualBlock("parallel", list(parts.values()), names=list(parts))


def _view(member, name, X, rows):
    """What a model gets: its modality's array, or a container if it takes those."""
    if takes_modalities(member):
        return X.select([name])[rows]
    return leaves.take(as_table(X[name]), rows)


class LateFusionClassifier(ClassifierMixin, _LateFusion):
    """Average the class probabilities of one model per modality.

    Parameters
    ----------
    estimators : dict of str to classifier, classifier or None, default=None
        One per modality, or one to be cloned for each; what is not given is a
        ``FusionClassifier()``. A scikit-learn classifier gets the modality's array;
        one with a parameter `modalities` gets a ModalityDict.
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


class LateFusionRegressor(RegressorMixin, _LateFusion):
    """Average the predictions of one model per modality.

    Parameters
    ----------
    estimators : dict of str to regressor, regressor or None, default=None
        One per modality, or one to be cloned for each; what is not given is a
        ``FusionRegressor()``. A scikit-learn regressor gets the
        modality's array; one with a parameter `modalities` gets a ModalityDict.
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
