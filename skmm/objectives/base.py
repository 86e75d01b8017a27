"""What an objective must be like, told before and at the first batch."""

import inspect

import torch
from torch import nn

RULE = (
    "An objective is called with (outputs, target, weight) and returns a scalar, the "
    "mean over the rows; use a name, as 'squared_error' or 'cross_entropy', or an "
    "instance of skmm.objectives.Objective."
)


def checked(objective):
    """Return an objective after checking how it can be called and its parameters.

    Raises
    ------
    TypeError
        If it is a class, or takes other arguments, as the losses of torch.nn do.
    """
    if inspect.isclass(objective):
        name = objective.__name__
        hint = f"Pass an instance: {name}(). "
        raise TypeError(f"objective must not be the class {name}. {hint}{RULE}")
    if not callable(objective) or not _takes_three(objective):
        raise TypeError(f"objective cannot be {objective!r}. {RULE}")
    if hasattr(objective, "_validate_params"):
        objective._validate_params()
    return objective


def _takes_three(objective):
    call = objective.forward if isinstance(objective, nn.Module) else objective
    try:
        inspect.signature(call).bind(None, None, None)
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True


def scalar(loss, objective):
    """Return a loss if it is one number."""
    if isinstance(loss, torch.Tensor) and loss.ndim == 0:
        return loss
    is_tensor = isinstance(loss, torch.Tensor)
    got = f"shape {tuple(loss.shape)}" if is_tensor else type(loss).__name__
    raise TypeError(f"objective {objective!r} returned {got}, not a scalar. {RULE}")


def validation_of(objective):
    """Return what an objective says is to be measured on rows set aside."""
    return getattr(objective, "validation", objective)
