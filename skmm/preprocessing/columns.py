"""From a flat table to modalities."""

from collections.abc import Mapping
from numbers import Integral

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skmm._params import unchanged_on_error
from skmm._sklearn import StrOptions, check_feature_names_in, column_indices
from skmm.data import ModalityDict, frames, tables
from skmm.data.labels import labels_of
from skmm.data.validation import check_names


class ColumnsToModalities(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """Split the columns of a flat table into modalities.

    The first step of a Pipeline whose X is one table. `restrict`, `compare_modalities`
    and the functions of ``skmm.inspection`` then take the modalities that it makes.

    Parameters
    ----------
    columns : dict of str to columns
        By modality: names, positions, a slice, a boolean mask, or a callable that
        receives X and returns one of these, such as
        ``sklearn.compose.make_column_selector(pattern="^gene")``. One name or position
        that is not in a list gives an array of shape (n_samples,), which may be text.
    remainder : {"drop", "error"}, default="drop"
        Whether to leave out the other columns, or to raise an error if there are any.
    modalities : list of str or None, default=None
        Modalities to make, in this order. None makes all.

    Attributes
    ----------
    columns_ : dict of str to list of int
        Positions of the columns of each modality that is made.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Their names, if all are strings.

    See Also
    --------
    ModalityTransformer : Transform each modality, for instance in the next step.

    Notes
    -----
    A DataFrame gives DataFrames, and the result has its row labels. The result is
    always a ModalityDict, regardless of ``set_output``. Data that are modalities
    already, a ModalityDict or dict, are returned with the modalities selected.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.compose import make_column_selector
    >>> from skmm.preprocessing import ColumnsToModalities
    >>> X = pd.DataFrame({"g1": [0.0, 1.0], "g2": [1.0, 0.0], "l1": [2.0, 3.0]})
    >>> columns = {"gene": ["g1", "g2"], "lipid": make_column_selector(pattern="^l")}
    >>> ColumnsToModalities(columns).fit_transform(X)
    ModalityDict: 2 rows, 2 modalities
      gene   frame (2, 2) float64
      lipid  frame (2, 1) float64
    """

    _makes_modalities = True

    _parameter_constraints = {
        "columns": [dict],
        "remainder": [StrOptions({"drop", "error"})],
        "modalities": [list, tuple, np.ndarray, None],
    }

    def __init__(self, columns, *, remainder="drop", modalities=None):
        self.columns = columns
        self.remainder = remainder
        self.modalities = modalities

    def set_output(self, *, transform=None):
        """Do nothing, so that ``set_output`` of a Pipeline works.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            Ignored.

        Returns
        -------
        self
        """
        return self

    @unchanged_on_error
    def fit(self, X, y=None):
        """Find the columns of each modality.

        Parameters
        ----------
        X : DataFrame, array-like or sparse matrix of shape (n_samples, n_features)
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If columns are unknown or in two modalities, a modality has none, or
            columns are left over with ``remainder="error"``.
        """
        self._validate_params()
        if not self.columns:
            raise ValueError("columns must have at least one modality; got none.")
        names = list(self._keys)
        chosen = names if self.modalities is None else list(self.modalities)
        check_names(chosen, names, "modalities")
        if _are_modalities(X):
            self._names = chosen
            self._select(X)
            vars(self).pop("columns_", None)
            return self
        X = self._read(X, reset=True)
        found = {name: _positions(X, name, key) for name, key in self._keys.items()}
        _check_counts(found, X, self.remainder)
        self._names, self.columns_ = chosen, {name: found[name] for name in chosen}
        return self

    def transform(self, X):
        """Split the columns.

        Parameters
        ----------
        X : DataFrame, array-like or sparse matrix of shape (n_samples, n_features)
            A DataFrame may lack all columns of a modality, which the result then
            lacks, and columns that are in no modality.

        Returns
        -------
        ModalityDict

        Raises
        ------
        ValueError
            If the columns of X are not those of `fit`, or X lacks some of the columns
            of a modality.
        """
        check_is_fitted(self, "_names")
        if _are_modalities(X):
            return self._select(X)
        check_is_fitted(self, "columns_")
        X, index = tables.read(X, "X"), labels_of(X)
        lacking = self._lacking(X)
        X = X.reindex(columns=self.feature_names_in_) if lacking else X
        X = self._read(X, reset=False)
        parts, masks = {}, {}
        for name, own in self.columns_.items():
            if lacking and {*own} <= lacking:
                continue
            parts[name], masks[name] = _take(X, own, _is_one(self._keys[name]))
        return ModalityDict._kept(parts, masks, index)

    @property
    def _keys(self):
        return {str(name): key for name, key in self.columns.items()}

    def _select(self, X):
        X = ModalityDict(X)
        check_names(self._names, X, "columns")
        return X.select(self._names)

    def _lacking(self, X):
        """Positions of the columns that a DataFrame may lack, and does."""
        known = list(getattr(self, "feature_names_in_", ()))
        given = list(X.columns) if isinstance(X, pd.DataFrame) else known
        there = set(given)
        lacking = {i for i, column in enumerate(known) if column not in there}
        if [column for column in known if column in there] != given:
            return set()  # others or in another order, which is an error
        if lacking.issuperset(i for own in self.columns_.values() for i in own):
            raise ValueError(f"X has no column of any modality; got {_names_of(X)}.")
        for name, own in self.columns_.items():
            if lacking.intersection(own) and not lacking.issuperset(own):
                names = [known[i] for i in own if i in lacking]
                raise ValueError(
                    f"modality {name!r} needs the columns {names}, which X lacks; pass "
                    "them, or leave out all columns of the modality."
                )
        return lacking

    def _read(self, X, reset):
        """X as a DataFrame, array or CSR matrix, with its features checked."""
        X = tables.read(X, "X")
        if isinstance(X, pd.DataFrame):
            return validate_data(self, X, reset=reset, skip_check_array=True)
        return validate_data(
            self,
            X,
            reset=reset,
            dtype=None,
            accept_sparse="csr",
            ensure_all_finite=False,
        )

    def get_feature_names_out(self, input_features=None):
        """Return names "modality__column".

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X; None are those of `fit`, or "x0", "x1", ….

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self, "columns_")
        known = check_feature_names_in(self, input_features)
        pairs = [(name, known[i]) for name, own in self.columns_.items() for i in own]
        return np.array([f"{name}__{column}" for name, column in pairs], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        return tags


def _are_modalities(X):
    """Whether X is a ModalityDict or dict already."""
    is_dict = isinstance(X, Mapping) and not sparse.issparse(X)  # a dok_array is both
    return is_dict or tables.is_rows(X)


def _is_one(key):
    """Whether columns are one name or position."""
    return isinstance(key, (str, Integral)) and not isinstance(key, bool)


def _positions(X, name, key):
    """Positions of the columns of one modality."""
    try:
        key = key(X) if callable(key) else key
        if isinstance(key, slice) and key.start is None and key.stop is None:
            key = np.arange(X.shape[1])[key]
        found = list(column_indices(X, key))
    except (ValueError, TypeError, LookupError, NotImplementedError) as error:
        raise ValueError(f"columns[{name!r}]: {error}") from error
    if not found:
        raise ValueError(
            f"columns[{name!r}] selects no column of X, which has {_names_of(X)}."
        )
    return [int(place) for place in found]


def _names_of(X, places=None):
    """Names of columns, or their positions, for errors."""
    places = range(X.shape[1]) if places is None else places
    named = [X.columns[i] if isinstance(X, pd.DataFrame) else i for i in places]
    return named if len(named) <= 10 else [*named[:10], "…"]


def _check_counts(found, X, remainder):
    """Check that no column is used twice, nor left over unless it may be dropped."""
    counts = np.zeros(X.shape[1], dtype=int)
    for places in found.values():
        np.add.at(counts, places, 1)
    if (twice := np.flatnonzero(counts > 1)).size:
        owners = [name for name, own in found.items() if twice[0] in own]
        raise ValueError(
            f"columns {_names_of(X, twice)} are selected more than once, by {owners}; "
            "each column may be in one modality."
        )
    if remainder == "error" and (left := np.flatnonzero(counts == 0)).size:
        raise ValueError(
            f"columns {_names_of(X, left)} are in no modality; add them to columns, or "
            'use remainder="drop".'
        )


def _take(X, places, one):
    """Return some of the columns, and the mask of samples that have them."""
    everywhere = np.ones(X.shape[0], dtype=bool)
    if isinstance(X, pd.DataFrame):
        table = X.iloc[:, places]
        return frames.split_column(table.iloc[:, 0]) if one else (table, everywhere)
    is_column = one and not sparse.issparse(X)
    return X[:, places[0] if is_column else places], everywhere
