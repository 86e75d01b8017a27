"""How much a model relies on each modality."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skmm._random import base_seed
from skmm._sklearn import Interval, StrOptions, validate_parameter_constraints
from skmm.inspection._losing import (
    asked,
    checked_rows,
    columns_of,
    judged,
    losses_without,
)
from skmm.inspection._replacing import METHODS, groups_of, refuse_unread, repeats_of
from skmm.model_selection.statistics import choose_measure, holm

NAME = "modality_importance"
CONSTRAINTS = {
    "method": [StrOptions(set(METHODS))],
    "n_repeats": [Interval(Integral, 1, None, closed="left"), None],
    "scoring": [str, callable, None],
    "modalities": [list, tuple, str, None],
    "cv": ["cv_object", None],
    "alpha": [Interval(Real, 0, 1, closed="neither")],
    "random_state": ["random_state"],
    "n_jobs": [Integral, None],
}


def modality_importance(
    estimator,
    X,
    y,
    *,
    method="permute",
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
    r"""Measure what a model loses when a modality says nothing any more.

    The model stays as it is; in the rows that it is asked about, one modality at a time
    is replaced. Give a fitted model and rows that it was **not** fitted on: on training
    rows a model that has learnt them by heart relies on everything, and importances say
    nothing of new rows. Or give `cv`, and the estimator is fitted in folds.

    Parameters
    ----------
    estimator : estimator
        Any that takes a ModalityDict; fitted, unless `cv` is given.
    X : ModalityDict, dict or DataFrame of n rows
        Held-out rows; with `cv` all rows.
    y : array-like of shape (n,) or (n, k)
    method : {"permute", "noise", "drop"}, default="permute"
        What a modality is replaced by: its own rows in another order, with who lacks
        it, whatever it is stored as; for modalities of numbers, normal values with mean
        and deviation of each; nothing, as if it were missing, which needs an estimator
        that takes missing modalities.
    n_repeats : int or None, default=None
        How often a replacement is drawn; None is 10. "drop" draws nothing.
    scoring : str, callable or None, default=None
        As for `compare_modalities`: None is log-loss for classifiers with
        probabilities, the error rate of others, squared error for regressors.
    modalities : list of str and of tuples of str, or None, default=None
        Which to replace; those of a tuple together. None is each alone.
    cv : int, splitter, iterable of (train, test) or None, default=None
        None asks the fitted estimator.
    sample_weight : array-like of shape (n,), optional
        Of the rows in means; with `cv`, for fitting too.
    groups : array-like of shape (n,), optional
        Rows of one group go together: in the standard error, and with `cv` in folds.
    alpha : float, default=0.05
        Intervals have level 1 - alpha.
    random_state : int, RandomState or None, default=None
        Of replacements and splits. The estimator has its own.
    n_jobs : int or None, default=None
        Processes.

    Returns
    -------
    Bunch
        - table : DataFrame, one row per modality or group: importance, standard_error,
          lower, upper, and p, one-sided of an importance above zero, by Holm's
          correction for several modalities
        - importances : ndarray (n_modalities, n_splits * n_repeats), as in the order of
          the table; splits one after the other
        - importances_mean, importances_std : ndarray (n_modalities,)
        - measure : str, what an importance is a loss of, as "log-loss"; greater is more
          important, for losses and scores alike
        - baseline : float, mean loss, or score, with all modalities

    Raises
    ------
    ValueError
        If names, rows or parameters do not fit, or a score is NaN.
    NotFittedError
        If the estimator is not fitted and there is no `cv`.
    TypeError
        If noise cannot stand for a modality, or the estimator cannot tell that one is
        missing. Errors in predictions or scores name modality, repeat and split.

    See Also
    --------
    conditional_utilization : The same as a share of the score; by a refit, if wanted.
    skmm.model_selection.compare_modalities : Whether a modality is worth having.

    Notes
    -----
    A low importance does not say that a modality knows nothing: of two modalities that
    say the same, a model uses one, or half of each, and the loss of one is made up for
    by the other. Replace them together, ``modalities=[("a", "b")]``, to see what both
    carry.

    For one fitted model and scores by rows, the interval is about that model on rows
    like these. Permuted, row i borrows from others and lends to others; with
    :math:`\ell_{ij}` its loss where the modality is that of row j,

    .. math:: d_i = \bar g_{i\cdot} + \bar g_{\cdot i} - \bar g_{\cdot\cdot}, \qquad
        g_{ij} = \ell_{ij} - \ell_{ii}

    and the standard error is that of the mean of the :math:`d_i`. Borrowing alone would
    give intervals that are too short. For other scores, and for less than 10 rows or
    groups, there is no error without `cv`: it is NaN.
    With `cv` it is that of the corrected resampled t over splits, about the way of
    fitting.

    References
    ----------
    Breiman, "Random forests", 2001. Fisher, Rudin and Dominici, "All models are wrong,
    but many are useful", 2019. Nadeau and Bengio, "Inference for the generalization
    error", 2003.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import FusionClassifier, ModalityDict
    >>> from skmm.inspection import modality_importance
    >>> rng = np.random.default_rng(0)
    >>> X = {"a": rng.normal(size=(300, 3)), "b": rng.normal(size=(300, 4))}
    >>> y = X["a"][:, 0] > 0
    >>> train, test = ModalityDict(X)[:200], ModalityDict(X)[200:]
    >>> model = FusionClassifier(lr=0.01, max_epochs=20, random_state=0)
    >>> model = model.fit(train, y[:200])
    >>> found = modality_importance(model, test, y[200:], random_state=0)
    >>> (found.table["p"] < 0.01).to_dict()
    {'a': True, 'b': False}
    """
    validate_parameter_constraints(CONSTRAINTS, locals(), NAME)
    rows = checked_rows(estimator, X, y, sample_weight, groups)
    chosen = groups_of(modalities, rows.X)
    n_repeats = repeats_of(method, n_repeats)
    if method == "drop":
        refuse_unread(estimator, rows.X, chosen)
    measure, seed = choose_measure(estimator, scoring, rows.y), base_seed(random_state)
    held, splits = asked(estimator, rows, measure, method, cv, seed, n_jobs, NAME)
    found = losses_without(held, chosen, n_repeats, seed, n_jobs)
    return _concluded(found, held, measure, splits, rows.groups, alpha)


def _concluded(found, held, measure, splits, groups, alpha):
    """All results, from (repeats, rows) per modality and split."""
    importances = np.array(
        [np.concatenate([repeats for repeats, _ in costs]) for costs in found.values()]
    )
    table = pd.DataFrame(
        [_row_of(costs, measure, splits, groups, alpha) for costs in found.values()],
        index=pd.Index(list(found), name="modality"),
    )
    if table["p"].notna().all():
        table["p"] = holm(table["p"])
    sign = -1.0 if measure.losses is None else 1.0
    return Bunch(
        table=table,
        importances=importances,
        importances_mean=importances.mean(axis=1),
        importances_std=importances.std(axis=1),
        measure=measure.name,
        baseline=sign * float(np.mean([one.loss() for one in held])),
    )


def _row_of(costs, measure, splits, groups, alpha):
    means = [repeats.mean() for repeats, _ in costs]
    values = costs[0][1] if splits is None else means
    row = {"importance": float(np.mean(means))}
    return row | columns_of(judged(values, measure, splits, groups), alpha)
