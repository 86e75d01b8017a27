"""How a model's score decreases while modalities are corrupted."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.utils import check_array

from skmm._random import base_seed, derive
from skmm._sklearn import HasMethods, Interval, validate_parameter_constraints
from skmm._views import naming, noting, prepending
from skmm.data.finite import check_scorer_of_masked
from skmm.data.recombine import with_changed
from skmm.data.validation import check_names
from skmm.inspection._loss_increase import (
    check_evaluation_data,
    check_fitted,
    check_known_classes,
)
from skmm.model_selection import _arguments as arguments

LEVEL_PARAMETERS = ("probability", "sigma")  # of corruptions; one of them is the level
TENTHS = tuple(round(0.1 * step, 1) for step in range(11))
CONSTRAINTS = {
    "estimator": arguments.FITTED,
    "baseline": [*arguments.FITTED, None],
    "corruption": [HasMethods(["fit_transform", "set_params"]), Mapping],
    "levels": ["array-like"],
    "modalities": [list, tuple, None],
    "scoring": [str, callable, None],
    "n_repeats": [Interval(Integral, 1, None, closed="left")],
    "random_state": ["random_state"],
    "n_jobs": arguments.N_JOBS,
}


def relative_robustness(levels, scores):
    """Compute the area under scores over levels by the trapezoidal rule.

    Parameters
    ----------
    levels : array-like of shape (n_levels,), in any order
    scores : array-like of shape (n_levels,)

    Returns
    -------
    float
        For a constant score, that score times the range of the levels.

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
    levels, scores = _curves(levels=levels, scores=scores)
    order = np.argsort(levels, kind="stable")
    return float(np.trapezoid(scores[order], levels[order]))


def effective_robustness(scores, baseline):
    r"""Sum the score differences to a baseline that is shifted to the same start.

    .. math:: \sum_\sigma f(\sigma) - \bigl(b(\sigma) + f(0) - b(0)\bigr)

    Parameters
    ----------
    scores, baseline : array-like of shape (n_levels,)
        The first of each is without corruption. The baseline is usually late fusion.

    Returns
    -------
    float
        Positive if the score decreases less than that of the baseline.

    References
    ----------
    See `relative_robustness`.

    Examples
    --------
    >>> from skmm.inspection import effective_robustness
    >>> round(effective_robustness([0.9, 0.8, 0.7], [0.85, 0.7, 0.6]), 3)
    0.1
    """
    scores, baseline = _curves(scores=scores, baseline=baseline)
    return float(np.sum(scores - scores[0] - (baseline - baseline[0])))


def _curves(**named):
    """Two finite arrays of one length, from arguments by name."""
    curves = {}
    for name, values in named.items():
        with prepending(name):
            curves[name] = check_array(
                np.atleast_1d(values), ensure_2d=False, allow_nd=True, input_name=name
            )
    shapes = {name: curve.shape for name, curve in curves.items()}
    if len({*shapes.values()}) > 1 or len(next(iter(shapes.values()))) != 1:
        raise ValueError(
            f"{' and '.join(named)} must have one number per level each; got the "
            f"shapes {', '.join(map(str, shapes.values()))}."
        )
    return curves.values()


@dataclass
class RobustnessCurve:
    """Result of `robustness_curve`.

    Parameters
    ----------
    levels : ndarray of shape (n_levels,)
    scores : ndarray of shape (n_levels, n_repeats)
        Greater is better; the first row is without corruption.
    baseline_scores : ndarray of shape (n_levels, n_repeats), or None
        On the same corrupted samples.
    measure : str, default="score"
        Name of the score.

    Attributes
    ----------
    table : DataFrame
        One row per level: mean and std over the repeats, also of the baseline.
    relative : float
        Area under the mean scores; see `relative_robustness`.
    effective : float
        See `effective_robustness`; NaN without a baseline.
    """

    levels: np.ndarray
    scores: np.ndarray
    baseline_scores: np.ndarray | None = None
    measure: str = "score"

    @property
    def table(self):
        """Mean and standard deviation of the scores at each level."""
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
        """Sum of score differences to the shifted baseline."""
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
        Fitted on other samples; any estimator that accepts a ModalityDict.
    X : ModalityDict, dict or DataFrame of n_samples
        Held-out samples; they are not changed.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    corruption : transformer, or dict of str to transformer
        Transformer with a parameter `probability` or `sigma`, which is set to the
        level, such as `DropCorruption`, `SwapCorruption`, `StructuredDropCorruption`
        and `GaussianCorruption` of ``skmm.preprocessing``. A dict has one per modality.
    levels : array-like of shape (n_levels,), default=0, 0.1 … 1
        Increasing from 0, which does not corrupt. At most 1 for `probability`; in the
        unit of the modality for `sigma`.
    modalities : list of str or None, default=None
        Modalities to corrupt together; None is all of X, or those of a dict.
    scoring : str, callable or None, default=None
        Greater is better; None is the estimator's `score`.
    n_repeats : int, default=5
        Number of corruptions per level.
    baseline : estimator or None, default=None
        Fitted, usually late fusion. It is scored on the same corrupted samples.
    random_state : int, RandomState or None, default=None
        Seed of the corruption. A repeat has one seed for all levels: entries that are
        dropped at one level are also dropped at higher ones.
    n_jobs : int or None, default=None
        Number of processes.

    Returns
    -------
    RobustnessCurve
        With `table`, `scores`, `relative` and `effective`.

    Raises
    ------
    ValueError
        If names, levels or shapes do not match, a modality is named twice, or a score
        is NaN. Errors in predictions and scores name level and repeat.
    TypeError
        If a corruption has no level parameter, or a modality is not numeric.
    NotFittedError
        If the estimator or the baseline is not fitted.

    See Also
    --------
    RobustnessDisplay : Draws curves.

    Notes
    -----
    Missing modalities stay missing. The standard deviation over repeats is that of the
    corruption: it does not include the sampling error of the score.

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
    validate_parameter_constraints(CONSTRAINTS, locals(), "robustness_curve")
    data = check_evaluation_data(estimator, X, y)
    models = [estimator] if baseline is None else [estimator, baseline]
    _check_models(models, data.y)
    corruptions = _corruption_by_modality(corruption, modalities, data.X)
    levels = _check_levels(levels, corruptions)
    scorers = [check_scoring(model, scoring) for model in models]
    check_scorer_of_masked(scoring, data.y)
    evaluation = CorruptedEvaluation(
        models, scorers, data.X, data.y, corruptions, base_seed(random_state)
    )
    jobs = [(level, repeat) for level in levels[1:] for repeat in range(n_repeats)]
    clean = evaluation.scores(0.0, 0)
    found = Parallel(n_jobs=n_jobs)(delayed(evaluation.scores)(*job) for job in jobs)
    found = np.reshape([*[clean] * n_repeats, *found], (len(levels), n_repeats, -1))
    name = scoring if isinstance(scoring, str) else "score"
    baseline_scores = None if baseline is None else found[..., 1]
    return RobustnessCurve(levels, found[..., 0], baseline_scores, name)


@dataclass
class CorruptedEvaluation:
    """Models, and the samples that are corrupted before the models are scored.

    Attributes
    ----------
    models, scorers : list
        One scorer per model.
    X : ModalityDict
    y : ndarray
    corruptions : dict of str to transformer
        By modality.
    seed : int
    """

    models: list
    scorers: list
    X: object
    y: np.ndarray
    corruptions: dict
    seed: int

    def scores(self, level, repeat):
        """Return one score per model, on the same corrupted samples."""
        with noting(f"robustness_curve: at level {level:g}, repeat {repeat}"):
            X = self._corrupted(level, repeat)
            pairs = zip(self.scorers, self.models, strict=True)
            found = [float(scorer(model, X, self.y)) for scorer, model in pairs]
            if np.isnan(found).any():
                raise ValueError(
                    "a score is NaN, for instance because all samples are of one "
                    "class. Use other samples, or another scoring."
                )
        return found

    def _corrupted(self, level, repeat):
        X = self.X
        if level == 0:
            return X
        for name, part in self.corruptions.items():
            settings = {_level_parameter(part, name): level}
            if "random_state" in part.get_params():
                settings["random_state"] = derive(self.seed, name, repeat) % 2**32
            part = clone(part).set_params(**settings)
            with naming(name):
                X = with_changed(X, name, part.fit_transform)
        return X


def _check_models(models, y):
    for model, name in zip(models, ("estimator", "baseline"), strict=False):
        check_fitted(model, "robustness_curve", name)
        check_known_classes(model, y)
    if is_classifier(models[0]) != is_classifier(models[-1]):
        raise ValueError(
            "estimator and baseline must both be classifiers or both regressors; got "
            f"{type(models[0]).__name__} and {type(models[-1]).__name__}."
        )


def _corruption_by_modality(corruption, modalities, X):
    if isinstance(corruption, Mapping):
        if modalities is not None:
            raise ValueError(
                "modalities must be None if corruption is a dict, whose keys are the "
                f"modalities to corrupt; got modalities={modalities!r}."
            )
        parts, where = dict(corruption), "corruption"
    else:
        names = list(X) if modalities is None else list(modalities)
        parts, where = dict.fromkeys(names, corruption), "modalities"
        if len(parts) < len(names):
            raise ValueError(f"modalities must not repeat a name; got {names}.")
    if not parts:
        raise ValueError(
            f"{where} must name at least one modality of {list(X)}; got none."
        )
    check_names(parts, X, where)
    for name, part in parts.items():
        _level_parameter(part, name)
    return parts


def _level_parameter(part, name):
    """Return the name of the parameter that is set to the level."""
    is_transformer = hasattr(part, "get_params") and not isinstance(part, type)
    known = part.get_params() if is_transformer else {}
    found = [parameter for parameter in LEVEL_PARAMETERS if parameter in known]
    if not found:
        raise TypeError(
            f"the corruption of modality {name!r} must have a parameter `probability` "
            f"or `sigma`, which is set to the level; got {part!r}. Use one of "
            "skmm.preprocessing, such as DropCorruption()."
        )
    return found[0]


def _check_levels(levels, corruptions):
    levels = np.asarray(levels, float)
    if levels.ndim != 1 or len(levels) < 2 or levels[0] != 0:
        raise ValueError(
            f"levels must be at least two numbers that start with 0; got "
            f"{levels.tolist()}."
        )
    if not ((np.diff(levels) > 0) & np.isfinite(levels[1:])).all():
        raise ValueError(
            f"levels must be increasing and finite; got {levels.tolist()}."
        )
    of_probability = [
        name
        for name, part in corruptions.items()
        if _level_parameter(part, name) == "probability"
    ]
    if of_probability and levels[-1] > 1:
        raise ValueError(
            f"levels must be at most 1, because they are probabilities for modality "
            f"{of_probability}; got {levels[-1]:g}."
        )
    return levels
