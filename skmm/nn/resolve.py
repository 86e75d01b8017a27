"""Strings are sugar: a name is looked up in a room's ``__all__``."""


def resolve(value, room, suffix=""):
    """Return `value`, or the default instance of the class it names.

    Parameters
    ----------
    value : str or object
        "gated" means ``room.GatedFusion()`` for the suffix "Fusion".
    room : module
        Its ``__all__`` is the registry.
    suffix : str
        Common ending of the class names.

    Raises
    ------
    ValueError
        If no class has that name; the message lists the names.
    """
    if not isinstance(value, str):
        return value
    names = {_snake(name.removesuffix(suffix)): name for name in room.__all__}
    if value not in names:
        raise ValueError(
            f"{room.__name__.split('.')[-1]}={value!r} is not known; choose one of "
            f"{sorted(names)} or pass an instance."
        )
    return getattr(room, names[value])()


def _snake(name):
    parts = ["_" + c.lower() if c.isupper() else c for c in name]
    return "".join(parts).lstrip("_")
