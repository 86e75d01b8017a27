"""Stacking: a model on the answers that the others give for rows they have not seen."""

from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, check_cv

from skmm.base.estimator import ModalityEstimator
from skmm.base.fit_many import fit_together
from skmm.base.groups import pairs_of, refuse_one_group, refuse_split_groups


def folds(cv, y, is_class, groups=None):
    """Pairs of rows to train on and rows held out, as scikit-learn's stacking draws.

    A number of folds is lowered to the rows of the largest class, so that small data
    have folds too; with groups, to their number, and keeps them together.

    Raises
    ------
    ValueError
        If there is one group only, folds separate rows of one, or a splitter lacks
        groups.
    """
    if len(y) < 2:
        raise ValueError(f"rule='stack' holds rows out; got n_samples = {len(y)}.")
    refuse_one_group(groups, "to hold one out")
    if isinstance(cv, Integral) and groups is not None:
        cv = _whole_groups(cv, y, is_class, groups)
    elif isinstance(cv, Integral):
        most = np.unique(y, return_counts=True)[1].max() if is_class else 1
        is_class = bool(most > 1)
        cv = int(min(cv, most if is_class else len(y)))
    splitter = check_cv(cv, y, classifier=is_class)
    pairs = pairs_of(splitter, y, groups)
    refuse_split_groups(cv, pairs, groups)
    return pairs


def _whole_groups(cv, y, is_class, groups):
    count = int(min(cv, len(np.unique(groups))))
    most = np.unique(y, return_counts=True)[1].max() if is_class else 0
    return (StratifiedGroupKFold if most >= count else GroupKFold)(count)


def refuse_one_class(y):
    """Refuse classes of rows with held-out answers that are only one."""
    left = np.unique(y).tolist()
    if len(left) == 1:
        raise ValueError(
            "of the rows that models could be asked about in a fold without them, "
            f"only {left[0]!r} is left: a class needs two rows or more to be stacked. "
            "Give more, or use another rule."
        )


def usable(pairs, present, y, is_class):
    """Those pairs, cut to present rows, on which a model can be fitted and asked."""
    cut = [(train[present[train]], test[present[test]]) for train, test in pairs]
    least = 2 if is_class else 1
    return [
        (train, test)
        for train, test in cut
        if len(test) and len(np.unique(y[train]) if is_class else train) >= least
    ]


def fit_folds(member, data):
    """One clone of a model per fold; small nets are trained together.

    Parameters
    ----------
    member : estimator
    data : list of (X, y, dict)
        Rows of each, and what else its `fit` gets.
    """
    models = [clone(member) for _ in data]
    is_net = isinstance(member, ModalityEstimator) and member.checkpoint is None
    if is_net and all({*params} <= {"sample_weight"} for *_, params in data):
        rows = [(X, y, params.get("sample_weight")) for X, y, params in data]
        return fit_together(models, rows)
    return [
        model.fit(X, y, **params)
        for model, (X, y, params) in zip(models, data, strict=True)
    ]


class HeldOut:
    """Mean of the answers that each row gets from models that have not seen it.

    Parameters
    ----------
    n_rows, width : int
    """

    def __init__(self, n_rows, width):
        self.total = np.zeros((n_rows, width))
        self.count = np.zeros(n_rows)

    def add(self, rows, answers):
        """Note answers (len(rows), width); rows may repeat."""
        np.add.at(self.total, rows, answers)
        np.add.at(self.count, rows, 1)

    def mean(self):
        """Answers (n, width), zero where there is none."""
        return self.total / np.maximum(self.count, 1)[:, None]


def columns(answers, share, drop_first):
    """Table on which the final estimator learns.

    Parameters
    ----------
    answers : ndarray (M, n, K)
    share : ndarray (M, n)
        Zero where a modality is missing. The mean of the row's other answers stands
        there, so that they count for it too.
    drop_first : bool
        Of two probabilities one says all.

    Returns
    -------
    ndarray (n, M * K) or (n, M * (K - 1))
    """
    there = share > 0
    counts = np.maximum(there.sum(axis=0), 1)[:, None]
    others = np.where(there[..., None], answers, 0.0).sum(axis=0) / counts
    filled = np.where(there[..., None], answers, others)
    return np.hstack(list(filled[..., 1:] if drop_first else filled))
