"""Read SMILES with RDKit, for all transformers of molecules."""

from collections.abc import Mapping
from itertools import chain

import numpy as np
import pandas as pd
from joblib import effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed


def require_rdkit():
    """Return RDKit's ``(Chem, rdBase)``, or raise an error on how to install it."""
    try:
        from rdkit import Chem, rdBase
    except ImportError as error:
        raise ImportError(
            'reading SMILES needs RDKit: pip install "skmm[chem]"'
        ) from error
    return Chem, rdBase


def read_smiles(X):
    """Convert a column of SMILES to an object array, without checking the values.

    Parameters
    ----------
    X : list, array-like, Series or DataFrame of shape (n_samples,) or (n_samples, 1)

    Returns
    -------
    ndarray of shape (n_samples,), dtype object
        Missing values of pandas are None.

    Raises
    ------
    TypeError
        If X has named modalities.
    ValueError
        If X has another shape or no rows.
    """
    if isinstance(X, Mapping):
        raise TypeError(
            f"X is a {type(X).__name__} of {list(X)}, not one column of SMILES; pass "
            "X['name of the SMILES'], or use ModalityTransformer."
        )
    if isinstance(X, (pd.Series, pd.DataFrame)):
        X = X.to_numpy(object, na_value=None)
    values = np.asarray(X, dtype=object)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(
            "X must be one column of SMILES, of shape (n_samples,) or (n_samples, 1); "
            f"got shape {values.shape}"
            + (": a single value." if values.ndim == 0 else ".")
        )
    if len(values) == 0:
        raise ValueError(
            "Found array with 0 sample(s): X needs at least one SMILES, but is empty."
        )
    return values


def parse(smiles, on_error="raise", each=None):
    """Convert SMILES to molecules, with the log of RDKit silenced.

    Parameters
    ----------
    smiles : ndarray of shape (n_samples,)
        Output of `read_smiles`.
    on_error : {"raise", "missing"}, default="raise"
        How to handle entries that are not a string or have no molecule.
    each : callable, optional
        Applied to each molecule as soon as it is read, to keep its result instead of
        the molecule, which takes about 14 kB.

    Returns
    -------
    list
        One rdkit.Chem.Mol, or result of `each`, per row; None for a row that cannot be
        read, with ``on_error="missing"``.

    Raises
    ------
    ValueError
        If a row cannot be read and `on_error` is "raise".
    ImportError
        If RDKit is not installed.
    """
    chem, rdbase = require_rdkit()
    with rdbase.BlockLogs():
        results = [_result(value, chem.MolFromSmiles, each) for value in smiles]
    if on_error == "raise":
        check_readable(smiles, results)
    return results


def parse_in_parts(smiles, make_each, on_error="raise", n_jobs=None):
    """Do the same as `parse` in several processes.

    Parameters
    ----------
    smiles : ndarray of shape (n_samples,)
    make_each : callable without arguments
        Picklable; called once in each process, it returns the `each` of `parse`.
    on_error : {"raise", "missing"}, default="raise"
    n_jobs : int or None, default=None
        Number of processes; None means 1.

    Returns
    -------
    list
        The result of `parse`; it does not depend on `n_jobs`.
    """
    require_rdkit()
    n_parts = min(effective_n_jobs(n_jobs), len(smiles))
    parts = Parallel(n_jobs=n_parts)(
        delayed(_parse_part)(part, make_each)
        for part in np.array_split(smiles, n_parts)
    )
    results = list(chain.from_iterable(parts))
    if on_error == "raise":
        check_readable(smiles, results)
    return results


def _parse_part(smiles, make_each):
    return parse(smiles, "missing", make_each())


def readable_rows(X, on_error):
    """Return a mask of the rows of X that RDKit can read."""
    readable = parse(read_smiles(X), on_error, lambda molecule: True)
    return np.array(readable, dtype=bool)  # None becomes False


def _result(value, read, each):
    molecule = _molecule(value, read)
    return molecule if molecule is None or each is None else each(molecule)


def _molecule(value, read):
    if not isinstance(value, str):
        return None
    try:
        molecule = read(value)
    except UnicodeEncodeError:
        return None
    return molecule if molecule is not None and molecule.GetNumAtoms() else None


def check_readable(smiles, results):
    """Raise a ValueError if any result is None."""
    bad = [row for row, result in enumerate(results) if result is None]
    if bad:
        first = smiles[bad[0]]
        raise ValueError(
            f"row {bad[0]} is not a valid SMILES: {repr(first)[:80]} ({_why(first)}); "
            f"{len(bad)} of {len(smiles)} rows are invalid. Correct or drop them, or "
            "mark them as missing with on_error='missing'."
        )


def _why(value):
    if not isinstance(value, str):
        return f"{type(value).__name__}, not a string"
    return "RDKit cannot parse it" if value.strip() else "empty"
