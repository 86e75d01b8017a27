"""Whether fusion helps, by how much, and which modality carries the prediction."""

from dataclasses import dataclass
from numbers import Integral, Real
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from skmm._random import base_seed
from skmm._sklearn import Interval, StrOptions, validate_parameter_constraints
from skmm.base.modality_subset import modalities_made
from skmm.base.training_data import check_groups, check_has_samples
from skmm.base.validation_split import groups_for, warn_unused_groups
from skmm.data import check_modalities
from skmm.data.validation import check_target
from skmm.model_selection import _arguments as arguments
from skmm.model_selection._comparison import plots
from skmm.model_selection._comparison.cache import FitCache
from skmm.model_selection._comparison.fits import SubsetFits, choose_subsets
from skmm.model_selection._comparison.verdict import (
    Statistics,
    importance_of,
    judge,
    outcome_of,
    paired_of,
    sentence,
    table_of,
)
from skmm.model_selection._key import key_of
from skmm.model_selection.splits import make_splits
from skmm.model_selection.statistics import choose_measure

CONSTRAINTS = {
    "estimator": arguments.ESTIMATOR,
    "resampling": ["cv_object"],
    "subsets": [str, list, tuple],
    "controls": [StrOptions({"noise", "permuted"}), None],
    "scoring": [str, callable, None],
    "alpha": [Interval(Real, 0, 1, closed="neither")],
    "n_jobs": arguments.N_JOBS,
    "replicas": [StrOptions({"auto"}), "boolean"],
    "cache": [str, PathLike, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


@dataclass
class ModalityComparison:
    """Result of `compare_modalities`.

    Parameters
    ----------
    table : DataFrame
        One row per subset of the modalities and per control: mean loss or score,
        standard error, interval and rank; with bootstraps also percentiles over the
        splits.
    paired : DataFrame
        One row per fused subset and single modality, and per control: the gain
        (positive if the fused subset is better, for losses and scores alike), standard
        error, interval, the two-sided p values of "helps" and, adjusted, of "harms",
        the shares of splits and of samples in which the fused subset was better, the p
        value of Wilcoxon's signed-rank test over samples, and the gain that is
        detectable with about 80 % power (NaN if that is not known).
    verdict : str
        Begins with "helps:", "no evidence:" or "harms:".
    importance : DataFrame
        One row per modality: its gain alone over a constant prediction, the loss
        without it, and its Shapley value, with standard errors; NaN where the required
        subsets were not compared.
    measure : str
        Name of the loss or score.
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
            Means of all subsets; gains of all modalities together over each single
            modality; contribution of each modality.
        axes : matplotlib Axes, optional
            None makes a new figure.

        Returns
        -------
        self
            With the attributes `axes_` and `figure_`.
        """
        self.axes_ = plots.draw(self, kind, axes)
        self.figure_ = self.axes_.figure
        return self

    def to_frame(self):
        """Return the table of all subsets."""
        return self.table.copy()

    def to_html(self, path):
        """Write verdict, tables and plots to one self-contained file.

        Parameters
        ----------
        path : str or path-like
        """
        Path(path).write_text(plots.report_of(self), encoding="utf-8")

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
    r"""Compare a model of all modalities with the same model of each one alone.

    All subsets are fitted on the same splits and compared sample by sample. All
    modalities together *help* if they are better than **every** single one at level
    `alpha`, and *harm* if they are worse than one of them; otherwise there is *no
    evidence*, which is not evidence of no effect.

    Parameters
    ----------
    estimator : estimator
        Estimator of skmm, a Pipeline or search around one, or any other estimator that
        accepts a ModalityDict. Fix its `random_state` for reproducible results.
    X : ModalityDict, dict or DataFrame of n_samples
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    resampling : int, splitter, iterable of (train, test) or None, default=None
        None is 10 repeats of 5 folds, stratified for classes. Where samples are not
        tested equally often, as with ``BootstrapOutOfBag``, the tests are split-based
        and have low power.
    subsets : "singles+all", "all" or list of tuple of str, default="singles+all"
        Subsets of the modalities. Singles and all modalities together are always
        included; "all", for up to 6 modalities, gives Shapley values.
    controls : {"noise", "permuted"} or None, default=None
        Adds all modalities with each one in turn replaced by standard normal noise, or
        with its samples permuted such that none keeps its place, to measure what more
        parameters alone contribute.
    scoring : str, callable or None, default=None
        "neg_log_loss", "accuracy", "neg_mean_squared_error" and
        "neg_mean_absolute_error" are compared by samples; other scorers of
        scikit-learn by splits. None is log-loss for classifiers with probabilities,
        the error rate of other classifiers, and squared error for regressors.
    alpha : float, default=0.05
        Level of the tests; intervals have level 1 - alpha.
    groups : array-like of shape (n_samples,), optional
        Samples of one group stay together, and are one observation.
    n_jobs : int or None, default=None
        Number of processes, or of jobs of the backend of ``joblib.parallel_config``. A
        job is one fit, or one batch of 25 where fits are trained together.
    replicas : "auto" or bool, default="auto"
        Train fits of small dense networks as one batch where possible; False never.
    cache : path-like or None, default=None
        File to which every finished fit is written, so that an interrupted call can
        be resumed. A file with different data, parameters or splits is rejected.
        Remove it if code that the estimator calls has changed.
    random_state : int, RandomState or None, default=None
        Seed of splits and controls. The estimator has its own.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    ModalityComparison

    Raises
    ------
    ValueError
        If names, shapes, groups or parameters do not match, a class is too small for
        the folds, a score is NaN, or `cache` belongs to another comparison or is
        damaged. Errors in a fit or scorer name the subset and the split.

    Notes
    -----
    By samples, with :math:`d_i` the loss of a single modality minus that of the fused
    model in sample i, averaged over the repeats, and K folds,

    .. math:: t = \frac{\bar d}{SE}, \qquad
        SE = \left(1 + \frac{20}{n}\right) \sqrt{\frac{K}{K - 1}}
        \max\left(\frac{s_d}{\sqrt n}, \frac{s_f}{\sqrt K}\right)

    has n - 1 degrees of freedom; :math:`s_f` is the standard deviation of the folds'
    means. The factor 1 + 20 / n is empirical: with few samples the losses are skewed
    and the choice of training samples matters more. The variance over samples alone
    vanishes where both models nearly agree, but that of the mean does not.

    Verdict, table and plot use one procedure: "helps" means that the interval of the
    gain lies above zero for **every** single modality (an intersection-union test: no
    correction is needed for choosing the best one), "harms" that one lies below zero
    after Holm's correction.

    A gain :math:`\delta` above the mean is tested with the standard error that it
    would have, :math:`SE^2 + v (\delta - \bar d) K / ((K - 1) n)`: v is 2 for the
    log-loss, 1 for the error rate, and, with the single modality's mean loss L, 4 L for
    the squared and :math:`\pi` L for the absolute error. Upper bounds are therefore
    farther away than lower ones. Scores that are not a mean over samples use the
    corrected resampled t-test.

    The estimated gain is that of models trained on a share 1 - 1/K of the samples.
    A loss that few samples dominate has low power; ``samples_better`` and Wilcoxon's
    test describe the typical sample, but do not account for the choice of training
    samples and do not decide.

    References
    ----------
    Nadeau and Bengio, "Inference for the generalization error", 2003. Bayle, Bayle,
    Janson and Mackey, "Cross-validation confidence intervals for test error", 2020.
    Berger, "Multiparameter hypothesis testing and acceptance sampling", 1982.

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
    check_has_samples(X)
    X = check_modalities(modalities_made(estimator, X), finite=False)
    y = check_target(estimator, y, len(X), X, groups=groups)
    y, groups = np.asarray(y), check_groups(groups, len(X))
    if groups is not None:
        warn_unused_groups(estimator)
    seed = _check_seed(random_state, cache)
    chosen = choose_subsets(subsets, list(X), controls)
    measure = choose_measure(estimator, scoring, y)
    splits = make_splits(resampling, estimator, X, y, groups, seed)
    if cache is not None:
        key = key_of(
            estimator=estimator,
            data=[dict(X), {name: X.present[name] for name in X}, y],
            splits=splits.pairs,
            scoring=[measure.name, scoring],
            random_state=seed if controls is not None else None,
            **groups_for(estimator, groups),
        )
        cache = FitCache(cache, key)
    data = (estimator, X, y, splits, measure, seed)
    fits = SubsetFits(*data, bool(replicas), groups)
    total = len(chosen) * len(splits.pairs)
    with tqdm(total=total, unit="fit", disable=not verbose) as bar:
        results = fits.results(chosen, cache, n_jobs, bar)
    outcomes = {name: outcome_of(found, splits) for name, found in results.items()}
    constant = fits.constant_results()
    constant = None if constant is None else outcome_of(constant, splits)
    statistics = Statistics(splits, groups, measure)
    return _conclude(outcomes, constant, chosen, statistics, alpha, list(X))


def _check_seed(random_state, cache):
    if cache is not None and not isinstance(random_state, Integral):
        raise ValueError(
            "cache requires an integer random_state, so that a later call draws the "
            f"same splits; got random_state={random_state!r}."
        )
    return base_seed(random_state) % 2**32


def _conclude(outcomes, constant, subsets, statistics, alpha, names):
    """Return tables and verdict."""
    measure = statistics.measure.name
    paired = paired_of(outcomes, subsets, statistics, alpha)
    kind, pair = judge(paired, alpha)
    by_names = {
        frozenset(one.names): outcomes[str(one)] for one in subsets if not one.control
    }
    return ModalityComparison(
        table=table_of(outcomes, statistics, alpha),
        paired=paired,
        verdict=sentence(kind, pair, measure, statistics.observations, alpha),
        importance=importance_of(by_names, names, constant, statistics),
        measure=measure,
        lower_is_better=statistics.lower_is_better,
    )
