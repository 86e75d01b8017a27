"""What settings by part mean where only some of the modalities are used."""

from sklearn.base import clone

from skmm import nn as blocks
from skmm._resolver import resolve
from skmm.data.validation import parts_in_use
from skmm.nn.assemble import complete
from skmm.nn.fusion.mixtures import names_of
from skmm.nn.shape_inference import give_tokens

ENCODERS = "encoders__"


def encoders_in_use(estimator):
    """Return a template of an encoder for every modality that is used.

    Parameters
    ----------
    estimator : estimator
        Has met X: its `encoders` of other modalities are left out.
    """
    encoders = estimator.encoders
    if isinstance(encoders, dict):
        encoders = parts_in_use(encoders, estimator, "encoders")
    return complete(encoders, estimator.shapes_in_)


def rates_in_use(value, estimator):
    """Leave out of a dict by part the encoders of modalities that are not used.

    Parameters
    ----------
    value : float or dict
    estimator : estimator
        Has met X: names of X that it does not use are no mistakes, nor are others if a
        step before it has selected as it would itself.
    """
    if not isinstance(value, dict):
        return value
    return {part: v for part, v in value.items() if not _is_unused(part, estimator)}


def stages_in_use(stages, estimator):
    """Leave encoders of modalities that are not used out of stages.

    Stages in which nothing else learns are left out.

    Raises
    ------
    ValueError
        If no stage is left.
    """
    if not stages or not all(hasattr(stage, "train") for stage in stages):
        return stages
    kept = [_without(stage, estimator) for stage in stages]
    if not any(kept):
        raise ValueError("stages train encoders of modalities alone that are not used.")
    return [stage for stage in kept if stage]


def _without(stage, estimator):
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
        It, or an estimator in it, may have settings for modalities that it never gets.
    owner : estimator
        Has seen X with all modalities.

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
    """Names of modalities in the value of a parameter, as the owner's class declares.

    Parameters
    ----------
    owner : estimator
        Its `_by_modality`, `_by_part` and `_by_subset` name such parameters.
    """
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
    """Return a fusion; of one modality that it cannot be built for, none is needed.

    Tokens of one modality cannot be passed on as they are: they attend to each other,
    with the settings that the fusion has for that.

    Parameters
    ----------
    fusion : str or Block
    encoders : dict of str to Block or Module
        Of the modalities to fuse.
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
    """Whether an estimator, or a step of it, has the parameter `modalities`.

    Parameters
    ----------
    estimator : estimator
    """
    return bool(_places(estimator))


def restrict(estimator, names):
    """Clone an estimator so that it sees only some modalities.

    Sets `modalities` on it and on every step inside it that has the parameter, so
    ``restrict(pipeline, ["image"])`` is the same pipeline on images alone. What an
    estimator has in the order of its `modalities`, as the weights in `factor` of the
    no-harm estimators, is cut with them. Where these are None, nothing says whose
    weights they are: `fit` takes them in the order of X, but behind a step that leaves
    modalities out it refuses them. Set `modalities` to all names in a Pipeline.

    Parameters
    ----------
    estimator : estimator
        A skmm estimator, or a Pipeline or meta-estimator that holds one.
    names : sequence of str

    Returns
    -------
    estimator
        Unfitted.

    Raises
    ------
    TypeError
        If nothing in the estimator selects modalities.

    Examples
    --------
    >>> from skmm import FusionClassifier, restrict
    >>> restrict(FusionClassifier(), ["image"]).modalities
    ['image']
    """
    places = _places(estimator)
    if not places:
        raise TypeError(
            f"{type(estimator).__name__} has no parameter `modalities`, nor has any of "
            "its steps. Use a skmm estimator: LateFusionClassifier or "
            "LateFusionRegressor with this one inside; or give it one modality of the "
            "data, as X['image']."
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
    """Outermost parameters `modalities`: what lies below one sees its selection."""
    params = getattr(estimator, "get_params", dict)()
    places = [key for key in params if key.split("__")[-1] == "modalities"]
    owners = [key.removesuffix("modalities") for key in places]
    return [
        key
        for key, own in zip(places, owners, strict=True)
        if not any(own != other and own.startswith(other) for other in owners)
    ]
