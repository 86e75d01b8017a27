"""RDKit descriptors of molecules given as SMILES."""

from difflib import get_close_matches
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skmm._sklearn import Interval, StrOptions
from skmm.preprocessing._smiles import (
    parse_in_parts,
    read_smiles,
    readable_rows,
    require_rdkit,
)


class MoleculeDescriptors(TransformerMixin, BaseEstimator):
    """RDKit descriptors of molecules given as SMILES, with finite values only.

    A value that is NaN or infinite, or that RDKit fails to compute, is replaced by
    the median of the descriptor over the molecules of `fit`. Then values are clipped
    to ``[-clip, clip]``.

    Parameters
    ----------
    names : list of str or None, default=None
        Descriptors to compute, such as "MolWt", "TPSA" or "MolLogP"; None means all
        those of the installed RDKit (217 in RDKit 2026.9).
    clip : float, default=1e6
        Largest absolute value of the result. "Ipc" exceeds 1e50 for a chain of 200
        atoms, but the maximum of float32 is 3e38.
    n_jobs : int or None, default=None
        Number of processes; None means 1. The result does not depend on it. All
        descriptors of a molecule take about 4 ms.
    on_error : {"raise", "missing"}, default="raise"
        How to handle SMILES that are not a string, are empty or cannot be parsed: raise
        an error, or return a row of zeros, for which `present` is False.

    Attributes
    ----------
    names_ : list of str
        The descriptors, in the order of the columns.
    medians_ : ndarray of shape (n_descriptors,), dtype float64
        Medians of the finite values in `fit`; 0 if there are none.
    n_features_in_ : int
        Always 1, the column of SMILES.

    Notes
    -----
    X is a list, array, Series or DataFrame of shape (n_samples,) or (n_samples, 1). Row
    ``i`` of the result depends on row ``i`` of X only. The scales of the
    columns differ by orders of magnitude: use a StandardScaler afterwards. Requires
    RDKit: ``pip install "skmm[chem]"``.

    References
    ----------
    RDKit: Open-source cheminformatics. https://www.rdkit.org

    Examples
    --------
    >>> from skmm.preprocessing import MoleculeDescriptors
    >>> table = MoleculeDescriptors(["MolWt", "TPSA"]).fit_transform(["CCO", "C"])
    >>> table.round(2)
    array([[46.07, 20.23],
           [16.04,  0.  ]], dtype=float32)
    """

    _parameter_constraints = {
        "names": [list, tuple, np.ndarray, None],
        "clip": [Interval(Real, 0, float(np.finfo(np.float32).max), closed="right")],
        "n_jobs": [Integral, None],
        "on_error": [StrOptions({"raise", "missing"})],
    }

    def __init__(self, names=None, *, clip=1e6, n_jobs=None, on_error="raise"):
        self.names = names
        self.clip = clip
        self.n_jobs = n_jobs
        self.on_error = on_error

    def fit(self, X, y=None):
        """Learn the medians.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, 1)
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a name is unknown or given twice, or if a row cannot be read and
            `on_error` is "raise".
        """
        self._learn(X)
        return self

    def fit_transform(self, X, y=None):
        """Learn the medians and compute the descriptors.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, 1)
        y : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_samples, n_descriptors), dtype float32
        """
        return self._tidy(*self._learn(X))

    def transform(self, X):
        """Compute the descriptors.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, 1)

        Returns
        -------
        ndarray of shape (n_samples, n_descriptors), dtype float32
            Rows that cannot be read are zeros.

        Raises
        ------
        ValueError
            If a SMILES cannot be read and `on_error` is "raise".
        """
        check_is_fitted(self)
        return self._tidy(*self._compute(X))

    def present(self, X):
        """Return a mask of the SMILES that can be read.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, 1)

        Returns
        -------
        ndarray of shape (n_samples,), dtype bool
            False for rows that are zeros in the output of `transform`.

        Raises
        ------
        ValueError
            If a SMILES cannot be read and `on_error` is "raise".
        """
        self._validate_params()
        return readable_rows(X, self.on_error)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the output columns.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_descriptors,), dtype object
        """
        check_is_fitted(self)
        return np.array(self.names_, dtype=object)

    def _learn(self, X):
        self._validate_params()
        self.names_ = _check_names(self.names)
        values, readable = self._compute(X)
        self.medians_ = np.array([_finite_median(c) for c in values[readable].T])
        self.n_features_in_ = 1
        return values, readable

    def _compute(self, X):
        """Return raw values, NaN where RDKit fails, and the mask of readable rows."""
        smiles, make_each = read_smiles(X), _Calculator(self.names_)
        rows = parse_in_parts(smiles, make_each, self.on_error, self.n_jobs)
        readable = np.array([row is not None for row in rows])
        values = np.zeros((len(smiles), len(self.names_)))
        if readable.any():
            values[readable] = [row for row in rows if row is not None]
        return values, readable

    def _tidy(self, values, readable):
        values = np.where(np.isfinite(values), values, self.medians_)
        values = np.clip(values, -self.clip, self.clip)
        return (values * readable[:, None]).astype(np.float32)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


class _Calculator:
    """Picklable factory of the function that maps a molecule to its descriptors."""

    def __init__(self, names):
        self.names = names

    def __call__(self):
        table = _table()
        functions = [table[name] for name in self.names]
        return lambda molecule: [_value(function, molecule) for function in functions]


def _table():
    require_rdkit()
    from rdkit.Chem import Descriptors

    return dict(Descriptors.descList)


def _value(function, molecule):
    try:
        return function(molecule)
    except Exception:  # of any type: "SPS" divides by the number of heavy atoms
        return np.nan


def _finite_median(column):
    finite = column[np.isfinite(column)]
    return float(np.median(finite)) if len(finite) else 0.0


def _check_names(names):
    known = list(_table())
    if names is None:
        return known
    names = [str(name) for name in names]
    if not names:
        raise ValueError("names is empty; pass names of descriptors, or None for all.")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"names has {repeated} more than once.")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"names has unknown descriptors {unknown}."
            f"{_hint(unknown[0], known)} See rdkit.Chem.Descriptors.descList for all "
            f"{len(known)}."
        )
    return names


def _hint(name, known):
    lower = {k.lower(): k for k in known}
    close = [lower[k] for k in get_close_matches(name.lower(), lower, n=3, cutoff=0.6)]
    return f" For {name!r}, did you mean {' or '.join(map(repr, close))}?" * bool(close)
