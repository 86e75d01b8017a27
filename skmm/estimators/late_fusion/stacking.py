"""Stacking: a final model is trained on out-of-fold predictions of the others.

An *out-of-fold* prediction for a sample is of a model that was not trained on it.
"""

from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, check_cv

from skmm.base.estimator import ModalityEstimator
from skmm.base.fit_many import fit_many
from skmm.base.training_data import (
    check_groups_together,
    check_several_groups,
    split_pairs,
)


def folds(cv, y, is_class, groups=None):
    """Return pairs of training and test indices, like the stacking of scikit-learn.

    A number of folds is reduced to the size of the largest class, so that small data
    have folds too; with groups it is reduced to their number and keeps them together.

    Raises
    ------
    ValueError
        If there is only one group, folds separate samples of one group, or a splitter
        needs groups and there are none.
    """
    if len(y) < 2:
        raise ValueError(
            "rule='stack' needs at least 2 samples, to hold some out; got "
            f"n_samples = {len(y)}."
        )
    check_several_groups(groups, "to hold one out")
    if isinstance(cv, Integral) and groups is not None:
        cv = _whole_groups(cv, y, is_class, groups)
    elif isinstance(cv, Integral):
        most = np.unique(y, return_counts=True)[1].max() if is_class else 1
        is_class = bool(most > 1)
        cv = int(min(cv, most if is_class else len(y)))
    splitter = check_cv(cv, y, classifier=is_class)
    pairs = split_pairs(splitter, y, groups)
    check_groups_together(cv, pairs, groups)
    return pairs


def _whole_groups(cv, y, is_class, groups):
    n_folds = int(min(cv, len(np.unique(groups))))
    most = np.unique(y, return_counts=True)[1].max() if is_class else 0
    return (StratifiedGroupKFold if most >= n_folds else GroupKFold)(n_folds)


def check_classes(y):
    """Raise a ValueError if samples with out-of-fold predictions have one class."""
    left = np.unique(y).tolist()
    if len(left) == 1:
        raise ValueError(
            "rule='stack' needs out-of-fold predictions for at least two classes; only "
            f"{left[0]!r} has some. A class needs at least two samples to be stacked: "
            "add samples, or use another rule."
        )


def usable(pairs, present, y, is_class):
    """The pairs on which a model can be fitted and tested, cut to present samples."""
    cut = [(train[present[train]], test[present[test]]) for train, test in pairs]
    least = 2 if is_class else 1
    return [
        (train, test)
        for train, test in cut
        if len(test) and len(np.unique(y[train]) if is_class else train) >= least
    ]


def fit_folds(member, data):
    """One fitted clone of a model per fold; small nets are trained as one batch.

    Parameters
    ----------
    member : estimator
    data : list of (X, y, dict)
        Samples of each fold, and the other parameters of `fit`.
    """
    models = [clone(member) for _ in data]
    is_net = isinstance(member, ModalityEstimator) and member.checkpoint is None
    known = {"sample_weight", "groups"}
    if is_net and all({*params} <= known for *_, params in data):
        rows = [(X, y, params.get("sample_weight")) for X, y, params in data]
        groups = [params.get("groups") for *_, params in data]
        return fit_many(models, rows, groups=groups)
    return [
        model.fit(X, y, **params)
        for model, (X, y, params) in zip(models, data, strict=True)
    ]


def out_of_fold_mean(predictions, pairs, shape):
    """Mean out-of-fold prediction of each sample, and which samples have one.

    Parameters
    ----------
    predictions : list of ndarray of shape (n_test, n_outputs)
    pairs : list of (ndarray, ndarray)
        Training and test indices of each; test indices may repeat.
    shape : (n_samples, n_outputs)

    Returns
    -------
    (ndarray of shape (n_samples, n_outputs), ndarray of shape (n_samples,) of bool)
        The mean is zero for samples without a prediction.
    """
    total, count = np.zeros(shape), np.zeros(shape[0])
    for part, (_, rows) in zip(predictions, pairs, strict=True):
        np.add.at(total, rows, part)
        np.add.at(count, rows, 1)
    return total / np.maximum(count, 1)[:, None], count > 0


def columns(predictions, weights, drop_first):
    """Features of the final model.

    Parameters
    ----------
    predictions : ndarray of shape (n_modalities, n_samples, n_outputs)
    weights : ndarray of shape (n_modalities, n_samples)
        Zero where a modality is missing. The mean of the sample's other predictions
        replaces its prediction, and so has more weight.
    drop_first : bool
        Whether to drop the first output, which two class probabilities make redundant.

    Returns
    -------
    ndarray of shape (n_samples, n_modalities * n_columns)
    """
    present = weights > 0
    counts = np.maximum(present.sum(axis=0), 1)[:, None]
    others = np.where(present[..., None], predictions, 0.0).sum(axis=0) / counts
    filled = np.where(present[..., None], predictions, others)
    return np.hstack(list(filled[..., 1:] if drop_first else filled))
