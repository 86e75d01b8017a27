"""Molecules, given as SMILES, as numbers."""

from itertools import chain
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin

from skmm._sklearn import Interval, StrOptions
from skmm.preprocessing._smiles import (
    parse,
    read_smiles,
    readable_rows,
    require_rdkit,
)


class MoleculeFingerprint(TransformerMixin, BaseEstimator):
    """Morgan (ECFP-like) fingerprints of molecules given as SMILES.

    Each atom's neighbourhood up to `radius` bonds is hashed into one of `n_bits`
    columns. Radius 2 corresponds to ECFP4. Nothing is learned: `transform` works
    without `fit`.

    Parameters
    ----------
    radius : int, default=2
        Largest distance, in bonds, of the neighbourhoods; 0 sees atoms only.
    n_bits : int, default=2048
        Number of columns.
    counts : bool, default=False
        How often a column's neighbourhoods occur, instead of whether they do.
    include_chirality : bool, default=False
        Tell stereoisomers apart.
    sparse_output : bool, default=False
        Return a CSR array; about 1 % of the columns are set, and the table
        is never held densely.
    on_error : {"raise", "missing"}, default="raise"
        What to do with rows that are no string, are empty or cannot be parsed:
        refuse X, or give a row of zeros, which `present` tells from a molecule.

    Attributes
    ----------
    n_features_in_ : int
        Always 1, the column of SMILES; exists after `fit`.

    Notes
    -----
    X is a list, array, Series or DataFrame of shape (n,) or (n, 1). Row ``i`` of the
    result depends on row ``i`` of X only. `fit` checks the parameters and the shape
    of X; unreadable SMILES are met in `transform` and `present`. Needs RDKit:
    ``pip install "skmm[chem]"``.

    References
    ----------
    D. Rogers, M. Hahn. Extended-Connectivity Fingerprints. Journal of Chemical
    Information and Modeling 50(5), 742-754, 2010. doi:10.1021/ci100050t

    Examples
    --------
    >>> from skmm.preprocessing import MoleculeFingerprint
    >>> bits = MoleculeFingerprint(n_bits=64).fit_transform(["CCO", "OCC", "c1ccccc1"])
    >>> bits.shape, bits.dtype
    ((3, 64), dtype('float32'))
    >>> bool((bits[0] == bits[1]).all()), bool((bits[0] == bits[2]).all())
    (True, False)
    >>> MoleculeFingerprint(on_error="missing").present(["CCO", "no molecule", None])
    array([ True, False, False])
    """

    _parameter_constraints = {
        "radius": [Interval(Integral, 0, None, closed="left")],
        "n_bits": [Interval(Integral, 1, None, closed="left")],
        "counts": ["boolean"],
        "include_chirality": ["boolean"],
        "sparse_output": ["boolean"],
        "on_error": [StrOptions({"raise", "missing"})],
    }

    def __init__(
        self,
        *,
        radius=2,
        n_bits=2048,
        counts=False,
        include_chirality=False,
        sparse_output=False,
        on_error="raise",
    ):
        self.radius = radius
        self.n_bits = n_bits
        self.counts = counts
        self.include_chirality = include_chirality
        self.sparse_output = sparse_output
        self.on_error = on_error

    def fit(self, X, y=None):
        """Check the parameters and the shape of X.

        Parameters
        ----------
        X : array-like of str of shape (n,) or (n, 1)
        y : None
            Ignored.

        Returns
        -------
        MoleculeFingerprint
            Itself.
        """
        self._validate_params()
        read_smiles(X)
        self.n_features_in_ = 1
        return self

    def transform(self, X):
        """Compute the fingerprints.

        Parameters
        ----------
        X : array-like of str of shape (n,) or (n, 1)

        Returns
        -------
        ndarray or scipy.sparse.csr_array of shape (n, n_bits), dtype float32
            Zeros in rows that cannot be read.

        Raises
        ------
        ValueError
            If a row cannot be read and `on_error` is "raise".
        """
        self._validate_params()
        rows = parse(read_smiles(X), self.on_error, self._counter())
        table = _table(rows, self.n_bits, self.counts)
        return table if self.sparse_output else table.toarray()

    def present(self, X):
        """Tell which rows can be read.

        Parameters
        ----------
        X : array-like of str of shape (n,) or (n, 1)

        Returns
        -------
        ndarray of shape (n,), dtype bool
            False for a row that `transform` can only fill with zeros.

        Raises
        ------
        ValueError
            If a row cannot be read and `on_error` is "raise".
        """
        self._validate_params()
        return readable_rows(X, self.on_error)

    def get_feature_names_out(self, input_features=None):
        """Name the columns of the result.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_bits,), dtype object
            "morgan0", "morgan1", ...
        """
        return np.array([f"morgan{bit}" for bit in range(self.n_bits)], dtype=object)

    def _counter(self):
        """Return the function from a molecule to ``{column: count}``."""
        require_rdkit()
        from rdkit.Chem import rdFingerprintGenerator

        generator = rdFingerprintGenerator.GetMorganGenerator(
            radius=int(self.radius),
            fpSize=int(self.n_bits),
            includeChirality=bool(self.include_chirality),
        )
        return lambda mol: generator.GetCountFingerprint(mol).GetNonzeroElements()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        return tags


def _table(rows, n_bits, counts):
    """CSR array of rows given as ``{column: count}``, or None for a row of zeros."""
    rows = [row or {} for row in rows]
    ends = np.cumsum([0, *map(len, rows)])
    columns = np.fromiter(chain.from_iterable(rows), np.int32, count=ends[-1])
    values = np.ones(ends[-1], dtype=np.float32)
    if counts:
        values[:] = [count for row in rows for count in row.values()]
    table = sparse.csr_array((values, columns, ends), shape=(len(rows), n_bits))
    table.sort_indices()  # RDKit does not promise an order
    return table
