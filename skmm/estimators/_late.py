"""What the late fusions share: fitting and asking one model per modality."""

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted

from skmm._params import NestedParams
from skmm._routing import (
    of_rows,
    refuse_without_weights,
    routed,
    router,
    routing_enabled,
)
from skmm._sklearn import HasMethods, StrOptions, VisualBlock
from skmm._views import as_table, naming
from skmm.base import restrict, takes_modalities
from skmm.base.parts_in_use import refuse_unknown_parts
from skmm.base.saving import MembersSaving
from skmm.base.targets import require_target
from skmm.base.weights import checked_weight
from skmm.data import check_modalities, leaves
from skmm.data.names import parts_in_use

DEFAULT = "estimators"  # of modalities for which none is named


class LateFusion(MembersSaving, NestedParams, BaseEstimator):
    """What the classifier and the regressor share: fitting and asking the members."""

    _nested = ("estimators",)
    __metadata_request__fit = {"sample_weight": UNUSED}  # the members ask for it

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

    def fit(self, X, y, sample_weight=None, **params):
        """Fit one model per modality, on the rows in which it is present.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional
            Passed to the models; with metadata routing enabled, to those that ask.
        **params : dict
            Passed, with metadata routing enabled, to the models that ask for them.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If names or shapes do not fit, or a model refuses its modality or weights.
        """
        self._validate_params()
        X = check_modalities(X, self, modalities=self.modalities, finite=False)
        require_target(self, y, len(X))
        y = self._read_target(y)
        if sample_weight is not None:
            sample_weight = checked_weight(len(X), sample_weight)
        members = self._members()
        shares = self._shares(members, sample_weight, params)
        self.estimators_ = {
            name: self._fit_member(member, name, X, y, shares[name])
            for name, member in members.items()
        }
        return self

    def _shares(self, members, sample_weight, params):
        """What the `fit` of each member gets besides X and y."""
        for name, member in members.items():
            self._check_member(member, name)
        if routing_enabled():
            given = {**params, "sample_weight": sample_weight}
            shares = routed(self, "fit", given)
            return {name: shares.get(self._key(name), {}) for name in members}
        routed(self, "fit", params)  # refuses any
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        for name, member in members.items() if weight else ():
            refuse_without_weights(member, name)
        return {name: weight for name in members}

    def _check_member(self, member, name):
        """Refuse a model that cannot be asked what is averaged."""

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
        if one is None:
            one = self._default()
            one = one.set_fit_request(sample_weight=True) if routing_enabled() else one
        return router(self, {**parts, DEFAULT: one})

    def _members(self):
        """One unfitted model per modality."""
        given = self.estimators
        if isinstance(given, dict):
            given = parts_in_use(given, self, "estimators")
        else:
            given = dict.fromkeys(self.modalities_in_, given)
        members = {name: given.get(name) for name in self.modalities_in_}
        return {
            name: self._of_one(self._default() if member is None else member, name)
            for name, member in members.items()
        }

    def _of_one(self, member, name):
        """Unfitted clone of a model, restricted to what it has for one modality."""
        if not _can_be_restricted(member, name):
            return clone(member)
        with naming(name):
            refuse_unknown_parts(member, self)
        return restrict(member, [name])

    def _fit_member(self, member, name, X, y, params):
        rows = np.flatnonzero(X.present[name])
        if len(rows) == 0:
            raise ValueError(
                f"modality {name!r} is missing in every row: leave it out."
            )
        params = of_rows(params, rows, len(X))
        with naming(name):
            return member.fit(_view(member, name, X, rows), y[rows], **params)

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


def _can_be_restricted(member, name):
    """Whether all in it that has a selection sees the modality, and under its name."""
    return takes_modalities(member) and _keeps_names(member) and _has(member, name)


def _keeps_names(member):
    """Whether no step of a Pipeline may give other names to what it returns."""
    parts = [member, *member.get_params().values()]
    steps = [s for part in parts if isinstance(part, Pipeline) for _, s in part.steps]
    return all(step == "passthrough" or takes_modalities(step) for step in steps)


def _has(member, name):
    """Whether no selection of the user's own leaves the modality out."""
    params = member.get_params().items()
    chosen = [v for key, v in params if key.split("__")[-1] == "modalities"]
    return all(names is None or name in [str(n) for n in names] for names in chosen)


def _view(member, name, X, rows):
    """What a model gets: its modality's array, or a container if it takes those."""
    if takes_modalities(member):
        return X.select([name])[rows]
    return leaves.take(as_table(X[name]), rows)
