"""A single modality as input of scikit-learn estimators, and notes on errors."""

from contextlib import contextmanager


def as_table(leaf):
    """Return a leaf for scikit-learn; one number per sample becomes one column."""
    is_numbers = leaf.ndim == 1 and leaf.dtype != object
    return leaf[:, None] if is_numbers else leaf


def naming(name):
    """Prepend the name of the modality to errors."""
    return prepending(f"modality {name!r}")


@contextmanager
def prepending(what):
    """Prepend the name of an argument to errors that do not contain it."""
    try:
        yield
    except (ValueError, TypeError, AttributeError) as error:
        if str(error).startswith(what):
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
