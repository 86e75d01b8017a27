"""Encoders for images of shape (channels, height, width).

===========  =============================================  ==========================
encoder      formula                                        parameters (defaults)
===========  =============================================  ==========================
ConvEncoder  [conv, BatchNorm, s, pool] x 2, flatten,       1,626,522 for (1, 80, 80)
             [linear, BatchNorm, s]
===========  =============================================  ==========================

``Chemception``, for images of molecules, is in `skmm.nn.encoders.chemception`.
"""

import math
from numbers import Integral, Real

from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm.nn.block import Block
from skmm.nn.layers import ACTIVATIONS, channels_last, check_widths, per_layer

__all__ = ["ConvEncoder"]


def check_image_shape(block, in_shape):
    """Raise ValueError if samples are not of shape (channels, height, width)."""
    if len(in_shape) != 3:
        raise ValueError(
            f"{type(block).__name__} expects images of shape (channels, height, width);"
            f" got samples of shape {tuple(in_shape)}. Add a channel axis to greyscale "
            "images: images[:, None]."
        )
    channels, height, width = in_shape
    if channels == height and width <= 4 < height:  # others: `choose` warns
        raise ValueError(
            f"{type(block).__name__} expects images of shape (channels, height, width);"
            f" got samples of shape {tuple(in_shape)}, where the channels seem to be "
            "last. Use np.moveaxis(images, -1, 1)."
        )


class ConvEncoder(Block):
    """Convolutions with BatchNorm and pooling, followed by dense layers.

    The defaults are the image network of Liu's second experiment (2022): two 5 x 5
    convolutions with 16 and 32 channels, each halving the image, then 126 units.

    Parameters
    ----------
    channels : tuple of int, default=(16, 32)
        Output channels of each convolution.
    kernel_size : int or tuple of int, default=5
        Width of the kernels; padding preserves the size if it is odd.
    pool : int or tuple of int, default=2
        Window of the max pooling after each convolution; incomplete windows are kept.
        1 disables it.
    hidden : tuple of int, default=(126,)
        Widths of the dense layers on the flattened maps; the last is the width of the
        embedding. ``()`` averages over the image instead.
    batch_norm : bool, default=True
        Whether BatchNorm follows every layer, before the activation.
    activation : str, default="relu"
        See ``MLPEncoder``.
    dropout : float in [0, 1), default=0.0
        Dropout probability after every dense layer.

    Notes
    -----
    Liu (2022) does not list activations. Here a ReLU follows every BatchNorm, since
    the convolutions would otherwise be linear between the poolings.

    References
    ----------
    Liu, "Multi-modal deep learning", thesis, 2022, appendix, experiment 2.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import ConvEncoder
    >>> encoder = ConvEncoder().build((1, 80, 80)).eval()
    >>> encoder(torch.zeros(2, 1, 80, 80)).shape
    torch.Size([2, 126])
    >>> encoder.dense[0].in_features  # 32 maps of 20 x 20
    12800
    """

    search_space = {"hidden": [(64,), (126,), (256,)], "dropout": (0.0, 0.6)}

    _parameter_constraints = {
        "channels": [tuple, list],
        "kernel_size": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "pool": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "hidden": [tuple, list],
        "batch_norm": ["boolean"],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        channels=(16, 32),
        *,
        kernel_size=5,
        pool=2,
        hidden=(126,),
        batch_norm=True,
        activation="relu",
        dropout=0.0,
    ):
        super().__init__()
        self.channels = channels
        self.kernel_size = kernel_size
        self.pool = pool
        self.hidden = hidden
        self.batch_norm = batch_norm
        self.activation = activation
        self.dropout = dropout

    def build(self, in_shape):
        """Create the layers for samples of shape (channels, height, width)."""
        check_image_shape(self, in_shape)
        maps, size = in_shape[0], in_shape[1:]
        channels = check_widths(self.channels, "channels")
        kernels = per_layer(self.kernel_size, len(channels), "kernel_size")
        pools = per_layer(self.pool, len(channels), "pool")
        layers = []
        for maps_out, kernel, pool in zip(channels, kernels, pools, strict=True):
            layers += self._conv(maps, maps_out, kernel, pool)
            maps, size = maps_out, [self._size(s, kernel, pool) for s in size]
        self.maps = nn.Sequential(*layers)
        self.dense, self.out_features = self._dense(maps, math.prod(size))
        return self

    def _conv(self, maps_in, maps_out, kernel, pool):
        layers = [nn.Conv2d(maps_in, maps_out, kernel, padding=kernel // 2)]
        layers += [nn.BatchNorm2d(maps_out)] if self.batch_norm else []
        layers += [ACTIVATIONS[self.activation]()]
        return layers + ([nn.MaxPool2d(pool, ceil_mode=True)] if pool > 1 else [])

    def _size(self, size, kernel, pool):
        return math.ceil((size + 2 * (kernel // 2) - kernel + 1) / pool)

    def _dense(self, maps, area):
        if not self.hidden:
            return nn.Sequential(nn.Unflatten(1, (maps, area)), GlobalMean()), maps
        layers, width = [], maps * area
        for units in check_widths(self.hidden):
            layers += [nn.Linear(width, units)]
            layers += [nn.BatchNorm1d(units)] if self.batch_norm else []
            layers += [ACTIVATIONS[self.activation]()]
            layers += [nn.Dropout(self.dropout)] if self.dropout else []
            width = units
        return nn.Sequential(*layers), width

    def forward(self, x):
        """(batch, channels, height, width) to (batch, out_features)."""
        return self.dense(self.maps(channels_last(x)).flatten(1))


class GlobalMean(nn.Module):
    """Mean over all axes except the first two."""

    def forward(self, x):
        """(batch, channels, ...) to (batch, channels)."""
        return x.flatten(2).mean(2)
