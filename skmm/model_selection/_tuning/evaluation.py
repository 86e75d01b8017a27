"""What a trial is worth: its parameters on all folds, alone or with other trials."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone

from skmm._sklearn import check_method_params, fit_and_score, safe_indexing, score_of
from skmm.model_selection._tuning.optional import import_optuna
from skmm.model_selection._tuning.reporting import Report
from skmm.model_selection.replicas import fit_replicas


@dataclass
class Result:
    """What is stored of a trial.

    Attributes
    ----------
    folds : list of dict
        Scores and seconds of the folds that were finished.
    pruned : bool
    error : str or None
        Of a fit or score that failed.
    cause : Exception or None
    """

    folds: list
    pruned: bool = False
    error: str | None = None
    cause: Any = field(default=None, repr=False)


@dataclass
class Evaluation:
    """The data of a search, and how a model is judged on them.

    Attributes
    ----------
    estimator : estimator
    X, y : rows and target
    splits : list of (ndarray, ndarray)
    scorer : callable
    fit_params, score_params : dict
        What fits and scores get besides.
    return_train_score : bool
    metric : str or None
        Of several, the one that is searched by.
    pruned : bool
        Whether a pruner is to be told.
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
    pruned: bool = False

    def alone(self, trial, params):
        """Result of one trial, fold by fold."""
        report, folds = Report(trial), []
        models = [self.model(params) for _ in self.splits]  # a wrong name ends it all
        try:
            for number, (model, split) in enumerate(
                zip(models, self.splits, strict=True)
            ):
                folds.append(self._fold(model, number, split, report))
                if self.pruned:
                    report.end_fold(model, number, values_of(folds, self.metric))
        except import_optuna().TrialPruned:
            return Result(folds, pruned=True)
        except Exception as error:
            return Result(folds, error=_shown(error), cause=error)
        return Result(folds)

    def together(self, trials, params):
        """Results of several trials, whose nets are trained as one batch."""
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
            )
        except Exception:  # one of them spoils the batch: which?
            return [self.alone(t, p) for t, p in zip(trials, params, strict=True)]
        seconds = (time.perf_counter() - begun) / len(models)
        starts = range(0, len(models), count)
        return [self._judged(models[i : i + count], seconds) for i in starts]

    def value_of(self, result):
        """Mean test score that is searched by; NaN if there is none."""
        values = values_of(result.folds, self.metric)
        return float(np.mean(values)) if values else np.nan

    def model(self, params):
        """The estimator with parameters, unfitted."""
        return clone(self.estimator).set_params(**clone(params, safe=False))

    def _fold(self, model, number, split, report):
        train, test = split
        if self.pruned:
            report.follow(model, number, *self._rows(test))
        found = fit_and_score(
            model,
            self.X,
            self.y,
            scorer=self.scorer,
            train=train,
            test=test,
            verbose=0,
            parameters=None,
            fit_params=self.fit_params,
            score_params=self.score_params,
            return_train_score=self.return_train_score,
            return_times=True,
            error_score="raise",
        )
        found.pop("fit_error")
        return _plain(found)

    def _judged(self, models, seconds):
        """Result of the fitted models of one trial."""
        folds = []
        try:
            for model, (train, test) in zip(models, self.splits, strict=True):
                begun = time.perf_counter()
                fold = {"test_scores": self._score(model, test), "fit_time": seconds}
                fold["score_time"] = time.perf_counter() - begun
                if self.return_train_score:
                    fold["train_scores"] = self._score(model, train)
                folds.append(_plain(fold))
        except Exception as error:
            return Result(folds, error=_shown(error), cause=error)
        return Result(folds)

    def _score(self, model, rows):
        params = check_method_params(self.X, params=self.score_params, indices=rows)
        return score_of(model, *self._rows(rows), self.scorer, params)

    def _rows(self, rows):
        X, y = self.X, self.y
        return safe_indexing(X, rows), None if y is None else safe_indexing(y, rows)


def values_of(folds, metric):
    """Test scores of the folds; of several metrics one."""
    scores = [fold["test_scores"] for fold in folds]
    if scores and isinstance(scores[0], dict) and metric not in scores[0]:
        raise ValueError(
            f"scoring gives the scores {list(scores[0])}; set refit to one of them: "
            f"it is what is searched by. Got refit={metric!r}."
        )
    return [s[metric] if isinstance(s, dict) else s for s in scores]


def _plain(fold):
    """Scores and seconds as numbers that JSON knows."""
    return {
        key: {k: float(v) for k, v in value.items()}
        if isinstance(value, dict)
        else float(value)
        for key, value in fold.items()
    }


def _shown(error):
    return f"{type(error).__name__}: {error}"
