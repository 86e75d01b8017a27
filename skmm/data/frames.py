"""Between a ModalityDict and pandas, and what a notebook shows."""

from html import escape

import numpy as np
import pandas as pd

from skmm.data import leaves


def split(frame):
    """Split a frame into ``({name: leaf}, {name: mask})``."""
    if frame.columns.nlevels > 1:
        tops = dict.fromkeys(frame.columns.get_level_values(0))
        return {str(top): frame[top] for top in tops}, {}
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()].tolist()
        raise ValueError(f"columns are repeated: {twice}; each names one modality.")
    parts, masks = {}, {}
    for label in frame.columns:
        parts[str(label)], masks[str(label)] = _split_column(frame[label])
    return parts, masks


def _split_column(series):
    everywhere = np.ones(len(series), dtype=bool)
    if series.dtype != object and not pd.api.types.is_string_dtype(series.dtype):
        return series, everywhere
    values = series.to_numpy(object, na_value=None)
    present = np.array([v is not None for v in values], dtype=bool)
    if present.all() or not present.any():
        return list(values), present
    return [_blank(values[present]) if v is None else v for v in values], present


def _blank(values):
    """Stand-in for a missing cell: like the first present one, but empty."""
    if isinstance(values[0], str):
        return ""
    shapes = {np.shape(v) for v in values}
    first = np.asarray(values[0])
    return np.zeros(first.shape if len(shapes) == 1 else 0, dtype=first.dtype)


def column(leaf, mask):
    """One column of a flat frame: plain numbers and text, else an object per row."""
    if isinstance(leaf, np.ndarray) and leaf.ndim == 1 and mask.all():
        return leaf
    cells = [leaves.row(leaf, i) if there else None for i, there in enumerate(mask)]
    return leaves.object_array(cells)


def html_table(title, lines):
    """Return a small HTML table of (name, description) lines."""
    left = "style='text-align:left'"
    body = "".join(
        f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(text)}</td></tr>"
        for name, text in lines
    )
    return f"<table><caption>{escape(title)}</caption>{body}</table>"
