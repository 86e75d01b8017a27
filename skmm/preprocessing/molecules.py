"""Fingerprints of molecules given as SMILES."""

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
        Radius of the neighbourhoods in bonds; 0 means single atoms.
    n_bits : int, default=2048
        Number of columns.
    counts : bool, default=False
        Count the neighbourhoods of each column instead of marking whether there are
        any.
    include_chirality : bool, default=False
        Distinguish stereoisomers.
    sparse_output : bool, default=False
        Return a CSR array, without creating a dense one; about 1 % of the entries are
        not zero.
    on_error : {"raise", "missing"}, default="raise"
        How to handle SMILES that are not a string, are empty or cannot be parsed: raise
        an error, or return a row of zeros, for which `present` is False.

    Attributes
    ----------
    n_features_in_ : int
        Always 1, the column of SMILES; exists after `fit`.

    Notes
    -----
    X is a list, array, Series or DataFrame of shape (n_samples,) or (n_samples, 1). Row
    ``i`` of the result depends on row ``i`` of X only. `fit` checks the parameters
    and the shape of X; invalid SMILES are found in `transform` and `present`. Requires
    RDKit: ``pip install "skmm[chem]"``.

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
        X : array-like of str of shape (n_samples,) or (n_samples, 1)
        y : None
            Ignored.

        Returns
        -------
        self
        """
        self._validate_params()
        read_smiles(X)
        self.n_features_in_ = 1
        return self

    def transform(self, X):
        """Compute the fingerprints.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, 1)

        Returns
        -------
        ndarray or scipy.sparse.csr_array of shape (n_samples, n_bits), dtype float32
            Rows that cannot be read are zeros.

        Raises
        ------
        ValueError
            If a SMILES cannot be read and `on_error` is "raise".
        """
        self._validate_params()
        rows = parse(read_smiles(X), self.on_error, self._counter())
        table = _table(rows, self.n_bits, self.counts)
        return table if self.sparse_output else table.toarray()

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
        ndarray of shape (n_bits,), dtype object
            "morgan0", "morgan1", ...
        """
        return np.array([f"morgan{bit}" for bit in range(self.n_bits)], dtype=object)

    def _counter(self):
        """Return a function that maps a molecule to ``{column: count}``."""
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
    """Build a CSR array from rows ``{column: count}``; None is a row of zeros."""
    rows = [row or {} for row in rows]
    ends = np.cumsum([0, *map(len, rows)])
    columns = np.fromiter(chain.from_iterable(rows), np.int32, count=ends[-1])
    values = np.ones(ends[-1], dtype=np.float32)
    if counts:
        values[:] = [count for row in rows for count in row.values()]
    table = sparse.csr_array((values, columns, ends), shape=(len(rows), n_bits))
    table.sort_indices()  # RDKit does not guarantee an order
    return table
