"""What settings by part mean where only some of the modalities are used."""

from sklearn.base import clone

from skmm.data.names import parts_in_use
from skmm.nn.assemble import complete


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
