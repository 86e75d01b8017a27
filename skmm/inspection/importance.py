"""How much a model relies on each modality."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skmm._random import base_seed
from skmm._sklearn import Interval, StrOptions, validate_parameter_constraints
from skmm.inspection._loss_increase import (
    check_evaluation_data,
    columns_of,
    difference_of,
    evaluation_splits,
    loss_increases,
)
from skmm.inspection._perturbation import (
    METHODS,
    check_can_drop,
    check_groups_of_modalities,
    check_repeats,
)
from skmm.model_selection import _arguments as arguments
from skmm.model_selection.statistics import choose_measure, holm

NAME = "modality_importance"
CONSTRAINTS = {
    "estimator": arguments.FITTED,
    "method": [StrOptions(set(METHODS))],
    "n_repeats": [Interval(Integral, 1, None, closed="left"), None],
    "scoring": [str, callable, None],
    "modalities": [list, tuple, str, None],
    "cv": ["cv_object", None],
    "alpha": [Interval(Real, 0, 1, closed="neither")],
    "random_state": ["random_state"],
    "n_jobs": arguments.N_JOBS,
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
    r"""Compute the permutation importance of each modality on held-out samples.

    The importance of a modality is the increase of the loss when it is replaced in the
    samples that the model predicts. Give a fitted model and samples that it was **not**
    fitted on: on training samples an overfitted model relies on everything, and the
    importances do not generalize. Or give `cv` to fit the estimator in folds.

    Parameters
    ----------
    estimator : estimator
        Any estimator that accepts a ModalityDict; fitted, unless `cv` is given.
    X : ModalityDict, dict or DataFrame of n_samples
        Held-out samples; with `cv` all samples.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    method : {"permute", "noise", "drop"}, default="permute"
        What a modality is replaced by: its own samples in another order, in which none
        keeps its place, including the presence mask; normal values with the mean and
        standard deviation of each feature, for numeric modalities; or nothing, as if it
        were missing, for estimators that support missing modalities.
    n_repeats : int or None, default=None
        Number of random replacements; None is 10. "drop" is not random.
    scoring : str, callable or None, default=None
        See `compare_modalities`: None is log-loss for classifiers with probabilities,
        the error rate of other classifiers, squared error for regressors.
    modalities : list of str and of tuples of str, or None, default=None
        Modalities to replace; those of a tuple together. None is each one alone.
    cv : int, splitter, iterable of (train, test) or None, default=None
        None evaluates the fitted estimator.
    sample_weight : array-like of shape (n_samples,), optional
        Weights in means; with `cv`, also in fits.
    groups : array-like of shape (n_samples,), optional
        Samples of one group are dependent: in the standard error, and with `cv` in
        folds.
    alpha : float, default=0.05
        Intervals have level 1 - alpha.
    random_state : int, RandomState or None, default=None
        Seed of replacements and splits. The estimator has its own.
    n_jobs : int or None, default=None
        Number of processes.

    Returns
    -------
    Bunch
        - table : DataFrame, one row per modality or group: importance, standard_error,
          lower, upper, and p, the one-sided p value of an importance above zero, with
          Holm's correction for several modalities
        - importances : ndarray of shape (n_modalities, n_splits * n_repeats), in the
          order of the table; one split after the other
        - importances_mean, importances_std : ndarray of shape (n_modalities,)
        - measure : str, name of the loss or score, such as "log-loss"; a greater
          importance is more important, for losses and scores alike
        - baseline : float, mean loss or score with all modalities

    Raises
    ------
    ValueError
        If names, shapes or parameters do not match, or a score is NaN.
    NotFittedError
        If the estimator is not fitted and `cv` is None.
    TypeError
        If a modality is not numeric and cannot be replaced by noise, or the estimator
        does not support missing modalities. Errors in predictions or scores name
        modality, repeat and split.

    See Also
    --------
    conditional_utilization : The same as a share of the score; optionally by a refit.
    skmm.model_selection.compare_modalities : Whether adding a modality helps.

    Notes
    -----
    A low importance does not mean that a modality has no information: if two modalities
    are redundant, the model may use either, and one compensates for the loss of the
    other. Replace them together, ``modalities=[("a", "b")]``, for their joint
    importance.

    For one fitted model and losses by samples, the interval is about that model on
    samples from the same population. Permuted, sample i receives values from others and
    gives its own to others; with :math:`\ell_{ij}` its loss with the modality of
    sample j,

    .. math:: d_i = \bar g_{i\cdot} + \bar g_{\cdot i} - \bar g_{\cdot\cdot}, \qquad
        g_{ij} = \ell_{ij} - \ell_{ii}

    and the standard error is that of the mean of the :math:`d_i`. Without the second
    term, intervals would be too short. For other scores, and for fewer than 10 samples
    or groups, the error without `cv` is NaN. With `cv` the interval is that of the
    corrected resampled t-test over splits, about the training procedure.

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
    data = check_evaluation_data(estimator, X, y, sample_weight, groups)
    chosen = check_groups_of_modalities(modalities, data.X)
    n_repeats = check_repeats(method, n_repeats)
    if method == "drop":
        check_can_drop(estimator, data.X, chosen)
    measure, seed = choose_measure(estimator, scoring, data.y), base_seed(random_state)
    evaluated, splits = evaluation_splits(
        estimator, data, measure, method, cv, seed, n_jobs, NAME
    )
    increases = loss_increases(evaluated, chosen, n_repeats, seed, n_jobs)
    importances = np.array(
        [np.concatenate([means for means, _ in found]) for found in increases.values()]
    )
    sign = -1.0 if measure.losses is None else 1.0
    return Bunch(
        table=_table(increases, measure, splits, data.groups, alpha),
        importances=importances,
        importances_mean=importances.mean(axis=1),
        importances_std=importances.std(axis=1),
        measure=measure.name,
        baseline=sign * float(np.mean([split.loss() for split in evaluated])),
    )


def _table(increases, measure, splits, groups, alpha):
    rows = []
    for found in increases.values():
        means = [repeats.mean() for repeats, _ in found]
        values = found[0][1] if splits is None else means
        difference = difference_of(values, measure, splits, groups)
        row = {"importance": float(np.mean(means))}
        rows.append(row | columns_of(difference, alpha))
    table = pd.DataFrame(rows, index=pd.Index(list(increases), name="modality"))
    if table["p"].notna().all():
        table["p"] = holm(table["p"])
    return table
