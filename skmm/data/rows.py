"""Row positions, lengths and presence masks."""

from collections.abc import Mapping
from numbers import Integral

import numpy as np
from scipy import sparse

from skmm.data import leaves


def is_integer(key):
    """Whether `key` names one row."""
    if isinstance(key, Integral):
        return not isinstance(key, bool)
    return getattr(key, "ndim", None) == 0 and np.asarray(key).dtype.kind in "iu"


def is_names(key):
    """Whether `key` is a non-empty sequence of modality names."""
    if isinstance(key, (slice, str)) or not hasattr(key, "__len__"):
        return False
    if getattr(key, "ndim", 1) != 1:
        return False
    return len(key) > 0 and all(isinstance(k, str) for k in key)


def as_rows(key, n_rows):
    """Turn a slice, mask or sequence of positions into a slice or integer array.

    Raises
    ------
    IndexError
        If a mask has another length, a position is out of range, or the key is no
        index at all.
    """
    if key is Ellipsis:
        return slice(None)
    if isinstance(key, slice):
        return key
    array = np.asarray(key)
    if array.ndim == 1 and array.dtype == bool:
        return _from_mask(array, n_rows)
    if array.size == 0 and array.ndim == 1:
        return np.empty(0, dtype=np.intp)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise IndexError(
            "rows are chosen by a slice, a boolean mask or integer positions; got "
            f"{type(key).__name__} of dtype {array.dtype} with {array.ndim} dimensions."
        )
    wrong = array[(array >= n_rows) | (array < -n_rows)]
    if wrong.size:
        raise IndexError(f"row {wrong[0]} is out of range for {n_rows} rows.")
    array = array.astype(np.intp, copy=False)  # first: n_rows may not fit its dtype
    return np.where(array < 0, array + n_rows, array)


def _from_mask(mask, n_rows):
    if len(mask) != n_rows:
        raise IndexError(f"the mask has {len(mask)} entries for {n_rows} rows.")
    return np.flatnonzero(mask)


def length(index, n_rows):
    """Return the number of rows that an index of `as_rows` selects."""
    return len(range(n_rows)[index]) if isinstance(index, slice) else len(index)


def by_name(data, modalities):
    """Join the two ways in which modalities are given; a name may come once."""
    data = {} if data is None else data
    if not isinstance(data, Mapping) or sparse.issparse(data):
        raise TypeError(
            f"data must be a mapping of names to arrays; got {type(data).__name__}. "
            "For a table use check_modalities or ModalityDict.from_frame."
        )
    if twice := set(data) & set(modalities):
        raise ValueError(f"modalities given twice: {sorted(twice)}.")
    return {**data, **modalities}


def common_length(parts):
    """Return the number of rows that all leaves share.

    Raises
    ------
    ValueError
        If they differ; the message names each modality with its length.
    """
    lengths = {name: leaves.n_rows(leaf) for name, leaf in parts.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name!r} has {n}" for name, n in lengths.items())
        raise ValueError(f"modalities have different numbers of rows: {listed}.")
    return next(iter(lengths.values()), 0)


def as_masks(present, parts, n_rows):
    """Check presence masks; those that are True everywhere are left out."""
    masks = {str(name): np.array(mask) for name, mask in present.items()}
    for name, mask in masks.items():
        if name not in parts:
            raise ValueError(
                f"present names {name!r}, but the modalities are {list(parts)}."
            )
        if mask.dtype != bool or mask.shape != (n_rows,):
            raise ValueError(
                f"present[{name!r}] must be a boolean array of shape ({n_rows},); "
                f"got dtype {mask.dtype}, shape {mask.shape}."
            )
    return {name: mask for name, mask in masks.items() if not mask.all()}


def read_only(mask):
    """View of a mask that cannot be written to."""
    view = mask.view()
    view.flags.writeable = False
    return view


def equal_masks(a, b):
    """Whether two sets of masks mark the same rows missing."""
    return a.keys() == b.keys() and all(np.array_equal(a[n], b[n]) for n in a)
