"""Text: what is taken for it, and its bytes."""

import numpy as np

HOLES = {"none", "nan"}


def holds(kinds, one, *others):
    """Whether the contents of an array are of one kind, with others or holes.

    Parameters
    ----------
    kinds : set of str
        Of what is in the array.
    one : str
        Must be there.
    *others : str
        May be there.
    """
    return one in kinds and kinds <= HOLES | {one, *others}


def strings(array, name):
    """Strings of an array of bytes, str or numpy's strings."""
    try:
        return array.astype(object if array.dtype.kind == "T" else str)
    except UnicodeDecodeError:
        raise TypeError(bytes_message(name)) from None


def bytes_message(name):
    """What to do with bytes that are not ASCII, or not in an array of bytes alone."""
    return (
        f"modality {name!r} has bytes instead of text; decode them first, as "
        f"[value.decode('utf-8') for value in X[{name!r}]]."
    )


def text_leaf(array, name):
    """Object array (n,) of ``str``, and of None where something else stood."""
    if array.ndim > 1:
        raise ValueError(
            f"modality {name!r} is text of shape {array.shape}, but text has one "
            "string per row. Pass a DataFrame, or one modality per column."
        )
    holes = [value is not None and not isinstance(value, str) for value in array]
    return np.where(holes, None, array) if any(holes) else array


def utf8(text, row, name):
    """Bytes of the text of one row."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"modality {name!r} has text in row {row} that is no valid Unicode: a lone "
            f"surrogate, {text[error.start]!r}, as wrongly decoded files have. Read "
            "the file in its own encoding, or replace it: text.encode('utf-8', "
            "'replace').decode()."
        ) from None
