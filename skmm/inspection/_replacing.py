"""Modalities that say nothing of their rows any more.

=========  ==================================================================
method     a modality is replaced by
=========  ==================================================================
permute    its own rows in another order, with who lacks it
noise      normal values, with the mean and deviation of each of its numbers
drop       nothing: it is marked as missing
=========  ==================================================================
"""

from functools import partial

import numpy as np
import torch
from sklearn.pipeline import Pipeline

from skmm.base import takes_modalities
from skmm.data.recombine import recombined, with_changed
from skmm.data.tensors import TensorRows
from skmm.data.validation import check_names
from skmm.estimators import (
    FusionClassifier,
    FusionRegressor,
    GradientBlendingClassifier,
    MulMixClassifier,
    ResidualFusionClassifier,
    ResidualFusionRegressor,
)
from skmm.preprocessing import ModalityTransformer

METHODS = ("permute", "noise", "drop")
DRAWS = 10  # repeats by default
JOINED = " + "
ENCODE_ONCE = (  # a gate of DynamicFusionClassifier reads the modalities themselves
    FusionClassifier,
    FusionRegressor,
    GradientBlendingClassifier,
    MulMixClassifier,
    ResidualFusionClassifier,
    ResidualFusionRegressor,
)


def groups_of(modalities, X):
    """``{label: names}`` of what is replaced together.

    Parameters
    ----------
    modalities : list of str and of tuples of str, or None
        None is every modality of X alone.
    X : ModalityDict
    """
    if isinstance(modalities, str) or (modalities is not None and not len(modalities)):
        raise ValueError(
            "modalities must be a list of names, or of tuples of names that are "
            f"replaced together; got {modalities!r}. X has {list(X)}."
        )
    listed = list(X) if modalities is None else modalities
    many = (list, tuple)
    groups = [tuple(one) if isinstance(one, many) else (one,) for one in listed]
    for group in groups:
        if not group:
            raise ValueError(f"modalities has an empty group: {list(modalities)!r}.")
        check_names(group, X, "modalities")
    named = {JOINED.join(group): group for group in groups}
    if len(named) < len(groups):
        raise ValueError(f"modalities names a group twice: {list(modalities)!r}.")
    return named


def repeats_of(method, n_repeats):
    """Return how often a replacement is drawn."""
    if method in ("permute", "noise"):
        return DRAWS if n_repeats is None else n_repeats
    if n_repeats not in (None, 1):
        raise ValueError(
            f"n_repeats={n_repeats}, but {method!r} draws nothing: every repeat would "
            "be the same. Leave it out."
        )
    return 1


def replaced(X, names, method, seed):
    """Return X with modalities replaced, and which row each row got them from.

    Parameters
    ----------
    X : ModalityDict, or TensorRows to be permuted
    names : tuple of str
        Replaced together: permuted, a row gets all of them from one other row.
    method : {"permute", "noise", "drop"}
    seed : int

    Returns
    -------
    X : as X
    donors : ndarray of shape (n,), or None if no rows were lent
    """
    rng = np.random.default_rng(seed)
    if method == "permute":
        donors = rng.permutation(len(X))
        if isinstance(X, TensorRows):
            index = torch.from_numpy(donors).to(X.x[next(iter(X.x))].device)
            return X.recombined(dict.fromkeys(names, index)), donors
        return recombined(X, dict.fromkeys(names, donors)), donors
    for name in names:
        X = X.with_missing(name) if method == "drop" else _noised(X, name, rng)
    return X, None


def _noised(X, name, rng):
    try:
        return with_changed(X, name, partial(_noise, rng))
    except TypeError as error:
        raise TypeError(f"{error} Use 'permute' in place of 'noise'.") from error


def _noise(rng, rows):
    noise = rng.standard_normal(rows.shape)
    return rows.mean(axis=0) + rows.std(axis=0) * noise


def refuse_unread(estimator, X, groups):
    """Refuse to drop modalities where that would leave nothing, or go unnoticed."""
    for names in groups.values():
        if len(names) == X.shape[1]:
            raise ValueError(
                f"X has no modality besides {list(names)}: dropped, nothing is left. "
                "Use 'permute' or 'noise'."
            )
    last = getattr(estimator, "best_estimator_", estimator)
    last = last.steps[-1][1] if isinstance(last, Pipeline) else last
    if not takes_modalities(last):
        raise TypeError(
            f"{type(last).__name__} cannot tell that a modality is missing: it would "
            "read what stands in its rows. Use 'permute' or 'noise', or an estimator "
            "of skmm, as LateFusionClassifier or LateFusionRegressor with this one "
            "inside."
        )


def encoded_once(model, X):
    """Return a model and rows that predict the same, with encoders already applied.

    To permute embeddings is to permute the modalities that they are of. Where a model
    has no encoders, or its steps may look at several modalities, both stay as they are.
    """
    whole = getattr(model, "best_estimator_", model)
    first, last = (), whole
    if isinstance(whole, Pipeline):
        first, last = [step for _, step in whole.steps[:-1]], whole.steps[-1][1]
    apart = all(type(step) is ModalityTransformer for step in first)
    if not apart or type(last) not in ENCODE_ONCE:
        return model, X
    for step in first:
        X = step.transform(X)
    return last, last._encoded(X)
