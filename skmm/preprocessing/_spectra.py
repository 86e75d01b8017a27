"""Read spectra: concatenate arrays of positions and intensities."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

FORM = "one array of shape (n_points, 2) per row, of positions and intensities"


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
        If X is empty or a row is not a spectrum.
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
