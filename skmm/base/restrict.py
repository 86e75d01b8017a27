"""The same model on fewer modalities."""

from sklearn.base import clone


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
