"""A single modality as input of scikit-learn estimators, and notes on errors."""

from contextlib import contextmanager


def as_table(leaf):
    """Return a leaf for scikit-learn; one number per sample becomes one column."""
    is_numbers = leaf.ndim == 1 and leaf.dtype != object
    return leaf[:, None] if is_numbers else leaf


@contextmanager
def naming(name):
    """Prepend the name of the modality to errors."""
    try:
        yield
    except (ValueError, TypeError, AttributeError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"modality {name!r}: {error}") from error


@contextmanager
def noting(where):
    """Add a note on where they occurred to errors."""
    try:
        yield
    except Exception as error:
        error.add_note(f"{where}.")
        raise
