"""Conversion between a ModalityDict and a DataFrame."""

import numpy as np
import pandas as pd
from scipy import sparse

from skmm.data import leaves


def split(frame):
    """Split a DataFrame into ``({name: leaf}, {name: mask})``."""
    if frame.columns.nlevels > 1:
        tops = frame.columns.get_level_values(0).unique()
        return {name: frame[top] for name, top in named(tops).items()}, {}
    parts, masks = {}, {}
    for name, label in named(frame.columns).items():
        parts[name], masks[name] = split_column(frame[label])
    return parts, masks


def named(labels):
    """Return ``{str(label): label}``, or raise if two labels have the same name."""
    names = labels.map(str)
    if not names.is_unique:
        twice = names[names.duplicated()].tolist()
        raise ValueError(f"columns are repeated: {twice}; each column is one modality.")
    return dict(zip(names, labels, strict=True))


def split_column(series):
    """Return a column as a leaf, and its mask: None in text or arrays is missing."""
    everywhere = np.ones(len(series), dtype=bool)
    if series.dtype != object and not pd.api.types.is_string_dtype(series.dtype):
        return series, everywhere
    values = series.to_numpy(object, na_value=None)
    present = np.array([v is not None for v in values], dtype=bool)
    if present.all() or not present.any():
        return list(values), present
    return [blank(values[present]) if v is None else v for v in values], present


def blank(values):
    """Placeholder for a missing cell: like the first present one, but empty."""
    if isinstance(values[0], str):
        return ""
    if isinstance(values[0], pd.Series) or sparse.issparse(values[0]):
        return values[0]
    shapes = {np.shape(v) for v in values}
    first = np.asarray(values[0])
    return np.zeros(first.shape if len(shapes) == 1 else 0, dtype=first.dtype)


def column(leaf, mask):
    """One column of a flat DataFrame: numbers and text as is, else objects."""
    if isinstance(leaf, np.ndarray) and leaf.ndim == 1 and mask.all():
        return leaf
    cells = [leaves.row(leaf, i) if there else None for i, there in enumerate(mask)]
    return leaves.object_array(cells)
