"""Whether the values of all modalities are finite real numbers, or text."""

from math import prod

import numpy as np
import pandas as pd
import torch
from scipy import sparse

from skmm.data import leaves
from skmm.data.sources import PIECE, slices


def check_finite(X):
    """Raise a ValueError if a present row of any modality is not finite."""
    for name, leaf in X.items():
        _check_dtypes(name, leaf)
        bad = _bad_rows_in_slices(leaf)
        if bad is not None and (bad := bad & X.present[name]).any():
            raise ValueError(_not_finite(name, leaf, np.flatnonzero(bad)))


def _not_finite(name, leaf, rows):
    is_text = leaves.kind(leaf) == "text"
    what = "None instead of text" if is_text else "NaN or infinity"
    return (
        f"Input X contains NaN or infinity: modality {name!r} has {what} in "
        f"{len(rows)} row(s) ({first_rows(rows)}). Impute them, or mark these rows as "
        f"missing: ModalityDict(..., present={{{name!r}: mask}})."
    )


def _check_dtypes(name, leaf):
    """Check that there are no complex numbers, nor times in a DataFrame."""
    if isinstance(leaf, pd.DataFrame):
        kinds = [getattr(dtype, "kind", "O") for dtype in leaf.dtypes]
        for column, kind in zip(leaf.columns, kinds, strict=True):
            if kind in "mM":
                raise TypeError(
                    f"modality {name!r} has times in column {column!r}; convert them "
                    "to numbers, such as days since a date."
                )
        found = "c" in kinds
    elif leaves.kind(leaf) == "ragged":
        found = any(row.dtype.kind == "c" for row in leaf)
    else:
        found = is_complex(leaf)
    if found:
        raise ValueError(complex_message(f"modality {name!r}"))


def is_complex(array):
    """Whether an array, tensor or sparse matrix has complex numbers."""
    dtype = getattr(array, "dtype", None)
    is_tensor = isinstance(dtype, torch.dtype)
    return dtype.is_complex if is_tensor else getattr(dtype, "kind", "") == "c"


def complex_message(what):
    """Error message for complex numbers in a part of the input."""
    return (
        f"{what} has complex numbers. Complex data not supported: pass real and "
        "imaginary parts, or absolute values and angles, as features."
    )


def first_rows(rows):
    """Return the first five row numbers as text."""
    return ", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else "")


def _bad_rows_in_slices(leaf):
    """Do the same as `_bad_rows`, without a mask or copy of all values of the leaf."""
    n_rows, n_values = leaf.shape[0], prod(leaf.shape)
    if n_values <= PIECE or leaves.kind(leaf) in ("text", "ragged"):
        return _bad_rows(leaf)
    bad = np.zeros(n_rows, dtype=bool)
    for part in slices(n_rows, n_values):
        found = _bad_rows(leaves.take(leaf, part))
        if found is not None:
            bad[part] = found
    return bad


def _bad_rows(leaf):
    """Return a boolean array of the rows that are not finite, or None if all are."""
    leaf_kind = leaves.kind(leaf)
    if leaf_kind == "text":
        return np.array([value is None for value in leaf])
    if leaf_kind == "ragged":
        return np.array([not np.isfinite(value).all() for value in leaf])
    if leaf_kind == "frame":
        return _bad_frame_rows(leaf)
    if leaf_kind == "sparse":
        return _bad_sparse_rows(leaf)
    return _bad_dense_rows(leaf)


def _bad_dense_rows(leaf):
    lib = torch if isinstance(leaf, torch.Tensor) else np
    is_float = leaf.is_floating_point() if lib is torch else leaf.dtype.kind == "f"
    if not is_float:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        if lib.isfinite(leaf.sum()):  # one pass without a copy, like scikit-learn
            return None
    good = lib.isfinite(leaf).reshape(leaf.shape[0], -1).all(1)
    return ~np.asarray(good.cpu() if lib is torch else good)


def _bad_sparse_rows(leaf):
    if np.isfinite(leaf.data).all():
        return None
    coo = sparse.coo_array(leaf)
    bad = np.zeros(leaf.shape[0], dtype=bool)
    bad[coo.coords[0][~np.isfinite(coo.data)]] = True
    return bad


def _bad_frame_rows(leaf):
    bad = leaf.isna().to_numpy().any(axis=1)
    numeric = leaf.select_dtypes("number").to_numpy(float, na_value=np.nan)
    return bad | ~np.isfinite(numeric).all(axis=1) if numeric.size else bad
