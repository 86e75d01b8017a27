"""Scaling of tables inside the net, learnt from the training samples."""

import math
from numbers import Real

import numpy as np
import torch

from skmm._sklearn import Interval
from skmm.data.sources import rows_at
from skmm.nn.block import Block

__all__ = ["RobustScale"]

SAMPLES = 2**14  # whose quantiles are taken; more hardly change them
VALUES = 2**26  # fewer samples if these have more values
LEAST = 2**10  # but at least as many
PIECE = 2**22  # values that are sorted at once
LARGE = 1e18  # its square is finite in float32


class RobustScale(Block):
    r"""Scale every column by its median and quartiles, and clip it smoothly.

    .. math:: h_j = \frac{z_j}{\sqrt{1 + (z_j / c)^2}}, \qquad
              z_j = (x_j - m_j) f_j

    with the median m and the factor f = 1 / (upper - lower quartile) of the training
    samples. Where the quartiles are equal, f = 2 / (maximum - minimum). A column of two
    values becomes 0 and 1, and a constant column 0.

    Parameters
    ----------
    clip : float > 1 or None, default=3.0
        Limit of the absolute values, c. None does not clip.

    Attributes
    ----------
    center, factor : Tensor of shape (out_features,), float32
        m and f of each column.
    bend : Tensor of shape (1,), float32
        1 / c^2; 0 before `adapt`, when outputs equal inputs.
    out_features : int
        Number of values in a sample; set by ``build``.

    See Also
    --------
    MLPEncoder : Scales its inputs with its parameter `scale`.

    Notes
    -----
    Shapes: (batch, ...) to (batch, out_features). Samples with more than one dimension
    are flattened, and each value is a column.

    Quantiles count a sample of weight 2 as two samples, and depend only on the ratios
    of the weights. A quantile between two values is their mean. Of more than 16,384
    samples, or of fewer if they have more than 2^26 values, a part is used that is
    drawn with a fixed seed.

    Values are read as float32, which has 7 digits: subtract an offset that is more than
    1e6 times as large as the spread of a column beforehand.

    References
    ----------
    Holzmüller, Grinsztajn and Steinwart, "Better by default: Strong pre-tuned MLPs and
    boosted trees on tabular data", 2024.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import RobustScale
    >>> x = torch.tensor([[0.0, 5.0], [10.0, 7.0], [20.0, 7.0], [30.0, 5.0]])
    >>> scale = RobustScale(clip=None).build((2,))
    >>> scale.adapt(x)(x)
    tensor([[-0.7500,  0.0000],
            [-0.2500,  1.0000],
            [ 0.2500,  1.0000],
            [ 0.7500,  0.0000]])
    """

    stackable = True
    replica_buffers = ("center", "factor", "bend")
    search_space = {"clip": [2.0, 3.0, 5.0, None]}
    _parameter_constraints = {"clip": [Interval(Real, 1, None, closed="neither"), None]}

    def __init__(self, clip=3.0):
        super().__init__()
        self.clip = clip

    def build(self, in_shape):
        """Set the width for samples of shape `in_shape`."""
        self.row_ndim = len(in_shape)
        self.out_features = math.prod(in_shape)
        self.register_buffer("center", torch.zeros(self.out_features))
        self.register_buffer("factor", torch.ones(self.out_features))
        self.register_buffer("bend", torch.zeros(1))
        return self

    def adapt(self, x, weight=None):
        """Learn medians and factors from training samples; see ``Block.adapt``."""
        x, weight = sampled(x, weight)
        center, factor = robust_statistics(x, weight, self.clip)
        self.center.copy_(torch.from_numpy(center))
        self.factor.copy_(torch.from_numpy(factor))
        self.bend.fill_(0.0 if self.clip is None else self.clip**-2)
        return self

    def forward(self, x):
        """(batch, ...) to (batch, out_features)."""
        x = x if self.row_ndim == 1 else x.flatten(-self.row_ndim)
        z = (x - self.center).mul_(self.factor)
        if self.clip is None:
            return z
        z = z.clamp_(-LARGE, LARGE)
        return z * (z * self.bend).mul_(z).add_(1).rsqrt_()


SCALES = {"robust": RobustScale}  # values of the parameter `scale` of encoders


def sampled(x, weight=None):
    """Return some of the samples, each flattened, and their weights.

    Parameters
    ----------
    x : Tensor, or source of ``skmm.data.sources``, of shape (n_samples, ...)
    weight : Tensor of shape (n_samples,), optional
        Samples of weight 0 are left out.

    Returns
    -------
    (ndarray of shape (n, n_columns), ndarray of shape (n,) of float64, or None)
    """
    index = None if weight is None else weight.nonzero()[:, 0]
    n_rows = len(x) if index is None else len(index)
    width = max(1, rows_at(x, slice(0, 1)).numel())
    size = min(SAMPLES, max(LEAST, VALUES // width))
    if n_rows > size:
        drawn = np.random.default_rng(0).choice(n_rows, size, False, shuffle=False)
        drawn = torch.from_numpy(np.sort(drawn)).to(x.device)
        index = drawn if index is None else index[drawn]
    elif index is not None and n_rows == len(x):
        index = None
    values = rows_at(x, slice(None) if index is None else index)
    if weight is not None:
        weight = weight if index is None else weight[index]
        weight = weight.cpu().double().numpy()
    return values.flatten(1).cpu().numpy(), weight


def robust_statistics(x, weight=None, clip=None):
    """Center and factor of each column; see `RobustScale`.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_columns)
    weight : ndarray of shape (n_samples,), optional
        Above zero.
    clip : float, optional
        Limit that two values become 0 and 1 in spite of.

    Returns
    -------
    (ndarray of shape (n_columns,), ndarray of shape (n_columns,))
        Of float64.
    """
    step = max(1, PIECE // len(x))
    parts = [
        _statistics(x[:, start : start + step], weight, clip)
        for start in range(0, x.shape[1], step)
    ]
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _statistics(x, weight, clip):
    low, high = x.min(0).astype(np.float64), x.max(0).astype(np.float64)
    lower, median, upper = quantiles(x, (0.25, 0.5, 0.75), weight)
    width, spread = high - low, upper - lower
    is_two = ((x == low) | (x == high)).all(0)
    one = 1.0 if clip is None else (1 - clip**-2) ** -0.5  # is clipped to 1
    with np.errstate(divide="ignore"):
        factor = np.where(spread > 0, 1 / spread, 2 / width)
        factor = np.where(is_two, one / width, factor)
    factor = np.clip(factor, *LIMITS)  # finite in float32
    center = np.where(is_two, low, median)
    return np.where(width > 0, center, 0.0), np.where(width > 0, factor, 0.0)


LIMITS = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


def quantiles(x, levels, weight=None):
    """Quantiles of each column, where an empirical distribution reaches each level.

    At a level that falls between two values, the result is their mean, as of
    ``numpy.quantile`` with ``method="averaged_inverted_cdf"``.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_columns)
    levels : tuple of float in [0, 1]
        In ascending order.
    weight : ndarray of shape (n_samples,), optional
        Above zero.

    Returns
    -------
    ndarray of shape (n_levels, n_columns), float64

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.nn.scaling import quantiles
    >>> quantiles(np.array([[1.0], [2.0], [9.0]]), (0.5,), np.array([1.0, 1.0, 2.0]))
    array([[5.5]])
    """
    levels = np.array(levels)
    if weight is None:
        below, above = _places(np.arange(1, len(x) + 1) / len(x), levels)
        x = np.partition(x, [*{*below, *above}], axis=0)
        return (x[below].astype(np.float64) + x[above]) / 2
    order = x.argsort(axis=0)
    x = np.take_along_axis(x, order, 0).astype(np.float64)
    reached = weight[order].cumsum(axis=0)
    found = [_places(column / column[-1], levels) for column in reached.T]
    columns = np.arange(x.shape[1])
    below, above = np.moveaxis(np.array(found), 0, -1)
    return (x[below, columns] + x[above, columns]) / 2


TOLERANCE = 3e-7  # weights are of float32


def _places(reached, levels):
    """First places at which a cumulated share reaches levels, and exceeds them."""
    below = reached.searchsorted(levels - TOLERANCE)
    above = reached.searchsorted(levels + TOLERANCE)
    return np.minimum(below, len(reached) - 1), np.minimum(above, len(reached) - 1)
