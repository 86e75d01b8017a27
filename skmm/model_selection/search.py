"""Search of parameters by cross-validation, as a study of Optuna."""

import time
import warnings
from numbers import Integral, Real
from os import PathLike

import numpy as np
import sklearn.utils
from sklearn.exceptions import FitFailedWarning

from skmm._sklearn import (
    BaseSearchCV,
    HasMethods,
    Interval,
    StrOptions,
    check_method_params,
    num_samples,
)
from skmm.data.labels import check_row_labels
from skmm.data.validation import check_target
from skmm.model_selection._optuna.evaluation import evaluation_of, prunes
from skmm.model_selection._optuna.pruning import comparable
from skmm.model_selection._optuna.setup import prepare_study
from skmm.model_selection._optuna.storage import delete_if_empty
from skmm.model_selection._optuna.worker import ERROR, FOLDS, finished_trials
from skmm.model_selection.replicas import indexable
from skmm.model_selection.search_space import (
    Space,
    default_search_space,
    import_optuna,
)

NON_FINITE = "One or more of the .* scores are non-finite"  # those of pruned trials


class ModalitySearchCV(BaseSearchCV):
    """Search parameters by cross-validation, as a study of Optuna.

    It has the methods and attributes of scikit-learn's searches. Trials learn from each
    other, can be pruned, can be kept on disk and can be shared by several processes.
    Small dense networks of several trials are trained as one batch.

    Parameters
    ----------
    estimator : estimator
        Estimator of skmm or scikit-learn, or a Pipeline.
    space : dict, list of dict or None, default=None
        Parameter names to lists of choices, frozen distributions of ``scipy.stats`` or
        distributions of Optuna; of several dicts each trial draws one. None is
        ``default_search_space(estimator)``; with a pruner, without the parameters that
        change the loss.
    n_trials : int, default=50
        Number of finished trials in the study, including pruned and failed ones, of
        all processes and calls.
    timeout : float or None, default=None
        Seconds after which no trial is started; trials finished by then are used.
    scoring : str, callable, list, tuple, dict or None, default=None
        See ``RandomizedSearchCV``; greater is better.
    cv : int, splitter, iterable of (train, test) or None, default=None
        See ``RandomizedSearchCV``. With `groups`, a number of folds keeps them
        together, and splitters that separate them are rejected. With `storage`, splits
        must be equal in every call.
    refit : bool, str or callable, default=True
        Fit the best parameters on all samples. With several metrics, the name of the
        one to optimize. A callable gets ``cv_results_`` and returns an index.
    sampler : Optuna sampler or None, default=None
        None is ``TPESampler``, seeded by `random_state` and the order of trials, so
        that two processes never draw the same, and a resumed search draws what it
        would have drawn without the interruption.
    pruner : Optuna pruner or None, default=None
        Stops unpromising trials; None lets all finish. See Notes.
    storage : path-like, URL, Optuna storage or None, default=None
        Where the study is kept: a path is a journal file; a URL, such as
        "sqlite:///study.db", a database. None keeps it in memory.
    study_name : str or None, default=None
        Name of the study in the storage; None is "ModalitySearchCV". A study of
        different data, parameters, splits or space is rejected.
    n_jobs : int or None, default=None
        Number of processes; each of them imports torch, which takes seconds.
    replicas : "auto" or bool, default="auto"
        Draw 10 trials at a time and train networks of the same structure as one batch,
        where networks can be stacked and `pruner` is None; False never.
    error_score : "raise" or float, default=nan
        Score of a trial in which a fit or score fails; a warning counts them. If the
        first trial fails, and the estimator fails with the same error without the
        trial's parameters, the error is raised, for instance because X has NaN.
    return_train_score : bool, default=False
        Score the training samples as well; NaN for trials stored without.
    random_state : int, RandomState or None, default=None
        Seed of the draws. The estimator and `cv` have their own.
    verbose : int, default=0
        1 shows a progress bar over trials.

    Attributes
    ----------
    best_params_ : dict
        Values for ``set_params``.
    best_score_ : float
        Mean over the folds: the highest of `n_trials`, and therefore optimistic. Score
        `best_estimator_` on samples that the search has not used.
    best_index_ : int
    best_estimator_ : fitted estimator
        With `refit`.
    cv_results_ : dict of ndarray
        See ``RandomizedSearchCV``; also "trial_number" and "state": "COMPLETE", or
        "PRUNED" or "FAIL", with NaN as scores.
    study_ : optuna.Study
        For ``optuna.visualization`` and ``optuna.importance``; also after Ctrl-C.
    n_splits_, refit_time_, scorer_, multimetric_ : int, float, callable or dict, bool
    classes_, n_features_in_, feature_names_in_
        Attributes of `best_estimator_`.

    See Also
    --------
    default_search_space : The default of `space`.
    suggest : Draws from the same space in a study of your own.

    Notes
    -----
    After every epoch, at step ``fold * epochs + epoch``, the pruner gets minus the mean
    of this epoch's validation loss and those of the folds before. The loss is that of
    the validation set of ``early_stopping``, if used, else of the test samples of the
    fold; samples of classes without training samples are left out. Parameters that
    change this loss, such as `objective`, or other estimators as choices, cannot be in
    the space then. For estimators without callbacks the pruner gets the mean score
    after each fold. Reporting does not change the training.

    A trial whose process died is failed, and its parameters run once more. On the same
    machine this is detected at once, on another machine after some minutes. Trials
    interrupted by Ctrl-C run again when the search is resumed.

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
        **BaseSearchCV._parameter_constraints,
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
        """Search, then fit the best parameters on all samples.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n_samples
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), or None
        **params : dict
            `groups` are passed to the splitter and to fits that set samples aside,
            `sample_weight` and others to fits; with metadata routing, to the objects
            that request them.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If a parameter is out of range, the space cannot be drawn from, the storage
            cannot be used or has another search of that name, or no trial has a score.
            With ``error_score="raise"`` also if a fit fails. A study in which no trial
            counts then is removed from the storage.
        ImportError
            If Optuna is not installed.
        KeyboardInterrupt
            On Ctrl-C; finished trials are in `study_` and in the storage.
        """
        self._validate_params()
        import_optuna()
        space = self._space()
        checked = Space(space)
        X, y = sklearn.utils.indexable(*_checked(self.estimator, X, y, params))
        params = check_method_params(X, params=params)
        evaluation = evaluation_of(self, X, y, params)
        self.n_splits_ = len(evaluation.splits)
        self.scorer_ = getattr(evaluation.scorer, "_scorers", evaluation.scorer)
        self.study_, run = prepare_study(self, evaluation, space, checked)
        try:
            run()
        except Exception:
            if self.storage is not None and delete_if_empty(self.study_):
                del self.study_
            raise
        trials = finished_trials(self.study_)
        _check_scores(trials, self.timeout)
        self.cv_results_ = self._results(trials, checked)
        self._choose(evaluation.metric)
        if self.refit:
            self._refit(evaluation)
        return self

    def score(self, X, y=None, **params):
        """Score the best estimator, with `scorer_`.

        Parameters
        ----------
        X, y, **params
            See `fit`.

        Returns
        -------
        float
        """
        return super().score(*_checked(self, X, y, params), **params)

    def set_callbacks(self, *callbacks):
        """Raise an error: trials do not call callbacks of scikit-learn."""
        raise TypeError(
            "ModalitySearchCV does not support callbacks of scikit-learn; verbose=1 "
            "shows a progress bar, and study_ has all trials."
        )

    def _uses_groups(self):
        return True

    def _space(self):
        if self.space is not None:
            return self.space
        space = default_search_space(self.estimator)
        return comparable(self.estimator, space) if prunes(self.pruner) else space

    def _results(self, trials, space):
        """Return ``cv_results_``."""
        more = {
            "trial_number": [trial.number for trial in trials],
            "state": [trial.state.name for trial in trials],
        }
        folds = [trial.user_attrs.get(FOLDS, []) for trial in trials]
        like = dict(next(part for part in folds if len(part) == self.n_splits_)[0])
        like.pop("train_scores", None)
        if self.return_train_score:
            like["train_scores"] = like["test_scores"]
        rows = [row for trial in trials for row in _folds(trial, like, self.n_splits_)]
        params = [space.suggest(trial) for trial in trials]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", NON_FINITE, UserWarning)
            return self._format_results(params, self.n_splits_, rows, more)

    def _choose(self, metric):
        """Set the attributes of the best trial, as scikit-learn's searches do."""
        self.multimetric_ = "mean_test_score" not in self.cv_results_
        name = metric if self.multimetric_ else "score"
        self.best_index_ = self._select_best_index(self.refit, name, self.cv_results_)
        if not callable(self.refit):
            self.best_score_ = self.cv_results_[f"mean_test_{name}"][self.best_index_]
        self.best_params_ = self.cv_results_["params"][self.best_index_]

    def _refit(self, evaluation):
        begun = time.time()
        model = self.best_estimator_ = evaluation.fit_all(self.best_params_)
        self.refit_time_ = time.time() - begun
        if hasattr(model, "feature_names_in_"):
            self.feature_names_in_ = model.feature_names_in_


def _checked(estimator, X, y, params):
    """Return X and y such that they can be indexed, after a check that they match."""
    X, y = indexable(X), indexable(y)
    if y is None:
        check_row_labels(X, **params)
        return X, y
    return X, check_target(estimator, y, num_samples(X), X, **params)


def _check_scores(trials, timeout):
    """Raise an error if no trial has a score; warn if some failed."""
    if not trials:
        raise ValueError(
            f"no trial has a score, because none finished within timeout={timeout}; "
            "increase timeout."
        )
    states = [trial.state.name for trial in trials]
    failed = [trial for trial in trials if ERROR in trial.user_attrs]
    first = f" The first error: {failed[0].user_attrs[ERROR]}" if failed else ""
    if "COMPLETE" not in states or len(failed) == len(states):
        pruned = states.count("PRUNED")
        wait = " Use a pruner with a larger n_startup_trials or n_warmup_steps."
        raise ValueError(
            f"no trial has a score: of {len(states)} in study_.trials, {pruned} were "
            f"pruned and {len(failed)} failed.{first}{wait if pruned else ''}"
        )
    if failed:
        warnings.warn(
            f"{len(failed)} of {len(states)} trials failed.{first}",
            FitFailedWarning,
            stacklevel=3,
        )


def _folds(trial, like, n_splits):
    """Return scores and seconds of all folds of a trial, with the keys of `like`.

    They are NaN, or `error_score`, for folds that did not run; training scores are NaN
    for trials that ran without.
    """
    known, missing = trial.user_attrs.get(FOLDS, []), np.nan
    if ERROR in trial.user_attrs:
        known, missing = [], np.nan if trial.value is None else trial.value
    blank = {key: _filled(value, missing) for key, value in like.items()}
    none = {key: _filled(value, np.nan) for key, value in like.items()}
    known = [{key: fold.get(key, none[key]) for key in like} for fold in known]
    return [*known, *[blank] * (n_splits - len(known))]


def _filled(value, missing):
    return dict.fromkeys(value, missing) if isinstance(value, dict) else missing
