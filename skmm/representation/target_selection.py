"""The target of a reconstruction, and the samples in which it is present."""

from collections.abc import Mapping

import numpy as np

from skmm.base.training_data import check_groups, check_sample_weights
from skmm.data import check_modalities
from skmm.data.cells import is_cells
from skmm.data.labels import check_row_labels
from skmm.data.validation import check_names, check_target


def select_target(estimator, X, y, weight, groups=None):
    """Return X, y, weights and groups of the samples in which the target is present.

    Parameters
    ----------
    estimator : EncoderDecoderReconstructor
        Its parameter `target` may name modalities of X.
    X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
    y : array-like, dict of such, or None
    weight, groups : array-like of shape (n_samples,) or None

    Raises
    ------
    ValueError
        If both y and `target` are given, row labels differ, or the target is missing
        in all samples.
    """
    check_row_labels(X, y=y, sample_weight=weight, groups=groups)
    if estimator.target is not None:
        X, y = _target_in(X, y, estimator.target)
    elif isinstance(y, Mapping) or is_cells(y):
        y = check_modalities(y, finite=False)
    if getattr(y, "has_missing", False):
        X = check_modalities(X, finite=False)
        check_target(estimator, y, len(X))
        groups = check_groups(groups, len(X), X)
        X, y, weight, groups = _with_target(X, y, weight, groups)
    single = isinstance(estimator.target, str)
    return X, (y[estimator.target] if single else y), weight, groups


def names_of(target):
    """Return the parameter `target` as a list of names."""
    return [target] if isinstance(target, str) else list(target or [])


def _target_in(X, y, target):
    """X as a ModalityDict, and the targets in it."""
    if y is not None:
        raise ValueError(
            f"y must be None when target={target!r} names modalities of X. Use "
            "target=None to reconstruct y."
        )
    X, names = check_modalities(X, finite=False), names_of(target)
    if not names:
        raise ValueError("target is empty; use None to reconstruct y.")
    check_names(names, X, "target")
    return X, X.select(names)


def _with_target(X, y, weight, groups):
    """Leave out the samples in which a target is missing."""
    rows = np.flatnonzero(np.all([*y.present.values()], axis=0))
    if not len(rows):
        raise ValueError("the target is missing in all samples.")
    weight = check_sample_weights(weight, len(X))
    weight = None if weight is None else weight[rows]
    groups = None if groups is None else groups[rows]
    return X[rows], y[rows], weight, groups
