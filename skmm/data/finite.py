"""Refuse NaN, infinity and None where a modality is said to be present."""

import numpy as np
import torch
from scipy import sparse

from skmm.data import leaves


def check_finite(X):
    """Raise a ValueError if a present row of any modality is not finite."""
    for name, leaf in X.items():
        bad = _bad_rows(leaf)
        if bad is not None and (bad := bad & X.present[name]).any():
            raise ValueError(_message(name, leaf, np.flatnonzero(bad)))


def _message(name, leaf, rows):
    is_text = leaves.kind(leaf) == "text"
    what = "None instead of text" if is_text else "NaN or infinity"
    shown = ", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else "")
    return (
        f"Input X contains NaN or infinity: modality {name!r} has {what} in "
        f"{len(rows)} row(s) ({shown}). Impute the values, or mark these rows missing: "
        f"ModalityDict(..., present={{{name!r}: mask}})."
    )


def _bad_rows(leaf):
    """Boolean array of the rows that are not finite, or None if all are."""
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
    if lib.is_complex(leaf) if lib is torch else leaf.dtype.kind == "c":
        raise ValueError("Complex data not supported.")
    if lib is np and leaf.dtype.kind != "f":
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        if lib.isfinite(leaf.sum()):  # as scikit-learn does: one pass, no copy
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
