"""Evaluation of trials: their parameters on all folds, one by one or as one batch."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv

from skmm._routing import routing_enabled
from skmm._sklearn import (
    check_method_params,
    fit_and_score,
    num_samples,
    safe_indexing,
    score_of,
)
from skmm.base.validation_split import groups_for, warn_unused_groups
from skmm.data.finite import check_scorer_of_masked
from skmm.model_selection._optuna.pruning import Report
from skmm.model_selection.replicas import fit_replicas
from skmm.model_selection.search_space import import_optuna
from skmm.model_selection.splits import FOLDS, pairs_for


def evaluation_of(search, X, y, params):
    """Return the `Evaluation` of a search.

    Parameters
    ----------
    search : ModalitySearchCV
    X : ModalityDict or array-like of n_samples
    y : array-like or None
    params : dict
        Further arguments of its `fit`.
    """
    for name in ("sample_weight", "groups"):
        values = params.get(name)
        if values is not None and np.ndim(values) and len(values) != num_samples(X):
            raise ValueError(
                f"{name} must have one entry per sample of X, {num_samples(X)}; got "
                f"{len(values)}."
            )
    scorer = check_scoring(search.estimator, search.scoring)
    check_scorer_of_masked(search.scoring, y)
    routed = search._get_routed_params_for_fit(params)
    groups = params.get("groups")
    groups = None if groups is None or routing_enabled() else groups
    if groups is not None:
        warn_unused_groups(search.estimator)
    return Evaluation(
        clone(search.estimator),
        X,
        y,
        splits=_splits(search, X, y, **routed.splitter.split),
        scorer=scorer,
        fit_params=routed.estimator.fit,
        score_params=routed.scorer.score,
        return_train_score=search.return_train_score,
        metric=_check_metric(search.scoring, search.refit),
        prunes=prunes(search.pruner),
        groups=None if groups is None else np.asarray(groups),
    )


def prunes(pruner):
    """Whether trials can be pruned."""
    nop = import_optuna().pruners.NopPruner
    return not isinstance(pruner, (type(None), nop))


def _splits(search, X, y, groups=None, **params):
    cv = FOLDS if search.cv is None else search.cv
    classes = is_classifier(search.estimator)
    if params:  # metadata that the splitter has requested
        splitter = check_cv(cv, y, classifier=classes)
        given = params if groups is None else {**params, "groups": groups}
        return list(splitter.split(X, y, **given))
    groups = None if groups is None else np.asarray(groups)
    return pairs_for(cv, classes, X, y, groups, "cv")


def _check_metric(scoring, refit):
    """Return the name of the metric to optimize; None if there is one score."""
    if isinstance(scoring, (list, tuple, dict)) and refit not in [*scoring]:
        raise ValueError(
            f"with several metrics, refit must name the one to optimize, one of "
            f"{[*scoring]}; got refit={refit!r}."
        )
    return refit if isinstance(refit, str) else None


@dataclass
class Result:
    """What is stored of a trial.

    Attributes
    ----------
    folds : list of dict
        Scores and seconds of the folds that were finished.
    pruned : bool
    error : str or None
        Message of a fit or score that failed.
    cause : Exception or None
    """

    folds: list
    pruned: bool = False
    error: str | None = None
    cause: Any = field(default=None, repr=False)


@dataclass
class Evaluation:
    """The data of a search, and how trials are scored on them.

    Attributes
    ----------
    estimator : estimator
    X : ModalityDict or array-like of n_samples
    y : array-like or None
    splits : list of (ndarray, ndarray)
    scorer : callable
    fit_params, score_params : dict
        Further arguments of fits and scores.
    return_train_score : bool
    metric : str or None
        Of several, the one that is optimized.
    prunes : bool
        Whether trials report to a pruner.
    groups : ndarray of shape (n_samples,) or None
        Kept together by fits that set samples aside; None with metadata routing, by
        which `fit_params` has them.
    """

    estimator: Any
    X: Any
    y: Any
    splits: list
    scorer: Any
    fit_params: dict
    score_params: dict
    return_train_score: bool
    metric: str | None = None
    prunes: bool = False
    groups: np.ndarray | None = None

    def fold_by_fold(self, trial, params):
        """Return the result of one trial."""
        report, folds = Report(trial) if self.prunes else None, []
        models = [self.model(params) for _ in self.splits]  # unknown names raise here
        try:
            for number, (model, split) in enumerate(
                zip(models, self.splits, strict=True)
            ):
                if report is not None:
                    report.follow(model, number, *self._rows(split[1]))
                folds.append(self._fit_and_score(model, *split))
                if report is not None:
                    report.end_fold(model, number, values_of(folds, self.metric))
        except import_optuna().TrialPruned:
            return Result(folds, pruned=True)
        except Exception as error:
            return Result(folds, error=_message(error), cause=error)
        return Result(folds)

    def stacked(self, trials, params):
        """Return the results of several trials, trained as one batch."""
        trains = [train for train, _ in self.splits]
        count, begun = len(trains), time.perf_counter()
        try:
            models = fit_replicas(
                self.estimator,
                self.X,
                self.y,
                trains * len(params),
                params=[clone(p, safe=False) for p in params for _ in trains],
                sample_weight=self.fit_params.get("sample_weight"),
                groups=self.groups_in_fits(),
            )
        except Exception:  # find out which trial of the batch fails
            pairs = zip(trials, params, strict=True)
            return [self.fold_by_fold(*pair) for pair in pairs]
        seconds = (time.perf_counter() - begun) / len(models)
        starts = range(0, len(models), count)
        return [self._score_fitted(models[i : i + count], seconds) for i in starts]

    def groups_in_fits(self):
        """Return the groups that fits may keep together, or None."""
        return self.fit_params.get("groups", self.groups)

    def params_of(self, model):
        """Return the arguments of the fit of a model, besides X and y."""
        if self.groups is None:
            return self.fit_params
        return self.fit_params | groups_for(model, self.groups)

    def fit_all(self, params):
        """Return the estimator with parameters, fitted on all samples."""
        model, target = self.model(params), () if self.y is None else (self.y,)
        return model.fit(self.X, *target, **self.params_of(model))

    def value_of(self, result):
        """Return the mean test score that is optimized; NaN if there is none."""
        values = values_of(result.folds, self.metric)
        return float(np.mean(values)) if values else np.nan

    def model(self, params):
        """Return the unfitted estimator with parameters."""
        return clone(self.estimator).set_params(**clone(params, safe=False))

    def fails_as_given(self, result):
        """Whether a trial fails with the same error without any of its parameters."""
        error, number = result.cause, len(result.folds)
        if not isinstance(error, (ValueError, TypeError)) or number == len(self.splits):
            return False
        try:
            self._fit_and_score(clone(self.estimator), *self.splits[number])
        except Exception as again:
            return _message(again) == _message(error)
        return False

    def _fit_and_score(self, model, train, test):
        found = fit_and_score(
            model,
            self.X,
            self.y,
            scorer=self.scorer,
            train=train,
            test=test,
            verbose=0,
            parameters=None,
            fit_params=self.params_of(model),
            score_params=self.score_params,
            return_train_score=self.return_train_score,
            return_times=True,
            error_score="raise",
        )
        found.pop("fit_error")
        return _as_floats(found)

    def _score_fitted(self, models, seconds):
        """Return the result of the fitted models of one trial."""
        folds = []
        try:
            for model, (train, test) in zip(models, self.splits, strict=True):
                begun = time.perf_counter()
                fold = {"test_scores": self._score(model, test), "fit_time": seconds}
                fold["score_time"] = time.perf_counter() - begun
                if self.return_train_score:
                    fold["train_scores"] = self._score(model, train)
                folds.append(_as_floats(fold))
        except Exception as error:
            return Result(folds, error=_message(error), cause=error)
        return Result(folds)

    def _score(self, model, rows):
        params = check_method_params(self.X, params=self.score_params, indices=rows)
        return score_of(model, *self._rows(rows), self.scorer, params)

    def _rows(self, rows):
        X, y = self.X, self.y
        return safe_indexing(X, rows), None if y is None else safe_indexing(y, rows)


def values_of(folds, metric):
    """Return the test scores of the folds, of one metric."""
    scores = [fold["test_scores"] for fold in folds]
    if scores and isinstance(scores[0], dict) and metric not in scores[0]:
        raise ValueError(
            f"with several scores, refit must name the one to optimize, one of "
            f"{list(scores[0])}; got refit={metric!r}."
        )
    return [s[metric] if isinstance(s, dict) else s for s in scores]


def _as_floats(fold):
    """Return scores and seconds as floats, which JSON can store."""
    return {
        key: {k: float(v) for k, v in value.items()}
        if isinstance(value, dict)
        else float(value)
        for key, value in fold.items()
    }


def _message(error):
    return f"{type(error).__name__}: {error}"
