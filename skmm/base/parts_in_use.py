"""What settings by part mean where only some of the modalities are used."""

from sklearn.base import clone


def rates_in_use(value, estimator):
    """Leave out of a dict by part the encoders of modalities that are not used.

    Parameters
    ----------
    value : float or dict
    estimator : estimator
        Has met X: names of X that it does not use are no mistakes.
    """
    if not isinstance(value, dict):
        return value
    unused = _unused(estimator)
    return {part: number for part, number in value.items() if part not in unused}


def stages_in_use(stages, estimator):
    """Leave encoders of modalities that are not used out of stages.

    Stages in which nothing else learns are left out.

    Raises
    ------
    ValueError
        If no stage is left.
    """
    unused = _unused(estimator)
    if not stages or not unused or not all(hasattr(s, "train") for s in stages):
        return stages
    kept = [
        stage for stage in (_without(s, unused, estimator) for s in stages) if stage
    ]
    if not kept:
        raise ValueError(
            f"stages train encoders of {sorted(unused)} alone, which are not used."
        )
    return kept


def _without(stage, unused, estimator):
    names = [stage.train] if isinstance(stage.train, str) else stage.train
    names = [name for name in names if name not in unused]
    if not names:
        return None
    start = rates_in_use(stage.start, estimator)
    rates = rates_in_use(stage.lr, estimator)
    return clone(stage).set_params(train=names, start=start, lr=rates)


def _unused(estimator):
    known = getattr(estimator, "feature_names_in_", ())
    used = estimator.modalities_in_
    return {f"encoders__{name}" for name in known if name not in used}
