"""Decoders: reconstruct the values of a sample from an embedding.

A decoder is a Block. ``build((width, shape))`` creates its layers for embeddings of
that width and samples of that shape; ``forward`` maps (batch, width) to (batch, number
of values in a sample), with the values in the order of ``sample.ravel()``.

===========  =============================================  =========================
decoder      formula                                        parameters (defaults)
===========  =============================================  =========================
MLPDecoder   W h + b, after optional hidden layers          (width + 1) values
ConvDecoder  linear, [upsample, conv, BatchNorm, s] x L,    65,057 for 32 to
             the last convolution without BatchNorm and s   (1, 28, 28)
===========  =============================================  =========================
"""

import math
from numbers import Integral

from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm.nn.block import Block
from skmm.nn.layers import (
    ACTIVATIONS,
    channels_last,
    check_widths,
    dense_layers,
    per_layer,
)

__all__ = ["ConvDecoder", "MLPDecoder"]


class MLPDecoder(Block):
    """Fully connected layers, for samples of any shape.

    Parameters
    ----------
    hidden : tuple of int, default=()
        Widths of the hidden layers.
    activation : str, default="relu"
        Activation of the hidden layers; see ``MLPEncoder``.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import MLPDecoder
    >>> MLPDecoder().build((16, (8, 8)))(torch.zeros(5, 16)).shape
    torch.Size([5, 64])
    """

    stackable = True

    search_space = {"hidden": [(), (64,), (128,)]}

    _parameter_constraints = {
        "hidden": [tuple, list],
        "activation": [StrOptions(set(ACTIVATIONS))],
    }

    def __init__(self, hidden=(), *, activation="relu"):
        super().__init__()
        self.hidden = hidden
        self.activation = activation

    def build(self, in_shape):
        """Create the layers for ``in_shape = (width, shape of one sample)``."""
        width, shape = in_shape
        self.out_features = math.prod(shape)
        self.layers, width = dense_layers(width, self.hidden, self.activation)
        self.predict = nn.Linear(width, self.out_features)
        return self

    def forward(self, x):
        """(batch, width) to (batch, out_features)."""
        return self.predict(self.layers(x))


class ConvDecoder(Block):
    r"""A linear layer to small maps, which are upsampled and convolved repeatedly.

    It mirrors ``ConvEncoder``: the maps have the sizes that result from pooling the
    image by `scale`, so that images of any size can be decoded.

    Parameters
    ----------
    channels : tuple of int, default=(32, 16)
        Input channels of each convolution; the last one returns the channels of the
        image.
    kernel_size : int or tuple of int, default=5
        Width of the kernels, which must be odd; padding preserves the size.
    scale : int or tuple of int, default=2
        Factor of the nearest-neighbour upsampling before each convolution; 1 disables
        it.
    batch_norm : bool, default=True
        Whether BatchNorm precedes every activation.
    activation : str, default="relu"
        Activation before each convolution; see ``MLPEncoder``.

    Notes
    -----
    Samples are images of shape (channels, height, width), or (height, width) for one
    channel. With sizes :math:`s_L` = height and :math:`s_{l-1} = \lceil s_l / k_l
    \rceil`, step l upsamples maps from :math:`s_{l-1}` to :math:`s_l` pixels.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import ConvDecoder
    >>> decoder = ConvDecoder().build((32, (1, 28, 28)))
    >>> decoder.sizes
    [(7, 7), (14, 14), (28, 28)]
    >>> decoder(torch.zeros(2, 32)).shape
    torch.Size([2, 784])
    """

    _parameter_constraints = {
        "channels": [tuple, list],
        "kernel_size": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "scale": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "batch_norm": ["boolean"],
        "activation": [StrOptions(set(ACTIVATIONS))],
    }

    def __init__(
        self,
        channels=(32, 16),
        *,
        kernel_size=5,
        scale=2,
        batch_norm=True,
        activation="relu",
    ):
        super().__init__()
        self.channels = channels
        self.kernel_size = kernel_size
        self.scale = scale
        self.batch_norm = batch_norm
        self.activation = activation

    def build(self, in_shape):
        """Create the layers for ``in_shape = (width, shape of one image)``."""
        width, shape = in_shape
        image = self._image(shape)
        maps = [*check_widths(self.channels, "channels"), image[0]]
        kernels = self._kernels(len(maps) - 1)
        self.sizes = self._sizes(image[1:], len(maps) - 1)
        start = (maps[0], *self.sizes[0])
        layers = [nn.Linear(width, math.prod(start)), nn.Unflatten(1, start)]
        steps = zip(maps, maps[1:], kernels, self.sizes, self.sizes[1:], strict=False)
        for maps_in, maps_out, kernel, small, large in steps:
            layers += self._norm_and_activation(maps_in)
            layers += [nn.Upsample(large)] if large != small else []
            layers += [nn.Conv2d(maps_in, maps_out, kernel, padding=kernel // 2)]
        self.layers = nn.Sequential(*layers)
        self.out_features = math.prod(shape)
        return self

    def _norm_and_activation(self, maps):
        norm = [nn.BatchNorm2d(maps)] if self.batch_norm else []
        return [*norm, ACTIVATIONS[self.activation]()]

    def _image(self, shape):
        if len(shape) not in (2, 3):
            raise ValueError(
                "ConvDecoder returns images of shape (channels, height, width) or "
                f"(height, width); got samples of shape {tuple(shape)}. Use "
                "MLPDecoder()."
            )
        return shape if len(shape) == 3 else (1, *shape)

    def _kernels(self, count):
        kernels = per_layer(self.kernel_size, count, "kernel_size")
        for layer, kernel in enumerate(kernels, start=1):
            if kernel % 2 == 0:
                raise ValueError(
                    f"kernel_size must be odd to preserve the size of the maps; got "
                    f"{kernel} for layer {layer}. Use {kernel + 1}."
                )
        return kernels

    def _sizes(self, size, count):
        """(height, width) of the maps, from the smallest maps to the image."""
        scales = per_layer(self.scale, count, "scale")
        sizes = [tuple(size)]
        for layer, scale in zip(range(count, 0, -1), reversed(scales), strict=True):
            height, width = sizes[0]
            if scale > 1 and max(height, width) == 1:
                raise ValueError(
                    f"an image of {size[0]} x {size[1]} is too small for {count} "
                    f"layers: the maps after layer {layer} are 1 x 1 already. Use "
                    "fewer channels, or a smaller scale."
                )
            sizes.insert(0, (math.ceil(height / scale), math.ceil(width / scale)))
        return sizes

    def forward(self, x):
        """(batch, width) to (batch, out_features)."""
        maps = self.layers[1](self.layers[0](x))
        return self.layers[2:](channels_last(maps)).flatten(1)
