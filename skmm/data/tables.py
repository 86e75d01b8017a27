"""Input of other libraries than pandas and NumPy, and samples given one by one."""

from collections.abc import Mapping

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import torch


def read(value, what):
    """Return a table or column of Polars, PyArrow or the like as pandas or NumPy.

    Parameters
    ----------
    value : object
        Other values than tables and columns are returned unchanged.
    what : str
        What it is, for errors.

    Returns
    -------
    DataFrame or ndarray
        Its row numbers are not row labels.

    Raises
    ------
    TypeError
        If the table is lazy, or of an unknown library.
    """
    if isinstance(value, (pd.DataFrame, pd.Series, np.ndarray, list, tuple)):
        return value
    found = nw.from_native(value, pass_through=True, allow_series=True)
    if isinstance(found, nw.Series):
        return _column(found).to_numpy()
    if isinstance(found, nw.DataFrame):
        columns = {name: _column(found[name]) for name in found.columns}
        return pd.DataFrame(columns, index=range(len(found)))
    if isinstance(found, nw.LazyFrame) or _is_table(value):
        kind = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"
        raise TypeError(
            f"{what} is a {kind}, which cannot be read; convert it to a table in "
            "memory first, such as by its method collect(), compute() or to_pandas()."
        )
    return value


def _is_table(value):
    return hasattr(value, "columns") and not isinstance(value, Mapping)


def _column(series):
    """A column as a Series of numbers, categories, text or objects."""
    dtype = series.dtype
    if isinstance(dtype, (nw.Categorical, nw.Enum)):
        categories = series.cat.get_categories().to_list()
        return pd.Series(pd.Categorical(series.to_list(), categories))
    if dtype == nw.Boolean and series.null_count():
        return pd.Series(series.to_list(), dtype="boolean")
    if dtype.is_decimal():
        series = series.cast(nw.Float64)
    if dtype.is_numeric() or dtype.is_temporal() or dtype == nw.Boolean:
        return pd.Series(series.to_numpy())
    values = series.to_list()
    if dtype == nw.String:
        return pd.Series(values, dtype=object)
    cells = [np.asarray(v) if isinstance(v, list) else v for v in values]
    return pd.Series(cells, dtype=object)


def is_rows(X):
    """Whether X is a list of samples that are dicts."""
    is_list = isinstance(X, (list, tuple)) and len(X) > 0
    return is_list and all(
        isinstance(row, Mapping) and not hasattr(row, "shape") for row in X
    )


def columns_of(rows):
    """Return ``{name: list of values}`` of samples that are dicts.

    Raises
    ------
    ValueError
        If a sample does not have the modalities of the first one.
    """
    names = list(rows[0])
    for i, row in enumerate(rows):
        if set(row) != set(names):
            raise ValueError(
                f"sample {i} of X has the modalities {list(row)}, but sample 0 has "
                f"{names}. Give all samples the same ones, and mark those that are "
                "missing by ModalityDict(..., present=...)."
            )
    return {name: _stacked([row[name] for row in rows]) for name in names}


def _stacked(values):
    tensors = all(isinstance(value, torch.Tensor) for value in values)
    equal = tensors and len({value.shape for value in values}) == 1
    return torch.stack(values) if equal else values


def check_indexable(X):
    """Raise a TypeError if X is an iterable whose samples cannot be indexed."""
    is_array = hasattr(X, "shape") or isinstance(X, (str, bytes))
    indexable = hasattr(X, "__getitem__") and hasattr(X, "__len__")
    if hasattr(X, "__iter__") and not (is_array or indexable):
        raise TypeError(
            f"X is a {type(X).__name__}, whose samples cannot be selected by number. "
            "Pass a dict of arrays with one entry per sample, {name: array}, or a list "
            "of samples, each a dict {name: value}."
        )
