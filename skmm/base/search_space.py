"""What is worth trying: search spaces of estimators and of their parts."""

from scipy.stats import loguniform, uniform
from sklearn.base import clone

from skmm import nn as blocks
from skmm._resolver import resolve
from skmm.nn import Block

LR = (5e-5, 1e-2)  # of Adam and its kin; the thesis has 6e-5 and 1e-4
LR_OF_SGD = (1e-3, 0.3)
WEIGHT_DECAY = (1e-6, 1e-2)
DECOUPLED = (1e-5, 1e-1)  # of AdamW, which multiplies it by lr
BATCH_SIZES = (16, 32, 64, 128)


def of_estimator(estimator):
    """Search space of an estimator that trains nets: of its training and its parts.

    Parameters
    ----------
    estimator : estimator
        Its ``_training_space()`` is what `of_training` returns, or more.

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
    """Whether the fusion has a head of its own, which fits no other fusion."""
    fusion = resolve(getattr(estimator, "fusion", None), blocks.fusion, "Fusion")
    return getattr(fusion, "brings_head", False)


def of_parts(estimator, outer):
    """Search space of the parts in a dict that are used, or of one part for all."""
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
    """Search space of an estimator, or of the outermost inside it that have one.

    Parameters
    ----------
    estimator : estimator
        Of skmm, or a Pipeline or meta-estimator that holds one.

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


WIDTH = 64  # of a fusion that is offered as a whole
FUSIONS = ("concat", "mean", "product", "attention", "gated")  # none is best for all


def of_part(part, prefix):
    """Search space of an encoder, fusion, head, decoder or objective.

    Parameters
    ----------
    part : object
        The space of a built Block is empty, as is that of an object without a method
        ``default_search_space`` or an attribute `search_space`.
    prefix : str
        Prepended to the names of the hyper-parameters, such as "encoders__image".

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
    """What the class of a Block, Objective or estimator declares as `search_space`.

    Parameters
    ----------
    owner : object
        With ``get_params``. The attribute `search_space` of its class is a dict by
        parameter: a list of choices, a tuple (low, high) for a uniform range, or a
        frozen distribution. Choices and ranges are extended to the present values.

    Returns
    -------
    dict of str to list or frozen distribution

    Raises
    ------
    ValueError
        If the class declares a name that is not one of its parameters.
    """
    params, own = owner.get_params(), vars(type(owner)).get("search_space", {})
    if unknown := [name for name in own if name not in params]:
        raise ValueError(
            f"search_space has {unknown[0]!r}, which is not a parameter of "
            f"{type(owner).__name__}; choose from {sorted(params)}."
        )
    return {  # a subclass need not have every parameter of its parent
        name: _extended(params[name], values)
        for name, values in owner.search_space.items()
        if name in params
    }


def _extended(value, values):
    """Choices or a uniform range that contain the present value of a parameter."""
    if isinstance(values, list):
        return with_present(value, values)
    if not isinstance(values, tuple):
        return values  # a distribution
    low, high = values
    low, high = (low, high) if value is None else (min(low, value), max(high, value))
    return uniform(low, high - low)


def with_present(value, choices):
    """The choices, preceded by the present value of the parameter if it is not one."""
    value = tuple(value) if isinstance(value, list) else value
    absent = value is None or value in choices
    return list(choices) if absent else [value, *choices]


def fusions(named):
    """Whole fusions to choose from, with the one that is named now.

    Parameters
    ----------
    named : str
        As for the parameter `fusion`.
    """
    return [
        _with_width(resolve(name, blocks.fusion, "Fusion")) for name in _names(named)
    ]


def _names(named):
    return FUSIONS if named in FUSIONS else (named, *FUSIONS)


def _with_width(fusion):
    """Encoders of different widths are no obstacle to a fusion that has one."""
    if fusion.get_params().get("width", 0) is None:
        return clone(fusion).set_params(width=WIDTH)
    return fusion


def heads():
    """Whole heads to choose from: none hidden, the default, and a wide one."""
    return [
        blocks.MLPHead(()),
        blocks.MLPHead(),
        blocks.MLPHead((64,), dropout=0.3),
    ]
