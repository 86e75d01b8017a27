"""Default search spaces of estimators and of their parts."""

from scipy.stats import loguniform, uniform
from sklearn.base import clone

from skmm import nn as blocks
from skmm._resolver import resolve
from skmm.nn import Block

LR = (5e-5, 1e-2)  # for Adam and its variants; Liu (2022) uses 6e-5 and 1e-4
LR_OF_SGD = (1e-3, 0.3)
WEIGHT_DECAY = (1e-6, 1e-2)
DECOUPLED = (1e-5, 1e-1)  # for AdamW, which multiplies it by lr
BATCH_SIZES = (16, 32, 64, 128)


def of_estimator(estimator):
    """Search space of an estimator that trains nets: of its training and its parts.

    Parameters
    ----------
    estimator : estimator
        With ``_training_space()``, which returns at least `of_training`.

    Returns
    -------
    dict of str to list or frozen distribution
    """
    space = estimator._training_space() | of_fusion(estimator)
    head = getattr(estimator, "head", 0)
    if head is None and not _brings_head(estimator):
        space["head"] = heads()
    else:
        space |= of_part(head, "head")
    space |= of_part(estimator.get_params(deep=False).get("objective"), "objective")
    return space | of_parts(estimator, "encoders")


def of_training(estimator):
    """Search space of the learning rate, the weight decay and the batch size."""
    space = {}
    low, high = LR_OF_SGD if estimator.optimizer == "sgd" else LR
    if not isinstance(estimator.lr, dict):
        space["lr"] = loguniform(min(low, estimator.lr), max(high, estimator.lr))
    if not isinstance(estimator.weight_decay, dict):
        decoupled = estimator.optimizer == "adamw"
        space["weight_decay"] = loguniform(*(DECOUPLED if decoupled else WEIGHT_DECAY))
    return space | {"batch_size": with_present(estimator.batch_size, BATCH_SIZES)}


def of_fusion(estimator):
    """Search space of the fusion: whole Blocks where it is a name."""
    fusion = estimator.get_params(deep=False).get("fusion")
    if estimator.modalities is not None and len(estimator.modalities) < 2:
        return {}
    if isinstance(fusion, str) and not _brings_head(estimator):
        return {"fusion": fusions(fusion)}
    return of_part(fusion, "fusion")


def _brings_head(estimator):
    """Whether the fusion comes with its own head, which fits no other fusion."""
    fusion = resolve(getattr(estimator, "fusion", None), blocks.fusion, "Fusion")
    return getattr(fusion, "brings_head", False)


def of_parts(estimator, outer):
    """Search space of a dict of parts in use, or of one part for all modalities."""
    parts = getattr(estimator, outer)
    if not isinstance(parts, dict):
        return of_part(parts, outer)
    names = estimator.modalities
    used = None if names is None else {str(name) for name in names}
    space = {}
    for name, part in parts.items():
        if outer != "encoders" or used is None or str(name) in used:
            space |= of_part(part, f"{outer}__{name}")
    return space


def search_space_of(estimator):
    """Search space of an estimator, or of the outermost skmm estimators inside it.

    Parameters
    ----------
    estimator : estimator
        A skmm estimator, or a Pipeline or meta-estimator that holds one.

    Returns
    -------
    dict of str to list or frozen distribution
    """
    if hasattr(estimator, "default_search_space"):
        return estimator.default_search_space()
    params = getattr(estimator, "get_params", dict)()
    known = [key for key, v in params.items() if hasattr(v, "default_search_space")]
    space = {}
    for key in known:
        if not any(key.startswith(f"{other}__") for other in known):
            inner = params[key].default_search_space()
            space |= {f"{key}__{name}": values for name, values in inner.items()}
    return space


WIDTH = 64  # of fusions to choose from
FUSIONS = ("concat", "mean", "product", "attention", "gated")


def of_part(part, prefix):
    """Search space of an encoder, fusion, head, decoder or objective.

    Parameters
    ----------
    part : object
        The space is empty for a built Block, and for an object without the method
        ``default_search_space`` and without the attribute `search_space`.
    prefix : str
        Prefix of the parameter names, such as "encoders__image".

    Returns
    -------
    dict of str to list or frozen distribution
    """
    if isinstance(part, type) or (isinstance(part, Block) and part.is_built):
        return {}
    if hasattr(part, "default_search_space"):
        space = part.default_search_space()
    else:
        space = declared(part) if hasattr(part, "search_space") else {}
    return {f"{prefix}__{name}": values for name, values in space.items()}


def declared(owner):
    """Search space that the class of a Block, Objective or estimator declares.

    Parameters
    ----------
    owner : object
        With ``get_params``. The class attribute `search_space` is a dict by parameter
        of a list of choices, a tuple (low, high) for a uniform range, or a frozen
        distribution. Choices and ranges are extended to include the current values.

    Returns
    -------
    dict of str to list or frozen distribution

    Raises
    ------
    ValueError
        If `search_space` has a name that is not a parameter.
    """
    params, own = owner.get_params(), vars(type(owner)).get("search_space", {})
    if unknown := [name for name in own if name not in params]:
        raise ValueError(
            f"search_space has {unknown[0]!r}, which is not a parameter of "
            f"{type(owner).__name__}. Valid parameters are: {sorted(params)}."
        )
    return {  # a subclass need not have every parameter of its parent
        name: _extended(params[name], values)
        for name, values in owner.search_space.items()
        if name in params
    }


def _extended(value, values):
    """Choices or uniform range, extended to include the current value."""
    if isinstance(values, list):
        return with_present(value, values)
    if not isinstance(values, tuple):
        return values  # a distribution
    low, high = values
    low, high = (low, high) if value is None else (min(low, value), max(high, value))
    return uniform(low, high - low)


def with_present(value, choices):
    """The choices, preceded by the current value if it is not among them."""
    value = tuple(value) if isinstance(value, list) else value
    absent = value is None or value in choices
    return list(choices) if absent else [value, *choices]


def fusions(named):
    """Fusions to choose from, including the current one, which is given by name."""
    return [
        _with_width(resolve(name, blocks.fusion, "Fusion")) for name in _names(named)
    ]


def _names(named):
    return FUSIONS if named in FUSIONS else (named, *FUSIONS)


def _with_width(fusion):
    """Set `width` if it is None, so that encoders may have different widths."""
    if fusion.get_params().get("width", 0) is None:
        return clone(fusion).set_params(width=WIDTH)
    return fusion


def heads():
    """Heads to choose from: a linear one, the default and a wide one."""
    return [
        blocks.MLPHead(()),
        blocks.MLPHead(),
        blocks.MLPHead((64,), dropout=0.3),
    ]
