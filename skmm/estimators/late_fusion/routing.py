"""Which arguments of `fit` each model of a late fusion gets."""

from inspect import signature

import numpy as np

from skmm._routing import (
    VALIDATION,
    check_accepts_sample_weight,
    routed,
    routing_enabled,
)
from skmm.base.training_data import check_sample_weights
from skmm.base.validation_split import (
    groups_for,
    naming_validation_data,
    unpacked,
    unused_groups,
    warn_unused_groups,
)
from skmm.data import check_modalities
from skmm.data.validation import check_target
from skmm.estimators.late_fusion.members import input_of

DEFAULT = "estimators"  # key of the router for models that are not named
FINAL = "final_estimator"
FINAL_KEY = None  # key among the names of modalities
WEIGHT = "sample_weight"


def fit_params(owner, members, given, params):
    """Parameters of `fit`, besides X and y, of each member and the final model.

    Parameters
    ----------
    owner : BaseLateFusion
    members : dict of str to estimator
    given : dict
        Validated sample_weight and groups, and validation_data; each may be None.
    params : dict
        Others, for metadata routing.

    Returns
    -------
    dict of str to dict
    """
    parts = {f"modality {name!r}": member for name, member in members.items()}
    keys = {name: owner._key(name) for name in members}
    if owner.rule == "stack":
        parts[FINAL] = owner._final()
        keys[FINAL_KEY] = FINAL
    for where, part in parts.items():
        owner._check_member(part, where)
    if routing_enabled():
        found = routed(owner, "fit", {**params, **given})
        return {name: found.get(key, {}) for name, key in keys.items()}
    routed(owner, "fit", params)  # raises an error for any
    weight = {} if given[WEIGHT] is None else {WEIGHT: given[WEIGHT]}
    for where, part in parts.items() if weight else ():
        check_accepts_sample_weight(part, where)
    found = params_of_members(owner, members, given["groups"], given[VALIDATION])
    return {key: weight | found.get(key, {}) for key in keys}


def requesting(default):
    """A default model that requests sample_weight, and validation_data if it can."""
    if not routing_enabled():
        return default
    wanted = [name for name in (WEIGHT, VALIDATION) if accepts(default, name)]
    return default.set_fit_request(**dict.fromkeys(wanted, True))


def params_of_members(owner, members, groups, validation_data):
    """Groups and validation data for the models that use them, without routing.

    Parameters
    ----------
    owner : BaseLateFusion
    members : dict of str to estimator
    groups : ndarray of shape (n_samples,) or None
    validation_data : tuple or None

    Returns
    -------
    dict of str to dict

    Raises
    ------
    ValueError
        If neither the rule nor a model uses them.
    """
    found = {name: groups_for(member, groups) for name, member in members.items()}
    if groups is not None and not owner._uses_groups():
        messages = [unused_groups(member) for member in members.values()]
        no_model = "no model sets samples aside; use early_stopping=True in one"
        reason = next((text for text in messages if text is not None), f"{no_model}.")
        raise ValueError(
            "groups are only used when rule='stack' or by models that set samples "
            f"aside; got groups with rule={owner.rule!r}. Omit groups: {reason}"
        )
    for member in members.values() if groups is not None else ():
        warn_unused_groups(member)
    if validation_data is not None:
        _check_no_pipeline(members)
    takers = [name for name, member in members.items() if accepts(member, VALIDATION)]
    if validation_data is None:
        return found
    if not takers:
        raise ValueError(
            "validation_data is not accepted by any of the models "
            f"{[type(member).__name__ for member in members.values()]}; use an "
            "estimator such as FusionClassifier, or omit it."
        )
    taken = {name: {VALIDATION: validation_data} for name in takers}
    return {name: params | taken.get(name, {}) for name, params in found.items()}


def _check_no_pipeline(members):
    """Raise an error where validation data would be ignored by a step of a Pipeline."""
    for name, member in members.items():
        steps = getattr(member, "steps", None)
        if steps and accepts(steps[-1][1], VALIDATION):
            raise ValueError(
                "validation_data cannot be passed to the Pipeline of modality "
                f"{name!r}, whose steps would not transform it. Transform the modality "
                "before, or omit validation_data."
            )


def accepts(estimator, name):
    """Whether `fit` of an estimator has a parameter of this name."""
    return name in signature(estimator.fit).parameters


def add_validation_data(owner, members, fit_params, validation_data):
    """Replace `validation_data` by the samples that have the modality of each model.

    Parameters
    ----------
    owner : estimator
        The late fusion after it has read X.
    members : dict of str to estimator
    fit_params : dict of str to dict
        Parameters of `fit` of each model, which are changed.
    validation_data : (X, y) or (X, y, sample_weight)
    """
    X, y, weight = unpacked(validation_data)
    with naming_validation_data():
        X = check_modalities(X, owner, reset=False, finite=False)
        y = np.asarray(check_target(owner, y, len(X), X, sample_weight=weight))
        weight = check_sample_weights(weight, len(X))
    for name, params in fit_params.items():
        if VALIDATION not in params:
            continue
        rows = np.flatnonzero(X.present[name])
        if len(rows) == 0:
            raise ValueError(
                f"validation_data: modality {name!r} is missing in every sample."
            )
        part = input_of(members[name], name, X, rows), y[rows]
        part += () if weight is None else (weight[rows],)
        fit_params[name] = params | {VALIDATION: part}
