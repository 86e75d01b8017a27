"""Whether fusion helps, by how much, and which modality carries the prediction."""

from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from skmm._random import base_seed
from skmm._sklearn import Interval, StrOptions, validate_parameter_constraints
from skmm.data import check_modalities
from skmm.data.validation import check_target
from skmm.model_selection._comparing import judging, pictures
from skmm.model_selection._comparing.cache import FitCache, key_of
from skmm.model_selection._comparing.fits import Fits
from skmm.model_selection._comparing.outcomes import Statistics, outcome_of
from skmm.model_selection._comparing.subsets import choose_subsets
from skmm.model_selection._comparing.verdict import sentence
from skmm.model_selection.measures import choose_measure
from skmm.model_selection.splits import make_splits

CONSTRAINTS = {
    "subsets": [str, list, tuple],
    "controls": [StrOptions({"noise", "permuted"}), None],
    "scoring": [str, callable, None],
    "alpha": [Interval(Real, 0, 1, closed="neither")],
    "n_jobs": [Integral, None],
    "replicas": [StrOptions({"auto"}), "boolean"],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}
DRAWINGS = ("bars", "paired", "shapley")


@dataclass
class ModalityComparison:
    """What `compare_modalities` found.

    Parameters
    ----------
    table : DataFrame
        One row per subset of the modalities and control: mean loss or score, standard
        error, interval, rank; with bootstraps also percentiles over the splits.
    paired : DataFrame
        One row per fused subset and single modality, and per control: the gain
        (positive if the fused one is better, for losses and scores alike), standard
        error, interval, one-sided p value of "helps", two-sided, adjusted one of
        "harms", the share of splits in which fusion was better, and the gain that would
        be found four times in five.
    verdict : str
        Begins with "helps:", "no evidence:" or "harms:".
    importance : DataFrame
        One row per modality: what it gains alone over a constant prediction, what is
        lost without it, and its Shapley value, with standard errors; NaN where the
        subsets that it takes were not asked for.
    measure : str
        What means are of.
    lower_is_better : bool
    """

    table: pd.DataFrame
    paired: pd.DataFrame
    verdict: str
    importance: pd.DataFrame
    measure: str
    lower_is_better: bool

    def plot(self, kind="bars", axes=None):
        """Draw one of the tables.

        Parameters
        ----------
        kind : {"bars", "paired", "shapley"}, default="bars"
            Means of all subsets; gains of all modalities together over each single;
            what each modality contributes.
        axes : matplotlib Axes, optional
            None makes a new figure.

        Returns
        -------
        self
            With the attributes `axes_` and `figure_`.
        """
        if kind not in DRAWINGS:
            raise ValueError(f"kind={kind!r} is not known; choose one of {DRAWINGS}.")
        parts = {"bars": self.table, "paired": self.paired, "shapley": self.importance}
        draw = getattr(pictures, f"draw_{kind}")
        self.axes_ = draw(parts[kind], self.measure, axes)
        self.figure_ = self.axes_.figure
        return self

    def to_frame(self):
        """Return the table of all subsets."""
        return self.table.copy()

    def to_html(self, path):
        """Write verdict, tables and pictures to one file that needs no other.

        Parameters
        ----------
        path : str or path-like
        """
        Path(path).write_text(pictures.report_of(self), encoding="utf-8")

    def __str__(self):
        return f"{self.verdict}\n\n{self.table.to_string(float_format='{:.3f}'.format)}"


def compare_modalities(
    estimator,
    X,
    y,
    *,
    resampling=None,
    subsets="singles+all",
    controls=None,
    scoring=None,
    alpha=0.05,
    groups=None,
    n_jobs=None,
    replicas="auto",
    cache=None,
    random_state=None,
    verbose=0,
):
    r"""Compare a model of all modalities with the same model of each alone.

    All subsets are fitted on the same splits, and compared row by row. All modalities
    together *help* if they are better than **every** single one at level `alpha`, and
    *harm* if they are worse than one; else there is *no evidence*, which is not
    evidence of no use.

    Parameters
    ----------
    estimator : estimator
        Of skmm, or a Pipeline or search around one; or any other that takes a
        ModalityDict. Fix its `random_state`, or two calls differ.
    X : ModalityDict, dict or DataFrame of n rows
    y : array-like of shape (n,) or (n, k)
    resampling : int, splitter, iterable of (train, test) or None, default=None
        None is 10 repeats of 5 folds, stratified for classes. Where not all rows are
        tested equally often, as with ``BootstrapOutOfBag``, the tests go by splits and
        have little power.
    subsets : "singles+all", "all" or list of tuple of str, default="singles+all"
        Which sets of modalities. Singles, and all together, are always among them;
        "all", up to 6 modalities, gives Shapley values.
    controls : "noise", "permuted" or None, default=None
        Also all modalities with each in turn replaced by standard normal noise, or with
        its rows permuted: what is gained by more parameters alone.
    scoring : str, callable or None, default=None
        "neg_log_loss", "accuracy", "neg_mean_squared_error" and
        "neg_mean_absolute_error" are compared by rows; another scorer of scikit-learn
        by splits. None is log-loss for classifiers with probabilities, the error rate
        of others, squared error for regressors.
    alpha : float, default=0.05
        Level of the tests; intervals have level 1 - alpha.
    groups : array-like of shape (n,), optional
        Rows of one group stay together, and are one observation.
    n_jobs : int or None, default=None
        Processes, or jobs of the backend that ``joblib.parallel_config`` names: one
        fit each, or one batch of 25 where fits are trained together.
    replicas : "auto" or bool, default="auto"
        Train refits of small dense nets as one batch where possible; False never.
    cache : path-like or None, default=None
        A file to which every finished fit is written, so that a call that was
        interrupted goes on; one of other data, parameters or splits is refused. Remove
        it when code that the estimator calls has changed.
    random_state : int, RandomState or None, default=None
        Of the splits and controls. The estimator has its own.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    ModalityComparison

    Raises
    ------
    ValueError
        If names, rows, groups or parameters do not fit, a class is too small for the
        folds, a score is NaN, or `cache` is of another comparison. Errors in a fit or
        scorer name the subset and the split.

    Notes
    -----
    By rows, with :math:`d_i` the loss of a single modality minus that of the fused
    model in row i, averaged over the repeats, and K folds,

    .. math:: t = \frac{\bar d}{s_d / \sqrt{n} \cdot \sqrt{K / (K - 1)}}

    has n - 1 degrees of freedom. "Helps" takes the largest p value over all singles
    (an intersection-union test: there is no choice of the best one to correct for).
    "Harms", and scores that are no mean over rows, go by the corrected resampled t,
    with Holm's correction over all singles.

    References
    ----------
    Nadeau and Bengio, "Inference for the generalization error", 2003. Berger,
    "Multiparameter hypothesis testing and acceptance sampling", 1982.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import FusionClassifier
    >>> from skmm.model_selection import compare_modalities
    >>> rng = np.random.default_rng(0)
    >>> X = {"a": rng.normal(size=(120, 3)), "b": rng.normal(size=(120, 4))}
    >>> y = X["a"][:, 0] + X["b"][:, 0] > 0
    >>> model = FusionClassifier(max_epochs=20, lr=0.01, random_state=0)
    >>> found = compare_modalities(model, X, y, resampling=5, random_state=0)
    >>> found.verdict[:6], found.table.index.tolist()
    ('helps:', ['a', 'b', 'a + b'])
    """
    validate_parameter_constraints(CONSTRAINTS, locals(), "compare_modalities")
    X, y, groups = _checked(estimator, X, y, groups)
    seed = _seed(random_state, cache)
    chosen = choose_subsets(subsets, list(X), controls)
    measure = choose_measure(estimator, scoring, y)
    splits = make_splits(resampling, estimator, X, y, groups, seed)
    key = key_of(
        estimator=estimator,
        data=[dict(X), {name: X.present[name] for name in X}, y],
        splits=splits.pairs,
        scoring=[measure.name, scoring],
        random_state=seed if controls is not None else None,
    )
    fits = Fits(
        estimator, X, y, splits, measure, FitCache(cache, key), replicas, n_jobs
    )
    statistics = Statistics(splits, groups, measure.rows is not None)
    outcomes = _outcomes(fits, chosen, seed, verbose)
    nothing = fits.of_nothing()
    nothing = None if nothing is None else outcome_of(nothing, splits)
    return _concluded(outcomes, nothing, chosen, statistics, measure, alpha, list(X))


def _checked(estimator, X, y, groups):
    X = check_modalities(X, finite=False)
    check_target(estimator, y, len(X))
    if groups is not None and len(groups) != len(X):
        raise ValueError(f"groups has {len(groups)} entries; X has {len(X)} rows.")
    return X, np.asarray(y), None if groups is None else np.asarray(groups)


def _seed(random_state, cache):
    if cache is not None and not isinstance(random_state, Integral):
        raise ValueError(
            "cache needs an integer random_state, or a later call would draw other "
            f"splits; got {random_state!r}."
        )
    return base_seed(random_state) % 2**32


def _outcomes(fits, subsets, seed, verbose):
    """``{name of the subset: Outcome}``."""
    total = len(subsets) * len(fits.splits.pairs)
    with tqdm(total=total, unit="fit", disable=not verbose) as bar:
        results = fits.of(subsets, seed, bar)
    return {name: outcome_of(found, fits.splits) for name, found in results.items()}


def _concluded(outcomes, nothing, subsets, statistics, measure, alpha, names):
    """Tables and verdict."""
    paired = judging.paired_of(outcomes, subsets, statistics, alpha)
    kind, pair = judging.judge(paired, alpha)
    by_names = {
        frozenset(subset.names): outcomes[str(subset)]
        for subset in subsets
        if subset.control is None
    }
    return ModalityComparison(
        table=judging.table_of(outcomes, statistics, alpha),
        paired=paired,
        verdict=sentence(kind, pair, measure.name, statistics.observations, alpha),
        importance=judging.importance_of(by_names, names, nothing, statistics),
        measure=measure.name,
        lower_is_better=statistics.lower_is_better,
    )
