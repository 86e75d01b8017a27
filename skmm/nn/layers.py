"""Dense layers and activations by name, shared by encoders, fusions and heads."""

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
    """Linear, activation and dropout for each width in `hidden`.

    Parameters
    ----------
    in_features : int
    hidden : sequence of int
    activation : str
        A key of ``ACTIVATIONS``.
    dropout : float
        Probability; 0 adds no layer.

    Returns
    -------
    (nn.Sequential, int)
        The layers and the width of their output.
    """
    widths = [in_features, *check_widths(hidden)]
    layers = []
    for width, following in pairwise(widths):
        layers += [nn.Linear(width, following), ACTIVATIONS[activation]()]
        layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers), widths[-1]


def check_widths(widths, name="hidden"):
    """Refuse anything but a sequence of positive integers."""
    good = isinstance(widths, (list, tuple)) and all(
        isinstance(width, Integral) and width > 0 for width in widths
    )
    if not good:
        raise ValueError(
            f"{name} must be a tuple of positive integers, as (64,); got {widths!r}."
        )
    return widths


def per_layer(value, count, name, least=1):
    """Return one integer per layer, from a number for all or a sequence of them."""
    values = [value] * count if isinstance(value, Integral) else list(value)
    good = all(isinstance(v, Integral) and v >= least for v in values)
    if len(values) != count or not good:
        raise ValueError(
            f"{name} must be an integer of at least {least}, or {count} of them; got "
            f"{value!r}."
        )
    return values


def channels_last(x):
    """Images in the memory layout in which a CPU convolves faster; values stay.

    Parameters
    ----------
    x : Tensor, shape (batch, channels, height, width)
    """
    return x if x.is_cuda else x.contiguous(memory_format=torch.channels_last)
