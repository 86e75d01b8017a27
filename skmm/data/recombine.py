"""Containers in which some modalities are permuted or changed."""

import numpy as np
import pandas as pd
import torch

from skmm.data import leaves
from skmm.data.labels import relabelled
from skmm.data.modality_dict import ModalityDict


def recombined(X, rows):
    """Return a container in which each modality has its own selection of rows.

    The presence mask is permuted with the values; row labels stay in place.

    Parameters
    ----------
    X : ModalityDict
    rows : dict of str to ndarray of int, all of the same length
        Row numbers by modality. Other modalities keep their rows and are not copied;
        if there are any, the length must be that of X.

    Returns
    -------
    ModalityDict

    Examples
    --------
    >>> from skmm import ModalityDict
    >>> from skmm.data.recombine import recombined
    >>> X = ModalityDict(a=[1, 2, 3], b=["x", "y", "z"]).with_missing("b", [0])
    >>> swapped = recombined(X, {"b": [1, 2, 0]})
    >>> swapped["a"].tolist(), swapped["b"].tolist(), swapped.present["b"].tolist()
    ([1, 2, 3], ['y', 'z', 'x'], [True, True, False])
    """
    parts, masks = dict(X.items()), X.present
    for name, own in rows.items():
        parts[name] = leaves.take(X[name], own)
        masks[name] = masks[name][own]
    n_rows = leaves.common_length(parts)
    index = X.index if n_rows == len(X) else None
    parts = {name: relabelled(leaf, index) for name, leaf in parts.items()}
    return ModalityDict._made(parts, masks, n_rows, index)


def with_changed(X, name, change):
    """Return a container in which the present rows of one modality are changed.

    Parameters
    ----------
    X : ModalityDict
    name : str
    change : callable
        Receives the present rows as floats, an ndarray of shape (n_present, ...) with
        two or more dimensions, and returns an array of the same shape.

    Returns
    -------
    ModalityDict
        The modality keeps its kind; missing rows are unchanged.

    Raises
    ------
    TypeError
        If the modality is text, sparse, ragged, or a DataFrame with non-numeric
        columns.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import ModalityDict
    >>> from skmm.data.recombine import with_changed
    >>> X = ModalityDict(a=np.ones((2, 3)))
    >>> with_changed(X, "a", np.negative)["a"].tolist()
    [[-1.0, -1.0, -1.0], [-1.0, -1.0, -1.0]]
    """
    leaf, mask = X[name], X.present[name]
    values = _numbers(leaf, name)
    new = values.copy()
    rows = new[:, None] if new.ndim == 1 else new  # a view
    if mask.any():
        rows[mask] = change(rows[mask])
    parts = {**X, name: _like(new, leaf)}
    return ModalityDict._made(parts, X.present, len(X), X.index)


def _numbers(leaf, name):
    """Values of a leaf as an array of floats, which may share its memory."""
    kind = leaves.kind(leaf)
    if kind == "frame":
        others = leaf.columns.difference(leaf.select_dtypes(["number", "bool"]).columns)
        kind = f"a table with columns {list(others)[:5]}" if len(others) else kind
    if kind not in ("dense", "tensor", "frame"):
        raise TypeError(
            f"modality {name!r} is {kind}; only an array, tensor or DataFrame of "
            "numbers can be changed."
        )
    if kind == "frame":
        return leaf.to_numpy(np.float64)
    values = leaf.cpu().numpy() if kind == "tensor" else np.asarray(leaf)
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def _like(values, leaf):
    if isinstance(leaf, pd.DataFrame):
        return pd.DataFrame(values, leaf.index, leaf.columns)
    if isinstance(leaf, torch.Tensor):
        return torch.from_numpy(values).to(leaf.device)
    return values
