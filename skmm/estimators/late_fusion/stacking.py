"""Stacking: a final model is trained on out-of-fold predictions of the others.

An *out-of-fold* prediction for a sample is of a model that was not trained on it.
"""

from numbers import Integral

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, check_cv

from skmm._routing import of_rows
from skmm._views import naming
from skmm.base.estimator import ModalityEstimator
from skmm.base.fit_many import fit_many
from skmm.base.training_data import (
    check_groups_together,
    check_several_groups,
    split_pairs,
)
from skmm.data.unseen import warn_unseen
from skmm.estimators.late_fusion.fitting import (
    TOO_FEW,
    TooFewSamplesError,
    fit_model,
    why_not_fitted,
)
from skmm.estimators.late_fusion.members import input_of


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


def usable(pairs, present, y, is_class, weight=None):
    """The pairs on which a model can be fitted and tested, cut to present samples."""
    cut = [(train[present[train]], test[present[test]]) for train, test in pairs]
    return [
        (train, test)
        for train, test in cut
        if len(test)
        and not why_not_fitted(
            np.ones(len(train), dtype=bool),
            y[train],
            is_class,
            None if weight is None else np.asarray(weight)[train],
        )
    ]


def fit_folds(member, data, probe=None):
    """One fitted clone of a model per fold; small nets are trained as one batch.

    Parameters
    ----------
    member : estimator
    data : list of (X, y, dict)
        Samples of each fold, and the other parameters of `fit`.
    probe : callable, optional
        See `fit_model`.

    Returns
    -------
    list of (estimator, bool) or None
        Fitted, and whether it reads text of shape (n_samples, 1); None for a fold with
        too few samples.
    """
    is_net = isinstance(member, ModalityEstimator) and member.checkpoint is None
    known = {"sample_weight", "groups"}
    if is_net and all({*params} <= known for *_, params in data):
        rows = [(X, y, params.get("sample_weight")) for X, y, params in data]
        try:
            groups = [params.get("groups") for *_, params in data]
            models = [clone(member) for _ in data]
            models = fit_many(models, rows, groups=groups)
            return [(model, False) for model in models]
        except ValueError as error:
            if probe is None or not TOO_FEW.search(str(error)):
                raise
    return [_fit_or_none(clone(member), *fold, probe) for fold in data]


def _fit_or_none(member, X, y, params, probe):
    try:
        return fit_model(member, X, y, params, probe)
    except TooFewSamplesError:
        return None


def drop_unknown(found):
    """Remove modalities without an out-of-fold prediction, with a warning.

    Parameters
    ----------
    found : dict of str to (ndarray, ndarray)
        Results of `out_of_fold`.
    """
    for name in [name for name, (_, known) in found.items() if not known.any()]:
        del found[name]
        warn_unseen([name], "not used, since its model has no out-of-fold predictions")


def out_of_fold(estimator, name, member, data, params, pairs):
    """Out-of-fold predictions of one modality, and which samples have one.

    Parameters
    ----------
    estimator : BaseLateFusion
    name : str
        The modality.
    member : estimator
        Its model, unfitted.
    data : (ModalityDict, ndarray)
        X and y.
    params : dict
        Other parameters of `fit`.
    pairs : list of (ndarray, ndarray)
        Training and test indices.

    Returns
    -------
    (ndarray, ndarray)
        See `out_of_fold_mean`.
    """
    (X, y), predict = data, estimator._predict_member
    seen = X.present[name], y, is_classifier(estimator)
    pairs = usable(pairs, *seen, params.get("sample_weight"))
    parts = [
        (input_of(member, name, X, rows), y[rows], of_rows(params, rows, len(X)))
        for rows, _ in pairs
    ]
    with naming(name):
        models = fit_folds(member, parts, None if seen[0].all() else predict)
        fitted = [f for f in zip(models, pairs, strict=True) if f[0] is not None]
        found = [
            predict(model, input_of(model, name, X, rows, as_column))
            for (model, as_column), (_, rows) in fitted
        ]
    shape = (len(X), len(estimator._prior_))
    return out_of_fold_mean(found, [pair for _, pair in fitted], shape)


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
