"""Helpers of ModalityTransformer: apply one transformer to one modality."""

from contextlib import suppress

import numpy as np
from scipy import sparse
from sklearn import config_context
from sklearn.pipeline import Pipeline

from skmm.data import leaves


def check_transformer(part, name):
    """Return `part`, or raise if it is not a transformer, "passthrough" or "drop"."""
    if isinstance(part, str):
        good = part in ("passthrough", "drop")
    else:
        good = not isinstance(part, type) and hasattr(part, "fit")
        good = good and (hasattr(part, "transform") or hasattr(part, "fit_transform"))
    if not good:
        raise (ValueError if isinstance(part, str) else TypeError)(
            f"transformers[{name!r}] must be a transformer, 'passthrough' or 'drop'; "
            f"got {part!r}."
        )
    return part


def plain_output(transformer):
    """Make a transformer return arrays, regardless of its output configuration."""
    if isinstance(
        transformer, Pipeline
    ):  # set_output of a Pipeline needs that of all steps
        for _, step in transformer.steps:
            plain_output(step)
    elif hasattr(transformer, "set_output"):
        with suppress(ValueError):  # a ColumnTransformer with a part without set_output
            transformer.set_output(transform="default")
    return transformer


def readable(transformer, leaf, mask):
    """Return the mask of present samples that the transformer can read.

    A transformer can restrict it by a method `present`.
    """
    first = (
        transformer.steps[0][1] if isinstance(transformer, Pipeline) else transformer
    )
    if not hasattr(first, "present"):
        return mask
    rows = np.flatnonzero(mask)
    good = np.zeros(len(mask), dtype=bool)
    good[rows] = first.present(leaves.take(leaf, rows))
    return good


def fit_transformed(transformer, leaf, y, params):
    """Fit and transform, by `fit_transform` if the transformer has it."""
    with config_context(transform_output="default"):
        if hasattr(transformer, "fit_transform"):
            return transformer.fit_transform(leaf, y, **params)
        return transformer.fit(leaf, y, **params).transform(leaf)


def transformed(transformer, leaf):
    """Transform to arrays."""
    with config_context(transform_output="default"):
        return transformer.transform(leaf)


def spread(out, mask, name):
    """Insert blank samples where the modality is missing."""
    out = leaves.as_leaf(out, name)
    rows = np.flatnonzero(mask)
    if sparse.issparse(out):
        shape = (len(mask), len(rows))
        picks = (np.ones(len(rows)), (rows, np.arange(len(rows))))
        return (sparse.csr_array(picks, shape) @ out).astype(out.dtype)
    if leaves.kind(out) in ("frame", "tensor"):
        out = np.asarray(out)
    full = blank(len(mask), leaves.shape_of_row(out), out.dtype)
    full = full.reshape(len(mask), *out.shape[1:])
    full[rows] = out
    return full


def blank(n_rows, shape, dtype=np.float32):
    """Return blank samples: None for text, empty arrays if ragged, else zeros."""
    if shape == ():
        return np.full(n_rows, None, dtype=object)
    if shape is None:
        return leaves.object_array([np.empty(0)] * n_rows)
    return np.zeros((n_rows, *shape), dtype=dtype)


def names_of(name, transformer, shape):
    """Return the names of the output features of a modality."""
    if hasattr(transformer, "get_feature_names_out"):
        return transformer.get_feature_names_out()
    if transformer == "passthrough" and shape == ():
        return [name]
    if transformer == "passthrough" and shape is not None and len(shape) == 1:
        return [f"x{i}" for i in range(shape[0])]
    raise ValueError(
        f"the features of modality {name!r} have no names: its "
        f"{type(transformer).__name__} has no get_feature_names_out, or its "
        "samples are not vectors."
    )


def check_not_all_dropped(parts, fitted):
    """Raise a ValueError if no modality is left."""
    if not parts:
        raise ValueError(
            f"all modalities are dropped: {list(fitted)}. Keep at least one, with "
            "'passthrough' or a transformer."
        )


class MissingEverywhere:
    """Replaces the transformer of a modality missing in all training samples."""

    def present(self, leaf):
        """Return False for every sample."""
        return np.zeros(leaves.n_rows(leaf), dtype=bool)
