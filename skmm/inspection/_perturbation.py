"""Modalities without information about their samples.

=========  ======================================================================
method     a modality is replaced by
=========  ======================================================================
permute    that of another sample, including the presence mask: no sample keeps its own
noise      normal values with the mean and standard deviation of each feature
drop       nothing: it is marked as missing
=========  ======================================================================
"""

from functools import partial

import numpy as np
import torch
from sklearn.pipeline import Pipeline

from skmm._random import derangement
from skmm.base import takes_modalities
from skmm.data.recombine import recombined, with_changed
from skmm.data.tensors import TensorRows
from skmm.data.validation import check_names
from skmm.preprocessing import ColumnsToModalities, ModalityTransformer

METHODS = ("permute", "noise", "drop")
REPEATS = 10  # by default
JOINED = " + "
SEPARATE = (ColumnsToModalities, ModalityTransformer)  # do not combine modalities


def check_groups_of_modalities(modalities, X):
    """Return ``{label: names}`` of the modalities that are replaced together.

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
            raise ValueError(
                f"modalities must not contain an empty group; got {list(modalities)!r}."
            )
        check_names(group, X, "modalities")
    named = {JOINED.join(group): group for group in groups}
    if len(named) < len(groups):
        raise ValueError(
            f"modalities must not repeat a group; got {list(modalities)!r}."
        )
    return named


def check_repeats(method, n_repeats):
    """Return how often a replacement is drawn."""
    if method in ("permute", "noise"):
        return REPEATS if n_repeats is None else n_repeats
    if n_repeats not in (None, 1):
        raise ValueError(
            f"n_repeats must be None or 1 with {method!r}, which is not random; got "
            f"{n_repeats}."
        )
    return 1


def check_can_drop(estimator, X, groups):
    """Check that dropping leaves a modality, and that the estimator reads the mask."""
    for names in groups.values():
        if len(names) == X.shape[1]:
            raise ValueError(
                f"dropping {list(names)} leaves X without modalities. Use 'permute' or "
                "'noise'."
            )
    last = getattr(estimator, "best_estimator_", estimator)
    last = last.steps[-1][1] if isinstance(last, Pipeline) else last
    if not takes_modalities(last):
        raise TypeError(
            f"'drop' needs an estimator that supports missing modalities; got "
            f"{type(last).__name__}. Use 'permute' or 'noise', or an estimator of "
            "skmm, such as LateFusionClassifier or LateFusionRegressor around this one."
        )


def perturbed(X, names, method, seed):
    """Return X with modalities replaced, and the donor of each sample.

    Parameters
    ----------
    X : ModalityDict; TensorRows for "permute"
    names : tuple of str
        Replaced together: permuted, a sample gets all of them from one donor.
    method : {"permute", "noise", "drop"}
    seed : int

    Returns
    -------
    X : ModalityDict or TensorRows
    donors : ndarray of shape (n_samples,), or None
        None if nothing was permuted.
    """
    rng = np.random.default_rng(seed)
    if method == "permute":
        donors = derangement(rng, len(X))
        if isinstance(X, TensorRows):
            index = torch.from_numpy(donors).to(X.x[next(iter(X.x))].device)
            return X.recombined(dict.fromkeys(names, index)), donors
        return recombined(X, dict.fromkeys(names, donors)), donors
    for name in names:
        X = X.with_missing(name) if method == "drop" else _with_noise(X, name, rng)
    return X, None


def _with_noise(X, name, rng):
    try:
        return with_changed(X, name, partial(_noise, rng))
    except TypeError as error:
        raise TypeError(f"{error} Use 'permute' in place of 'noise'.") from error


def _noise(rng, values):
    noise = rng.standard_normal(values.shape)
    return values.mean(axis=0) + values.std(axis=0) * noise


def with_embeddings(model, X):
    """Return a model and samples that predict the same, with encoders already applied.

    Permuting embeddings is the same as permuting their modalities. Model and X are
    returned unchanged if the model also reads the modalities themselves, or a step of
    the Pipeline may combine several modalities.
    """
    whole = getattr(model, "best_estimator_", model)
    first, last = (), whole
    if isinstance(whole, Pipeline):
        first, last = [step for _, step in whole.steps[:-1]], whole.steps[-1][1]
    separate = all(type(step) in SEPARATE for step in first)
    # not inherited: a subclass may read the modalities themselves
    if not separate or not vars(type(last)).get("_predicts_from_embeddings"):
        return model, X
    for step in first:
        X = step.transform(X)
    return last, last._encoded(X)
