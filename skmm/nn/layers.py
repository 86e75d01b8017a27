"""Dense layers and activations that encoders, fusions and heads share."""

from itertools import pairwise
from numbers import Integral

import torch
from torch import nn

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "identity": nn.Identity,
}


def dense_layers(in_features, hidden, activation="relu", dropout=0.0):
    """Return a linear layer, an activation and dropout for each width in `hidden`.

    Parameters
    ----------
    in_features : int
    hidden : sequence of int
    activation : str, default="relu"
        A key of ``ACTIVATIONS``.
    dropout : float, default=0.0
        Probability; 0 adds no dropout layers.

    Returns
    -------
    layers : nn.Sequential
    width : int
        Width of their output.
    """
    widths = [in_features, *check_widths(hidden)]
    layers = []
    for width, following in pairwise(widths):
        layers += [nn.Linear(width, following), ACTIVATIONS[activation]()]
        layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers), widths[-1]


def check_widths(widths, name="hidden"):
    """Return a sequence of positive integers as a list of int.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    valid = isinstance(widths, (list, tuple)) and all(
        isinstance(width, Integral) and width > 0 for width in widths
    )
    if not valid:
        raise ValueError(
            f"{name} must be a tuple of positive integers, such as (64,); got "
            f"{widths!r}."
        )
    return [int(width) for width in widths]


def per_layer(value, count, name, least=1):
    """Return one int per layer, from one integer for all layers or a sequence."""
    values = [value] * count if isinstance(value, Integral) else list(value)
    valid = all(isinstance(v, Integral) and v >= least for v in values)
    if len(values) != count or not valid:
        raise ValueError(
            f"{name} must be an integer of at least {least}, or a tuple of {count} of "
            f"them; got {value!r}."
        )
    return [int(v) for v in values]


def channels_last(x):
    """Return the same images in the memory layout that is faster on a CPU.

    Parameters
    ----------
    x : Tensor, shape (batch, channels, height, width)
    """
    return x if x.is_cuda else x.contiguous(memory_format=torch.channels_last)
