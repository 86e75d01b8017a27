"""Parameters of the modalities in use, and estimators restricted to some."""

from collections.abc import Iterable, Mapping

from scipy.sparse import issparse
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from skmm import nn as blocks
from skmm._resolver import resolve
from skmm.data.validation import parts_in_use
from skmm.nn.assemble import complete
from skmm.nn.fusion.mixtures import names_of
from skmm.nn.shape_inference import give_tokens

ENCODERS = "encoders__"


def encoders_in_use(estimator):
    """Encoder templates of the modalities in use.

    Parameters
    ----------
    estimator : estimator
        With `shapes_in_`. Its `encoders` of unused modalities are left out.

    Returns
    -------
    dict of str to Block or Module
    """
    encoders = estimator.encoders
    if isinstance(encoders, dict):
        encoders = parts_in_use(encoders, estimator, "encoders")
    return complete(encoders, estimator.shapes_in_)


def rates_in_use(value, estimator):
    """Drop encoders of unused modalities from a dict by part.

    Parameters
    ----------
    value : float or dict
    estimator : estimator
        With `modalities_in_`. Unknown modalities are dropped as well if an earlier
        step of a Pipeline has already selected `modalities`.

    Returns
    -------
    float or dict
    """
    if not isinstance(value, dict):
        return value
    return {part: v for part, v in value.items() if not _is_unused(part, estimator)}


def stages_in_use(stages, estimator):
    """Drop encoders of unused modalities from stages, and stages left empty.

    Raises
    ------
    ValueError
        If no stage is left.
    """
    if not stages or not all(hasattr(stage, "train") for stage in stages):
        return stages
    kept = [_without(stage, estimator) for stage in stages]
    if not any(kept):
        raise ValueError("stages train only encoders of unused modalities.")
    return [stage for stage in kept if stage]


def _without(stage, estimator):
    if not isinstance(stage.train, (str, list, tuple)):
        return stage  # check_stages raises an error
    names = [stage.train] if isinstance(stage.train, str) else list(stage.train)
    kept = [name for name in names if not _is_unused(name, estimator)]
    if names and not kept:
        return None
    start = rates_in_use(stage.start, estimator)
    rates = rates_in_use(stage.lr, estimator)
    return clone(stage).set_params(train=kept, start=start, lr=rates)


def _is_unused(part, estimator):
    kind, _, name = str(part).partition("__")
    used = set(estimator.modalities_in_)
    known = set(getattr(estimator, "feature_names_in_", used))
    selected = estimator.modalities is not None and known == used
    if kind != "encoders" or name in used or not name:
        return False
    return name in known or selected


def check_by_modality(estimator):
    """Check the names of modalities in the parameters that are dicts by modality.

    Parameters
    ----------
    estimator : ModalityEstimator
        Has seen X. `_by_modality` of its class lists the parameters.

    Raises
    ------
    ValueError
        If a name is not among the modalities of X.
    """
    for parameter in estimator._by_modality:
        value = getattr(estimator, parameter)
        if isinstance(value, dict):
            parts_in_use(value, estimator, parameter)


def check_known_modalities(member, owner):
    """Check the names of modalities in the parameters of an estimator.

    Parameters
    ----------
    member : estimator
        It and the estimators inside it are checked.
    owner : estimator
        Fitted estimator that contains `member` and has read X.

    Raises
    ------
    ValueError
        If a name is not among the modalities of X.
    """
    nested = [v for v in member.get_params().values() if hasattr(v, "get_params")]
    for part in (member, *nested):
        if isinstance(part, type):
            continue
        for key, value in part.get_params(deep=False).items():
            names = _modalities_in(part, key, value)
            parts_in_use(dict.fromkeys(names), owner, key)


def _modalities_in(owner, parameter, value):
    """Names of modalities in the value of a parameter."""
    if parameter in getattr(owner, "_by_modality", ()) and isinstance(value, dict):
        return list(value)
    if parameter in getattr(owner, "_by_part", ()) and isinstance(value, dict):
        return _names_in_parts(value)
    several = isinstance(value, (list, tuple, dict))
    if parameter in getattr(owner, "_by_subset", ()) and several:
        return list(frozenset().union(*map(names_of, value)))
    if parameter == "stages" and isinstance(value, (list, tuple)):
        return [n for stage in value for n in _names_in_parts(_parts_in_stage(stage))]
    return []


def _parts_in_stage(stage):
    given = [getattr(stage, name, None) for name in ("train", "start", "lr")]
    texts = [[part] if isinstance(part, str) else part for part in given]
    return [p for part in texts if isinstance(part, (list, tuple, dict)) for p in part]


def _names_in_parts(parts):
    parts = [str(part) for part in parts]
    return [p.removeprefix(ENCODERS) for p in parts if p.startswith(ENCODERS)]


def fusion_in_use(fusion, encoders):
    """The fusion, or a replacement for one modality if it needs several.

    The replacement is ConcatFusion, or SelfAttentionFusion with the same settings if
    the encoder returns tokens.

    Parameters
    ----------
    fusion : str or Block
    encoders : dict of str to Block or Module
        Encoders of the modalities to fuse.

    Returns
    -------
    Block
    """
    fusion = resolve(fusion, blocks.fusion, "Fusion")
    if len(encoders) > 1 or getattr(fusion, "supports_single", True):
        return fusion
    if not give_tokens(encoders):
        return blocks.ConcatFusion()
    attention, given = blocks.SelfAttentionFusion(), fusion.get_params(deep=False)
    shared = given.keys() & attention.get_params()
    return attention.set_params(**{name: given[name] for name in shared})


def takes_modalities(estimator):
    """Return whether an estimator or one of its steps has the parameter `modalities`.

    Parameters
    ----------
    estimator : estimator

    Returns
    -------
    bool
    """
    return bool(_places(estimator))


def modalities_made(estimator, X):
    """Return the modalities that the first step of a Pipeline makes of a flat table.

    The step is a class with ``_makes_modalities = True``, such as
    ``skmm.preprocessing.ColumnsToModalities``; it returns modalities unchanged, so that
    the Pipeline accepts the result as X.

    Parameters
    ----------
    estimator : estimator
        Fitted or not; it may be a search around a Pipeline.
    X : ModalityDict, dict, DataFrame or array-like of n_samples

    Returns
    -------
    ModalityDict, or X itself
        X if it has modalities already, or no step makes any.

    Raises
    ------
    TypeError
        If the first step is a FunctionTransformer that makes modalities, or another
        step than the first one makes them.
    """
    step = _first_step(estimator)
    if isinstance(X, Mapping) and not issparse(X):
        return X
    if getattr(step, "_makes_modalities", False):
        is_fitted = hasattr(step, "columns_")
        return step.transform(X) if is_fitted else clone(step).fit_transform(X)
    if makers := [s for s in _steps(estimator) if hasattr(s, "_makes_modalities")]:
        raise TypeError(
            f"{type(makers[0]).__name__} must be the first step of the Pipeline, so "
            "that its modalities can be selected; put steps for columns after it, into "
            "a ModalityTransformer."
        )
    if isinstance(step, FunctionTransformer):
        made = clone(step).fit_transform(X)
        if isinstance(made, Mapping) and not issparse(made):
            raise TypeError(
                "the first step of the Pipeline, a FunctionTransformer, makes the "
                f"modalities {list(made)} of X, which cannot be selected. Use "
                "skmm.preprocessing.ColumnsToModalities({name: columns}) as first step."
            )
    return X


def _steps(estimator):
    """Steps of a Pipeline after the first one."""
    steps = estimator.steps if isinstance(estimator, Pipeline) else []
    return [step for _, step in steps[1:]]


def _first_step(estimator):
    """First step of a Pipeline, also within searches and other Pipelines."""
    while True:
        inner = getattr(estimator, "estimator", None)
        if isinstance(estimator, Pipeline):
            estimator = estimator.steps[0][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(inner, BaseEstimator):
            estimator = inner
        else:
            return estimator


def restrict(estimator, names):
    """Clone an estimator and restrict it to some modalities.

    Sets `modalities` on the estimator and on every step that has this parameter, so
    ``restrict(pipeline, ["image"])`` is the same pipeline on images alone. Parameters
    in the order of `modalities`, such as the weights in `factor` of the no-harm
    estimators, are cut as well. This requires that `modalities` is set: behind a
    Pipeline step that drops modalities, `fit` otherwise raises an error.

    Parameters
    ----------
    estimator : estimator
        A skmm estimator, or a Pipeline or meta-estimator that holds one.
    names : sequence of str
        Modalities to keep.

    Returns
    -------
    estimator
        Unfitted.

    Raises
    ------
    TypeError
        If neither the estimator nor any of its steps has the parameter `modalities`.

    Examples
    --------
    >>> from skmm import FusionClassifier, restrict
    >>> restrict(FusionClassifier(), ["image"]).modalities
    ['image']
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"names must be a list of modalities; got {names!r}.")
    places = _places(estimator)
    if not places:
        raise TypeError(
            f"estimator: {type(estimator).__name__} has no parameter `modalities`, nor "
            "has any of its steps. Wrap it in LateFusionClassifier or "
            "LateFusionRegressor, or fit it on one modality, such as X['image']."
        )
    part, changes = clone(estimator), {}
    for place in places:
        prefix = place.removesuffix("modalities")
        owner = part.get_params()[prefix.removesuffix("__")] if prefix else part
        cut = owner._cut_to(list(names)) if hasattr(owner, "_cut_to") else {}
        changes |= {f"{prefix}{name}": value for name, value in cut.items()}
        changes[place] = list(names)
    return part.set_params(**changes)


def _places(estimator):
    """Outermost `modalities` parameters; steps inside those get selected data."""
    params = getattr(estimator, "get_params", dict)()
    places = [key for key in params if key.split("__")[-1] == "modalities"]
    owners = [key.removesuffix("modalities") for key in places]
    return [
        key
        for key, own in zip(places, owners, strict=True)
        if not any(own != other and own.startswith(other) for other in owners)
    ]
