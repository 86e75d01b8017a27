"""Transformers that degrade images: fewer rows, fewer pixels."""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skmm._sklearn import Interval

FORM = "images of shape (n_samples, [n_channels,] height, width)"


class _ImageTransformer(TransformerMixin, BaseEstimator):
    """Validates images; subclasses define `_check_size` and `_apply`."""

    def fit(self, X, y=None):
        """Learn the shape of the images and check the parameters against it.

        Parameters
        ----------
        X : array-like of shape (n_samples, [n_channels,] height, width)
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X is not an array of images, channels are last, or a parameter does not
            fit the size of the images.
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
        X : array-like of shape (n_samples, [n_channels,] height, width)

        Returns
        -------
        ndarray with as many dimensions as X
            A copy, never a view of X.

        Raises
        ------
        ValueError
            If X is not an array of images, or their shape differs from that in `fit`.
        """
        check_is_fitted(self)
        self._validate_params()
        images = check_images(X)
        if images.shape[1:] != self.shape_in_:
            raise ValueError(
                f"images have shape {images.shape[1:]}, but those in fit had shape "
                f"{self.shape_in_}."
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
        Number of rows to keep; None keeps the upper half, rounded down.

    Attributes
    ----------
    shape_in_ : tuple of int
        Shape of one image in `fit`.

    See Also
    --------
    Downscale : Keeps the whole image with fewer pixels.

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
                f"n_rows={self.n_rows} does not fit images of {height} x {width} "
                f"(height x width); n_rows must be between 1 and {height}."
            )

    def _apply(self, images):
        return images[..., : self._rows(images.shape[-2]), :].copy()


class Downscale(_ImageTransformer):
    r"""Shrink images by bilinear interpolation, without antialiasing.

    Output pixel ``i`` of each axis is interpolated at the input position

    .. math:: s_i = factor \cdot (i + 1/2) - 1/2

    so that an odd factor takes every factor-th pixel, and an even one the mean of two
    (of four in two dimensions). This equals ``torch.nn.functional.interpolate`` with
    ``mode="bilinear"`` and ``align_corners=False``.

    Parameters
    ----------
    factor : int, default=2
        Divisor of height and width; must divide both.

    Attributes
    ----------
    shape_in_ : tuple of int
        Shape of one image in `fit`.

    See Also
    --------
    TopRows : Keeps a part of the image with all its pixels.

    Notes
    -----
    float32 and float64 images keep their dtype; float16 and integers become float32,
    or float64 for integers of 32 bits or more.

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
                f"{height} x {width} (height x width); possible factors: "
                f"{[1, *fitting]}."
            )

    def _apply(self, images):
        images = images.astype(np.result_type(images.dtype, np.float32))
        return shrink_axis(shrink_axis(images, self.factor, -2), self.factor, -1)


def shrink_axis(values, factor, axis):
    """Interpolate linearly at the centres of groups of `factor` values."""
    middle = np.arange(values.shape[axis] // factor) * factor + (factor - 1) // 2
    if factor % 2:
        return np.take(values, middle, axis)
    low, high = (np.take(values, middle + step, axis) for step in (0, 1))
    return (low + high) / 2


def check_images(X):
    """Return X as a numeric array of images, or raise a ValueError."""
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
    _check_channels_first(images.shape)
    return images


def _several_sizes(X):
    shapes = [np.shape(image) for image in X]
    other = next((i for i, s in enumerate(shapes) if s != shapes[0]), None)
    if other is None:
        return f"X holds objects of type {type(X[0]).__name__}"
    return f"row 0 has shape {shapes[0]}, but row {other} has {shapes[other]}"


def _check_channels_first(shape):
    if len(shape) == 4 and shape[3] <= 4 < min(shape[1:3]):
        raise ValueError(
            f"X has shape {shape}, which looks like channels last; "
            f"expected {FORM}: use X.transpose(0, 3, 1, 2)."
        )
