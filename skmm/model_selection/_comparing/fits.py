"""All fits of a comparison: every subset on every split, each of them once."""

from dataclasses import dataclass

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

    def of(self, subsets, seed, bar):
        """Results of subsets, ``{subset: [result of each split]}``."""
        parallel = Parallel(n_jobs=self.n_jobs, return_as="generator_unordered")
        for name, found in parallel(self._jobs(subsets, seed, bar)):
            self.cache.put(name, found)
            bar.update(len(found))
        count = range(len(self.splits.pairs))
        names = [str(subset) for subset in subsets]
        return {name: [self.cache.get(name, j) for j in count] for name in names}

    def of_nothing(self):
        """Results of the best constant prediction, or None if it cannot be judged."""
        kind = DummyClassifier if is_classifier(self.estimator) else DummyRegressor
        work = Work(NOTHING, kind(), self.X, self.y, self.measure)
        try:
            _, found = work.alone(dict(enumerate(self.splits.pairs)))
        except UNJUDGED:
            return None
        return list(found.values())

    def _jobs(self, subsets, seed, bar):
        """What is not in the cache; all subsets, so that no process waits for one."""
        for subset in subsets:
            count = range(len(self.splits.pairs))
            missing = [j for j in count if self.cache.get(str(subset), j) is None]
            bar.update(len(count) - len(missing))
            if missing:
                yield from self._parts(subset, seed, missing)

    def _parts(self, subset, seed, missing):
        model, X = subset.model(self.estimator), subset.view(self.X, seed)
        work = Work(str(subset), model, X, self.y, self.measure)
        together = self._together(model, X)
        fit, size = (work.together, TOGETHER) if together else (work.alone, 1)
        for start in range(0, len(missing), size):
            part = missing[start : start + size]
            yield delayed(fit)({j: self.splits.pairs[j] for j in part})

    def _together(self, model, X):
        first = self.splits.pairs[0][0]
        return bool(self.replicas) and trains_together(model, X, self.y, first)


@dataclass
class Work:
    """All that a process needs to fit and judge one subset of the modalities.

    It travels whole with each job: what a cluster keeps on one machine for many jobs is
    lost with that machine.

    Parameters
    ----------
    name : str
        Of the subset.
    model : estimator
    X : ModalityDict
    y : ndarray of shape (n,) or (n, k)
    measure : Measure
    """

    name: str
    model: object
    X: object
    y: np.ndarray
    measure: object

    def alone(self, pairs):
        """Name, and results of splits ``{j: (train, test)}``, one after the other."""
        found = {}
        for j, (train, test) in pairs.items():
            with _naming(self.name, j):
                model = clone(self.model).fit(
                    safe_indexing(self.X, train), self.y[train]
                )
            found[j] = self._judged(model, j, test)
        return self.name, found

    def together(self, pairs):
        """The same, with the splits trained as one batch."""
        trains = [train for train, _ in pairs.values()]
        with _naming(self.name, f"one of {list(pairs)}"):
            models = fit_replicas(self.model, self.X, self.y, trains)
        fitted = zip(pairs.items(), models, strict=True)
        return self.name, {j: self._judged(m, j, test) for (j, (_, test)), m in fitted}

    def _judged(self, model, j, test):
        """Losses of the test rows of a split, or a score."""
        X, y, measure = safe_indexing(self.X, test), self.y[test], self.measure
        with _naming(self.name, j):
            if measure.rows is not None:
                return {"losses": measure.rows(model, X, y).tolist()}
            score = float(measure.score(model, X, y))
            if np.isnan(score):
                raise ValueError(
                    f"the {measure.name} is NaN, as where the test rows have one "
                    "class. Use stratified splits, or a score by rows."
                )
            return {"score": score}


def _naming(name, split):
    """Say in which subset and split something failed."""
    return noting(f"compare_modalities: in subset {name!r}, split {split}")
