"""Late fusion: one model per modality, joined after they predict."""

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.utils import check_array, column_or_1d

from skmm._sklearn import StrOptions
from skmm.data import leaves
from skmm.estimators._late.base import LateFusion
from skmm.estimators._late.rules import CLASS_RULES, VALUE_RULES, mean, untie
from skmm.estimators.fusion import FusionClassifier, FusionRegressor
from skmm.targets.classes import read_labels


class LateFusionClassifier(ClassifierMixin, LateFusion):
    r"""Join the class probabilities of one model per modality.

    Parameters
    ----------
    estimators : dict of str to classifier, classifier or None, default=None
        One per modality, or one to be cloned for each; what is not given is a
        ``FusionClassifier()``. A scikit-learn classifier gets the modality's array;
        one with a parameter `modalities` gets a ModalityDict, and is restricted to its
        modality: what it has for others, as in `encoders` or `stages`, is ignored.
    rule : str, default="mean"
        How the answers :math:`p_m` of the modalities that a row has are joined.

        - "mean": the mean probability.
        - "logit": the mean of :math:`\log p_m`, back as probabilities: their geometric
          mean. For two classes this is the mean of the logits. Confidence does not
          grow with the number of models that agree.
        - "product": :math:`\prod_m p_m / \pi^{P - 1}` with the class shares :math:`\pi`
          of the training rows and the number P of modalities: Bayes' rule for
          modalities that are independent given the class. Confidence grows with every
          model that agrees. Where the shares are equal, the best class is that of
          "logit".
        - "max": the largest probability that any model gives.
        - "vote": the share of models whose first choice a class is; `predict` decides
          between equal shares by the mean probability.
        - "stack": `final_estimator`, on the probabilities.
    weights : dict of str to float or None, default=None
        Weights of the modalities, for the rules "mean", "logit" and "vote"; what is not
        named has 1.
    final_estimator : classifier or None, default=None
        For "stack": learns on out-of-fold probabilities, one column per class and
        modality, or one per modality for two classes. None is ``LogisticRegression()``.
    cv : int, splitter or iterable of (train, test), default=5
        For "stack": the folds. A number stratifies, and is lowered to the number of
        rows of the largest class; it keeps the `groups` that `fit` gets together. A
        splitter that separates rows of one group is refused.
    modalities : list of str or None, default=None
        Use only these; estimators of others are ignored.
    random_state : int, RandomState or None, default=None
        Of the models that are not given.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    estimators_ : dict of str to fitted classifier
    final_estimator_ : fitted classifier
        With "stack".
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        As for ``FusionClassifier``.

    See Also
    --------
    FusionClassifier : one net on all modalities.

    Notes
    -----
    A row in which every modality is missing gets the class shares of the training
    rows, weighted by `sample_weight`. When stacking, the mean of the others stands for
    a missing answer, so that they count for it too; rows that got no out-of-fold answer
    teach the final model nothing.

    All rules are normalised over the classes. Under "logit" and "product", one model
    that is sure to be right outvotes all others, as a forest with probabilities of 0
    and 1 always is: calibrate it first.

    References
    ----------
    "mean" is "Fuse" of Table 2 in Liu et al., "Learn to Combine Modalities in
    Multimodal Deep Learning", 2018. "mean" and "product" are the sum and the product
    rule of Kittler et al., "On Combining Classifiers", 1998, sections 2 and 3; "stack"
    is Wolpert, "Stacked Generalization", 1992.

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

    _rules = CLASS_RULES
    _parameter_constraints = {
        **LateFusion._parameter_constraints,
        "rule": [StrOptions({*CLASS_RULES, "stack"})],
    }

    def _default(self):
        return FusionClassifier(random_state=self.random_state)

    def _default_final(self):
        return LogisticRegression()

    def _check_member(self, member, where):
        if not hasattr(member, "predict_proba"):
            kind = type(member).__name__
            raise TypeError(
                f"{where}: {kind} has no predict_proba, which {type(self).__name__} "
                "needs. Use a classifier that has it, or "
                f"CalibratedClassifierCV({kind}()) if it is a classifier."
            )

    def _read_target(self, y, weight):
        y = column_or_1d(read_labels(y))
        self.classes_, place = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes; y has only one "
                f"class, {self.classes_.tolist()[0]!r}."
            )
        counts = np.bincount(place, weight)
        self._prior_ = counts / counts.sum()
        return y

    def predict_proba(self, X):
        """Joined probabilities of the classes; for "vote", shares of the votes.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n, n_classes)
        """
        return self._join(*self._answers(X))

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
        answers, share = self._answers(X)
        scores = self._join(answers, share)
        if self._rule == "vote":
            means = mean(answers, share, self._prior_)
            some = share.any(axis=0)[:, None]
            scores = np.where(some, untie(scores, means), scores)
        return self.classes_[scores.argmax(axis=1)]


class LateFusionRegressor(RegressorMixin, LateFusion):
    """Join the predictions of one model per modality.

    Parameters
    ----------
    estimators : dict of str to regressor, regressor or None, default=None
        One per modality, or one to be cloned for each; what is not given is a
        ``FusionRegressor()``. A scikit-learn regressor gets the
        modality's array; one with a parameter `modalities` gets a ModalityDict, and is
        restricted to its modality.
    rule : {"mean", "median", "stack"}, default="mean"
        How the answers of the modalities that a row has are joined: their mean, their
        median, or `final_estimator` on them.
    weights : dict of str to float or None, default=None
        Weights of the modalities, for the rule "mean"; what is not named has 1.
    final_estimator : regressor or None, default=None
        For "stack": learns on out-of-fold predictions, one column per modality and
        target. None is ``RidgeCV()``.
    cv : int, splitter or iterable of (train, test), default=5
        For "stack": the folds; a number is lowered to the number of rows, and keeps
        the `groups` that `fit` gets together.
    modalities : list of str or None, default=None
        Use only these; estimators of others are ignored.
    random_state : int, RandomState or None, default=None
        Of the models that are not given.

    Attributes
    ----------
    estimators_ : dict of str to fitted regressor
    final_estimator_ : fitted regressor
        With "stack".
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        As for ``FusionRegressor``.

    See Also
    --------
    FusionRegressor : one net on all modalities.

    Notes
    -----
    A row in which every modality is missing gets the mean of the training targets,
    weighted by `sample_weight`. When stacking, the mean of the others stands for a
    missing answer.

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

    _rules = VALUE_RULES
    _parameter_constraints = {
        **LateFusion._parameter_constraints,
        "rule": [StrOptions({*VALUE_RULES, "stack"})],
    }

    def _default(self):
        return FusionRegressor(random_state=self.random_state)

    def _default_final(self):
        return RidgeCV()

    def _read_target(self, y, weight):
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        self._prior_ = np.atleast_1d(np.average(y, axis=0, weights=weight))
        self._flat = y.ndim == 1
        return y

    def predict(self, X):
        """Joined predicted values.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n,) or (n, k), as y was
        """
        values = self._join(*self._answers(X))
        return values[:, 0] if self._flat else values

    def _ask(self, member, view):
        values = np.asarray(member.predict(view), dtype=np.float64)
        return values.reshape(len(values), -1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
