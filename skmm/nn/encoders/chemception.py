"""Inception-ResNet encoder for images of molecules.

===========  =============================================  ==========================
encoder      formula                                        parameters (defaults)
===========  =============================================  ==========================
Chemception  stem, A, reduction, B, reduction, C,           59,893 for (4, 80, 80)
             global mean
===========  =============================================  ==========================
"""

from numbers import Integral

import torch
from torch import nn

from skmm._sklearn import Interval
from skmm.nn.block import Block
from skmm.nn.encoders.image import check_image_shape
from skmm.nn.layers import channels_last, per_layer

__all__ = ["Chemception"]


class Chemception(Block):
    """Inception-ResNet for images of molecules.

    Parameters
    ----------
    n_blocks : tuple of 3 int, default=(1, 1, 1)
        Number of Inception blocks A, B and C. Liu (2022) uses one of each; the original
        network T3_F16 has three of each.
    filters : int, default=16
        Base number N of filters, of which all other numbers are multiples.

    Attributes
    ----------
    out_features : int
        126 for 16 filters.

    Notes
    -----
    It does not use BatchNorm; deep variants train slowly, with learning rates of about
    1e-4. With images of shape (4, 80, 80) and one output, the net has 60,020
    parameters, or 131,918 with three blocks of each kind; the maps are 39, 39, 19, 19,
    9 and 9 pixels wide.

    References
    ----------
    Goh et al., "Chemception", 2017; Liu, "Multi-modal deep learning", thesis, 2022,
    appendix, experiment 3.

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

    search_space = {"filters": [8, 16, 32]}

    _parameter_constraints = {
        "n_blocks": [tuple, list],
        "filters": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, n_blocks=(1, 1, 1), *, filters=16):
        super().__init__()
        self.n_blocks = n_blocks
        self.filters = filters

    def build(self, in_shape):
        """Create the layers for samples of shape (channels, height, width)."""
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
                    "Chemception needs images of at least 16 x 16 pixels; got "
                    f"{in_shape[1]} x {in_shape[2]}, of which nothing is left after "
                    f"layer {layer!r}."
                )

    def forward(self, x):
        """(batch, channels, height, width) to (batch, out_features)."""
        x = channels_last(x)
        for stage in self.stages.values():
            x = stage(x)
        return x.mean((2, 3))


def conv(maps_in, maps_out, kernel, stride=1, same=False):
    """Convolution and ReLU; if `same`, padding preserves the size."""
    padding = "same" if same else 0
    layer = nn.Conv2d(maps_in, maps_out, kernel, stride, padding=padding)
    return nn.Sequential(layer, nn.ReLU())


def chain(maps, *steps):
    """Successive convolutions of (filters, kernel) that preserve the size."""
    layers = []
    for filters, kernel in steps:
        layers.append(conv(maps, filters, kernel, same=True))
        maps = filters
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """ReLU(x + linear(join of the branches)): an Inception-ResNet block."""

    def __init__(self, width, widths, branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.join = nn.Conv2d(sum(widths), width, 1)

    def forward(self, x):
        """(batch, width, ...) to the same shape."""
        parts = torch.cat([branch(x) for branch in self.branches], 1)
        return (x + self.join(parts)).relu()


class Reduction(nn.Module):
    """Max pooling and strided convolutions side by side, halving the size."""

    def __init__(self, branches):
        super().__init__()
        self.branches = nn.ModuleList([nn.MaxPool2d(3, stride=2), *branches])

    def forward(self, x):
        """(batch, width, height, width) to half the height and width."""
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
