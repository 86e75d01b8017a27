"""Encoders of images, rows of shape (channels, height, width).

===========  =============================================  ==========================
encoder      formula                                        parameters (defaults)
===========  =============================================  ==========================
ConvEncoder  [conv, BatchNorm, s, pool] x 2, flatten,       1,626,522 for (1, 80, 80)
             [linear, BatchNorm, s]
Chemception  stem, A, reduction, B, reduction, C,           59,893 for (4, 80, 80)
             global mean
===========  =============================================  ==========================
"""

import math
from numbers import Integral, Real

import torch
from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm.nn.block import Block
from skmm.nn.layers import ACTIVATIONS, check_widths, per_layer

__all__ = ["Chemception", "ConvEncoder"]


def check_image_shape(block, in_shape):
    """Refuse rows that are not (channels, height, width)."""
    if len(in_shape) != 3:
        raise ValueError(
            f"{type(block).__name__} reads images of shape (channels, height, width); "
            f"got rows of shape {tuple(in_shape)}. Grey images need a channel axis: "
            "images[:, None]."
        )
    channels, height, width = in_shape
    if channels == height and width <= 4 < height:
        raise ValueError(
            f"{type(block).__name__} reads (channels, height, width), but rows have "
            f"shape {tuple(in_shape)}, which looks like channels last; use "
            "np.moveaxis(images, -1, 1)."
        )


class ConvEncoder(Block):
    """Convolutions with BatchNorm and pooling, then dense layers.

    The defaults are the image network of the thesis's second experiment: two 5 x 5
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
    The thesis lists no activations; a ReLU stands after every BatchNorm here, without
    which the convolutions would be linear between the poolings.

    References
    ----------
    Liu, "Multi-modal deep learning" (thesis, 2022), appendix, experiment 2.

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
        return self.dense(self.maps(x).flatten(1))


class GlobalMean(nn.Module):
    """Mean over all but the first two axes."""

    def forward(self, x):
        """(batch, channels, ...) to (batch, channels)."""
        return x.flatten(2).mean(2)


class Chemception(Block):
    """Inception-ResNet for images of molecules.

    Parameters
    ----------
    n_blocks : tuple of 3 int, default=(1, 1, 1)
        Number of Inception blocks A, B and C; the thesis has one of each, the original
        T3_F16 three.
    filters : int, default=16
        Base number N of filters; all others are multiples of it.

    Attributes
    ----------
    out_features : int
        126 for 16 filters.

    Notes
    -----
    No BatchNorm: deep variants train slowly, at learning rates about 1e-4. With one
    output, (4, 80, 80) images have 60,020 parameters, or 131,918 with three blocks of
    each kind; the maps measure 39, 39, 19, 19, 9, 9 pixels.

    References
    ----------
    Goh et al., "Chemception", 2017; Liu (thesis, 2022), appendix, experiment 3.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import Chemception
    >>> encoder = Chemception().build((4, 80, 80))
    >>> sum(p.numel() for p in encoder.parameters()) + 126 + 1  # with one output
    60020
    >>> encoder(torch.zeros(2, 4, 80, 80)).shape
    torch.Size([2, 126])
    """

    _parameter_constraints = {
        "n_blocks": [tuple, list],
        "filters": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, n_blocks=(1, 1, 1), *, filters=16):
        super().__init__()
        self.n_blocks = n_blocks
        self.filters = filters

    def build(self, in_shape):
        """Make the layers for rows of shape (channels, height, width)."""
        check_image_shape(self, in_shape)
        n = self.filters
        a, b, c = per_layer(self.n_blocks, 3, "n_blocks", least=0)
        self.stages = nn.ModuleDict({"stem": conv(in_shape[0], n, 4, stride=2)})
        self.stages["a"] = nn.Sequential(*(_inception_a(n) for _ in range(a)))
        self.stages["reduce_a"], width = _reduction_a(n)
        self.stages["b"] = nn.Sequential(*(_inception_b(width, n) for _ in range(b)))
        self.stages["reduce_b"], width = _reduction_b(width, n)
        self.stages["c"] = nn.Sequential(*(_inception_c(width, n) for _ in range(c)))
        self.out_features = width
        self._check_fits(in_shape)
        return self

    def _check_fits(self, in_shape):
        sizes = list(in_shape[1:])
        for layer, kernel in (("stem", 4), ("reduce_a", 3), ("reduce_b", 3)):
            sizes = [(size - kernel) // 2 + 1 for size in sizes]
            if min(sizes) < 1:
                raise ValueError(
                    f"images of {in_shape[1]} x {in_shape[2]} are too small for "
                    f"Chemception: nothing is left after its layer {layer!r}. It needs "
                    "at least 16 x 16."
                )

    def forward(self, x):
        """(batch, channels, height, width) to (batch, out_features)."""
        for stage in self.stages.values():
            x = stage(x)
        return x.mean((2, 3))


def conv(width, wide, kernel, stride=1, same=False):
    """Convolution and ReLU; padded to keep the size if `same`."""
    layer = nn.Conv2d(width, wide, kernel, stride, padding="same" if same else 0)
    return nn.Sequential(layer, nn.ReLU())


def chain(width, *steps):
    """Convolutions of (filters, kernel) that keep the size, one after the other."""
    layers = []
    for wide, kernel in steps:
        layers.append(conv(width, wide, kernel, same=True))
        width = wide
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """ReLU(x + linear(join of the branches)): an Inception-ResNet block."""

    def __init__(self, width, widths, branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.join = nn.Conv2d(sum(widths), width, 1)

    def forward(self, x):
        """Keep the shape."""
        parts = torch.cat([branch(x) for branch in self.branches], 1)
        return (x + self.join(parts)).relu()


class Reduction(nn.Module):
    """Max pooling and strided convolutions side by side, halving the size."""

    def __init__(self, branches):
        super().__init__()
        self.branches = nn.ModuleList([nn.MaxPool2d(3, stride=2), *branches])

    def forward(self, x):
        """Halve height and width."""
        return torch.cat([branch(x) for branch in self.branches], 1)


def _inception_a(n):
    wide, wider = round(1.5 * n), 2 * n
    branches = [
        chain(n, (n, 1)),
        chain(n, (n, 1), (n, 3)),
        chain(n, (n, 1), (wide, 3), (wider, 3)),
    ]
    return Residual(n, (n, n, wider), branches)


def _reduction_a(n):
    wide = round(1.5 * n)
    branches = [
        conv(n, wide, 3, stride=2),
        nn.Sequential(chain(n, (n, 1), (n, 3)), conv(n, wide, 3, stride=2)),
    ]
    return Reduction(branches), n + 2 * wide


def _inception_b(width, n):
    middle, wide = round(1.25 * n), round(1.5 * n)
    branches = [
        chain(width, (n, 1)),
        chain(width, (n, 1), (middle, (1, 7)), (wide, (7, 1))),
    ]
    return Residual(width, (n, wide), branches)


def _reduction_b(width, n):
    first, second, third = round(1.5 * n), round(1.125 * n), round(1.25 * n)
    branches = [
        nn.Sequential(chain(width, (n, 1)), conv(n, first, 3, stride=2)),
        nn.Sequential(chain(width, (n, 1)), conv(n, second, 3, stride=2)),
        nn.Sequential(
            chain(width, (n, 1), (second, (3, 1))), conv(second, third, 3, stride=2)
        ),
    ]
    return Reduction(branches), width + first + second + third


def _inception_c(width, n):
    middle, wide = round(7 * n / 6), round(4 * n / 3)
    branches = [
        chain(width, (n, 1)),
        chain(width, (n, 1), (middle, (1, 3)), (wide, (3, 1))),
    ]
    return Residual(width, (n, wide), branches)
