"""What settings by part mean where only some of the modalities are used."""

from sklearn.base import clone

from skmm import nn as blocks
from skmm.data.validation import parts_in_use
from skmm.nn.assemble import complete
from skmm.nn.fusion.mixtures import names_of
from skmm.nn.probing import give_tokens
from skmm.nn.resolve import resolve

BY_MODALITY = ("encoders", "pretraining", "transformers", "estimators")
BY_MIXTURE = ("mixtures", "candidate_weights")
BY_PART = ("lr", "weight_decay")
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


def refuse_unknown_parts(member, owner):
    """Raise a ValueError for settings of modalities that nobody knows.

    Parameters
    ----------
    member : estimator
        It, or an estimator in it, may have settings for modalities that it never sees.
    owner : estimator
        Has met X, which has them all.
    """
    for key, value in member.get_params().items():
        names = _modalities_in(key.split("__")[-1], value)
        parts_in_use(dict.fromkeys(names), owner, key)


def _modalities_in(parameter, value):
    """Names of modalities in the value of a parameter."""
    if parameter in BY_MODALITY and isinstance(value, dict):
        return list(value)
    if parameter in BY_PART and isinstance(value, dict):
        return _names_of(value)
    if parameter in BY_MIXTURE and isinstance(value, (list, tuple, dict)):
        return list(frozenset().union(*map(names_of, value)))
    if parameter == "stages" and isinstance(value, (list, tuple)):
        return [n for stage in value for n in _names_of(_parts_in_stage(stage))]
    return []


def _parts_in_stage(stage):
    given = [getattr(stage, name, None) for name in ("train", "start", "lr")]
    texts = [[part] if isinstance(part, str) else part for part in given]
    return [p for part in texts if isinstance(part, (list, tuple, dict)) for p in part]


def _names_of(parts):
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
    if len(encoders) > 1 or getattr(fusion, "alone", True):
        return fusion
    if not give_tokens(encoders):
        return blocks.ConcatFusion()
    attention, given = blocks.SelfAttentionFusion(), fusion.get_params(deep=False)
    shared = given.keys() & attention.get_params()
    return attention.set_params(**{name: given[name] for name in shared})
