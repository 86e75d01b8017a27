"""Where the target of a reconstruction comes from, and which rows have one."""

from collections.abc import Mapping

import numpy as np

from skmm.base.training_data import check_weight
from skmm.data import check_modalities
from skmm.data.cells import is_cells
from skmm.data.validation import check_names, check_target


def aimed(estimator, X, y, weight):
    """X, y and weights of the rows that have a target.

    Parameters
    ----------
    estimator : EncoderDecoderReconstructor
        Its parameter `target` may name modalities of X.
    X : ModalityDict, dict, DataFrame or array-like of n rows
    y : array-like, dict of such, or None
    weight : array-like of shape (n,) or None

    Raises
    ------
    ValueError
        If there are two targets, or no row has one.
    """
    if estimator.target is not None:
        X, y = _target_in(X, y, estimator.target)
    elif isinstance(y, Mapping) or is_cells(y):
        y = check_modalities(y, finite=False)
    if getattr(y, "has_missing", False):
        X = check_modalities(X, finite=False)
        check_target(estimator, y, len(X))
        X, y, weight = _with_target(X, y, weight)
    single = isinstance(estimator.target, str)
    return X, (y[estimator.target] if single else y), weight


def names_of(target):
    """Return the parameter `target` as a list of names."""
    return [target] if isinstance(target, str) else list(target or [])


def _target_in(X, y, target):
    """X as a ModalityDict, and of it the targets."""
    if y is not None:
        raise ValueError(
            f"target={target!r} names the target in X; then y must be None. For a y of "
            "its own use target=None."
        )
    X, names = check_modalities(X, finite=False), names_of(target)
    if not names:
        raise ValueError("target names no modality; None takes the target from y.")
    check_names(names, X, "target")
    return X, X.select(names)


def _with_target(X, y, weight):
    """Leave out the rows in which a target is missing."""
    rows = np.flatnonzero(np.all([*y.present.values()], axis=0))
    if not len(rows):
        raise ValueError("no row has a target: it is missing in all of them.")
    weight = None if weight is None else check_weight(len(X), weight)[rows]
    return X[rows], y[rows], weight
