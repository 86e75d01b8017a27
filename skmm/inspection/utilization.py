"""Share of a score that depends on each modality."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.utils import Bunch

from skmm._random import base_seed
from skmm._sklearn import Interval, StrOptions, validate_parameter_constraints
from skmm.base import restrict
from skmm.inspection._loss_increase import (
    check_evaluation_data,
    columns_of,
    difference_of,
    evaluation_splits,
    fit_splits,
    loss_increases,
)
from skmm.inspection._perturbation import (
    METHODS,
    check_can_drop,
    check_groups_of_modalities,
    check_repeats,
)
from skmm.model_selection import _arguments as arguments
from skmm.model_selection.statistics import LOSSES, choose_measure

NAME = "conditional_utilization"
REFIT = "refit"
CONSTRAINTS = {
    "estimator": arguments.FITTED,
    "without": [StrOptions({*METHODS, REFIT})],
    "n_repeats": [Interval(Integral, 1, None, closed="left"), None],
    "scoring": [str, callable, None],
    "modalities": [list, tuple, str, None],
    "cv": ["cv_object", None],
    "alpha": [Interval(Real, 0, 1, closed="neither")],
    "random_state": ["random_state"],
    "n_jobs": arguments.N_JOBS,
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
    r"""Compute the share of a model's score that is lost without each modality.

    .. math:: u(m) = \frac{A(\text{all}) - A(\text{without } m)}{A(\text{all})}

    "Without m" is either the same model with m replaced in the samples that it
    predicts, or a model fitted without m. The two differ: a model that relies on m
    loses much when m is replaced, whereas a refit may find the same information in
    other modalities. The share is negative where a model is better without m.

    Parameters
    ----------
    estimator : estimator
        Any estimator that accepts a ModalityDict; fitted, unless `cv` is given. Fix its
        `random_state` for ``without="refit"``.
    X : ModalityDict, dict or DataFrame of n_samples
        Held-out samples; with `cv` all samples.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    without : {"permute", "noise", "drop", "refit"}, default="permute"
        For the first three see `method` of `modality_importance`; "refit" fits a clone
        on the other modalities, and requires `cv`.
    n_repeats : int or None, default=None
        Number of random replacements; None is 10. "drop" and "refit" are not random.
    scoring : str, callable or None, default=None
        A score for which 0 is the worst sensible value and more is better. None is the
        accuracy of classifiers and R² of regressors.
    modalities : list of str and of tuples of str, or None, default=None
        Modalities to leave out; those of a tuple together. None is each one alone.
    cv : int, splitter, iterable of (train, test) or None, default=None
        None evaluates the fitted estimator.
    sample_weight : array-like of shape (n_samples,), optional
        Weights in scores; with `cv`, also in fits.
    groups : array-like of shape (n_samples,), optional
        Samples of one group are dependent: in the standard error, and with `cv` in
        folds.
    alpha : float, default=0.05
        Intervals have level 1 - alpha.
    random_state : int, RandomState or None, default=None
        Seed of replacements and splits.
    n_jobs : int or None, default=None
        Number of processes.

    Returns
    -------
    Bunch
        - table : DataFrame, one row per modality or group: utilization,
          standard_error, lower, upper, and score without it
        - score : float, with all modalities; the mean over splits
        - measure : str, name of the score

    Raises
    ------
    ValueError
        If the score with all modalities is not above zero; see also
        `modality_importance`.
    TypeError
        See `modality_importance`; for "refit", if the estimator cannot select
        modalities.

    See Also
    --------
    modality_importance : The increase of the loss, in its own unit.

    Notes
    -----
    The interval is that of the linearized ratio: of the mean of
    :math:`u + (d - u A) / A(\text{all})` over samples, with d the increase of the loss
    and A the accuracy of one sample; with `cv` over splits, by the corrected resampled
    t-test. For one fitted model and a score that is not a mean over samples, or fewer
    than 10 samples or groups, it is NaN.

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
    data = check_evaluation_data(estimator, X, y, sample_weight, groups)
    chosen = check_groups_of_modalities(modalities, data.X)
    n_repeats = check_repeats(without, n_repeats)
    if without == "drop":
        check_can_drop(estimator, data.X, chosen)
    if without == REFIT:
        _check_can_refit(data.X, chosen, cv)
    if scoring is None:
        scoring = "accuracy" if is_classifier(estimator) else "r2"
    measure = choose_measure(estimator, scoring, data.y)
    seed = base_seed(random_state)
    evaluated, splits = evaluation_splits(
        estimator, data, measure, without, cv, seed, n_jobs, NAME
    )
    is_accuracy = measure is LOSSES["accuracy"]  # whose loss is the error rate
    scores = np.array([is_accuracy - split.loss() for split in evaluated])
    _check_positive(scores.mean(), scoring)
    if without == REFIT:
        increases = _refit_increases(estimator, data, evaluated, chosen, splits, n_jobs)
    else:
        increases = loss_increases(evaluated, chosen, n_repeats, seed, n_jobs)
    rows = [
        _row_of(found, evaluated[0], scores, splits, data.groups, alpha)
        for found in increases.values()
    ]
    index = pd.Index(list(increases), name="modality")
    return Bunch(
        table=pd.DataFrame(rows, index),
        score=float(scores.mean()),
        measure="accuracy" if is_accuracy else measure.name,
    )


def _check_can_refit(X, groups, cv):
    if cv is None:
        raise ValueError(
            "without='refit' requires cv, because models are fitted with and without "
            "each modality; give cv=, such as cv=5."
        )
    for names in groups.values():
        if len(names) == X.shape[1]:
            raise ValueError(
                f"without='refit' needs another modality to fit a model on; X has only "
                f"{list(names)}."
            )


def _check_positive(score, scoring):
    if not score > 0:
        raise ValueError(
            f"the score with all modalities must be above zero to compute shares; got "
            f"{score:.3g} with scoring={scoring!r}. Use a score such as 'accuracy' or "
            "'r2'; if it is one, the model has not learned anything."
        )


def _refit_increases(estimator, data, evaluated, groups, splits, n_jobs):
    """Return ``{label: [(increase of the loss by a refit, None) of each split]}``."""
    out = {}
    for label, names in groups.items():
        model = restrict(estimator, [name for name in data.X if name not in names])
        name = f"{NAME}, refit without {label!r}"
        settings = (splits, evaluated[0].measure, name, REFIT, n_jobs)
        pairs = zip(fit_splits(model, data, *settings), evaluated, strict=True)
        increases = [part.loss() - whole.loss() for part, whole in pairs]
        out[label] = [(np.array([one]), None) for one in increases]
    return out


def _row_of(found, first, scores, splits, groups, alpha):
    increase, whole = np.array([means.mean() for means, _ in found]), scores.mean()
    share = increase.mean() / whole
    if splits is None:  # every sample of the one model is an observation
        increase = found[0][1]
        scores = whole + first.weight * (first.loss() - first.baseline)
    values = share + (increase - share * scores) / whole
    columns = columns_of(difference_of(values, first.measure, splits, groups), alpha)
    del columns["p"]  # a share is not tested
    score = float(whole * (1 - share))
    return {"utilization": float(share), **columns, "score": score}
