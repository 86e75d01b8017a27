"""Metadata, as sample_weight: from a meta-estimator's `fit` to its parts."""

from inspect import Parameter, signature

import numpy as np
from sklearn import get_config
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)


def routing_enabled():
    """Whether scikit-learn's metadata routing is switched on."""
    return get_config().get("enable_metadata_routing", False)


def router(owner, parts, callers=("fit",)):
    """Router from the methods `callers` of `owner` to the fitting of its parts.

    Parameters
    ----------
    owner : estimator
    parts : dict of str to estimator
    callers : sequence of str
    """
    made = MetadataRouter(owner=owner)
    for key, part in parts.items():
        has_both = "fit_transform" in callers and hasattr(part, "fit_transform")
        mapping = MethodMapping()
        for caller in callers:
            mapping.add(caller=caller, callee="fit_transform" if has_both else "fit")
        made.add(method_mapping=mapping, **{key: part})
    return made


def routed(owner, method, params):
    """``{key of a part: its parameters}``; refuses any if routing is off."""
    params = {key: value for key, value in params.items() if value is not None}
    if not params:
        return {}
    if not routing_enabled():
        raise ValueError(
            f"{type(owner).__name__}.{method} got {sorted(params)}, which it passes on "
            "only with sklearn.set_config(enable_metadata_routing=True); parts then "
            "ask for them, as StandardScaler().set_fit_request(sample_weight=True)."
        )
    shares = process_routing(owner, method, **params)
    return {
        key: share.get("fit_transform") or share.get("fit", {})
        for key, share in shares.items()
    }


def of_rows(params, rows, n_rows):
    """Parameters of some rows: what has one entry per row is indexed."""
    return {key: _taken(value, rows, n_rows) for key, value in params.items()}


def _taken(value, rows, n_rows):
    per_row = hasattr(value, "__len__") and not isinstance(value, (str, dict))
    return np.asarray(value)[rows] if per_row and len(value) == n_rows else value


def refuse_without_weights(part, where):
    """Refuse a part whose `fit` takes no `sample_weight`, where routing is off.

    Parameters
    ----------
    part : estimator
    where : str
        Opens the message, as "modality 'image'".
    """
    parameters = signature(part.fit).parameters
    takes_any = any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())
    if "sample_weight" in parameters:
        return
    if isinstance(part, Pipeline) or not takes_any:
        raise TypeError(
            f"{where}: {type(part).__name__}.fit takes no sample_weight. Fit "
            "without, use another estimator, or have scikit-learn route weights to "
            "what asks for them: sklearn.set_config(enable_metadata_routing=True) and "
            "set_fit_request(sample_weight=True) on the parts that take them."
        )
