"""Parts of a module by name: what learns, how fast, and how much it decays.

A module that has parts has a method ``parts()``, which returns
``{"encoders__image": ..., "encoders__table": ..., "fusion": ..., "head": ...}``. The
name before the two underscores means all parts of that kind. An objective with weights
is the part "objective".
"""

import math
from numbers import Real

from torch import nn

KIND_AND_NAME = "__"
OBJECTIVE = "objective"
ENCODERS = "encoders" + KIND_AND_NAME


def parts_of(module):
    """Submodules by name; a module without parts is one part without a name."""
    return module.parts() if hasattr(module, "parts") else {"": module}


class Learner(nn.Module):
    """A module and an objective with weights: all that training changes.

    Parameters
    ----------
    module, objective : Module
    """

    def __init__(self, module, objective):
        super().__init__()
        self.module = module
        self.objective = objective

    def parts(self):
        """Parts of the module, and the objective."""
        return {**parts_of(self.module), OBJECTIVE: self.objective}


def matching(module, name, where):
    """Names of the parts that a name means: "encoders", "encoders__image", "all".

    Parameters
    ----------
    module : Module
    name : str
    where : str
        What errors call it.

    Raises
    ------
    ValueError
        If the part does not exist.
    """
    parts = list(parts_of(module))
    if name == "all":
        return parts
    found = [
        part for part in parts if part == name or _kind(part) == (name, KIND_AND_NAME)
    ]
    if not found:
        raise_unknown(name, parts, where)
    return found


def raise_unknown(name, parts, where):
    """Raise a ValueError with the known parts, and the one that may be meant."""
    kinds = dict.fromkeys(_kind(part)[0] for part in parts)
    known = list(dict.fromkeys([*kinds, *parts]))
    other = f"{ENCODERS}{name}"
    meant = f" Did you mean {other!r}?" if other in parts else ""
    raise ValueError(
        f"{where}: there is no part {name!r}; the parts are {known}.{meant}"
    )


def _kind(part):
    return part.partition(KIND_AND_NAME)[:2]


def per_part(module, value, default, where, least="above 0"):
    """Return a number for each part.

    Parameters
    ----------
    module : Module
    value : float or dict of str to float
        A dict names some parts; the name of one part goes before that of its kind.
    default : float, or dict with a number for each part
        For parts that a dict does not name.
    where : str
        Name of the parameter, for errors.
    least : {"above 0", "of at least 0"}, default="above 0"
        Which numbers are allowed.

    Raises
    ------
    ValueError
        If a name is unknown, or a value is not a finite number that is allowed.
    """
    if not isinstance(value, dict):
        _check_number(value, where, least)
        return dict.fromkeys(parts_of(module), value)
    known = default if isinstance(default, dict) else {}
    out = {part: known.get(part, default) for part in parts_of(module)}
    for name in sorted(map(str, value), key=lambda name: KIND_AND_NAME in name):
        out |= dict.fromkeys(matching(module, name, where), value.get(name))
    for name, number in value.items():
        _check_number(number, f"{where}[{name!r}]", least)
    return out


def _check_number(value, where, least):
    number = isinstance(value, Real) and not isinstance(value, bool)
    allowed = number and math.isfinite(value) and value >= 0
    if not allowed or (value == 0 and least == "above 0"):
        raise ValueError(f"{where} must be a finite number {least}; got {value!r}.")
