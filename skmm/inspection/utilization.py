"""Which share of a score is owed to each modality."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.utils import Bunch

from skmm._random import base_seed
from skmm._sklearn import Interval, StrOptions, validate_parameter_constraints
from skmm.base import restrict
from skmm.inspection._losing import (
    asked,
    checked_rows,
    columns_of,
    held_out,
    judged,
    losses_without,
)
from skmm.inspection._replacing import METHODS, groups_of, refuse_unread, repeats_of
from skmm.model_selection.statistics import LOSSES, choose_measure

NAME = "conditional_utilization"
REFIT = "refit"
CONSTRAINTS = {
    "without": [StrOptions({*METHODS, REFIT})],
    "n_repeats": [Interval(Integral, 1, None, closed="left"), None],
    "scoring": [str, callable, None],
    "modalities": [list, tuple, str, None],
    "cv": ["cv_object", None],
    "alpha": [Interval(Real, 0, 1, closed="neither")],
    "random_state": ["random_state"],
    "n_jobs": [Integral, None],
}


def conditional_utilization(
    estimator,
    X,
    y,
    *,
    without="permute",
    n_repeats=None,
    scoring=None,
    modalities=None,
    cv=None,
    sample_weight=None,
    groups=None,
    alpha=0.05,
    random_state=None,
    n_jobs=None,
):
    r"""Measure which share of a model's score is gone without a modality.

    .. math:: u(m) = \frac{A(\text{all}) - A(\text{without } m)}{A(\text{all})}

    What is without m is the same model with m replaced in the rows that it is asked
    about, or a model that was fitted without m. The two differ: a model that has come
    to rely on m loses much when m is replaced, and a refit may find elsewhere what m
    said. A share may be negative, where a model does better without m.

    Parameters
    ----------
    estimator : estimator
        Any that takes a ModalityDict; fitted, unless `cv` is given. Fix its
        `random_state` for ``without="refit"``.
    X : ModalityDict, dict or DataFrame of n rows
        Held-out rows; with `cv` all rows.
    y : array-like of shape (n,) or (n, k)
    without : {"permute", "noise", "drop", "refit"}, default="permute"
        The first three as `method` of `modality_importance`; "refit" fits a clone that
        sees the other modalities, and needs `cv`.
    n_repeats : int or None, default=None
        How often a replacement is drawn; None is 10. "drop" and "refit" draw nothing.
    scoring : str, callable or None, default=None
        A score of which zero is nothing and more is better. None is the accuracy of
        classifiers and R² of regressors.
    modalities : list of str and of tuples of str, or None, default=None
        Which to leave out; those of a tuple together. None is each alone.
    cv : int, splitter, iterable of (train, test) or None, default=None
        None asks the fitted estimator.
    sample_weight : array-like of shape (n,), optional
        Of the rows in scores; with `cv`, for fitting too.
    groups : array-like of shape (n,), optional
        Rows of one group go together: in the standard error, and with `cv` in folds.
    alpha : float, default=0.05
        Intervals have level 1 - alpha.
    random_state : int, RandomState or None, default=None
        Of replacements and splits.
    n_jobs : int or None, default=None
        Processes.

    Returns
    -------
    Bunch
        - table : DataFrame, one row per modality or group: utilization,
          standard_error, lower, upper, and score, that without it
        - score : float, with all modalities; over splits the mean
        - measure : str, the name of the score

    Raises
    ------
    ValueError
        If the score with all modalities is not above zero, or as for
        `modality_importance`.
    TypeError
        As for `modality_importance`; for "refit", if nothing in the estimator selects
        modalities.

    See Also
    --------
    modality_importance : What is lost, in the unit of the loss.

    Notes
    -----
    The interval is of the ratio, linearised: that of the mean of
    :math:`u + (d - u A) / A(\text{all})` over rows, with d what is lost and A the
    accuracy in one row; with `cv` over splits, by the corrected resampled t. For one
    fitted model and a score that is no mean over rows, or less than 10 rows or groups,
    it is NaN.

    References
    ----------
    Wu, Jastrzębski, Cho and Geras, "Characterizing and overcoming the greedy nature of
    learning in multi-modal deep neural networks", 2022, who refit.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import FusionClassifier
    >>> from skmm.inspection import conditional_utilization
    >>> rng = np.random.default_rng(0)
    >>> X = {"a": rng.normal(size=(200, 3)), "b": rng.normal(size=(200, 4))}
    >>> y = X["a"][:, 0] > 0
    >>> model = FusionClassifier(lr=0.01, max_epochs=10, random_state=0)
    >>> found = conditional_utilization(
    ...     model, X, y, without="refit", cv=3, random_state=0
    ... )
    >>> (found.table["lower"] > 0).to_dict()
    {'a': True, 'b': False}
    """
    validate_parameter_constraints(CONSTRAINTS, locals(), NAME)
    rows = checked_rows(estimator, X, y, sample_weight, groups)
    chosen = groups_of(modalities, rows.X)
    n_repeats = repeats_of(without, n_repeats)
    _check_without(without, estimator, rows.X, chosen, cv)
    measure = choose_measure(estimator, _score(estimator, scoring), rows.y)
    seed = base_seed(random_state)
    held, splits = asked(estimator, rows, measure, without, cv, seed, n_jobs, NAME)
    scores = np.array([_score_of(one) for one in held])
    _refuse_nothing(scores.mean(), scoring)
    if without == REFIT:
        losses = _refitted(estimator, rows, held, chosen, splits, n_jobs)
    else:
        losses = losses_without(held, chosen, n_repeats, seed, n_jobs)
    found = [
        _row_of(costs, held, scores, splits, rows.groups, alpha)
        for costs in losses.values()
    ]
    index = pd.Index(list(losses), name="modality")
    name = "accuracy" if _is_accuracy(measure) else measure.name
    return Bunch(
        table=pd.DataFrame(found, index), score=float(scores.mean()), measure=name
    )


def _score(estimator, scoring):
    if scoring is None:
        return "accuracy" if is_classifier(estimator) else "r2"
    return scoring


def _check_without(without, estimator, X, groups, cv):
    if without == "drop":
        refuse_unread(estimator, X, groups)
    if without != REFIT:
        return
    if cv is None:
        raise ValueError(
            "without='refit' fits models with and without each modality, and needs "
            "rows to judge them by: give cv=, as cv=5."
        )
    for names in groups.values():
        if len(names) == X.shape[1]:
            raise ValueError(
                f"X has no modality besides {list(names)} to fit a model on: "
                "without='refit' needs another."
            )


def _score_of(held):
    """Return the score with all modalities; 1 less the error rate is the accuracy."""
    return (1 if _is_accuracy(held.measure) else 0) - held.loss()


def _is_accuracy(measure):
    return measure is LOSSES["accuracy"]


def _refuse_nothing(score, scoring):
    if not score > 0:
        raise ValueError(
            f"the score with all modalities is {score:.3g}, of which there are no "
            f"shares: scoring={scoring!r} must give more than zero. Choose a score of "
            "which zero is nothing and more is better, as 'accuracy' or 'r2'; where it "
            "is one, the model has learnt nothing."
        )


def _refitted(estimator, rows, held, groups, splits, n_jobs):
    """``{label: [(what is lost by a refit without it, None) for each split]}``."""
    out = {}
    for label, names in groups.items():
        model = restrict(estimator, [name for name in rows.X if name not in names])
        name = f"{NAME}, refit without {label!r}"
        settings = (splits, held[0].measure, name, REFIT, n_jobs)
        pairs = zip(held_out(model, rows, *settings), held, strict=True)
        lost = [part.loss() - whole.loss() for part, whole in pairs]
        out[label] = [(np.array([one]), None) for one in lost]
    return out


def _row_of(costs, held, scores, splits, groups, alpha):
    lost, whole = np.array([repeats.mean() for repeats, _ in costs]), scores.mean()
    share, one = lost.mean() / whole, held[0]
    if splits is None:  # of one model, every row is an observation
        lost, scores = costs[0][1], whole + one.weight * (one.loss() - one.whole)
    values = share + (lost - share * scores) / whole
    found = columns_of(judged(values, one.measure, splits, groups), alpha)
    del found["p"]  # a share is no test
    score = float(whole * (1 - share))
    return {"utilization": float(share), **found, "score": score}
