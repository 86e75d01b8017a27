"""The scaling of `RobustScale`, written with numpy."""

import numpy as np


def robust(x, weight=None, clip=3.0):
    """Function that scales rows by the statistics of x, with whole weights."""
    x = np.asarray(x, np.float64).reshape(len(x), -1)
    x = x if weight is None else np.repeat(x, weight, axis=0)
    lower, median, upper = np.quantile(
        x, [0.25, 0.5, 0.75], axis=0, method="averaged_inverted_cdf"
    )
    columns = [
        _column(np.unique(values), *of)
        for values, *of in zip(x.T, lower, median, upper, strict=True)
    ]

    def scaled(rows):
        rows = np.asarray(rows, np.float64).reshape(len(rows), -1)
        out = [f(values, clip) for f, values in zip(columns, rows.T, strict=True)]
        return np.stack(out, axis=1)

    return scaled


def _column(values, lower, median, upper):
    if len(values) == 1:
        return lambda x, clip: np.zeros(len(x))
    if len(values) == 2:
        return lambda x, clip: _two(x, *values, clip)
    factor = 1 / (upper - lower) if upper > lower else 2 / (values[-1] - values[0])
    return lambda x, clip: _clipped((x - median) * factor, clip)


def _two(x, low, high, clip):
    """0 and 1 for the two values; others are clipped."""
    one = 1 if clip is None else 1 / np.sqrt(1 - 1 / clip**2)
    return _clipped((x - low) / (high - low) * one, clip)


def _clipped(z, clip):
    return z if clip is None else z / np.sqrt(1 + (z / clip) ** 2)
