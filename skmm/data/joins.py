"""DataFrames and Series joined by their row labels."""

from collections.abc import Mapping
from functools import reduce

import numpy as np
import pandas as pd

from skmm._warnings import warn
from skmm.data import frames, leaves

HOW = ("inner", "outer", "left")


def join(data, how):
    """Implement `ModalityDict.align`; return the joined modalities and their masks."""
    _check(data, how)
    indexes = [value.index for value in data.values()]
    index = reduce(lambda left, right: left.join(right, how=how), indexes)
    parts, present = {}, {}
    for name, value in data.items():
        places = value.index.get_indexer(index)
        _warn_of_no_common(name, value, indexes, places)
        parts[name], present[name] = _rows_at(value, places, index), places >= 0
    return parts, present


def _check(data, how):
    if how not in HOW:
        raise ValueError(f'how must be "inner", "outer" or "left"; got {how!r}.')
    if not isinstance(data, Mapping) or not len(data):
        raise TypeError(
            "data must be a dict of at least one DataFrame or Series, by modality; got "
            f"{type(data).__name__}."
        )
    for name, value in data.items():
        if not isinstance(value, (pd.DataFrame, pd.Series)):
            raise TypeError(
                f"modality {name!r} is a {type(value).__name__}, which has no row "
                "labels; pass a DataFrame or Series whose index identifies the rows."
            )
        if value.index.has_duplicates:
            label = value.index[value.index.duplicated()].tolist()[0]
            raise ValueError(
                f"modality {name!r} has the row label {label!r} more than once, so "
                "that rows cannot be joined by it; keep one row per label."
            )


def _warn_of_no_common(name, value, indexes, places):
    """Warn if a modality has no row label of the joined rows, or of another one."""
    others = [index for index in indexes if index is not value.index]
    shared = any((value.index.get_indexer(other) >= 0).any() for other in others)
    if (places >= 0).any() and (shared or not others):
        return
    first = [index[:1].tolist() for index in indexes]
    warn(
        f"modality {name!r} has no row label in common with the others; the first "
        f"labels of each are {first}. If they mean the same rows, use labels of one "
        "type, and levels in one order."
    )


def _rows_at(value, places, index):
    """Rows at these places, labelled by `index`; filler values where a place is -1."""
    if (places >= 0).all():
        return value.take(places).set_axis(index)
    if isinstance(value, pd.DataFrame):
        return _table_at(value, index)
    if value.dtype == object or pd.api.types.is_string_dtype(value.dtype):
        return _objects_at(value, places, index)
    return _table_at(value.to_frame(), index).iloc[:, 0]


def _table_at(table, index):
    """Reindex the columns of each dtype, which is kept; integers are filled with 0."""
    kinds = list(table.dtypes)
    columns = [[i for i, k in enumerate(kinds) if k == kind] for kind in set(kinds)]
    parts = [
        table.iloc[:, own].reindex(index, **_filler(table, own)) for own in columns
    ]
    order = np.argsort(np.concatenate(columns)) if columns else []
    return pd.concat(parts, axis=1).iloc[:, order] if parts else table.reindex(index)


def _filler(table, columns):
    dtype = table.dtypes.iloc[columns[0]]
    is_number = isinstance(dtype, np.dtype) and dtype.kind in "biufc"
    return {"fill_value": dtype.type(0)} if is_number else {}


def _objects_at(series, places, index):
    values = series.to_numpy(object)
    blank = frames.blank(values) if len(values) else None
    rows = [values[place] if place >= 0 else blank for place in places]
    return pd.Series(leaves.object_array(rows), index, dtype=object)
