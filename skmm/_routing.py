"""Metadata such as sample_weight, routed from a meta-estimator to its parts."""

from inspect import Parameter, signature

import numpy as np
from sklearn import get_config
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)

VALIDATION = "validation_data"  # has samples of its own


def routing_enabled():
    """Whether scikit-learn's metadata routing is enabled."""
    return get_config().get("enable_metadata_routing", False)


def router(owner, parts, callers=("fit",)):
    """Return a router from methods of a meta-estimator to the fits of its parts.

    Parameters
    ----------
    owner : estimator
        The meta-estimator.
    parts : dict of str to estimator
    callers : sequence of str, default=("fit",)
        Methods of `owner`.
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
    """Return ``{key of a part: its parameters}``; an error without routing."""
    params = {key: value for key, value in params.items() if value is not None}
    if not params:
        return {}
    if not routing_enabled():
        raise ValueError(
            f"{type(owner).__name__}.{method} got {sorted(params)}, which requires "
            "sklearn.set_config(enable_metadata_routing=True) and parts that request "
            "them, such as StandardScaler().set_fit_request(sample_weight=True)."
        )
    shares = process_routing(owner, method, **params)
    return {
        key: share.get("fit_transform") or share.get("fit", {})
        for key, share in shares.items()
    }


def of_rows(params, rows, n_rows):
    """Return the parameters of some samples; per-sample values are indexed."""
    return {
        key: value if key == VALIDATION else _taken(value, rows, n_rows)
        for key, value in params.items()
    }


def _taken(value, rows, n_rows):
    per_row = hasattr(value, "__len__") and not isinstance(value, (str, dict))
    return np.asarray(value)[rows] if per_row and len(value) == n_rows else value


def check_accepts_sample_weight(part, where):
    """Check that the `fit` of a part accepts `sample_weight`, without routing.

    Parameters
    ----------
    part : estimator
    where : str
        Start of the message, such as "modality 'image'".
    """
    parameters = signature(part.fit).parameters
    takes_any = any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())
    if "sample_weight" in parameters:
        return
    if isinstance(part, Pipeline) or not takes_any:
        raise TypeError(
            f"{where}: {type(part).__name__}.fit does not accept sample_weight. Fit "
            "without weights, use another estimator, or route them: "
            "sklearn.set_config(enable_metadata_routing=True), and "
            "set_fit_request(sample_weight=True) on the parts that accept them."
        )
