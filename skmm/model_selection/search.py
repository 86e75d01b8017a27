"""Search of parameters by cross-validation, as a study of Optuna."""

import time
from numbers import Integral, Real
from os import PathLike

import numpy as np
import sklearn.utils

from skmm._sklearn import (
    BaseSearchCV,
    HasMethods,
    Interval,
    StrOptions,
    check_method_params,
)
from skmm.model_selection._tuning.places import Places
from skmm.model_selection._tuning.planning import evaluation_of, run_search
from skmm.model_selection._tuning.results import Results
from skmm.model_selection._tuning.spaces import Space
from skmm.model_selection.replicas import indexable
from skmm.model_selection.search_space import default_search_space

SHARED = {  # with BaseSearchCV
    name: BaseSearchCV._parameter_constraints[name]
    for name in (
        *("estimator", "scoring", "n_jobs", "refit", "cv", "verbose", "error_score"),
        "return_train_score",
    )
}


class ModalitySearchCV(BaseSearchCV):
    """Search parameters by cross-validation, as a study of Optuna.

    A search of scikit-learn, with its methods and attributes, whose trials learn from
    each other, can be pruned, are kept on disk and shared by several processes. Small
    dense nets of several trials are trained as one batch.

    Parameters
    ----------
    estimator : estimator
        Of skmm, a Pipeline that ends in one, or any of scikit-learn.
    space : dict, list of dict or None, default=None
        Parameter names to lists of choices, frozen distributions of ``scipy.stats`` or
        distributions of Optuna; of several dicts each trial draws one. None is
        ``default_search_space(estimator)``.
    n_trials : int, default=50
        Finished trials in the study, pruned and failed ones included, whoever ran them.
    timeout : float or None, default=None
        Seconds after which no trial is started; what is found by then counts.
    scoring : str, callable, list, tuple, dict or None, default=None
        As for ``RandomizedSearchCV``; greater is better.
    cv : int, splitter, iterable of (train, test) or None, default=None
        As there. With `storage`, splits must be the same at every call.
    refit : bool, str or callable, default=True
        Fit the best parameters on all rows. With several metrics the name of the one
        that is searched by. A callable gets ``cv_results_`` and returns an index.
    sampler : Optuna sampler or None, default=None
        None is ``TPESampler``, seeded by `random_state` and the number of each trial,
        so that no two processes draw the same, and a search that was interrupted draws
        what it would have drawn.
    pruner : Optuna pruner or None, default=None
        Ends trials that are not promising; None lets all finish. See Notes.
    storage : path-like, URL, Optuna storage or None, default=None
        Where the study is kept: a path is a journal file; a URL, as
        "sqlite:///study.db", a database. None keeps it in memory.
    study_name : str or None, default=None
        Which study of the storage; None is "ModalitySearchCV". One of other data,
        parameters, splits or space is refused.
    n_jobs : int or None, default=None
        Processes that work on the study; each starts torch anew, which takes seconds.
    replicas : "auto" or bool, default="auto"
        Draw 10 trials at a time and train nets of the same structure as one batch,
        where nets can be stacked and there is no pruner; False never.
    error_score : "raise" or float, default=nan
        What a trial gets in which a fit or score fails; a warning counts them.
    return_train_score : bool, default=False
        Score the training rows as well.
    random_state : int, RandomState or None, default=None
        Of the draws. The estimator and `cv` have their own.
    verbose : int, default=0
        1 shows a progress bar over trials.

    Attributes
    ----------
    best_params_ : dict
        Real objects, as ``set_params`` takes them.
    best_score_ : float
        Mean over the folds: the highest of `n_trials`, and so too good. Score
        `best_estimator_` on rows that the search has not seen.
    best_index_ : int
    best_estimator_ : fitted estimator
        With `refit`.
    cv_results_ : dict of ndarray
        As of ``RandomizedSearchCV``, and "trial_number" and "state": "COMPLETE",
        "PRUNED" or "FAIL", whose scores are NaN.
    study_ : optuna.Study
        For ``optuna.visualization`` and ``optuna.importance``; also after Ctrl-C.
    n_splits_, refit_time_, scorer_, multimetric_ : int, float, callable or dict, bool
    classes_, n_features_in_, feature_names_in_
        Of `best_estimator_`.

    See Also
    --------
    default_search_space : what is searched by default.
    suggest : the same space in a study of your own.

    Notes
    -----
    A pruner is told of every epoch, at step ``fold * epochs + epoch``, minus the mean
    of this epoch's validation loss and of those of the folds before. It is of the rows
    that ``early_stopping`` sets aside, if it does, else of the fold held out. What
    changes this loss, as `objective`, cannot be in the space then. Of estimators
    without callbacks it is told the mean score after each fold. Telling does not change
    what is trained.

    A trial whose process died is failed, and its parameters run again, once. On the
    same machine this is seen at once, on another after some minutes without a sign of
    life. What Ctrl-C broke off runs again when the search goes on.

    References
    ----------
    Akiba et al., "Optuna: a next-generation hyperparameter optimization framework",
    KDD 2019. Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS
    2011: TPE.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import loguniform
    >>> from skmm import FusionClassifier, ModalityDict
    >>> from skmm.model_selection import ModalitySearchCV
    >>> from skmm.nn import ConcatFusion, ProductFusion
    >>> rng = np.random.default_rng(0)
    >>> X = ModalityDict(a=rng.normal(size=(90, 3)), b=rng.normal(size=(90, 4)))
    >>> y = X["a"][:, 0] + X["b"][:, 0] > 0
    >>> space = {
    ...     "lr": loguniform(1e-4, 1e-1), "fusion": [ConcatFusion(), ProductFusion(8)]
    ... }
    >>> model = FusionClassifier(max_epochs=5, random_state=0)
    >>> search = ModalitySearchCV(model, space, n_trials=8, cv=3, random_state=0)
    >>> search = search.fit(X[:60], y[:60])
    >>> sorted(search.best_params_), len(search.cv_results_["params"])
    (['fusion', 'lr'], 8)
    >>> bool(search.score(X[60:], y[60:]) > 0.7)
    True
    """

    _parameter_constraints = {
        **SHARED,
        "space": [dict, list, tuple, None],
        "n_trials": [Interval(Integral, 1, None, closed="left")],
        "timeout": [Interval(Real, 0, None, closed="neither"), None],
        "sampler": [HasMethods("sample_independent"), None],
        "pruner": [HasMethods("prune"), None],
        "storage": [str, PathLike, HasMethods("create_new_study"), None],
        "study_name": [str, None],
        "replicas": [StrOptions({"auto"}), "boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        space=None,
        *,
        n_trials=50,
        timeout=None,
        scoring=None,
        cv=None,
        refit=True,
        sampler=None,
        pruner=None,
        storage=None,
        study_name=None,
        n_jobs=None,
        replicas="auto",
        error_score=np.nan,
        return_train_score=False,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.space = space
        self.n_trials = n_trials
        self.timeout = timeout
        self.scoring = scoring
        self.cv = cv
        self.refit = refit
        self.sampler = sampler
        self.pruner = pruner
        self.storage = storage
        self.study_name = study_name
        self.n_jobs = n_jobs
        self.replicas = replicas
        self.error_score = error_score
        self.return_train_score = return_train_score
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None, **params):
        """Search, then fit the best parameters on all rows.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows
        y : array-like of shape (n,) or (n, k), or None
        **params : dict
            As for scikit-learn's searches: `groups` go to the splitter, `sample_weight`
            and what else there is to fits; with metadata routing to who asks.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If a parameter is out of range, the space cannot be drawn from, the storage
            cannot be used or has another search under that name, or no trial has a
            score. With ``error_score="raise"`` also if a fit fails.
        ImportError
            Without Optuna.
        KeyboardInterrupt
            On Ctrl-C; finished trials are in `study_` and in the storage.
        """
        self._validate_params()
        space = self.space
        space = default_search_space(self.estimator) if space is None else space
        checked = Space(space)
        X, y = sklearn.utils.indexable(indexable(X), indexable(y))
        params = check_method_params(X, params=params)
        evaluation = evaluation_of(self, X, y, params)
        self.n_splits_ = len(evaluation.splits)
        self.scorer_ = getattr(evaluation.scorer, "_scorers", evaluation.scorer)
        run_search(self, evaluation, space, checked)
        finished = Places(self.study_, self.n_trials).finished()
        results = Results(finished, checked, self.n_splits_)
        results.refuse_none()
        self.cv_results_ = results.formatted(self)
        self._choose(evaluation.metric)
        if self.refit:
            self._refit(evaluation)
        return self

    def set_callbacks(self, *callbacks):
        """Refuse callbacks of scikit-learn, which trials do not call."""
        raise TypeError(
            "ModalitySearchCV has no callbacks of scikit-learn; verbose=1 shows a bar, "
            "and study_ has all trials."
        )

    def _choose(self, metric):
        """Set what is best, as scikit-learn's searches do."""
        self.multimetric_ = "mean_test_score" not in self.cv_results_
        name = metric if self.multimetric_ else "score"
        self.best_index_ = self._select_best_index(self.refit, name, self.cv_results_)
        if not callable(self.refit):
            self.best_score_ = self.cv_results_[f"mean_test_{name}"][self.best_index_]
        self.best_params_ = self.cv_results_["params"][self.best_index_]

    def _refit(self, evaluation):
        begun = time.time()
        model = evaluation.model(self.best_params_)
        target = () if evaluation.y is None else (evaluation.y,)
        self.best_estimator_ = model.fit(evaluation.X, *target, **evaluation.fit_params)
        self.refit_time_ = time.time() - begun
        if hasattr(model, "feature_names_in_"):
            self.feature_names_in_ = model.feature_names_in_
