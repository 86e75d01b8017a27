"""Helpers of all plots."""

import numpy as np


def axes_of(n, axes=None, size=(3.0, 3.0)):
    """Return matplotlib axes: the given ones, or those of a new figure.

    Parameters
    ----------
    n : int
        Number of axes.
    axes : matplotlib Axes or array of them, default=None
        Axes to draw on.
    size : tuple of 2 float, default=(3.0, 3.0)
        Width and height of each new axes, in inches.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    ValueError
        If a different number of axes is given.
    ImportError
        If matplotlib is not installed.
    """
    if axes is None:
        return _new_axes(n, size)
    axes = np.atleast_1d(np.asarray(axes, dtype=object)).ravel()
    if len(axes) != n:
        raise ValueError(f"axes must have {n} matplotlib axes; got {len(axes)}.")
    return axes


def _new_axes(n, size):
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "skmm[plot]"') from error
    width, height = size
    _, axes = plt.subplots(
        1, n, figsize=(n * width, height), squeeze=False, layout="constrained"
    )
    return axes[0]


def close(figure):
    """Close a figure, which pyplot would keep open."""
    import matplotlib.pyplot as plt

    plt.close(figure)


def plain(texts):
    """Return texts with "$" escaped, which would start a formula."""
    return [str(text).replace("$", r"\$") for text in texts]
