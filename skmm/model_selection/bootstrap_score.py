"""How good a model is, by bootstraps: out of bag, and with what it remembers."""

from numbers import Integral

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.utils import Bunch, check_random_state

from skmm._sklearn import StrOptions, safe_indexing, validate_parameter_constraints
from skmm.data.validation import check_target
from skmm.model_selection.bootstrap import BootstrapOutOfBag
from skmm.model_selection.replicas import fit_replicas, indexable

SHARE = 0.632  # of the rows, expected in a bootstrap
PERMUTATIONS = 20  # of y, for the score without information
CONSTRAINTS = {
    "estimate": [StrOptions({"oob", ".632", ".632+"})],
    "scoring": [str, callable, None],
}


def bootstrap_score(
    estimator,
    X,
    y,
    *,
    scoring=None,
    estimate="oob",
    resampling=None,
    groups=None,
    sample_weight=None,
    n_jobs=None,
    random_state=None,
):
    r"""Score an estimator on the rows that bootstraps leave out.

    Scores out of bag are too low, as a bootstrap has only 63.2 % of the distinct rows;
    those of the training rows are too high. ".632" mixes them in fixed shares, ".632+"
    trusts the training rows less, the more the model overfits.

    Parameters
    ----------
    estimator : estimator
    X : ModalityDict, dict, DataFrame or array-like of n rows
    y : array-like of shape (n,) or (n, k)
    scoring : str, callable or None, default=None
        As for scikit-learn's ``cross_val_score``; greater is better.
    estimate : {"oob", ".632", ".632+"}, default="oob"
        What `score` is.
    resampling : int, BootstrapOutOfBag or None, default=None
        How many bootstraps, or which; None is 100.
    groups : array-like of shape (n,), optional
        Groups are drawn; their rows stay together.
    sample_weight : array-like of shape (n,), optional
        For fitting.
    n_jobs : int or None, default=None
        Processes, for what cannot be trained as one batch.
    random_state : int, RandomState or None, default=None
        Of the bootstraps, if `resampling` is no splitter, and of permutations.

    Returns
    -------
    Bunch
        - score : float, the estimate
        - oob_scores : ndarray, out of bag, one per bootstrap
        - interval : (float, float), percentiles 2.5 and 97.5 of `oob_scores`: how one
          split's score varies, not how sure the mean is
        - train_score : float, on the rows trained on, of a fit on all; NaN for "oob"
        - no_information_score : float, of that fit where y is permuted; NaN but for
          ".632+"
        - overfitting_rate : float in [0, 1], the R of ".632+"; NaN otherwise

    Notes
    -----
    With scores turned into losses, :math:`\bar e` of the training rows, :math:`e_1`
    out of bag and :math:`\gamma` without information,

    .. math:: e_{.632} = 0.368\, \bar e + 0.632\, e_1, \qquad
        e_{.632+} = (1 - w)\, \bar e + w \min(e_1, \gamma), \quad
        w = \frac{0.632}{1 - 0.368 R}, \quad R = \frac{e_1 - \bar e}{\gamma - \bar e}

    References
    ----------
    Efron and Tibshirani, "Improvements on cross-validation: the .632+ bootstrap
    method", 1997.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skmm.model_selection import bootstrap_score
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 5)), rng.integers(2, size=80)  # nothing to learn
    >>> found = bootstrap_score(LogisticRegression(), X, y, random_state=0)
    >>> len(found.oob_scores), bool(found.score < 0.65)
    (100, True)
    """
    validate_parameter_constraints(CONSTRAINTS, locals(), "bootstrap_score")
    X = indexable(X)
    check_target(estimator, y, len(X))
    y = np.asarray(y)
    rng = check_random_state(random_state)
    scorer = check_scoring(estimator, scoring)
    labels = y if is_classifier(estimator) else None  # values are not stratified
    splits = list(_splitter(resampling, rng).split(X, labels, groups))
    trains = [train for train, _ in splits]
    models = fit_replicas(
        estimator, X, y, trains, sample_weight=sample_weight, n_jobs=n_jobs
    )
    scores = [
        scorer(model, safe_indexing(X, test), y[test])
        for model, (_, test) in zip(models, splits, strict=True)
    ]
    found = Bunch(
        oob_scores=np.array(scores),
        interval=tuple(np.percentile(scores, [2.5, 97.5]).tolist()),
        train_score=np.nan,
        no_information_score=np.nan,
        overfitting_rate=np.nan,
    )
    if estimate != "oob":
        (whole,) = fit_replicas(
            estimator, X, y, [np.arange(len(y))], sample_weight=sample_weight
        )
        found.train_score = scorer(whole, X, y)
        if estimate == ".632+":
            found.no_information_score = _uninformed(whole, scorer, X, y, rng)
    found.score = _estimated(found, estimate)
    return found


def _splitter(resampling, rng):
    if isinstance(resampling, BootstrapOutOfBag):
        return resampling
    number = isinstance(resampling, Integral) and not isinstance(resampling, bool)
    if resampling is not None and not (number and resampling > 0):
        raise TypeError(
            "resampling must be a number of bootstraps, 1 or more, or a "
            f"BootstrapOutOfBag; got {resampling!r}."
        )
    return BootstrapOutOfBag(
        100 if resampling is None else resampling, random_state=rng
    )


def _uninformed(model, scorer, X, y, rng):
    """Mean score where y says nothing of X: permuted."""
    orders = [rng.permutation(len(y)) for _ in range(PERMUTATIONS)]
    return float(np.mean([scorer(model, X, y[order]) for order in orders]))


def _estimated(found, estimate):
    """The estimate; sets the rate of overfitting for ".632+"."""
    oob, train = found.oob_scores.mean(), found.train_score
    if estimate == "oob":
        return float(oob)
    if estimate == ".632":
        return float((1 - SHARE) * train + SHARE * oob)
    least = found.no_information_score
    kept = max(oob, least)
    overfits = kept < train and least < train
    rate = (train - kept) / (train - least) if overfits else 0.0
    found.overfitting_rate = float(rate)
    weight = SHARE / (1 - (1 - SHARE) * rate)
    return float((1 - weight) * train + weight * kept)
