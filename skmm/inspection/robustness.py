"""How a model's score falls while modalities are corrupted."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.metrics import check_scoring

from skmm._random import base_seed
from skmm._sklearn import HasMethods, Interval, validate_parameter_constraints
from skmm.inspection._corrupted import (
    ROBUSTNESS,
    Corrupted,
    by_modality,
    check_models,
    checked_levels,
)
from skmm.inspection._losing import checked_rows

TENTHS = tuple(round(0.1 * step, 1) for step in range(11))
CONSTRAINTS = {
    "corruption": [HasMethods(["fit_transform", "set_params"]), Mapping],
    "levels": ["array-like"],
    "modalities": [list, tuple, None],
    "scoring": [str, callable, None],
    "n_repeats": [Interval(Integral, 1, None, closed="left")],
    "random_state": ["random_state"],
    "n_jobs": [Integral, None],
}


def relative_robustness(levels, scores):
    """Area under the curve of scores over levels, by trapezoids.

    Parameters
    ----------
    levels : array-like of shape (n_levels,), increasing
    scores : array-like of shape (n_levels,)

    Returns
    -------
    float
        Of a constant score, that score times the range of the levels.

    References
    ----------
    P. P. Liang et al. MultiBench: Multiscale Benchmarks for Multimodal Representation
    Learning. NeurIPS 2021. arXiv:2107.07502

    Examples
    --------
    >>> from skmm.inspection import relative_robustness
    >>> round(relative_robustness([0, 0.1, 0.2], [0.9, 0.8, 0.7]), 3)
    0.16
    """
    return float(np.trapezoid(scores, levels))


def effective_robustness(scores, baseline):
    r"""Sum over levels of what a model has beyond a baseline that started as high.

    .. math:: \sum_\sigma f(\sigma) - \bigl(b(\sigma) + f(0) - b(0)\bigr)

    Parameters
    ----------
    scores, baseline : array-like of shape (n_levels,)
        The first of each is without corruption. The baseline is usually a late fusion.

    Returns
    -------
    float
        Positive if the model loses less than the baseline; zero for the baseline.

    References
    ----------
    As for `relative_robustness`.

    Examples
    --------
    >>> from skmm.inspection import effective_robustness
    >>> round(effective_robustness([0.9, 0.8, 0.7], [0.85, 0.7, 0.6]), 3)
    0.1
    """
    scores, baseline = np.asarray(scores, float), np.asarray(baseline, float)
    return float(np.sum(scores - scores[0] - (baseline - baseline[0])))


@dataclass
class RobustnessCurve:
    """What `robustness_curve` found.

    Parameters
    ----------
    levels : ndarray of shape (n_levels,)
    scores : ndarray of shape (n_levels, n_repeats)
        Greater is better; the first row is without corruption.
    baseline_scores : ndarray of shape (n_levels, n_repeats), or None
        On the same corrupted rows.
    measure : str, default="score"
        What scores are.

    Attributes
    ----------
    table : DataFrame
        One row per level: mean and std over the repeats, and those of the baseline.
    relative : float
        Area under the mean scores, as `relative_robustness`.
    effective : float
        Against the baseline, as `effective_robustness`; NaN if there is none.
    """

    levels: np.ndarray
    scores: np.ndarray
    baseline_scores: np.ndarray | None = None
    measure: str = "score"

    @property
    def table(self):
        """Mean and deviation of the scores of each level."""
        columns = {"mean": self.scores.mean(axis=1), "std": self.scores.std(axis=1)}
        if self.baseline_scores is not None:
            columns["baseline_mean"] = self.baseline_scores.mean(axis=1)
            columns["baseline_std"] = self.baseline_scores.std(axis=1)
        return pd.DataFrame(columns, index=pd.Index(self.levels, name="level"))

    @property
    def relative(self):
        """Area under the mean scores."""
        return relative_robustness(self.levels, self.scores.mean(axis=1))

    @property
    def effective(self):
        """Sum of what is kept beyond the baseline."""
        if self.baseline_scores is None:
            return np.nan
        means = self.scores.mean(axis=1), self.baseline_scores.mean(axis=1)
        return effective_robustness(*means)


def robustness_curve(
    estimator,
    X,
    y,
    corruption,
    *,
    levels=TENTHS,
    modalities=None,
    scoring=None,
    n_repeats=5,
    baseline=None,
    random_state=None,
    n_jobs=None,
):
    """Score a fitted model while modalities are corrupted more and more.

    Parameters
    ----------
    estimator : estimator
        Fitted, on other rows; any that takes a ModalityDict.
    X : ModalityDict, dict or DataFrame of n rows
        Held-out rows; they are not changed.
    y : array-like of shape (n,) or (n, k)
    corruption : transformer, or dict of str to transformer
        With a parameter `probability` or `sigma`, which the level is put into, as
        `DropCorruption`, `SwapCorruption`, `StructuredDropCorruption` and
        `GaussianCorruption` of ``skmm.preprocessing``. A dict has one per modality.
    levels : array-like of shape (n_levels,), default=0, 0.1 … 1
        Increasing from 0, which is no corruption. Up to 1 for a `probability`; for
        `sigma` in the unit of the modality.
    modalities : list of str or None, default=None
        Which to corrupt, all at once; None is all of X, or those of a dict.
    scoring : str, callable or None, default=None
        Greater is better; None is the estimator's `score`.
    n_repeats : int, default=5
        Draws of the corruption per level.
    baseline : estimator or None, default=None
        Fitted; usually a late fusion. It meets the same corrupted rows.
    random_state : int, RandomState or None, default=None
        Of the corruption. A repeat has one seed for all levels: entries that are
        dropped at one level are so at higher ones.
    n_jobs : int or None, default=None
        Processes.

    Returns
    -------
    RobustnessCurve
        With `table`, `scores`, `relative` and `effective`.

    Raises
    ------
    ValueError
        If names, levels or rows do not fit, a modality is named twice, or a score is
        NaN. Errors in predictions and scores name level and repeat.
    TypeError
        If a corruption has no strength, or a modality is not of numbers.
    NotFittedError
        If the estimator or the baseline is not fitted.

    See Also
    --------
    RobustnessDisplay : Draws curves.

    Notes
    -----
    Rows in which a modality is missing stay missing. The deviation over repeats is that
    of the corruption: it does not say how sure the score is for so many rows.

    References
    ----------
    P. P. Liang et al. MultiBench: Multiscale Benchmarks for Multimodal Representation
    Learning. NeurIPS 2021. arXiv:2107.07502

    Examples
    --------
    >>> from skmm import FusionClassifier
    >>> from skmm.datasets import make_weak_modality
    >>> from skmm.inspection import robustness_curve
    >>> from skmm.preprocessing import DropCorruption
    >>> X, y = make_weak_modality(200, n_modalities=2, random_state=0)
    >>> model = FusionClassifier(lr=0.01, max_epochs=10, random_state=0)
    >>> model = model.fit(X[:100], y[:100])
    >>> X, y = X[100:], y[100:]
    >>> curve = robustness_curve(
    ...     model, X, y, DropCorruption(), levels=[0, 0.5, 1], random_state=0
    ... )
    >>> curve.table["mean"].is_monotonic_decreasing, curve.scores.shape
    (True, (3, 5))
    """
    validate_parameter_constraints(CONSTRAINTS, locals(), ROBUSTNESS)
    rows, models = checked_rows(estimator, X, y), [estimator]
    models += [] if baseline is None else [baseline]
    check_models(models, rows.y)
    corruptions = by_modality(corruption, modalities, rows.X)
    levels = checked_levels(levels, corruptions)
    scorers = [check_scoring(model, scoring) for model in models]
    seed = base_seed(random_state)
    asked = Corrupted(models, scorers, rows, corruptions, seed)
    jobs = [(level, repeat) for level in levels[1:] for repeat in range(n_repeats)]
    clean = asked.scores(0.0, 0)
    found = Parallel(n_jobs=n_jobs)(delayed(asked.scores)(*job) for job in jobs)
    found = np.reshape([*[clean] * n_repeats, *found], (len(levels), n_repeats, -1))
    name = scoring if isinstance(scoring, str) else "score"
    against = None if baseline is None else found[..., 1]
    return RobustnessCurve(levels, found[..., 0], against, name)
