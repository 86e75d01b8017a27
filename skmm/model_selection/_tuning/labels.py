"""A readable name for any choice, the same in every process."""

import inspect

import numpy as np
from sklearn.base import BaseEstimator
from torch import nn

from skmm.model_selection._key import key_of

PLAIN = (type(None), bool, int, float, str)  # what studies store as it is


def label_of(choice):
    """What stands for a choice in a study: itself if it is plain, else a text.

    Parameters
    ----------
    choice : object

    Returns
    -------
    None, bool, int, float or str
    """
    if isinstance(choice, np.generic):
        choice = choice.item()
    return choice if type(choice) in PLAIN else _text(choice)


def labels_of(name, choices):
    """Labels of the choices of a parameter.

    Raises
    ------
    ValueError
        If two have one label, or one is NaN: a study could not tell them apart.
    """
    labels = [label_of(choice) for choice in choices]
    if any(label != label for label in labels):
        raise ValueError(
            f"space: a choice of {name!r} is NaN, which no study can find again. Give "
            "None if the estimator takes it, or search the other choices."
        )
    for i, label in enumerate(labels):
        if label in labels[:i]:
            raise ValueError(
                f"space: two choices of {name!r} are the same, or have one name, "
                f"{label!r}. Remove one; objects of your own need parameters, as a "
                "subclass of Block has, or a state that differs."
            )
    return labels


def _text(value):
    if isinstance(value, np.generic) or type(value) in PLAIN:
        return repr(value.item() if isinstance(value, np.generic) else value)
    if isinstance(value, dict):
        items = [f"{_text(key)}: {_text(part)}" for key, part in value.items()]
        return "{" + ", ".join(items) + "}"
    if type(value) in (list, tuple):
        comma = "," if type(value) is tuple and len(value) == 1 else ""
        ends = "()" if type(value) is tuple else "[]"
        return ends[0] + ", ".join(map(_text, value)) + comma + ends[1]
    if inspect.isclass(value) or inspect.isroutine(value):
        return getattr(value, "__qualname__", value.__name__)
    if isinstance(value, BaseEstimator) and not getattr(value, "is_built", False):
        return _of_parameters(value)
    return _of_state(value)


def _of_parameters(value):
    """Class, and the parameters that differ from its defaults."""
    params, given = value.get_params(deep=False), inspect.signature(type(value))
    shown = {
        name: _text(params[name])
        for name, known in given.parameters.items()
        if name in params and _text(params[name]) != _text(known.default)
    }
    listed = ", ".join(f"{name}={text}" for name, text in shown.items())
    return f"{type(value).__name__}({listed})"


def _of_state(value):
    """Class, and a digest of the state, which includes weights."""
    kind = type(value).__name__
    digest = key_of(state=value)["state"][:8]
    built = " with weights" if isinstance(value, nn.Module) else ""
    return f"{kind}{built} {digest}"
