"""The data container: an immutable dict of row-aligned arrays."""

import copy
from collections.abc import Hashable, Mapping
from html import escape
from numbers import Integral

import numpy as np
import pandas as pd
from scipy import sparse

from skmm.data import cells, frames, joins, leaves
from skmm.data.labels import agreed, check_masks, relabelled


class ModalityDict(Mapping):
    """Row-aligned modalities that scikit-learn can index.

    A mapping from modality name to array. Its length is the number of *rows* and its
    shape is (n_rows, n_modalities), so that cross-validation, resampling and
    meta-estimators treat it like a table. It is never changed in place.

    Parameters
    ----------
    data : mapping, optional
        ``{name: leaf}``; needed for names that are not Python identifiers.
    present : mapping of str to array-like of bool, shape (n_rows,), optional
        False marks rows in which that modality is missing; their values are never
        used. Other modalities are present in all rows.
    **modalities : leaf
        Same as `data`. A leaf is a NumPy array of any dimension (possibly
        memory-mapped), a torch tensor, a SciPy sparse matrix, a DataFrame, a list or
        array of str, or a list of arrays whose lengths may differ. Leaves share memory
        with the input: use ``X.copy()`` before changing values.

    Raises
    ------
    ValueError
        If the modalities have different numbers of rows, DataFrames or Series among
        them have different row labels, a name is given twice, or a mask has the wrong
        shape or dtype.
    TypeError
        If a leaf has an unsupported type, such as an object array of mixed types.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import ModalityDict
    >>> X = ModalityDict(image=np.zeros((3, 1, 8, 8)), name=["a", "b", "c"])
    >>> len(X), X.shape, list(X)
    (3, (3, 2), ['image', 'name'])
    >>> X[[0, 2]]["name"].tolist()
    ['a', 'c']
    >>> X.with_missing("image", [1]).present["image"].tolist()
    [True, False, True]
    """

    ndim = 2
    _index = None  # of containers that an earlier release has pickled

    def __init__(self, data=None, /, *, present=None, **modalities):
        named, known = _by_name(data, modalities), getattr(data, "_leaves", {})
        new = {n: v for n, v in named.items() if n not in known}
        parts = {n: leaves.from_user(v, n) for n, v in new.items()}
        merged = {str(n): known[n] if n in known else parts[n] for n in named}
        if len(merged) < len(named):
            raise ValueError(f"names are equal as strings: {list(named)}.")
        self._n_rows = leaves.common_length(merged)
        given = [(f"modality {name!r}", value) for name, value in new.items()]
        self._index = agreed(given, ("X", getattr(data, "_index", None)))
        self._leaves = {n: relabelled(leaf, self._index) for n, leaf in merged.items()}
        masks = {**getattr(data, "_masks", {}), **by_name(present)}
        self._masks = as_masks(masks, self._leaves, self._n_rows, self._index)

    @classmethod
    def _kept(cls, parts, present, index=None):
        """Build from leaves without stacking ragged ones; rows are labelled `index`."""
        parts = {n: relabelled(leaves.as_leaf(v, n), index) for n, v in parts.items()}
        n_rows = leaves.common_length(parts)
        return cls._made(parts, as_masks(present, parts, n_rows), n_rows, index)

    @classmethod
    def _made(cls, parts, masks, n_rows, index=None):
        """Build from leaves and masks that were already checked."""
        self = cls.__new__(cls)
        self._leaves, self._n_rows, self._index = parts, n_rows, index
        self._masks = {name: mask for name, mask in masks.items() if not mask.all()}
        return self

    def __getstate__(self):
        """Name a DataFrame that has the row labels, so that they are stored once."""
        found = [n for n, leaf in self.items() if isinstance(leaf, pd.DataFrame)]
        labelled = found and self._index is not None
        return {**vars(self), "_index": found[0] if labelled else self._index}

    def __setstate__(self, state):
        vars(self).update(state)
        if isinstance(self._index, str):
            self._index = self._leaves[self._index].index

    # -- as a table ----------------------------------------------------------------

    def __len__(self):
        return self._n_rows

    @property
    def shape(self):
        """Number of rows and number of modalities."""
        return len(self), len(self._leaves)

    def __sizeof__(self):
        return sum(leaves.size_of(leaf) for leaf in self.values())

    @property
    def present(self):
        """``{name: read-only bool array (n_rows,)}``, True where it is present."""
        masks = {name: np.ones(len(self), dtype=bool) for name in self} | self._masks
        return {name: _read_only(mask) for name, mask in masks.items()}

    @property
    def index(self):
        """Row labels of its DataFrames and Series, a pandas Index; None without any."""
        return self._index

    @property
    def has_missing(self):
        """Whether any modality is missing in any row."""
        return bool(self._masks)

    def __array__(self, dtype=None, copy=None):
        if dtype is not None and np.dtype(dtype) != object:
            raise TypeError(
                f"a ModalityDict cannot be converted to dtype {np.dtype(dtype)}. "
                f"{cells.advice(next(iter(self), 'a'))}"
            )
        return cells.to_cells(self)

    # -- as a mapping --------------------------------------------------------------

    def __iter__(self):
        return iter(self._leaves)

    def __contains__(self, name):
        return name in self._leaves

    def keys(self):
        """Names of the modalities, in order."""
        return self._leaves.keys()

    def values(self):
        """Leaves, in the order of the names."""
        return self._leaves.values()

    def items(self):
        """Pairs (name, leaf)."""
        return self._leaves.items()

    # -- selecting -----------------------------------------------------------------

    def __getitem__(self, key):
        if isinstance(key, str):
            return self._leaf(key)
        if isinstance(key, tuple):
            return self._take_both(*key)
        if is_integer(key):
            return self._row(int(key))
        if is_names(key):
            return self.select(key)
        return self._take(self._rows(key))

    def _rows(self, key):
        """Convert a key for rows; a mask must not have other row labels."""
        agreed([("mask", _mask_in(key))], ("X", self._index))
        return as_rows(key, len(self))

    def _leaf(self, name):
        if not isinstance(name, Hashable) or name not in self._leaves:
            raise KeyError(
                f"unknown modality {name!r}; the modalities are {list(self)}"
            )
        return self._leaves[name]

    def _row(self, i):
        return {name: self._cell(name, i) for name in self}

    def _cell(self, name, i):
        return leaves.row(self._leaf(name), int(as_rows([i], len(self))[0]))

    def _take(self, index):
        parts = {name: leaves.take(leaf, index) for name, leaf in self.items()}
        masks = {name: mask[index] for name, mask in self._masks.items()}
        return self._made(
            parts, masks, n_selected(index, len(self)), self._labels_at(index, parts)
        )

    def _labels_at(self, index, parts):
        """Return the row labels at an index of `as_rows`, those of `parts` if any."""
        if self._index is None:
            return None
        frame = next((p for p in parts.values() if isinstance(p, pd.DataFrame)), None)
        return self._index[index] if frame is None else frame.index

    def _take_both(self, row_key=Ellipsis, column_key=Ellipsis):
        """``X[rows, ...]`` and ``X[rows, modalities]``, as scikit-learn indexes."""
        if column_key is Ellipsis:
            return self[row_key]
        if is_integer(column_key):
            column_key = list(self)[int(column_key)]
        if isinstance(column_key, str):
            if is_integer(row_key):
                return self._cell(column_key, int(row_key))
            return leaves.take(self[column_key], self._rows(row_key))
        part = self.select(column_key)
        return part if row_key is Ellipsis else part[row_key]

    def select(self, names):
        """Return a container with some of the modalities.

        Parameters
        ----------
        names : sequence of str, or anything that indexes the list of names
            The result has this order.
        """
        if isinstance(names, str):
            names = [names]
        if not is_names(names):
            index = as_rows(names, len(self._leaves))
            names = np.array(list(self), dtype=object)[index]
        parts = {name: self._leaf(name) for name in names}
        if len(parts) < len(names):
            raise ValueError(f"modalities are selected twice: {list(names)}.")
        masks = {name: self._masks[name] for name in parts if name in self._masks}
        return self._made(parts, masks, len(self), self._index)

    def drop(self, *names):
        """Return a container without the modalities `names`."""
        for name in names:
            self._leaf(name)
        return self.select([name for name in self if name not in names])

    # -- changing a copy -----------------------------------------------------------

    def assign(self, data=None, /, *, present=None, **modalities):
        """Return a container with modalities added or replaced.

        Parameters
        ----------
        data, present, **modalities
            See :class:`ModalityDict`.
        """
        new = ModalityDict(data, present=present, **modalities)
        if not new.keys():
            return self  # keeps the number of rows even if it has no leaves
        check_masks(present, self._index)
        merged = {**self._leaves, **new._leaves}
        masks = {n: m for n, m in self._masks.items() if n not in new} | new._masks
        n_rows = leaves.common_length(merged)
        index = agreed([(f"modality {next(iter(new))!r}", new)], ("X", self._index))
        merged = {name: relabelled(leaf, index) for name, leaf in merged.items()}
        return self._made(merged, masks, n_rows, index)

    def with_missing(self, name, which=slice(None)):
        """Return a container in which modality `name` is missing in some rows.

        Parameters
        ----------
        name : str
        which : slice, boolean mask or integer positions, default=slice(None)
            Rows in which it is missing; by default all.
        """
        self._leaf(name)
        mask = self.present[name].copy()
        mask[self._rows(which)] = False
        masks = {**self._masks, name: mask}
        return self._made(self._leaves, masks, len(self), self._index)

    def copy(self):
        """Return a deep copy."""
        return copy.deepcopy(self)

    def with_index(self, index):
        """Return a container with other row labels, in place; None removes them.

        Parameters
        ----------
        index : Index, array-like of shape (n_rows,) or None
        """
        index = None if index is None else pd.Index(index)
        if index is not None and len(index) != len(self):
            raise ValueError(f"index has {len(index)} labels for {len(self)} rows.")
        parts = {name: relabelled(leaf, index) for name, leaf in self.items()}
        return self._made(parts, self._masks, len(self), index)

    # -- joining and converting ----------------------------------------------------

    @staticmethod
    def concat(parts):
        """Concatenate containers with the same modalities along the rows.

        Parameters
        ----------
        parts : sequence of ModalityDict
            The order of the modalities is that of the first container.
        """
        parts = [p if isinstance(p, ModalityDict) else ModalityDict(p) for p in parts]
        if not parts or any(set(part) != set(parts[0]) for part in parts):
            raise ValueError(
                "all containers must have the same modalities; got "
                f"{[list(part) for part in parts]}."
            )
        names = list(parts[0])
        joined = {n: leaves.stack([part[n] for part in parts], n) for n in names}
        masks = {n: np.concatenate([part.present[n] for part in parts]) for n in names}
        labelled = all(part.index is not None for part in parts)
        index = (
            parts[0].index.append([p.index for p in parts[1:]]) if labelled else None
        )
        return ModalityDict._made(joined, masks, sum(map(len, parts)), index)

    @classmethod
    def align(cls, data, how="inner"):
        """Join DataFrames and Series by their row labels.

        Parameters
        ----------
        data : dict of str to DataFrame or Series
            By modality. Row labels may be in any order, and must not be repeated.
        how : {"inner", "outer", "left"}, default="inner"
            Rows of the result, as in ``DataFrame.join``: those that all modalities
            have, those that any has, or those of the first modality. A modality is
            marked as missing in the rows that it does not have.

        Returns
        -------
        ModalityDict
            Its `index` has the labels. Align y with it: ``y.loc[X.index]``.

        Raises
        ------
        TypeError
            If a modality has no row labels, such as an array.
        ValueError
            If labels are repeated within a modality, or `how` is unknown.

        Examples
        --------
        >>> import pandas as pd
        >>> from skmm import ModalityDict
        >>> blood = pd.DataFrame({"iron": [5.0, 7.0]}, index=["ann", "bob"])
        >>> notes = pd.Series(["limps", "well"], index=["bob", "cem"])
        >>> X = ModalityDict.align({"blood": blood, "notes": notes}, how="outer")
        >>> X.index.tolist(), X.present["notes"].tolist()
        (['ann', 'bob', 'cem'], [False, True, True])
        """
        parts, present = joins.join(data, how)
        return cls(parts, present=present)

    @classmethod
    def from_cells(cls, array):
        """Rebuild a container from an array of cell handles (``np.asarray(X)``)."""
        parts, present = cells.from_cells(array)
        return cls._made(parts, present, len(array))

    @classmethod
    def from_frame(cls, frame):
        """Build from a DataFrame: one modality per column.

        With MultiIndex columns, one modality per entry of the first level. None in a
        column of text or arrays marks the row as missing; NaN in a numeric column is
        kept.
        """
        parts, present = frames.split(frame)
        return cls(parts, present=present).with_index(frame.index)

    def to_frame(self):
        """Return a DataFrame with one column per modality; missing cells are None."""
        return pd.DataFrame(
            {name: frames.column(self[name], self.present[name]) for name in self},
            index=range(len(self)) if self._index is None else self._index,
        )

    # -- comparing and showing -----------------------------------------------------

    def __eq__(self, other):
        if not isinstance(other, ModalityDict):
            return NotImplemented
        if set(self) != set(other) or len(self) != len(other):
            return False
        same_masks = _equal_masks(self._masks, other._masks)
        return same_masks and all(leaves.equal(self[n], other[n]) for n in self)

    __hash__ = None

    def __repr__(self):
        return _text_table(self)

    def _repr_html_(self):
        return _html_table(self)


def is_integer(key):
    """Whether `key` is the position of one row."""
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
    """Convert a slice, mask or sequence of positions to a slice or integer array."""
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
            "rows must be selected by a slice, a boolean mask or integer positions; "
            f"got {type(key).__name__} of dtype {array.dtype}, shape {array.shape}."
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


def n_selected(index, n_rows):
    """Return the number of rows that an index of `as_rows` selects."""
    return len(range(n_rows)[index]) if isinstance(index, slice) else len(index)


def _by_name(data, modalities):
    """Merge the two arguments by which modalities are given."""
    data = {} if data is None else data
    if not isinstance(data, Mapping) or sparse.issparse(data):
        raise TypeError(
            f"data must be a mapping of names to arrays; got {type(data).__name__}. "
            "For a table, use check_modalities or ModalityDict.from_frame."
        )
    if twice := set(data) & set(modalities):
        raise ValueError(f"modalities are given twice: {sorted(twice)}.")
    return {**data, **modalities}


def _mask_in(key):
    """Return the key for rows if it is a boolean mask, else None: positions."""
    return key if getattr(key, "dtype", None) in (bool, "boolean") else None


def by_name(present):
    """Return masks by name, none for None, after a check that they are a mapping."""
    if present is None or hasattr(present, "keys"):  # also a DataFrame
        return {} if present is None else present
    raise TypeError(f"present must be a dict of masks by modality; got {present!r}.")


def as_masks(present, parts, n_rows, index=None):
    """Check presence masks, and return those that are not True everywhere."""
    check_masks(present, index)
    masks = {str(name): np.array(mask) for name, mask in present.items()}
    for name, mask in masks.items():
        if name not in parts:
            raise ValueError(
                f"present: unknown modality {name!r}; the modalities are {list(parts)}."
            )
        if mask.dtype != bool or mask.shape != (n_rows,):
            raise ValueError(
                f"present[{name!r}] must be a boolean array of shape ({n_rows},); "
                f"got dtype {mask.dtype}, shape {mask.shape}."
            )
    return {name: mask for name, mask in masks.items() if not mask.all()}


def _read_only(mask):
    """Return a read-only view of a mask."""
    view = mask.view()
    view.flags.writeable = False
    return view


def _equal_masks(a, b):
    """Whether two dicts of masks mark the same rows as missing."""
    return a.keys() == b.keys() and all(np.array_equal(a[n], b[n]) for n in a)


def _title(X):
    return f"ModalityDict: {X.shape[0]} rows, {X.shape[1]} modalities"


def _lines(X):
    for name, leaf in X.items():
        absent = len(X) - int(X.present[name].sum())
        yield name, leaves.describe(leaf) + (f", {absent} missing" * bool(absent))


def _text_table(X):
    width = max(map(len, X), default=0)
    lines = [f"  {name:<{width}}  {text}" for name, text in _lines(X)]
    return "\n".join([_title(X), *lines])


def _html_table(X):
    left = "style='text-align:left'"
    body = "".join(
        f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(text)}</td></tr>"
        for name, text in _lines(X)
    )
    return f"<table><caption>{_title(X)}</caption>{body}</table>"
