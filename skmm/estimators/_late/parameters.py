"""Parameters that belong to some rules of a late fusion."""

from numbers import Real

import numpy as np

from skmm._routing import routing_enabled
from skmm.data.validation import parts_in_use

DEFAULTS = {"weights": None, "final_estimator": None, "cv": 5}
BELONGS = {  # the rules that read them
    "weights": ("mean", "logit", "vote"),
    "final_estimator": ("stack",),
    "cv": ("stack",),
}


def refuse_others(estimator):
    """Refuse parameters that the chosen rule of a late fusion does not read."""
    rule = estimator.rule
    for name, default in DEFAULTS.items():
        value = getattr(estimator, name)
        same = value is default or (type(value) is int and value == default)
        if not same and rule not in BELONGS[name]:
            known = [r for r in BELONGS[name] if r in (*estimator._rules, "stack")]
            raise ValueError(
                f"{name}={value!r} has no meaning with rule={rule!r}; it belongs to "
                f"rule={' or '.join(map(repr, known))}. Leave it at {default!r}."
            )


def refuse_groups(estimator, groups):
    """Refuse groups that neither the rule of a late fusion nor a model may read."""
    if groups is not None and estimator.rule != "stack" and not routing_enabled():
        raise ValueError(
            f"groups have no meaning with rule={estimator.rule!r}, which holds no rows "
            'out; they belong to rule="stack", or, with sklearn.set_config('
            "enable_metadata_routing=True), to models that ask for them."
        )


def read_weights(estimator):
    """Weight of each modality of a late fusion, (M,); 1 where none is given."""
    given = parts_in_use(estimator.weights or {}, estimator, "weights")
    for name, weight in given.items():
        if not (isinstance(weight, Real) and 0 <= weight < np.inf):
            raise ValueError(
                f"weights[{name!r}] must be a number of 0 or more; got {weight!r}."
            )
    weights = np.array([given.get(n, 1.0) for n in estimator.modalities_in_], float)
    if not weights.any():
        raise ValueError(
            f"weights={estimator.weights!r} leave no modality; give one of "
            f"{estimator.modalities_in_} a weight above 0."
        )
    return weights
