"""Spectra with different points, converted to vectors of one length."""

from collections.abc import Mapping
from numbers import Real
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skmm._plotting import axes_of
from skmm._sklearn import Interval, StrOptions

FORM = "one array of shape (n_points, 2) per sample, of positions and intensities"


class SpectrumBinner(TransformerMixin, BaseEstimator):
    r"""Average the intensities of spectra within windows of equal width.

    With ``lo`` and ``hi`` the smallest and largest position in `fit`, there are

    .. math:: B = \lceil (hi - lo) / width \rceil

    windows; window ``b`` is ``[lo + b * width, lo + (b + 1) * width)``. A point at
    ``hi`` is in the last one; points outside ``[lo, hi]`` are ignored.

    Parameters
    ----------
    width : float, default=10.0
        Width of a window, in the unit of the positions (Raman: 1/cm).
    aggregate : {"mean", "sum"}, default="mean"
        Statistic of the intensities in a window. The mean, unlike the sum, does not
        depend on the sampling density.
    fill_value : float, default=0.0
        Value of windows without points.

    Attributes
    ----------
    bounds_ : tuple of 2 float
        ``lo`` and ``hi``.
    bin_edges_ : ndarray of shape (B + 1,)
        The last one may be larger than ``hi``.

    Notes
    -----
    X is a list or object array with one array of shape (n_points, 2) per sample:
    positions, which must not decrease, and intensities; n_points may vary. It can also
    be one array of shape (n_samples, n_points, 2). Stack separate arrays with
    ``numpy.column_stack([positions, intensities])``.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.preprocessing import SpectrumBinner
    >>> a = np.column_stack([[400, 405, 412, 420], [1.0, 3.0, 5.0, 7.0]])
    >>> b = np.column_stack([[401, 418], [2.0, 4.0]])
    >>> binner = SpectrumBinner(width=10).fit([a, b])
    >>> binner.bounds_, binner.bin_edges_
    ((400.0, 420.0), array([400., 410., 420.]))
    >>> binner.transform([a, b])
    array([[2., 6.],
           [2., 4.]])
    """

    _parameter_constraints = {
        "width": [Interval(Real, 0, None, closed="neither")],
        "aggregate": [StrOptions({"mean", "sum"})],
        "fill_value": [Real],
    }

    def __init__(self, width=10.0, *, aggregate="mean", fill_value=0.0):
        self.width = width
        self.aggregate = aggregate
        self.fill_value = fill_value

    def fit(self, X, y=None):
        """Learn the range of the positions.

        Parameters
        ----------
        X : sequence of array-like of shape (n_points, 2)
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a sample is not a spectrum, has no points, decreasing positions, or
            values that are not finite.
        """
        self._validate_params()
        position = read_spectra(X).position
        self.bounds_ = (float(position.min()), float(position.max()))
        low, high = self.bounds_
        # rounded, as quotients are inexact: 0.3 / 0.1 is not 3
        n_bins = max(1, int(np.ceil(np.round((high - low) / self.width, 9))))
        self.bin_edges_ = low + self.width * np.arange(n_bins + 1)
        return self

    def transform(self, X):
        """Bin the spectra.

        Parameters
        ----------
        X : sequence of array-like of shape (n_points, 2)

        Returns
        -------
        ndarray of shape (n_samples, B), dtype float64

        Raises
        ------
        ValueError
            See `fit`; also if a spectrum has no point within `bounds_`.
        """
        check_is_fitted(self)
        self._validate_params()
        flat = read_spectra(X)
        inside = (flat.position >= self.bounds_[0]) & (flat.position <= self.bounds_[1])
        self._check_inside(flat, inside)
        n_bins = len(self.bin_edges_) - 1
        windows = (flat.position[inside] - self.bounds_[0]) / self.width
        found = np.floor(np.round(windows, 9)).astype(int)  # rounded as in fit
        cell = flat.row[inside] * n_bins + np.clip(found, 0, n_bins - 1)
        counts = np.bincount(cell, minlength=flat.n * n_bins)
        total = np.bincount(cell, flat.intensity[inside], minlength=flat.n * n_bins)
        if self.aggregate == "mean":
            total /= np.maximum(counts, 1)
        return np.where(counts > 0, total, self.fill_value).reshape(flat.n, n_bins)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the output columns.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of shape (B,), dtype object
            "bin0", "bin1", ...; see `bin_edges_`.
        """
        check_is_fitted(self)
        return np.array([f"bin{i}" for i in range(len(self.bin_edges_) - 1)], object)

    def plot(self, spectrum, axes=None):
        """Plot a spectrum and its binned version.

        Parameters
        ----------
        spectrum : array-like of shape (n_points, 2)
        axes : matplotlib Axes, default=None
            None creates a new figure.

        Returns
        -------
        matplotlib.figure.Figure
        """
        values = self.transform([spectrum])[0]
        ax = axes_of(1, axes, size=(6.0, 3.0))[0]
        ax.plot(*np.asarray(spectrum, dtype=float).T, ".-", alpha=0.5, label="measured")
        label = f"{self.aggregate} in windows of {self.width:g}"
        ax.stairs(values, self.bin_edges_, label=label, baseline=None)
        ax.set(xlabel="position", ylabel="intensity")
        ax.legend()
        return ax.figure

    def _check_inside(self, flat, inside):
        outside = np.bincount(flat.row, inside, minlength=flat.n) == 0
        if outside.any():
            first = np.flatnonzero(outside)[0]
            position = flat.position[flat.row == first]
            raise ValueError(
                f"row {first} has no point in the range seen in fit: its positions are "
                f"{position[0]:g} to {position[-1]:g}, those in fit "
                f"{self.bounds_[0]:g} to {self.bounds_[1]:g}. Check the units; or "
                "drop the row, or mark it as missing."
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


class FlatSpectra(NamedTuple):
    """Concatenated points of several spectra."""

    position: np.ndarray  # (points,)
    intensity: np.ndarray  # (points,)
    row: np.ndarray  # (points,) index of the spectrum
    n: int  # number of spectra


def read_spectra(X):
    """Check spectra and concatenate them.

    Parameters
    ----------
    X : sequence of array-like of shape (n_points, 2)

    Returns
    -------
    FlatSpectra

    Raises
    ------
    TypeError
        If X has named modalities.
    ValueError
        If X is empty or a sample is not a spectrum.
    """
    rows = [_spectrum(row, i) for i, row in enumerate(_sequence(X))]
    table = np.concatenate(rows)
    lengths = [len(row) for row in rows]
    flat = FlatSpectra(*table.T, np.repeat(np.arange(len(rows)), lengths), len(rows))
    _check_finite(flat)
    _check_not_decreasing(flat)
    return flat


def _sequence(X):
    if isinstance(X, Mapping):
        raise TypeError(
            f"X is a {type(X).__name__} of {list(X)}, not one column of spectra; pass "
            "X['name of the spectra'], or use ModalityTransformer."
        )
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) not in (1, 3):
        raise ValueError(f"X has shape {tuple(shape)}; expected {FORM}.")
    if len(X) == 0:
        raise ValueError("Found array with 0 sample(s): X needs at least one spectrum.")
    return X


def _spectrum(row, i):
    try:
        row = np.asarray(row, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"row {i} is not a numeric table ({type(row).__name__}); expected {FORM}."
        ) from None
    if row.ndim != 2 or row.shape[1] != 2:
        turned = row.ndim == 2 and row.shape[0] == 2
        fix = " Stack the two with numpy.column_stack." if turned else ""
        raise ValueError(f"row {i} has shape {row.shape}; expected {FORM}.{fix}")
    if len(row) == 0:
        raise ValueError(f"row {i} is a spectrum without points; mark it as missing.")
    return row


def _check_finite(flat):
    for values, what in (
        (flat.position, "a position"),
        (flat.intensity, "an intensity"),
    ):
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise ValueError(
                f"row {flat.row[bad[0]]} has {what} of {values[bad[0]]}; drop such "
                "points first."
            )


def _check_not_decreasing(flat):
    back = (np.diff(flat.position) < 0) & (np.diff(flat.row) == 0)
    if back.any():
        first = np.flatnonzero(back)[0]
        raise ValueError(
            f"row {flat.row[first]} has decreasing positions "
            f"({flat.position[first]:g}, then {flat.position[first + 1]:g}); sort its "
            "points: row[row[:, 0].argsort()]."
        )
