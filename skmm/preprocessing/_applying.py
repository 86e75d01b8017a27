"""Helpers of ModalityTransformer: one transformer on one modality."""

from contextlib import contextmanager

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.pipeline import Pipeline

from skmm.data import leaves


def checked_word(word, name):
    """Refuse a string that is neither "passthrough" nor "drop"."""
    if word not in ("passthrough", "drop"):
        raise ValueError(
            f"transformers[{name!r}] must be a transformer, 'passthrough' or 'drop'; "
            f"got {word!r}."
        )
    return word


def plain_output(transformer):
    """Make a transformer return arrays, whatever the configuration says."""
    if hasattr(transformer, "set_output"):
        transformer.set_output(transform="default")
    return transformer


def readable(transformer, leaf):
    """Rows that the transformer can read: it may have a method `present`."""
    first = (
        transformer.steps[0][1] if isinstance(transformer, Pipeline) else transformer
    )
    if not hasattr(first, "present"):
        return np.ones(leaves.n_rows(leaf), dtype=bool)
    return first.present(leaf)


@contextmanager
def naming(name):
    """Add the modality's name to errors of its transformer."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise type(error)(f"modality {name!r}: {error}") from error


def spread(out, mask, name):
    """Put transformed rows back among missing ones, which are zeros."""
    out = leaves.as_leaf(out, name)
    if isinstance(out, pd.DataFrame):
        out = out.to_numpy()
    rows = np.flatnonzero(mask)
    if sparse.issparse(out):
        shape = (len(mask), len(rows))
        picks = (np.ones(len(rows)), (rows, np.arange(len(rows))))
        return (sparse.csr_array(picks, shape) @ out).astype(out.dtype)
    full = np.zeros((len(mask), *out.shape[1:]), dtype=out.dtype)
    full[rows] = out
    return full


class MissingEverywhere:
    """Stands for a transformer of a modality that no training row had."""

    def present(self, leaf):
        """No row."""
        return np.zeros(leaves.n_rows(leaf), dtype=bool)
