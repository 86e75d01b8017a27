"""Encoders of images, rows of shape (channels, height, width).

===========  =============================================  ==========================
encoder      formula                                        parameters (defaults)
===========  =============================================  ==========================
ConvEncoder  [conv, BatchNorm, s, pool] x 2, flatten,       1,626,522 for (1, 80, 80)
             [linear, BatchNorm, s]
===========  =============================================  ==========================

``Chemception``, for images of molecules, has a file of its own.
"""

import math
from numbers import Integral, Real

from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm.nn.block import Block
from skmm.nn.layers import ACTIVATIONS, channels_last, check_widths, per_layer

__all__ = ["ConvEncoder"]


def check_image_shape(block, in_shape):
    """Refuse rows that are not (channels, height, width)."""
    if len(in_shape) != 3:
        raise ValueError(
            f"{type(block).__name__} reads images of shape (channels, height, width); "
            f"got rows of shape {tuple(in_shape)}. Grey images need a channel axis: "
            "images[:, None]."
        )
    channels, height, width = in_shape
    if channels == height and width <= 4 < height:  # others: a warning of `choose`
        raise ValueError(
            f"{type(block).__name__} reads (channels, height, width), but rows have "
            f"shape {tuple(in_shape)}, which looks like channels last; use "
            "np.moveaxis(images, -1, 1)."
        )


class ConvEncoder(Block):
    """Convolutions with BatchNorm and pooling, then dense layers.

    The defaults are the image network of Liu's second experiment (2022): two 5 x 5
    convolutions of 16 and 32 channels, each halving the image, then 126 units.

    Parameters
    ----------
    channels : tuple of int, default=(16, 32)
        Channels of each convolution.
    kernel_size : int or tuple of int, default=5
        Width of the kernels; padding keeps the size for odd ones.
    pool : int or tuple of int, default=2
        Max pooling after each convolution; 1 is none. Incomplete windows count.
    hidden : tuple of int, default=(126,)
        Dense layers on the flattened maps; the last is the width of the embedding.
        ``()`` takes the mean over the image instead.
    batch_norm : bool, default=True
        BatchNorm after every layer, before the activation.
    activation : str, default="relu"
        As for ``MLPEncoder``.
    dropout : float in [0, 1), default=0.0
        After every dense layer.

    Notes
    -----
    Liu (2022) lists no activations; a ReLU stands after every BatchNorm here, without
    which the convolutions would be linear between the poolings.

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
        """Make the layers for rows of shape (channels, height, width)."""
        check_image_shape(self, in_shape)
        maps, size = in_shape[0], in_shape[1:]
        count = len(check_widths(self.channels, "channels"))
        kernels = per_layer(self.kernel_size, count, "kernel_size")
        pools = per_layer(self.pool, count, "pool")
        layers = []
        for wide, kernel, pool in zip(self.channels, kernels, pools, strict=True):
            layers += self._conv(maps, wide, kernel, pool)
            maps, size = wide, [self._size(s, kernel, pool) for s in size]
        self.maps = nn.Sequential(*layers)
        self.dense, self.out_features = self._dense(maps, math.prod(size))
        return self

    def _conv(self, maps, wide, kernel, pool):
        layers = [nn.Conv2d(maps, wide, kernel, padding=kernel // 2)]
        layers += [nn.BatchNorm2d(wide)] if self.batch_norm else []
        layers += [ACTIVATIONS[self.activation]()]
        return layers + ([nn.MaxPool2d(pool, ceil_mode=True)] if pool > 1 else [])

    def _size(self, size, kernel, pool):
        return math.ceil((size + 2 * (kernel // 2) - kernel + 1) / pool)

    def _dense(self, maps, area):
        if not self.hidden:
            return nn.Sequential(nn.Unflatten(1, (maps, area)), GlobalMean()), maps
        layers, width = [], maps * area
        for wide in check_widths(self.hidden):
            layers += [nn.Linear(width, wide)]
            layers += [nn.BatchNorm1d(wide)] if self.batch_norm else []
            layers += [ACTIVATIONS[self.activation]()]
            layers += [nn.Dropout(self.dropout)] if self.dropout else []
            width = wide
        return nn.Sequential(*layers), width

    def forward(self, x):
        """(batch, channels, height, width) to (batch, out_features)."""
        return self.dense(self.maps(channels_last(x)).flatten(1))


class GlobalMean(nn.Module):
    """Mean over all but the first two axes."""

    def forward(self, x):
        """(batch, channels, ...) to (batch, channels)."""
        return x.flatten(2).mean(2)
