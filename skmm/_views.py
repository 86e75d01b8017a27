"""A single modality as input of scikit-learn estimators, and text of errors."""

import re
from contextlib import contextmanager

from sklearn.base import clone

WANTS_COLUMNS = "Expected 2D array, got 1D array"  # of scikit-learn's check_array


def as_table(leaf):
    """Return a leaf for scikit-learn; one number per sample becomes one column."""
    is_numbers = leaf.ndim == 1 and leaf.dtype != object
    return leaf[:, None] if is_numbers else leaf


def fit_text(estimator, leaf, fit):
    """Fit on text of shape (n_samples,), or (n_samples, 1) if that is expected.

    Parameters
    ----------
    estimator : estimator
        It, or its first step, is a vectorizer, which reads samples, or an encoder such
        as ``OneHotEncoder``, which reads columns.
    leaf : ndarray of str of shape (n_samples,)
    fit : callable
        ``fit(estimator, leaf)``

    Returns
    -------
    estimator : fitted clone
    out : object
        What `fit` returned.
    as_column : bool
        Whether the shape is (n_samples, 1).
    """
    part = clone(estimator)
    try:
        return part, fit(part, leaf), False
    except (ValueError, IndexError) as error:  # a ColumnTransformer: IndexError
        if isinstance(error, ValueError) and WANTS_COLUMNS not in str(error):
            raise
    part = clone(estimator)
    return part, fit(part, leaf[:, None]), True


def quantity(number, noun):
    """Return "1 row" or "3 rows"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def naming(name):
    """Prepend the name of the modality to errors."""
    return prepending(f"modality {name!r}")


@contextmanager
def prepending(what):
    """Prepend the name of an argument to errors that do not contain it."""
    try:
        yield
    except (ValueError, TypeError, AttributeError) as error:
        if re.search(rf"(?<!\w){re.escape(what)}(?!\w)", str(error)):
            raise
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"{what}: {error}") from error


@contextmanager
def noting(where):
    """Add a note on where they occurred to errors."""
    try:
        yield
    except Exception as error:
        error.add_note(f"{where}.")
        raise
