"""All fits of a comparison: every subset on every split, each of them once."""

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor

from skmm._sklearn import safe_indexing
from skmm._views import noting
from skmm.model_selection.replicas import fit_replicas, trains_together

TOGETHER = 25  # splits that are trained as one batch, then stored
NOTHING = "nothing"  # the subset without modalities: a constant prediction
UNJUDGED = (TypeError, ValueError, LookupError, AttributeError)  # from scorers


class Fits:
    """Losses or scores of subsets on splits, from the cache or from new fits.

    Parameters
    ----------
    estimator : estimator
    X, y
        Checked.
    splits : Splits
    measure : Measure
    cache : FitCache
    replicas : "auto" or False
    n_jobs : int or None
    """

    def __init__(self, estimator, X, y, splits, measure, cache, replicas, n_jobs):
        self.estimator, self.X, self.y = estimator, X, y
        self.splits, self.measure, self.cache = splits, measure, cache
        self.replicas, self.n_jobs = replicas, n_jobs

    def of(self, subset, seed, bar):
        """Results of a subset, one per split."""
        name, view = str(subset), subset.view(self.X, seed)
        model = subset.model(self.estimator)
        count = range(len(self.splits.pairs))
        missing = [j for j in count if self.cache.get(name, j) is None]
        bar.update(len(self.splits.pairs) - len(missing))
        if missing and self._together(model, view):
            self._fit_together(model, view, name, missing, bar)
        else:
            self._fit_alone(model, view, name, missing, bar)
        return [self.cache.get(name, j) for j in count]

    def of_nothing(self):
        """Results of the best constant prediction, or None if it cannot be judged."""
        kind = DummyClassifier if is_classifier(self.estimator) else DummyRegressor
        count = range(len(self.splits.pairs))
        try:
            return [self._judged(kind(), self.X, NOTHING, j) for j in count]
        except UNJUDGED:
            return None

    def _together(self, model, view):
        first = self.splits.pairs[0][0]
        return bool(self.replicas) and trains_together(model, view, self.y, first)

    def _fit_together(self, model, view, name, missing, bar):
        for start in range(0, len(missing), TOGETHER):
            part = missing[start : start + TOGETHER]
            trains = [self.splits.pairs[j][0] for j in part]
            with _naming(name, f"one of {part}"):
                models = fit_replicas(model, view, self.y, trains)
            found = {
                j: self._judge(fitted, view, name, j)
                for j, fitted in zip(part, models, strict=True)
            }
            self.cache.put(name, found)
            bar.update(len(part))

    def _fit_alone(self, model, view, name, missing, bar):
        parallel = Parallel(n_jobs=self.n_jobs, return_as="generator_unordered")
        jobs = (delayed(self._job)(clone(model), view, name, j) for j in missing)
        for j, result in parallel(jobs):
            self.cache.put(name, {j: result})
            bar.update(1)

    def _job(self, model, view, name, j):
        return j, self._judged(model, view, name, j)

    def _judged(self, model, view, name, j):
        train = self.splits.pairs[j][0]
        with _naming(name, j):
            model.fit(safe_indexing(view, train), self.y[train])
        return self._judge(model, view, name, j)

    def _judge(self, model, view, name, j):
        """Losses of the test rows of a split, or a score."""
        test = self.splits.pairs[j][1]
        rows, y = safe_indexing(view, test), self.y[test]
        with _naming(name, j):
            if self.measure.rows is not None:
                return {"losses": self.measure.rows(model, rows, y).tolist()}
            score = float(self.measure.score(model, rows, y))
            if np.isnan(score):
                raise ValueError(
                    f"the {self.measure.name} is NaN, as where the test rows have one "
                    "class. Use stratified splits, or a score by rows."
                )
            return {"score": score}


def _naming(name, split):
    """Say in which subset and split something failed."""
    return noting(f"compare_modalities: in subset {name!r}, split {split}")
