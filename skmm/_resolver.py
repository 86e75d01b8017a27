"""Strings are sugar: a name is looked up in a room's ``__all__``."""

import inspect
import re
from functools import cache


def resolve(value, room, suffix):
    """Return `value`, or the default instance of the class it names.

    Parameters
    ----------
    value : str or object
        "gated" means ``room.GatedFusion()`` for the suffix "Fusion".
    room : module
        Its ``__all__`` is the registry; classes that need arguments have no name.
    suffix : str
        Common ending of the class names, and the parameter that errors name.

    Raises
    ------
    ValueError
        If no class has that name; the message lists the names.
    """
    if not isinstance(value, str):
        return value
    known = names(room, suffix)
    if value not in known:
        raise ValueError(
            f"{suffix.lower()}={value!r} is not known; choose one of "
            f"{sorted(known)} or pass an instance."
        )
    return known[value]()


def names(room, suffix):
    """``{name: class}`` of what a room offers by name."""
    classes = {name: getattr(room, name) for name in room.__all__}
    known = {
        snake_case(name.removesuffix(suffix)): cls
        for name, cls in classes.items()
        if inspect.isclass(cls) and not _needs_arguments(cls)
    }
    known.pop("", None)  # the base class, whose name is the suffix
    return known


@cache  # reading a signature takes as long as checking a table
def _needs_arguments(cls):
    parameters = inspect.signature(cls).parameters.values()
    return any(
        p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters
    )


def snake_case(name):
    """Turn "MeanFusion" into "mean_fusion", and "GMUFusion" into "gmu_fusion"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
