"""The model of one modality: its parameters, its input and its weight."""

from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from skmm._views import as_table, naming
from skmm.base import restrict, takes_modalities
from skmm.base.modality_subset import check_known_modalities
from skmm.base.search_space import search_space_of
from skmm.data import leaves
from skmm.data.validation import parts_in_use
from skmm.persistence.saving import Fitted, fitted_attributes, is_savable


def for_modality(member, name, params):
    """Unfitted clone of a model, restricted to its settings for one modality.

    Parameters
    ----------
    member : estimator
    name : str
        The modality.
    params : estimator
        The late fusion after it has read X.
    """
    if not _can_be_restricted(member, name):
        return clone(member)
    with naming(name):
        check_known_modalities(member, params)
    return restrict(member, [name])


def _can_be_restricted(member, name):
    """Whether the modality reaches every step that selects, under its own name."""
    return takes_modalities(member) and _keeps_names(member) and _selects(member, name)


def _keeps_names(member):
    """Whether no step of a Pipeline may rename the modalities."""
    parts = [member, *member.get_params().values()]
    steps = [s for part in parts if isinstance(part, Pipeline) for _, s in part.steps]
    return all(step == "passthrough" or takes_modalities(step) for step in steps)


def _selects(member, name):
    """Whether every selection that the user has made contains the modality."""
    params = member.get_params().items()
    chosen = [v for key, v in params if key.split("__")[-1] == "modalities"]
    return all(names is None or name in [str(n) for n in names] for names in chosen)


def input_of(member, name, X, rows, as_column=False):
    """Input of a model: a ModalityDict if it accepts one, otherwise the array.

    With `as_column`, text has shape (n_samples, 1).
    """
    every = len(rows) == len(X) and bool((rows == np.arange(len(X))).all())
    if takes_modalities(member):
        X = X.select([name])
        return X if every else X[rows]
    table = as_table(X[name])
    table = table if every else leaves.take(table, rows)
    return table[:, None] if as_column else table


def possible_rules(estimator):
    """Rules of a late fusion that use every parameter that is set."""
    possible = [*estimator._rules, "stack"]
    for name, (default, using) in estimator._rule_params.items():
        if getattr(estimator, name) not in (None, default):
            possible = [rule for rule in possible if rule in using]
    return possible


def search_space_of_members(estimators, modalities):
    """Search space of the given models that are in use, by names for `set_params`.

    Parameters
    ----------
    estimators : dict, estimator or None
    modalities : list of str or None
    """
    if not isinstance(estimators, dict):
        return _with_prefix("estimators", estimators)
    used, space = None if modalities is None else {str(n) for n in modalities}, {}
    for name, part in estimators.items():
        if used is None or str(name) in used:
            space |= _with_prefix(f"estimators__{name}", part)
    return space


def _with_prefix(prefix, part):
    if part is None or isinstance(part, type):
        return {}
    space = search_space_of(part)
    return {f"{prefix}__{name}": values for name, values in space.items()}


def check_rule_params(params, table):
    """Raise a ValueError if a parameter is set that the chosen rule does not use.

    Parameters
    ----------
    params : estimator
    table : dict of str to (default, rules)
        The parameters that only some rules use.
    """
    for name, (default, rules) in table.items():
        value = getattr(params, name)
        same = value is default or (type(value) is int and value == default)
        if not same and params.rule not in rules:
            known = [r for r in rules if r in (*params._rules, "stack")]
            raise ValueError(
                f"{name} is only used when rule={' or '.join(map(repr, known))}; got "
                f"{name}={value!r} with rule={params.rule!r}. Leave {name} at "
                f"{default!r}."
            )


def read_weights(params):
    """Weight of each modality, of shape (n_modalities,); 1 where none is given."""
    given = parts_in_use(params.weights or {}, params, "weights")
    for name, weight in given.items():
        if not (isinstance(weight, Real) and 0 <= weight < np.inf):
            raise ValueError(
                f"weights[{name!r}] must be a non-negative number; got {weight!r}."
            )
    weights = np.array([given.get(n, 1.0) for n in params.modalities_in_], float)
    if not weights.any():
        raise ValueError(
            "weights must be above 0 for at least one modality of "
            f"{params.modalities_in_}; got {params.weights!r}."
        )
    return weights


def saved_members(estimator):
    """Attributes of a fitted late fusion as data, with its models marked as fitted."""
    saved = fitted_attributes(estimator)
    saved["estimators_"] = {n: _marked(m) for n, m in saved["estimators_"].items()}
    if "final_estimator_" in saved:
        saved["final_estimator_"] = _marked(saved["final_estimator_"])
    return saved


def _marked(model):
    return Fitted(model) if is_savable(model) else model  # or one of scikit-learn


def probe_members(estimator):
    """Outputs of all models for some random samples."""
    members = [*estimator.estimators_.values()]
    final = getattr(estimator, "final_estimator_", None)
    members = filter(is_savable, [*members, final])
    return [output for member in members for output in member._probe()]
