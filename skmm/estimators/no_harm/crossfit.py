"""Cross-fitting: nets of each modality and fused nets, one of each per fold.

An *out-of-fold* prediction for a sample is the mean over the nets whose training fold
does not contain it; see ``sklearn.model_selection.cross_val_predict``.
"""

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
)
from sklearn.utils import check_consistent_length, column_or_1d

from skmm._random import derive
from skmm._warnings import warn
from skmm.base.fit_many import fit_many
from skmm.base.training_data import (
    check_groups_together,
    check_several_groups,
    combined_weight,
    counted_samples,
    split_pairs,
)
from skmm.nn import ConcatFusion, Flatten, ResidualHead

BEST_SINGLE = "(best single)"  # the modality that holds outputs of the best single net
FUSED = "fused"  # name of the fused candidate among the predictions
MIN_SAMPLES = 3  # with fewer, a fold has no net of the modality
LR_DIVISOR = 3  # fused nets are fine-tuned with lr / LR_DIVISOR
ONE_GROUP = (
    "groups: some nets are trained on a single group, so that early stopping uses "
    "other samples of that group. With at least three groups in each modality, it uses "
    "groups that the net was not trained on."
)


@dataclass(eq=False)
class Samples:
    """Samples that count, and where they were in the data given to `fit`.

    Those without weight or any measured target do not.

    Attributes
    ----------
    X : ModalityDict
    y : ndarray
    weight, groups : ndarray of shape (n_samples,) or None
    index : ndarray of int
        Positions in the data given to `fit`.
    all_y, all_groups : ndarray, ndarray or None
        Of all data given to `fit`, which a user's splitter receives.
    """

    X: object
    y: np.ndarray
    weight: np.ndarray | None
    groups: np.ndarray | None
    index: np.ndarray
    all_y: np.ndarray
    all_groups: np.ndarray | None

    @classmethod
    def read(cls, X, y, sample_weight, groups):
        """Return the samples with a target and non-zero weight of checked X and y."""
        weight = combined_weight(len(X), y, sample_weight)
        groups = None if groups is None else column_or_1d(groups)
        check_consistent_length(y, groups)
        samples = cls(X, y, weight, groups, np.arange(len(y)), y, groups)
        kept = counted_samples(y, weight)
        return samples if kept is None else samples.take(np.flatnonzero(kept))

    def take(self, rows):
        """Some of the samples."""
        return replace(
            self,
            X=self.X[rows],
            y=self.y[rows],
            weight=take(self.weight, rows),
            groups=take(self.groups, rows),
            index=self.index[rows],
        )

    def scatter(self, values):
        """Values at the positions given to `fit`; NaN for samples not included."""
        out = np.full((len(self.all_y), *values.shape[1:]), np.nan)
        out[self.index] = values
        return out


# -- splits ------------------------------------------------------------------------


def cv_splits(cv, samples, stratify, seed):
    """Return pairs of training and test indices.

    A number of folds stratifies classes and keeps groups together. A user's splitter
    receives all data given to `fit`; indices not among the samples are dropped.

    Raises
    ------
    ValueError
        If there is only one group, or a splitter separates samples of one group.
    """
    check_several_groups(samples.groups, "to hold one out")
    if isinstance(cv, (int, np.integer)):
        splitter = _splitter(cv, samples, stratify, seed)
        return split_pairs(splitter, samples.y, samples.groups)
    position = np.full(len(samples.all_y), -1)
    position[samples.index] = np.arange(len(samples.index))
    found = split_pairs(cv, samples.all_y, samples.all_groups)
    pairs = [tuple(position[r][position[r] >= 0] for r in pair) for pair in found]
    pairs = [(train, test) for train, test in pairs if len(train) and len(test)]
    check_groups_together(cv, pairs, samples.groups)
    return pairs


def _splitter(cv, samples, stratify, seed):
    y, groups = samples.y, samples.groups
    n_folds = min(cv, len(y) if groups is None else len(np.unique(groups)))
    most = np.unique(y, return_counts=True)[1].max() if stratify else 0
    stratified = bool(stratify and most >= n_folds)
    kinds = (KFold, StratifiedKFold)
    if groups is not None:
        kinds = (GroupKFold, StratifiedGroupKFold)
    state = derive(seed, "folds") % 2**32
    return kinds[stratified](n_folds, shuffle=True, random_state=state)


def calibration_split(samples, fraction, stratify, seed):
    """Indices to fit on and indices to test on."""
    y, groups = samples.y, samples.groups
    check_several_groups(groups, "to set one aside")
    kind = ShuffleSplit if groups is None else GroupShuffleSplit
    if groups is None and stratify and _enough_of_each_class(y, fraction):
        kind = StratifiedShuffleSplit
    state = derive(seed, "calibration") % 2**32
    split = kind(1, test_size=fraction, random_state=state)
    return next(split.split(np.empty((len(y), 1)), y, groups))


def _enough_of_each_class(y, fraction):
    counts = np.unique(y, return_counts=True)[1]
    smaller = min(fraction, 1 - fraction) * len(y)
    return bool(counts.min() >= 2 and smaller >= len(counts) + 1)


# -- nets --------------------------------------------------------------------------


@dataclass(eq=False)
class FoldModels:
    """The nets of one fold and one initialisation.

    Attributes
    ----------
    train : ndarray of int
        Samples that the nets are trained on, including early stopping.
    seed : int
    prior : ndarray
        Prediction where every modality is missing, from the training samples.
    scaling : object
        What the task needs to turn predictions into outputs of the fused net.
    validation : ndarray of shape (n_samples,) of bool
        Samples used for early stopping.
    singles : dict of str to estimator
        Net of each modality that is present in enough samples.
    order : list of str
        These modalities, the lowest validation loss first.
    fused : estimator or None
        Net of all modalities.
    corrects : bool
        Whether `fused` adds a correction to the outputs of the best single net.
    """

    train: np.ndarray
    seed: int
    prior: np.ndarray | None = None
    scaling: object = None
    validation: np.ndarray | None = None
    singles: dict = field(default_factory=dict)
    order: list = field(default_factory=list)
    fused: object = None
    corrects: bool = True


def make_folds(splits, n_init, seed):
    """One `FoldModels` per split and initialisation, and the test indices of each."""
    folds, tests = [], []
    for k, (train, test) in enumerate(splits):
        for r in range(n_init):
            folds.append(FoldModels(train, derive(seed, "fold", k, r) % 2**32))
            tests.append(test)
    return folds, tests


class CrossFit:
    """Fit the nets of all folds, and predict with them.

    Parameters
    ----------
    task : Task
        Makes nets, and computes their outputs and predictions.
    folds : list of FoldModels
    """

    def __init__(self, task, folds):
        self.task = task
        self.folds = folds
        self._warned = False

    def fit(self, samples):
        """Fit single nets, then fused nets; all folds of a modality as one batch."""
        self.prepare(samples)
        for name in self.task.progress(samples.X):
            self.fit_singles(name, samples)
        for fold in self.folds:
            losses = {n: validation_loss(model) for n, model in fold.singles.items()}
            fold.order = sorted(losses, key=losses.get)
        if samples.X.shape[1] > 1:
            self._fit_fused(samples)
        return self

    def prepare(self, samples):
        """Draw the samples for early stopping, the same for all nets of a fold."""
        for fold in self.folds:
            y, weight = samples.y[fold.train], take(samples.weight, fold.train)
            fold.prior = self.task.prior(y, weight)
            fold.scaling = self.task.scaling(y, weight)
            fold.validation = np.zeros(len(samples.y), dtype=bool)
            if self.task.params.early_stopping and len(fold.train) >= MIN_SAMPLES:
                fold.validation[self._draw(fold, fold.train, samples)] = True

    def _draw(self, fold, rows, samples):
        """Samples for early stopping, by whole groups if there are any."""
        groups = take(samples.groups, rows)
        one_group = groups is not None and len(np.unique(groups)) == 1
        if one_group and not self._warned:
            self._warned = True
            warn(ONE_GROUP)
        return rows[self.task.validation_rows(samples.y[rows], fold.seed, groups)]

    def _validation_mask(self, fold, rows, samples):
        """Which samples early stopping uses; drawn again if it were all or none."""
        mask = fold.validation[rows]
        mixed = mask.any() and not mask.all()
        if mixed or samples.groups is None or not self.task.params.early_stopping:
            return mask  # without groups the net draws its own
        return np.isin(rows, self._draw(fold, rows, samples))

    def fit_singles(self, name, samples):
        """Fit the nets of one modality on the samples in which it is present."""
        present, X = samples.X.present[name], samples.X.select([name])
        rows = [fold.train[present[fold.train]] for fold in self.folds]
        able = [i for i, r in enumerate(rows) if len(r) >= MIN_SAMPLES]
        folds, rows = [self.folds[i] for i in able], [rows[i] for i in able]
        models = [self.task.make_single(name, fold.seed) for fold in folds]
        data = [(X[r], samples.y[r], take(samples.weight, r)) for r in rows]
        pairs = zip(folds, rows, strict=True)
        masks = [self._validation_mask(fold, r, samples) for fold, r in pairs]
        fit_many(models, data, classes=self.task.classes, valid=masks)
        for fold, model in zip(folds, models, strict=True):
            fold.singles[name] = model

    def _fit_fused(self, samples):
        folds = [fold for fold in self.folds if len(fold.singles) > 1]
        models, data = [self._residual(fold) for fold in folds], []
        for fold in folds:
            X = samples.X[fold.train]
            X = _with_best_single(X, fold, self._best_outputs(fold, X))
            y, weight = samples.y[fold.train], take(samples.weight, fold.train)
            data.append((X, y, weight))
        masks = [fold.validation[fold.train] for fold in folds]
        fit_many(models, data, classes=self.task.classes, valid=masks)
        for fold, model in zip(folds, models, strict=True):
            fold.fused = model

    def _residual(self, fold):
        """A net that starts at the outputs of the best single net."""
        encoders = {n: model.encoders_[n] for n, model in fold.singles.items()}
        return self.task.make_net(
            {**encoders, BEST_SINGLE: Flatten()},
            seed=fold.seed,
            fusion=ConcatFusion(),
            head=ResidualHead(),
            lr=self.task.params.lr / LR_DIVISOR,
            early_stopping="keep_start",
        )

    def _best_outputs(self, fold, X):
        """Outputs of the first present modality in the order of the fold."""
        outputs = first_present(
            X,
            fold.order,
            lambda name, rows: self.task.outputs(fold.singles[name], rows),
            self.task.prior_outputs(fold.prior),
        )
        return self.task.scaled(outputs, fold.scaling)

    # -- predictions ---------------------------------------------------------------

    def predict_single(self, fold, name, X):
        """Predictions of a fold's net of one modality; the prior if it has none."""
        order = [name] if name in fold.singles else []
        return self._predict_first(fold, order, X)

    def predict_fused(self, fold, X):
        """Predictions of a fold's fused net; of its best single net if it has none."""
        if fold.fused is None:
            return self._predict_first(fold, fold.order, X)
        if fold.corrects:
            X = _with_best_single(X, fold, self._best_outputs(fold, X))
        else:
            X = X.select([name for name in X if name in fold.singles])
        return self.task.predict(fold.fused, X)

    def _predict_first(self, fold, order, X):
        def predict(name, rows):
            return self.task.predict(fold.singles[name], rows)

        return first_present(X, order, predict, fold.prior)

    def _predict_by_name(self, name, fold, X):
        return self.predict_single(fold, name, X)

    def candidates(self, names):
        """By name, a function ``predict(fold, X)`` of each candidate."""
        found = {name: partial(self._predict_by_name, name) for name in names}
        some = any(fold.fused is not None for fold in self.folds)
        return {**found, FUSED: self.predict_fused} if some else found

    def mean(self, predict, X):
        """Mean of ``predict(fold, X)`` over the folds."""
        return np.mean([predict(fold, X) for fold in self.folds], axis=0)

    def predict_candidates(self, X):
        """Predictions of the nets of every modality, and of the fused nets."""
        found = self.candidates(X).items()
        return {name: self.mean(predict, X) for name, predict in found}

    def reference(self, X, ranking, prior):
        """Predictions of the best modality, or of the next best where it is missing."""

        def predict(name, rows):
            return self.mean(partial(self._predict_by_name, name), rows)

        return first_present(X, ranking, predict, prior)

    def out_of_fold(self, X, tests):
        """Return out-of-fold predictions of each candidate, and which samples have one.

        Parameters
        ----------
        X : ModalityDict
        tests : list of ndarray of int
            Samples that the nets of each fold are not trained on.

        Returns
        -------
        (dict of str to ndarray, ndarray of int)
        """
        counts = sum(np.bincount(rows, minlength=len(X)) for rows in tests)
        found = {
            name: self._out_of_fold(predict, X, tests) / np.maximum(counts, 1)[:, None]
            for name, predict in self.candidates(X).items()
        }
        return found, np.flatnonzero(counts)

    def _out_of_fold(self, predict, X, tests):
        """Sum of the predictions for each sample."""
        total = np.zeros((len(X), len(self.folds[0].prior)))
        for fold, rows in zip(self.folds, tests, strict=True):
            np.add.at(total, rows, predict(fold, X[rows]))
        return total

    # -- storing -------------------------------------------------------------------

    def attributes(self, names):
        """Fitted attributes from which `from_attributes` restores the nets."""
        folds = self.folds
        singles = {n: [f.singles[n] for f in folds if n in f.singles] for n in names}
        cells = [
            {
                "singles": [name for name in names if name in fold.singles],
                "order": fold.order,
                "fused": fold.fused is not None,
                "corrects": fold.corrects,
                "prior": fold.prior,
                "scaling": fold.scaling,
            }
            for fold in folds
        ]
        fused = [fold.fused for fold in folds if fold.fused is not None]
        return {"unimodal_": singles, "fused_": fused, "_cells": cells}

    @classmethod
    def from_attributes(cls, task, unimodal, fused, cells):
        """Return the fitted nets of an estimator with these attributes."""
        singles = {name: iter(as_list(models)) for name, models in unimodal.items()}
        fused, folds = iter(fused), []
        for kept in cells:
            fold = FoldModels(np.empty(0, int), 0, kept["prior"], kept["scaling"])
            fold.order, fold.corrects = kept["order"], kept["corrects"]
            fold.singles = {name: next(singles[name]) for name in kept["singles"]}
            fold.fused = next(fused) if kept["fused"] else None
            folds.append(fold)
        return cls(task, folds)


def as_list(models):
    """Models as a list; a single one is a list of one."""
    return models if isinstance(models, list) else [models]


def first_present(X, order, predict, prior):
    """Return predictions of the first present modality of each sample.

    Parameters
    ----------
    X : ModalityDict
    order : list of str
    predict : callable
        ``predict(name, rows)`` returns predictions for a ModalityDict of one modality.
    prior : ndarray
        Prediction for samples in which all of these are missing.
    """
    out = np.broadcast_to(prior, (len(X), *np.shape(prior))).copy()
    for name, rows in rows_by_first_present(X.present, order):
        out[rows] = predict(name, X.select([name])[rows])
    return out


def rows_by_first_present(present, order):
    """Yield each modality with the samples in which it is the first present one.

    Parameters
    ----------
    present : dict of str to ndarray of shape (n_samples,) of bool
    order : list of str
    """
    taken = np.zeros(len(next(iter(present.values()))), dtype=bool)
    for name in order:
        rows = np.flatnonzero(~taken & present[name])
        taken[rows] = True
        if len(rows):
            yield name, rows


def _with_best_single(X, fold, outputs):
    """Modalities of which the fold has nets, and the outputs to be corrected."""
    names = [name for name in X if name in fold.singles]
    return X.select(names).assign({BEST_SINGLE: outputs.astype(np.float32)})


def take(values, rows):
    """Values of some samples, or None."""
    return None if values is None else values[rows]


def validation_loss(model):
    """Validation loss at the weights that were kept."""
    best = model.best_epoch_
    return model.net_.history[best - 1]["valid_loss"] if best else np.inf
