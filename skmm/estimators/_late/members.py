"""One model for one modality: what it has for it, and what it is given."""

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from skmm._views import as_table, naming
from skmm.base import restrict, takes_modalities
from skmm.base.modality_subset import check_known_modalities
from skmm.data import leaves


def of_one(member, name, owner):
    """Unfitted clone of a model, restricted to what it has for one modality.

    Parameters
    ----------
    member : estimator
    name : str
        The modality.
    owner : estimator
        The late fusion, which has met X.
    """
    if not _can_be_restricted(member, name):
        return clone(member)
    with naming(name):
        check_known_modalities(member, owner)
    return restrict(member, [name])


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


def view(member, name, X, rows):
    """What a model gets: its modality's array, or a container if it takes those."""
    every = len(rows) == len(X) and bool((rows == np.arange(len(X))).all())
    if takes_modalities(member):
        X = X.select([name])
        return X if every else X[rows]
    table = as_table(X[name])
    return table if every else leaves.take(table, rows)
