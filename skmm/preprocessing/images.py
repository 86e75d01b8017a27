"""Images, degraded on purpose: fewer rows, fewer pixels."""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skmm._sklearn import Interval

FORM = "images of one size, (n, height, width) or (n, channels, height, width)"


class _ImageTransformer(TransformerMixin, BaseEstimator):
    """Checks images; a child sets how rows of them become others."""

    def fit(self, X, y=None):
        """Learn the shape of the images and check that the parameters suit it.

        Parameters
        ----------
        X : array-like of shape (n, height, width) or (n, channels, height, width)
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X holds no images, images of several sizes or with channels last, or
            the parameter does not suit them.
        """
        self._validate_params()
        images = check_images(X)
        self._check_size(*images.shape[-2:])
        self.shape_in_ = images.shape[1:]
        return self

    def transform(self, X):
        """Transform the images.

        Parameters
        ----------
        X : array-like of shape (n, height, width) or (n, channels, height, width)

        Returns
        -------
        ndarray with as many dimensions as X
            Never a view of X.

        Raises
        ------
        ValueError
            If X holds no images, or images of another shape than in `fit`.
        """
        check_is_fitted(self)
        self._validate_params()
        images = check_images(X)
        if images.shape[1:] != self.shape_in_:
            raise ValueError(
                f"images have shape {images.shape[1:]}, but had {self.shape_in_} in "
                "fit."
            )
        self._check_size(*images.shape[-2:])
        return self._apply(images)

    def _check_size(self, height, width):
        raise NotImplementedError

    def _apply(self, images):
        raise NotImplementedError

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags


class TopRows(_ImageTransformer):
    """Keep the top rows of images.

    Parameters
    ----------
    n_rows : int or None, default=None
        How many; None keeps the upper half, of an odd height the smaller one.

    Attributes
    ----------
    shape_in_ : tuple of int
        Shape of one image in `fit`.

    See Also
    --------
    Downscale : All of the image, with fewer pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.preprocessing import TopRows
    >>> TopRows(23).fit_transform(np.zeros((5, 1, 28, 28))).shape
    (5, 1, 23, 28)
    """

    _parameter_constraints = {
        "n_rows": [Interval(Integral, 1, None, closed="left"), None]
    }

    def __init__(self, n_rows=None):
        self.n_rows = n_rows

    def _rows(self, height):
        return height // 2 if self.n_rows is None else self.n_rows

    def _check_size(self, height, width):
        if not 1 <= self._rows(height) <= height:
            raise ValueError(
                f"n_rows={self.n_rows} cannot be taken of images {height} x {width} "
                f"(height x width); n_rows must be 1 to {height}."
            )

    def _apply(self, images):
        return images[..., : self._rows(images.shape[-2]), :].copy()


class Downscale(_ImageTransformer):
    r"""Shrink images by bilinear interpolation, without antialiasing.

    Output pixel ``i`` of each axis is read at the input position

    .. math:: s_i = factor \cdot (i + 1/2) - 1/2

    between its two neighbours: an odd factor takes every factor-th pixel, an even one
    the mean of two (in the plane, of four). This equals torch's ``interpolate`` in
    mode "bilinear" with its default ``align_corners=False``.

    Parameters
    ----------
    factor : int, default=2
        How many times smaller height and width become; must divide both.

    Attributes
    ----------
    shape_in_ : tuple of int
        Shape of one image in `fit`.

    See Also
    --------
    TopRows : Part of the image, with all its pixels.

    Notes
    -----
    float32 and float64 images keep their dtype; float16 and integers become float32,
    or float64 if they are integers of 32 bits or more.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.preprocessing import Downscale
    >>> Downscale(2).fit_transform(np.arange(16.0).reshape(1, 4, 4))
    array([[[ 2.5,  4.5],
            [10.5, 12.5]]])
    """

    _parameter_constraints = {"factor": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, factor=2):
        self.factor = factor

    def _check_size(self, height, width):
        if height % self.factor or width % self.factor:
            fitting = [f for f in range(2, height + 1) if height % f == 0 == width % f]
            raise ValueError(
                f"factor={self.factor} does not divide the size of the images, "
                f"{height} x {width} (height x width); factors that do: "
                f"{[1, *fitting]}."
            )

    def _apply(self, images):
        images = images.astype(np.result_type(images.dtype, np.float32))
        return shrink_axis(shrink_axis(images, self.factor, -2), self.factor, -1)


def shrink_axis(values, factor, axis):
    """Interpolate linearly at the middles of groups of `factor` values."""
    middle = np.arange(values.shape[axis] // factor) * factor + (factor - 1) // 2
    if factor % 2:
        return np.take(values, middle, axis)
    low, high = (np.take(values, middle + step, axis) for step in (0, 1))
    return (low + high) / 2


def check_images(X):
    """Return X as a numeric array of images, or say what it is instead."""
    try:
        images = np.asarray(X)
    except ValueError:
        images = np.empty(0, dtype=object)
    if images.dtype == object:
        raise ValueError(f"{_several_sizes(X)}; expected {FORM}.")
    if images.dtype.kind not in "biuf":
        raise ValueError(f"images have dtype {images.dtype}; expected real numbers.")
    if images.ndim not in (3, 4):
        raise ValueError(f"X has shape {images.shape}; expected {FORM}.")
    if len(images) == 0:
        raise ValueError("Found array with 0 sample(s): X needs at least one image.")
    _refuse_channels_last(images.shape)
    return images


def _several_sizes(X):
    shapes = [np.shape(image) for image in X]
    other = next((i for i, s in enumerate(shapes) if s != shapes[0]), None)
    if other is None:
        return f"X holds objects of type {type(X[0]).__name__}"
    return f"row 0 has shape {shapes[0]}, but row {other} has {shapes[other]}"


def _refuse_channels_last(shape):
    if len(shape) == 4 and shape[3] <= 4 < min(shape[1:3]):
        raise ValueError(
            f"X has shape {shape}, which looks like (n, height, width, channels); "
            f"expected {FORM}: X.transpose(0, 3, 1, 2)."
        )
