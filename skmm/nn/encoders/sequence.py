"""Encoders for sequences and spectra of shape (channels, length).

=============  ===========================================  ========================
encoder        formula                                      parameters (defaults)
=============  ===========================================  ========================
Conv1dEncoder  [conv, s, pool, BatchNorm] x 3 (the last     12,496 for (4, 100)
               without pool), conv of width one, s,
               max over positions
=============  ===========================================  ========================
"""

from numbers import Integral

import torch
from torch import nn

from skmm._sklearn import Interval, StrOptions
from skmm.nn.block import Block
from skmm.nn.layers import ACTIVATIONS, check_widths, per_layer

__all__ = ["Conv1dEncoder"]


class Conv1dEncoder(Block):
    """Convolutions along a sequence, followed by the maximum over all positions.

    Parameters
    ----------
    channels : tuple of int, default=(16, 32, 64)
        Output channels of each convolution; all but the last are followed by pooling.
    kernel_size : int or tuple of int, default=(5, 3, 3)
        Width of the kernels, which are not padded.
    pool : int, default=2
        Window of the max pooling; 1 disables it.
    width : int, default=64
        Width of the embedding.
    batch_norm : bool, default=True
        Whether BatchNorm follows every convolution and its pooling.
    activation : str, default="relu"
        See ``MLPEncoder``.

    Notes
    -----
    Samples of shape (length,) have one channel. The maximum over positions makes the
    embedding independent of the position of a motif, up to the stride of the pooling.

    References
    ----------
    Varshneya et al., "InTense", IJCAI 2024: their encoder for DNA sequences.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import Conv1dEncoder
    >>> Conv1dEncoder(width=8).build((4, 100))(torch.zeros(2, 4, 100)).shape
    torch.Size([2, 8])
    """

    default_length = 20  # shortest samples for the default parameters

    search_space = {"width": [32, 64, 128]}

    _parameter_constraints = {
        "channels": [tuple, list],
        "kernel_size": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "pool": [Interval(Integral, 1, None, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "batch_norm": ["boolean"],
        "activation": [StrOptions(set(ACTIVATIONS))],
    }

    def __init__(
        self,
        channels=(16, 32, 64),
        *,
        kernel_size=(5, 3, 3),
        pool=2,
        width=64,
        batch_norm=True,
        activation="relu",
    ):
        super().__init__()
        self.channels = channels
        self.kernel_size = kernel_size
        self.pool = pool
        self.width = width
        self.batch_norm = batch_norm
        self.activation = activation

    def build(self, in_shape):
        """Create the layers for samples of shape (channels, length) or (length,)."""
        if len(in_shape) not in (1, 2):
            raise ValueError(
                "Conv1dEncoder expects sequences of shape (channels, length) or "
                f"(length,); got samples of shape {tuple(in_shape)}."
            )
        maps, length = (1, *in_shape)[-2:]
        channels = check_widths(self.channels, "channels")
        layers = []
        kernels = per_layer(self.kernel_size, len(channels), "kernel_size")
        pools = [int(self.pool)] * (len(channels) - 1) + [1]
        for maps_out, kernel, pool in zip(channels, kernels, pools, strict=True):
            length = self._length(length, kernel, pool, in_shape)
            layers += self._conv(maps, maps_out, kernel, pool)
            maps = maps_out
        layers += [nn.Conv1d(maps, self.width, 1), ACTIVATIONS[self.activation]()]
        self.layers = nn.Sequential(*layers)
        self.out_features = self.width
        return self

    def _conv(self, maps_in, maps_out, kernel, pool):
        layers = [nn.Conv1d(maps_in, maps_out, kernel), ACTIVATIONS[self.activation]()]
        layers += [nn.MaxPool1d(pool)] if pool > 1 else []
        return layers + ([nn.BatchNorm1d(maps_out)] if self.batch_norm else [])

    def _length(self, length, kernel, pool, in_shape):
        left = (length - kernel + 1) // pool
        if left < 1:
            raise ValueError(
                f"samples of shape {tuple(in_shape)} are too short for Conv1dEncoder: "
                f"{length} positions are left for a kernel of {kernel} and a pooling "
                f"of {pool}. Use a smaller kernel_size or pool, or fewer channels."
            )
        return left

    def forward(self, x):
        """(batch, channels, length) or (batch, length) to (batch, width)."""
        x = x[:, None] if x.ndim == 2 else x
        return torch.amax(self.layers(x), 2)
