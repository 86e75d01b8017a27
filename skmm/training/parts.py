"""Parts of a module by name: what learns, how fast, and how much it decays.

A module that has parts says so by ``parts()``, which returns
``{"encoders__image": ..., "encoders__table": ..., "fusion": ..., "head": ...}``. The
name before the two underscores means all parts of that kind.
"""

from numbers import Real

KIND_AND_NAME = "__"


def parts_of(module):
    """Submodules by name; a module without parts is one part of no name."""
    return module.parts() if hasattr(module, "parts") else {"": module}


def matching(module, name, where):
    """Names of the parts that a name means: "encoders", "encoders__image", "all".

    Parameters
    ----------
    module : Module
    name : str
    where : str
        What to call it in an error.

    Raises
    ------
    ValueError
        If there is no such part.
    """
    parts = list(parts_of(module))
    if name == "all":
        return parts
    found = [
        part for part in parts if part == name or _kind(part) == (name, KIND_AND_NAME)
    ]
    if not found:
        kinds = dict.fromkeys(_kind(part)[0] for part in parts)
        known = list(dict.fromkeys([*kinds, *parts]))
        raise ValueError(f"{where}: there is no part {name!r}; the parts are {known}.")
    return found


def _kind(part):
    return part.partition(KIND_AND_NAME)[:2]


def per_part(module, value, default, where):
    """Return a number for each part.

    Parameters
    ----------
    module : Module
    value : float or dict of str to float
        A dict names some parts; the name of one part goes before that of its kind.
    default : float
        For parts that a dict does not name.
    where : str
        Name of the parameter, for errors.

    Raises
    ------
    ValueError
        If a name is unknown or a value is no number that is allowed: above zero, or
        zero where the default is.
    """
    if not isinstance(value, dict):
        return dict.fromkeys(parts_of(module), value)
    out = dict.fromkeys(parts_of(module), default)
    for name in sorted(value, key=lambda name: KIND_AND_NAME in name):  # kinds first
        _check_number(value[name], f"{where}[{name!r}]", default)
        out |= dict.fromkeys(matching(module, name, where), value[name])
    return out


def _check_number(value, where, default):
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or value < 0 or (value == 0 and default > 0):
        least = "above 0" if default > 0 else "of at least 0"
        raise ValueError(f"{where} must be a number {least}; got {value!r}.")
