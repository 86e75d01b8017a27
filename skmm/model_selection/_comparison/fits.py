"""Subsets of the modalities, and the fits of each of them on every split."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.sparse import issparse
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    RegressorMixin,
    clone,
    is_classifier,
)
from sklearn.dummy import DummyClassifier, DummyRegressor

from skmm._random import derangement, derive
from skmm._sklearn import safe_indexing
from skmm._views import noting, prepending
from skmm.base import restrict, takes_modalities
from skmm.base.validation_split import groups_for
from skmm.data.finite import by_output, measured_entries
from skmm.data.recombine import recombined
from skmm.data.validation import check_names
from skmm.model_selection.replicas import fit_replicas, trains_together
from skmm.preprocessing import NoiseModality

MAX_MODALITIES = 6  # for subsets="all"
STACK = 25  # splits that are trained as one batch, then written to the cache
CANNOT_SCORE = (TypeError, ValueError, LookupError, AttributeError)


@dataclass(frozen=True)
class Subset:
    """Modalities that a model gets, one of which may be replaced as a control.

    Attributes
    ----------
    names : tuple of str
    control : {"noise", "permuted"} or None
        How the control replaces a modality.
    replaced : str or None
        Which modality it replaces.
    """

    names: tuple
    control: str | None = None
    replaced: str | None = None

    def __str__(self):
        shown = {self.replaced: f"{self.control}({self.replaced})"}
        return " + ".join(shown.get(name, name) for name in self.names)

    def view(self, X, seed):
        """Return the modalities of this subset, with the control in place."""
        X = X.select(list(self.names))
        if self.control is None:
            return X
        name, present = self.replaced, X.present[self.replaced]
        seed = derive(seed, self.control, name) % 2**32
        if self.control == "permuted":  # the presence mask is permuted as well
            order = derangement(np.random.default_rng(seed), len(X))
            return recombined(X, {name: order})
        leaf = self._noise(X[name], seed)
        return X.assign({name: leaf}).with_missing(name, np.flatnonzero(~present))

    def _noise(self, leaf, seed):
        """Return noise with the shape and the columns of a leaf."""
        values = leaf.toarray() if issparse(leaf) else np.asarray(leaf)
        values = values[:, None] if values.ndim == 1 else values
        try:
            noise = NoiseModality(random_state=seed).fit_transform(values)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"modality {self.replaced!r} is not numeric and cannot be replaced by "
                "noise: use controls='permuted'."
            ) from error
        if isinstance(leaf, pd.DataFrame):
            return pd.DataFrame(noise, leaf.index, leaf.columns)
        return noise

    def model(self, estimator):
        """Return the unfitted estimator, restricted to these modalities."""
        if takes_modalities(estimator):
            return restrict(estimator, list(self.names))
        return estimator


def choose_subsets(subsets, names, controls=None):
    """Return the subsets to compare; the last one without control has all modalities.

    Parameters
    ----------
    subsets : "singles+all", "all" or list of tuple of str
    names : list of str
        All modalities.
    controls : {"noise", "permuted"} or None
        Adds all modalities, with each in turn replaced.
    """
    if len(names) < 2:
        raise ValueError(
            "compare_modalities needs at least two modalities; X has "
            f"{len(names)}: {list(names)}."
        )
    chosen = [Subset(subset) for subset in _name_tuples(subsets, list(names))]
    if controls is not None:
        chosen += [Subset(tuple(names), controls, name) for name in names]
    if len({str(subset) for subset in chosen}) < len(chosen):
        raise ValueError(
            f"modalities {list(names)}: two subsets would have the same name, because "
            "names are joined by ' + '. Rename the modality that contains ' + '."
        )
    return chosen


def _name_tuples(subsets, names):
    """Return every single modality, the requested subsets, and all modalities."""
    if isinstance(subsets, str) and subsets == "all":
        return _all_subsets(names)
    if isinstance(subsets, str) and subsets != "singles+all":
        raise ValueError(
            "subsets must be 'singles+all', 'all' or a list of tuples of modalities; "
            f"got {subsets!r}."
        )
    listed = [] if isinstance(subsets, str) else subsets
    with prepending("subsets"):
        listed = [[one] if isinstance(one, str) else list(one) for one in listed]
    if not all(listed):
        raise ValueError(f"subsets must not contain an empty subset; got {subsets!r}.")
    check_names([name for subset in listed for name in subset], names, "subsets")
    wanted = {frozenset(one) for one in [*listed, names, *([n] for n in names)]}
    ordered = [tuple(name for name in names if name in one) for one in wanted]
    return sorted(ordered, key=lambda one: (len(one), [names.index(n) for n in one]))


def _all_subsets(names):
    if len(names) > MAX_MODALITIES:
        raise ValueError(
            f"subsets='all' allows up to {MAX_MODALITIES} modalities; {len(names)} "
            f"have {2 ** len(names) - 1} subsets. List the subsets of interest."
        )
    orders = range(1, len(names) + 1)
    return [subset for order in orders for subset in combinations(names, order)]


@dataclass
class SubsetFits:
    """Fits of one estimator for several subsets on the same splits.

    Attributes
    ----------
    estimator : estimator
    X : ModalityDict
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    splits : Splits
    measure : Measure
    seed : int
        For the controls.
    stack : bool
        Whether fits may be trained as one batch.
    groups : ndarray of shape (n_samples,) or None
        Kept together by fits that set samples aside.
    """

    estimator: object
    X: object
    y: np.ndarray
    splits: object
    measure: object
    seed: int
    stack: bool
    groups: np.ndarray | None = None

    def results(self, subsets, cache, n_jobs, bar):
        """Return ``{subset: [result of each split]}``.

        Parameters
        ----------
        subsets : list of Subset
        cache : FitCache or None
            Provides finished fits and stores new ones.
        n_jobs : int or None
        bar : tqdm
        """
        found = {} if cache is None else dict(cache.stored)
        jobs = self._jobs(subsets, found.keys(), bar)
        parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
        for name, results in parallel(jobs):
            if cache is not None:
                cache.append(name, results)
            found |= {(name, split): result for split, result in results.items()}
            bar.update(len(results))
        count, names = range(len(self.splits.pairs)), map(str, subsets)
        return {name: [found[name, split] for split in count] for name in names}

    def constant_results(self):
        """Return results of the best constant, or None if it cannot be scored."""
        data = self.X, self.y, self.measure
        try:
            fit = SubsetFit("nothing", best_constant(self.estimator, *data), *data)
            _, found = fit.one_by_one(dict(enumerate(self.splits.pairs)))
        except CANNOT_SCORE:
            return None
        return list(found.values())

    def _jobs(self, subsets, known, bar):
        """Yield the missing fits of all subsets: no process waits for one subset."""
        pairs = dict(enumerate(self.splits.pairs))
        for subset in subsets:
            missing = [split for split in pairs if (str(subset), split) not in known]
            bar.update(len(pairs) - len(missing))
            if not missing:
                continue
            model, X = subset.model(self.estimator), subset.view(self.X, self.seed)
            data = (X, self.y, self.measure, self.groups)
            fit = SubsetFit(str(subset), model, *data)
            probe = (model, X, self.y, pairs[0][0], self.groups)
            stacks = self.stack and trains_together(*probe)
            call, size = (fit.stacked, STACK) if stacks else (fit.one_by_one, 1)
            for start in range(0, len(missing), size):
                part = missing[start : start + size]
                yield delayed(call)({split: pairs[split] for split in part})


@dataclass
class SubsetFit:
    """All that a process needs to fit and score one subset of the modalities.

    Every job carries it whole: data that a cluster keeps on one machine for many jobs
    is lost with that machine.

    Attributes
    ----------
    name : str
        Name of the subset.
    model : estimator
    X : ModalityDict
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    measure : Measure
    groups : ndarray of shape (n_samples,) or None
    """

    name: str
    model: object
    X: object
    y: np.ndarray
    measure: object
    groups: np.ndarray | None = None

    def one_by_one(self, pairs):
        """Return the name, and results of splits ``{split: (train, test)}``."""
        found = {}
        for split, (train, test) in pairs.items():
            with self._noting(split):
                X, y = safe_indexing(self.X, train), self.y[train]
                model, params = clone(self.model), {}
                if self.groups is not None:
                    params = groups_for(model, self.groups[train])
                model.fit(X, y, **params)
            found[split] = self._result(model, split, test)
        return self.name, found

    def stacked(self, pairs):
        """Return the same as `one_by_one`, with the splits trained as one batch."""
        trains = [train for train, _ in pairs.values()]
        with self._noting(f"one of {list(pairs)}"):
            models = fit_replicas(
                self.model, self.X, self.y, trains, groups=self.groups
            )
        fitted = zip(pairs.items(), models, strict=True)
        return self.name, {
            split: self._result(model, split, test)
            for (split, (_, test)), model in fitted
        }

    def _result(self, model, split, test):
        """Return the losses of the test samples of a split, or a score."""
        X, y, measure = safe_indexing(self.X, test), self.y[test], self.measure
        with self._noting(split):
            if measure.losses is not None:
                return {"losses": measure.losses(model, X, y).tolist()}
            score = float(measure.score(model, X, y))
            if np.isnan(score):
                raise ValueError(
                    f"the {measure.name} is NaN, for instance because all test samples "
                    "are of one class. Use stratified splits, or a scoring that is a "
                    "mean over samples, such as 'neg_log_loss'."
                )
            return {"score": score}

    def _noting(self, split):
        return noting(f"compare_modalities: in subset {self.name!r}, split {split}")


# -- the best constant, from which gains of single modalities are measured ----------


def best_constant(estimator, X, y, measure):
    """Return an unfitted model that predicts the best constant for a measure.

    Of regressors, that is the mean or the median, whichever is better for the whole of
    y: the mean for squared errors, the median for absolute errors.

    Parameters
    ----------
    estimator : estimator
    X : ModalityDict
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    measure : Measure
    """
    if is_classifier(estimator):
        return LabelShares() if y.ndim > 1 else DummyClassifier()
    masked = measured_entries(y) is not None
    kinds = [OutputConstant, DummyRegressor]
    models = [kinds[not masked](strategy=name) for name in ("mean", "median")]
    scores = [_score(model.fit(X, y), X, y, measure) for model in models]
    return models[int(scores[1] > scores[0])]


def _score(model, X, y, measure):
    if measure.losses is not None:
        return -float(np.mean(measure.losses(model, X, y)))
    return float(measure.score(model, X, y))


class OutputConstant(RegressorMixin, BaseEstimator):
    """Predict the mean or the median of each output where it is measured."""

    def __init__(self, strategy="mean"):
        self.strategy = strategy

    def fit(self, X, y):
        """Find the constants."""
        of = {"mean": np.mean, "median": np.median}[self.strategy]
        found = by_output(y.astype(np.float64), y)
        self.constant_ = np.array([of(true) for true, _, _ in found])
        return self

    def predict(self, X):
        """Return the constants for every sample."""
        return np.tile(self.constant_, (len(X), 1))


class LabelShares(ClassifierMixin, BaseEstimator):
    """Predict the share of each label where it is measured."""

    def fit(self, X, y):
        """Find the shares."""
        self.classes_ = np.arange(y.shape[1])
        self.shares_ = OutputConstant().fit(X, y)
        return self

    def predict_proba(self, X):
        """Return the shares for every sample."""
        return self.shares_.predict(X)

    def predict(self, X):
        """Return 1 for the labels of most samples, else 0."""
        return (self.predict_proba(X) > 0.5).astype(int)
