"""What the late fusions share: fitting and asking one model per modality."""

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted

from skmm._routing import (
    check_accepts_sample_weight,
    of_rows,
    routed,
    router,
    routing_enabled,
)
from skmm._sklearn import HasMethods, VisualBlock
from skmm._views import naming
from skmm.base.training_data import row_weights
from skmm.data import check_modalities
from skmm.data.validation import check_target, parts_in_use
from skmm.estimators._late import stacking
from skmm.estimators._late.members import of_one, view
from skmm.estimators._late.parameters import (
    read_weights,
    refuse_groups,
    refuse_others,
)
from skmm.estimators._late.search_space import SearchableMembers
from skmm.persistence.saving import Fitted, MembersSaving, is_savable

DEFAULT = "estimators"  # of modalities for which none is named
FINAL = "final_estimator"
FINAL_KEY = None  # among shares by modality, which are named


class LateFusion(MembersSaving, SearchableMembers, BaseEstimator):
    """What the classifier and the regressor share: fitting and asking the members.

    A final class has the table `_rules`, `_default` and `_default_final`, the models
    where none is given, `_read_target` and `_ask`.
    """

    _nested = _by_modality = ("estimators",)
    __metadata_request__fit = {"sample_weight": UNUSED, "groups": True}  # of members

    _parameter_constraints = {
        "estimators": [dict, HasMethods(["fit", "predict"]), None],
        "weights": [dict, None],
        "final_estimator": [HasMethods(["fit", "predict"]), None],
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

    def fit(self, X, y, sample_weight=None, groups=None, **params):
        """Fit one model per modality, on the rows in which it is present.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional
            Passed to the models; with metadata routing enabled, to those that ask.
        groups : array-like of shape (n,), optional
            For "stack": rows of one group stay in one fold. A splitter given as `cv`
            must keep them together too. With metadata routing enabled, models get them
            that ask, whatever the rule.
        **params : dict
            Passed, with metadata routing enabled, to the models that ask for them.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If names or shapes do not fit, a parameter of another rule is set, or a
            model refuses its modality or weights, or folds separate a group.
        """
        self._validate_params()
        refuse_others(self)
        refuse_groups(self, groups)
        X = check_modalities(X, self, modalities=self.modalities, finite=False)
        check_target(self, y, len(X))
        weight = row_weights(len(X), y, sample_weight, scaled=False)
        groups = None if groups is None else column_or_1d(groups)
        check_consistent_length(y, groups)
        y = self._read_target(y, weight)
        self._rule, self._weights = self.rule, read_weights(self)
        members = self._members()
        shares = self._shares(members, weight, groups, params)
        final = None
        if self.rule == "stack":
            pairs = stacking.folds(self.cv, y, is_classifier(self), groups)
            final = self._fit_final(X, y, members, shares, pairs)
        self.estimators_ = {
            name: self._fit_member(member, name, X, y, shares[name])
            for name, member in members.items()
        }
        vars(self).pop("final_estimator_", None)
        if final is not None:
            self.final_estimator_ = final
        return self

    # -- parameters ----------------------------------------------------------------

    def _members(self):
        """One unfitted model per modality."""
        given = self.estimators
        if isinstance(given, dict):
            given = parts_in_use(given, self, "estimators")
        else:
            given = dict.fromkeys(self.modalities_in_, given)
        members = {name: given.get(name) for name in self.modalities_in_}
        return {
            name: of_one(self._default() if member is None else member, name, self)
            for name, member in members.items()
        }

    def _final(self):
        """The unfitted model that stacks."""
        given = self.final_estimator
        return self._default_final() if given is None else clone(given)

    def _check_member(self, member, where):
        """Refuse a model that cannot be asked what is joined."""

    # -- what the models ask for ---------------------------------------------------

    def _shares(self, members, sample_weight, groups, params):
        """What the `fit` of each member, and of the final one, gets besides X and y."""
        parts = {f"modality {name!r}": member for name, member in members.items()}
        keys = {name: self._key(name) for name in members}
        if self.rule == "stack":
            parts[FINAL] = self._final()
            keys[FINAL_KEY] = FINAL
        for where, part in parts.items():
            self._check_member(part, where)
        if routing_enabled():
            given = {**params, "sample_weight": sample_weight, "groups": groups}
            shares = routed(self, "fit", given)
            return {name: shares.get(key, {}) for name, key in keys.items()}
        routed(self, "fit", params)  # refuses any
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        for where, part in parts.items() if weight else ():
            check_accepts_sample_weight(part, where)
        return dict.fromkeys(keys, weight)

    def _key(self, name):
        """Under which name the router knows the model of a modality."""
        given = self.estimators
        if isinstance(given, dict):
            given = {str(key): member for key, member in given.items()}
            return DEFAULT if given.get(str(name)) is None else f"estimators[{name!r}]"
        return DEFAULT

    def get_metadata_routing(self):
        """Which model asks for what; those that are not given ask for sample_weight.

        Returns
        -------
        MetadataRouter
        """
        given = self.estimators if isinstance(self.estimators, dict) else {}
        parts = {self._key(n): m for n, m in given.items() if m is not None}
        one = None if isinstance(self.estimators, dict) else self.estimators
        parts[DEFAULT] = _asking(self._default()) if one is None else one
        if self.rule == "stack":
            final = self.final_estimator
            parts[FINAL] = _asking(self._default_final()) if final is None else final
        made = router(self, parts)
        return made.add_self_request(self) if self.rule == "stack" else made

    # -- fitting -------------------------------------------------------------------

    def _fit_member(self, member, name, X, y, params):
        rows = np.flatnonzero(X.present[name])
        if len(rows) == 0:
            raise ValueError(
                f"modality {name!r} is missing in every row: leave it out."
            )
        params = of_rows(params, rows, len(X))
        with naming(name):
            return member.fit(view(member, name, X, rows), y[rows], **params)

    def _fit_final(self, X, y, members, shares, pairs):
        """Fit the final model on answers for rows that the members have not seen."""
        held_out = [
            self._held_out(member, name, X, y, shares[name], pairs)
            for name, member in members.items()
        ]
        share = np.array([part.count > 0 for part in held_out], dtype=np.float64)
        rows = np.flatnonzero(share.any(axis=0))
        if len(rows) == 0:
            raise ValueError(
                f"cv={self.cv!r} gives no fold in which a model could be fitted and "
                "asked; give more rows, or fewer folds."
            )
        if is_classifier(self):
            stacking.refuse_one_class(y[rows])
        answers = np.array([part.mean() for part in held_out])
        table = self._columns(answers, share)[rows]
        params = of_rows(shares[FINAL_KEY], rows, len(X))
        return self._final().fit(table, y[rows], **params)

    def _held_out(self, member, name, X, y, params, pairs):
        """Out-of-fold answers of the models of one modality."""
        found = stacking.HeldOut(len(X), len(self._prior_))
        present = X.present[name]
        pairs = stacking.usable(pairs, present, y, is_classifier(self))
        data = [
            (view(member, name, X, rows), y[rows], of_rows(params, rows, len(X)))
            for rows, _ in pairs
        ]
        with naming(name):
            models = stacking.fit_folds(member, data)
            for model, (_, rows) in zip(models, pairs, strict=True):
                found.add(rows, self._ask(model, view(model, name, X, rows)))
        return found

    def _columns(self, answers, share):
        two_classes = is_classifier(self) and answers.shape[2] == 2
        return stacking.columns(answers, share, two_classes)

    # -- predictions ---------------------------------------------------------------

    def _answers(self, X):
        """Answers of the models (M, n, K), and the weights (M, n) they count with.

        Both are zero where a modality is missing.
        """
        check_is_fitted(self, "estimators_")
        X = check_modalities(X, self, reset=False, finite=False)
        answers = np.zeros((len(self.estimators_), len(X), len(self._prior_)))
        share = np.zeros(answers.shape[:2])
        for i, (name, member) in enumerate(self.estimators_.items()):
            rows = np.flatnonzero(X.present[name])
            if len(rows):
                with naming(name):
                    answers[i, rows] = self._ask(member, view(member, name, X, rows))
                share[i, rows] = self._weights[i]
        return answers, share

    def _join(self, answers, share):
        """One answer per row, (n, K); the prior where there is none."""
        if self._rule == "stack":
            joined = self._ask(self.final_estimator_, self._columns(answers, share))
        else:
            joined = self._rules[self._rule](answers, share, self._prior_)
        return np.where(share.any(axis=0)[:, None], joined, self._prior_)

    # -- storing, scikit-learn -----------------------------------------------------

    def _saved(self):
        saved = super()._saved()
        final = saved.get("final_estimator_")
        return saved | ({"final_estimator_": Fitted(final)} if _saves(final) else {})

    def _probe(self):
        final = getattr(self, "final_estimator_", None)
        return super()._probe() + (final._probe() if _saves(final) else [])

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


def _saves(model):
    return is_savable(model)  # others are refused by name


def _asking(default):
    """A model that nobody gave, asking for sample_weight."""
    return default.set_fit_request(sample_weight=True) if routing_enabled() else default
