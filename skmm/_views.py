"""One modality to a scikit-learn part: what it is given, and where its errors are."""

from contextlib import contextmanager


def as_table(leaf):
    """Return a leaf as scikit-learn reads it: one number per row is one column."""
    is_numbers = leaf.ndim == 1 and leaf.dtype != object
    return leaf[:, None] if is_numbers else leaf


@contextmanager
def naming(name):
    """Add the modality's name to errors of its part."""
    try:
        yield
    except (ValueError, TypeError, AttributeError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"modality {name!r}: {error}") from error


@contextmanager
def noting(where):
    """Add to errors where they happened, as a note."""
    try:
        yield
    except Exception as error:
        error.add_note(f"{where}.")
        raise
