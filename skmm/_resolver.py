"""Lookup of classes by name, such as "gated" for ``GatedFusion``."""

import inspect
import re
from functools import cache


def resolve(value, module, suffix):
    """Return an instance of the class that a string names; pass on other values.

    Parameters
    ----------
    value : str or object
        For the suffix "Fusion", "gated" stands for ``module.GatedFusion()``.
    module : module
        Its ``__all__`` lists the classes. Those with required arguments have no name.
    suffix : str
        Suffix of the class names; in lower case, the parameter that errors name.

    Returns
    -------
    object

    Raises
    ------
    ValueError
        If no class has that name.
    """
    if not isinstance(value, str):
        return value
    known = names(module, suffix)
    if value not in known:
        raise ValueError(
            f"{suffix.lower()} must be one of {sorted(known)} or an instance; got "
            f"{value!r}."
        )
    return known[value]()


def names(module, suffix):
    """Classes of a module by name."""
    classes = {name: getattr(module, name) for name in module.__all__}
    known = {
        snake_case(name.removesuffix(suffix)): cls
        for name, cls in classes.items()
        if inspect.isclass(cls) and not _needs_arguments(cls)
    }
    known.pop("", None)  # base class, such as Fusion
    return known


@cache  # reading a signature is slow
def _needs_arguments(cls):
    parameters = inspect.signature(cls).parameters.values()
    return any(
        p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters
    )


def snake_case(name):
    """Turn "MeanFusion" into "mean_fusion", and "GMUFusion" into "gmu_fusion"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
