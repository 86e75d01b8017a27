"""Late fusion: one model per modality, whose predictions are combined."""

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    RegressorMixin,
    clone,
    is_classifier,
)
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted

from skmm._params import Instance, NestedParams, unchanged_on_error
from skmm._routing import (
    VALIDATION,
    of_rows,
    router,
)
from skmm._sklearn import StrOptions
from skmm._views import naming
from skmm.base.diagram import parts_block
from skmm.base.mixins import joined_by_row
from skmm.base.search_space import with_present
from skmm.base.training_data import check_groups, combined_weight
from skmm.base.validation_split import uses_groups
from skmm.data import check_modalities, leaves
from skmm.data.validation import check_target, parts_in_use, with_target
from skmm.estimators.fusion import FusionClassifier, FusionRegressor
from skmm.estimators.late_fusion import routing, rules, stacking
from skmm.estimators.late_fusion.fitting import (
    able,
    fit_model,
    leaving_out,
    some,
)
from skmm.estimators.late_fusion.members import (
    check_rule_params,
    for_modality,
    input_of,
    possible_rules,
    probe_members,
    read_weights,
    saved_members,
    search_space_of_members,
)
from skmm.estimators.late_fusion.routing import DEFAULT, FINAL, FINAL_KEY, requesting
from skmm.persistence.saving import set_attributes
from skmm.persistence.states import savable
from skmm.targets.classes import read_classes
from skmm.targets.values import read_all_values


@savable
class BaseLateFusion(NestedParams, BaseEstimator):
    """Fit one model per modality and combine their predictions.

    A final class has the rules `_rules`, the default models `_member_class` and
    `_final_class`, `_read_target` and `_predict_member`.
    """

    _nested = ("estimators",)
    _by_modality = ("estimators",)  # dicts by name of modality
    _fitted_by = "estimators_"
    _rule_params = {  # the default, and the rules that use the parameter
        "weights": (None, ("mean", "logit", "vote")),
        "final_estimator": (None, ("stack",)),
        "cv": (5, ("stack",)),
    }
    __metadata_request__fit = {"sample_weight": UNUSED, "groups": True}  # of members

    _parameter_constraints = {
        "estimators": [dict, Instance(["fit", "predict"], "an estimator"), None],
        "weights": [dict, None],
        "final_estimator": [Instance(["fit", "predict"], "an estimator"), None],
        "cv": ["cv_object"],
        "modalities": [list, tuple, np.ndarray, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimators=None,
        *,
        rule="mean",
        weights=None,
        final_estimator=None,
        cv=5,
        modalities=None,
        random_state=None,
    ):
        self._store(locals())

    @unchanged_on_error
    def fit(
        self,
        X,
        y=None,
        sample_weight=None,
        groups=None,
        *,
        validation_data=None,
        **params,
    ):
        """Fit one model per modality, on the samples in which it is present.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
            Passed to the models; with metadata routing enabled, to those that request
            it.
        groups : array-like of shape (n_samples,), default=None
            For "stack": samples of one group stay in one fold. A splitter given as `cv`
            must keep groups together too. With any rule, groups are passed to the
            models that set samples aside; with metadata routing enabled, to those that
            request them.
        validation_data : (X, y) or (X, y, sample_weight), default=None
            Passed to the models that accept it, each with its modality.
        **params : dict
            With metadata routing enabled, passed to the models that request them.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If names or shapes do not match, a parameter is set that `rule` does not
            use, a model rejects its modality or weights, or folds separate a group.
        """
        self._validate_params()
        check_rule_params(self, self._rule_params)
        X, y = with_target(X) if y is None else (X, y)
        X = check_modalities(X, self, modalities=self.modalities, finite=False)
        y = check_target(self, y, len(X), X, sample_weight=sample_weight, **params)
        weight = combined_weight(len(X), y, sample_weight, scaled=False)
        groups = check_groups(groups, len(X), X)
        y = self._read_target(y, weight)
        self._rule, self._weights = self.rule, read_weights(self)
        members = self._members()
        given = {"sample_weight": weight, "groups": groups, VALIDATION: validation_data}
        fit_params = routing.fit_params(self, members, given, params)
        if validation_data is not None:
            routing.add_validation_data(self, members, fit_params, validation_data)
        members, final = able(members, X, y, is_classifier(self), fit_params), None
        if self.rule == "stack":
            pairs = stacking.folds(self.cv, y, is_classifier(self), groups)
            final, members = self._fit_final(X, y, members, fit_params, pairs)
        self._fit_members(X, y, members, fit_params)
        vars(self).pop("final_estimator_", None)
        if final is not None:
            self.final_estimator_ = final
        return self

    # -- models --------------------------------------------------------------------

    def _members(self):
        """One unfitted model per modality."""
        given = self.estimators
        if isinstance(given, dict):
            given = parts_in_use(given, self, "estimators")
        else:
            given = dict.fromkeys(self.modalities_in_, given)
        members = {name: given.get(name) for name in self.modalities_in_}
        return {
            name: for_modality(self._default() if part is None else part, name, self)
            for name, part in members.items()
        }

    def _default(self):
        return self._member_class(random_state=self.random_state)

    def _final(self):
        given = self.final_estimator
        return self._final_class() if given is None else clone(given)

    def _check_member(self, member, where):
        """Raise a TypeError if the model cannot predict what is combined."""

    # -- metadata routing ----------------------------------------------------------

    def _uses_groups(self):
        given = self.estimators
        parts = given.values() if isinstance(given, dict) else [given]
        return self.rule == "stack" or any(map(uses_groups, parts))

    def _key(self, name):
        """Key of the router for the model of a modality."""
        given = self.estimators if isinstance(self.estimators, dict) else {}
        given = {str(key): member for key, member in given.items()}
        return DEFAULT if given.get(str(name)) is None else f"estimators[{name!r}]"

    def get_metadata_routing(self):
        """Return the router to the models; default models request sample_weight.

        Returns
        -------
        MetadataRouter
        """
        given = self.estimators if isinstance(self.estimators, dict) else {}
        parts = {self._key(n): m for n, m in given.items() if m is not None}
        one = None if isinstance(self.estimators, dict) else self.estimators
        parts[DEFAULT] = requesting(self._default()) if one is None else one
        if self.rule == "stack":
            final = self.final_estimator
            parts[FINAL] = requesting(self._final()) if final is None else final
        made = router(self, parts)
        return made.add_self_request(self) if self.rule == "stack" else made

    # -- fitting -------------------------------------------------------------------

    def _fit_members(self, X, y, members, fit_params):
        """Fit the members; without stacking, leave out those with too few samples."""
        self.estimators_, self._text_columns = {}, []
        for name, member in members.items():
            rows = np.flatnonzero(X.present[name])
            probe = self._predict_member if len(rows) < len(X) else None
            part = input_of(member, name, X, rows)
            params = of_rows(fit_params[name], rows, len(X))
            with leaving_out(name, self.rule != "stack"), naming(name):
                model, as_column = fit_model(member, part, y[rows], params, probe)
                self.estimators_[name] = model
                self._text_columns += [name] if as_column else []
        self.modalities_seen_ = list(self.estimators_)

    def _fit_final(self, X, y, members, fit_params, pairs):
        """Fit the final model on out-of-fold predictions; also return the members."""
        found = {
            name: stacking.out_of_fold(
                self, name, member, (X, y), fit_params[name], pairs
            )
            for name, member in some(members).items()
        }
        if not any(known.any() for _, known in found.values()):
            raise ValueError(
                f"cv={self.cv!r} has no fold in which a model can be fitted and "
                "tested; use more samples, or fewer folds."
            )
        stacking.drop_unknown(found)
        predictions, known = map(np.array, zip(*found.values(), strict=True))
        rows = np.flatnonzero(known.any(axis=0))
        if is_classifier(self):
            stacking.check_classes(y[rows])
        table = self._columns(predictions, known.astype(np.float64))[rows]
        params = of_rows(fit_params[FINAL_KEY], rows, len(X))
        final = self._final().fit(table, y[rows], **params)
        return final, {name: members[name] for name in found}

    def _columns(self, predictions, weights):
        two_classes = is_classifier(self) and predictions.shape[2] == 2
        return stacking.columns(predictions, weights, two_classes)

    # -- predictions ---------------------------------------------------------------

    def _predictions(self, X):
        """Predictions of the models for each sample, and their weights.

        Of shapes (n_models, n_samples, n_outputs) and (n_models, n_samples); both
        are zero where a modality is missing.
        """
        check_is_fitted(self, "estimators_")
        X = check_modalities(X, self, reset=False, finite=False)
        found = np.zeros((len(self.estimators_), len(X), len(self._prior_)))
        weights = np.zeros(found.shape[:2])
        given = dict(zip(self.modalities_in_, self._weights, strict=True))
        columns = getattr(self, "_text_columns", ())  # not in files of earlier versions
        for i, (name, member) in enumerate(self.estimators_.items()):
            rows = np.flatnonzero(X.present[name])
            if len(rows):
                part = input_of(member, name, X, rows, name in columns)
                with naming(name):
                    found[i, rows] = self._predict_member(member, part)
                weights[i, rows] = given[name]
        return found, weights

    def _combine(self, predictions, weights):
        """One prediction per sample; the prior where all modalities are missing."""
        if self._rule == "stack":
            table = self._columns(predictions, weights)
            combined = self._predict_member(self.final_estimator_, table)
        else:
            combined = self._rules[self._rule](predictions, weights, self._prior_)
        return np.where(weights.any(axis=0)[:, None], combined, self._prior_)

    # -- searching, saving, scikit-learn -------------------------------------------

    def default_search_space(self):
        """Parameters worth searching: a dict for ``RandomizedSearchCV`` and the like.

        Returns
        -------
        dict of str to list or frozen distribution
            The rules that use every parameter that is set, such as `weights`, and the
            search spaces of the given `estimators` that are in use.

        See Also
        --------
        skmm.model_selection.ModalitySearchCV : Searches it.
        """
        space = {"rule": with_present(self.rule, possible_rules(self))}
        return space | search_space_of_members(self.estimators, self.modalities)

    def _saved(self):
        return saved_members(self)

    def _restore(self, attributes):
        return set_attributes(self, attributes)

    def _probe(self):
        return probe_members(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags

    def _sk_visual_block_(self):
        return parts_block(self, "estimators")


class LateFusionClassifier(ClassifierMixin, BaseLateFusion):
    r"""Combine the class probabilities of one model per modality.

    Parameters
    ----------
    estimators : dict of str to classifier, classifier or None, default=None
        One per modality, or one to be cloned for each; the default for each is
        ``FusionClassifier()``. A scikit-learn classifier receives the array of its
        modality. A classifier with a parameter `modalities` receives a ModalityDict and
        is restricted to its modality: settings for others, such as in `encoders` or
        `stages`, are ignored.
    rule : str, default="mean"
        How the predictions :math:`p_m` of the modalities that are present are combined.

        - "mean": the mean probability.
        - "logit": the mean of :math:`\log p_m`, converted back to probabilities, which
          is their geometric mean. For two classes it is the mean of the logits.
          Confidence does not grow with the number of models that agree.
        - "product": :math:`\prod_m p_m / \pi^{P - 1}` with the class shares :math:`\pi`
          of the training samples and the number P of modalities: Bayes' rule for
          modalities that are independent given the class. Confidence grows with every
          model that agrees. With equal shares the most probable class is that of
          "logit".
        - "max": the largest probability that any model predicts.
        - "vote": the share of models whose most probable class this is; `predict`
          breaks ties by the mean probability.
        - "stack": `final_estimator`, trained on the probabilities.
    weights : dict of str to float or None, default=None
        Weights of the modalities, for the rules "mean", "logit" and "vote"; the default
        for each is 1.
    final_estimator : classifier or None, default=None
        For "stack": trained on out-of-fold probabilities, which are of models that were
        not trained on the sample. It receives one column per class and modality, or one
        per modality for two classes. None is ``LogisticRegression()``.
    cv : int, splitter or iterable of (train, test), default=5
        For "stack": the folds. A number stratifies, is reduced to the size of the
        largest class, and keeps the `groups` of `fit` together. A splitter that
        separates samples of one group raises an error.
    modalities : list of str or None, default=None
        Names of the modalities to use; None uses all. Estimators of others are ignored.
    random_state : int, RandomState or None, default=None
        Seed of the default models.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    estimators_ : dict of str to fitted classifier
    final_estimator_ : fitted classifier
        With "stack".
    modalities_seen_ : list of str
        Modalities with a model; the others count as missing in predictions.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        See :class:`FusionClassifier`.

    See Also
    --------
    FusionClassifier : One net on all modalities.

    Notes
    -----
    Where every modality is missing, the class shares of the training samples, weighted
    by `sample_weight`, are predicted. When stacking, the mean of the other predictions
    replaces that of a missing modality, and samples without any out-of-fold prediction
    are not used to train the final model.

    All rules are normalised over the classes. With "logit" and "product", one model
    that predicts a probability of 0 or 1, such as a random forest, outweighs all
    others: calibrate it first.

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

    score = joined_by_row(ClassifierMixin.score)
    _rules = rules.CLASS_RULES
    _member_class, _final_class = FusionClassifier, LogisticRegression
    _parameter_constraints = {
        **BaseLateFusion._parameter_constraints,
        "rule": [StrOptions({*rules.CLASS_RULES, "stack"})],
    }

    def _check_member(self, member, where):
        if not hasattr(member, "predict_proba"):
            kind = type(member).__name__
            raise TypeError(
                f"{where}: {kind} has no predict_proba, which {type(self).__name__} "
                "needs. Use a classifier that has it, or "
                f"CalibratedClassifierCV({kind}()) if it is a classifier."
            )

    def _read_target(self, y, weight):
        y = read_classes(y, self)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes; y has only one "
                f"class, {self.classes_.tolist()[0]!r}."
            )
        counts = np.bincount(codes, weight)
        if np.count_nonzero(counts) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes with non-zero "
                "sample_weight; y has only one such class."
            )
        self._prior_ = counts / counts.sum()
        return y

    def predict_proba(self, X):
        """Predict class probabilities; for "vote", shares of the votes.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return self._combine(*self._predictions(X))

    def _predict_member(self, member, X):
        """Probabilities in the order of `classes_`; 0 for classes unknown to it."""
        proba = np.zeros((leaves.n_rows(X), len(self.classes_)))
        known = np.searchsorted(self.classes_, member.classes_)
        proba[:, known] = member.predict_proba(X)
        return proba

    def predict(self, X):
        """Predict the most probable class.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        predictions, weights = self._predictions(X)
        scores = self._combine(predictions, weights)
        if self._rule == "vote":
            means = rules.mean(predictions, weights, self._prior_)
            some = weights.any(axis=0)[:, None]
            scores = np.where(some, rules.break_ties(scores, means), scores)
        return self.classes_[scores.argmax(axis=1)]


class LateFusionRegressor(RegressorMixin, BaseLateFusion):
    """Combine the predictions of one model per modality.

    Parameters
    ----------
    estimators : dict of str to regressor, regressor or None, default=None
        One per modality, or one to be cloned for each; the default for each is
        ``FusionRegressor()``. A scikit-learn regressor receives the array of its
        modality. A regressor with a parameter `modalities` receives a ModalityDict and
        is restricted to its modality.
    rule : {"mean", "median", "stack"}, default="mean"
        How the predictions of the modalities that are present are combined: their mean,
        their median, or `final_estimator` trained on them.
    weights : dict of str to float or None, default=None
        Weights of the modalities, for the rule "mean"; the default for each is 1.
    final_estimator : regressor or None, default=None
        For "stack": trained on out-of-fold predictions, which are of models that were
        not trained on the sample, one column per modality and target. None is
        ``RidgeCV()``.
    cv : int, splitter or iterable of (train, test), default=5
        For "stack": the folds. A number is reduced to the number of samples, and keeps
        the `groups` of `fit` together.
    modalities : list of str or None, default=None
        Names of the modalities to use; None uses all. Estimators of others are ignored.
    random_state : int, RandomState or None, default=None
        Seed of the default models.

    Attributes
    ----------
    estimators_ : dict of str to fitted regressor
    final_estimator_ : fitted regressor
        With "stack".
    modalities_seen_ : list of str
        Modalities with a model; the others count as missing in predictions.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        See :class:`FusionRegressor`.

    See Also
    --------
    FusionRegressor : One net on all modalities.

    Notes
    -----
    Where every modality is missing, the mean of the training targets, weighted by
    `sample_weight`, is predicted. When stacking, the mean of the other predictions
    replaces that of a missing modality.

    References
    ----------
    See :class:`LateFusionClassifier`.

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

    score = joined_by_row(RegressorMixin.score)
    _rules = rules.VALUE_RULES
    _member_class, _final_class = FusionRegressor, RidgeCV
    _parameter_constraints = {
        **BaseLateFusion._parameter_constraints,
        "rule": [StrOptions({*rules.VALUE_RULES, "stack"})],
    }

    def _read_target(self, y, weight):
        y = read_all_values(y, self)
        self._prior_ = np.atleast_1d(np.average(y, axis=0, weights=weight))
        self._flat = y.ndim == 1
        return y

    def predict(self, X):
        """Predict values in the units of y.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets), the same as y
        """
        values = self._combine(*self._predictions(X))
        return values[:, 0] if self._flat else values

    def _predict_member(self, member, X):
        """Values of shape (n_samples, n_targets)."""
        values = np.asarray(member.predict(X), dtype=np.float64)
        return values.reshape(len(values), -1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
