"""Tables with columns of categories: their shape, and categories as codes.

=========================================  ==========================================
column of a DataFrame                      read as
=========================================  ==========================================
dtype category, string or object           category
numbers, bool                              number
=========================================  ==========================================

The codes of K categories are 0 to K - 1 in the order of `TableShape.categories`; K is a
missing entry, and K + 1 a category that is not among them.
"""

import numpy as np
import pandas as pd
from pandas.api.types import is_number, is_string_dtype

from skmm.data import leaves


class TableShape(tuple):
    """Shape (n_columns,) of the samples of a table, with its categories.

    It equals the plain tuple.

    Parameters
    ----------
    shape : tuple of int
    categories : dict of int to tuple
        The categories of each column that has some, by the number of the column.
    names : tuple of str
        Names of all columns.

    Examples
    --------
    >>> from skmm.data.categories import TableShape
    >>> shape = TableShape((2,), {1: ("blue", "red")}, ("size", "colour"))
    >>> shape == (2,), shape.categories
    (True, {1: ('blue', 'red')})
    """

    def __new__(cls, shape, categories, names):
        """Make a tuple with two more attributes."""
        self = super().__new__(cls, shape)
        self.categories = {int(i): tuple(values) for i, values in categories.items()}
        self.names = tuple(names)
        return self

    def __reduce__(self):
        """Pickle and copy the attributes too."""
        return type(self), (tuple(self), self.categories, self.names)


def categories_of(shape):
    """Categories by number of the column, {} if a shape has none."""
    return getattr(shape, "categories", {})


def category_columns(frame):
    """Numbers of the columns of a DataFrame that are categories."""
    return [i for i, dtype in enumerate(frame.dtypes) if _is_category(dtype)]


def _is_category(dtype):
    return isinstance(dtype, pd.CategoricalDtype) or is_string_dtype(dtype)


def shapes_of(X):
    """Shape of one sample of each modality, with the categories of present samples.

    Parameters
    ----------
    X : ModalityDict

    Returns
    -------
    dict of str to tuple
        See `leaves.shape_of_row`; of DataFrames with categories a `TableShape`.
    """
    return {name: _shape(leaf, X.present[name]) for name, leaf in X.items()}


def _shape(leaf, mask):
    shape = leaves.shape_of_row(leaf)
    columns = category_columns(leaf) if isinstance(leaf, pd.DataFrame) else []
    if not columns:
        return shape
    seen = leaf if mask.all() else leaf[mask]
    found = {i: _learn(seen.iloc[:, i]) for i in columns}
    return TableShape(shape, found, map(str, leaf.columns))


def _learn(column):
    """The categories of a column that occur, in their order if it has one."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        used = column.cat.remove_unused_categories().cat.categories
        return tuple(map(_plain, used))
    values = column.dropna()
    if not all(map(_is_simple, values)):  # such as lists; `codes` refuses them
        return ()
    values = {_plain(value) for value in values.unique()}
    return tuple(sorted(values, key=lambda value: (isinstance(value, str), value)))


def _is_simple(value):
    return isinstance(value, (str, int, float, np.generic))


def _plain(value):
    """A category as str or number, which files can hold."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (str, int, float)) else str(value)


def codes(frame, shape, name):
    """A table with codes in place of categories.

    Parameters
    ----------
    frame : DataFrame
    shape : TableShape
        Of the samples of `fit`.
    name : str
        Modality.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_columns)

    Raises
    ------
    TypeError
        If a column has numbers that had categories in `fit`, or the other way round.
    """
    known, found = shape.categories, category_columns(frame)
    if new := [i for i in found if i not in known]:
        raise TypeError(
            f"modality {name!r} has categories in column {frame.columns[new[0]]!r}, "
            f"which was numeric in fit. {_convert(name)}"
        )
    out = np.empty(frame.shape)
    for i in range(frame.shape[1]):
        column = frame.iloc[:, i]
        is_known = i in known
        out[:, i] = _coded(column, known[i], name) if is_known else _numbers(column)
    return out


def _numbers(column):
    return column.to_numpy(np.float64, na_value=np.nan)


def _coded(column, categories, name):
    strings = any(isinstance(value, str) for value in categories)
    if strings and not _is_category(column.dtype) and column.notna().any():
        raise TypeError(
            f"modality {name!r} has numbers in column {column.name!r}, which had "
            f"categories such as {categories[0]!r} in fit. {_convert(name)}"
        )
    places, values = _factorized(column, name)
    lookup = {value: code for code, value in enumerate(categories)}
    unseen, missing = len(categories) + 1, len(categories)
    table = [lookup.get(_plain(value), unseen) for value in values]
    return np.array([*table, missing])[places]  # -1, missing, is the last


def _factorized(column, name):
    """Number of the value of each entry, -1 for missing ones, and the values."""
    if column.dtype == object and not all(map(_is_simple, column.dropna())):
        raise TypeError(
            f"modality {name!r} has values in column {column.name!r} that are neither "
            "text nor numbers. Make them a modality of their own."
        )
    places, values = pd.factorize(column)
    if column.dtype == object and len(values) and all(map(is_number, values)):
        raise TypeError(
            f"modality {name!r} has numbers of dtype object in column "
            f"{column.name!r}, which could be categories. {_convert(name)}"
        )
    return places, values


def _convert(name):
    return (
        f"Convert it, X[{name!r}].astype({{column: dtype}}): float for numbers, "
        '"category" for categories.'
    )
