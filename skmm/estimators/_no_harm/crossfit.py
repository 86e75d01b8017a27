"""Nets of every modality and fused ones, on the folds of a cross-validation."""

import warnings
from dataclasses import dataclass, field

import numpy as np

from skmm._random import derive
from skmm.base.fit_many import fit_together
from skmm.nn import ConcatFusion, Flatten, ResidualHead

GIVEN = "(best single)"  # the modality that holds the outputs of the best single net
FEWEST = 3  # present rows, without which a fold has no net of a modality
SLOWER = 3  # times: fine-tuning against training
ONE_GROUP = (
    "groups: some nets are trained on rows of a single group, so that early stopping "
    "looks at other rows of that group. With three groups or more, in each modality, "
    "it looks at groups that the net has not seen."
)


@dataclass(eq=False)
class Cell:
    """One fold with one start of its nets.

    Attributes
    ----------
    train : ndarray of int
        Rows that its nets have seen.
    seed : int
    singles : dict of str to estimator
        Net of each modality that enough rows have.
    order : list of str
        These modalities, the best on the net's own validation rows first.
    fused : estimator or None
        Net of all modalities.
    corrects : bool
        Whether it corrects the outputs of the first present modality of `order`.
    prior : ndarray
        Answer where no modality is present, from the rows that its nets have seen.
    scaling : object
        What the face needs to turn answers into outputs, as the fused net reads them.
    """

    train: np.ndarray
    seed: int
    prior: np.ndarray | None = None
    scaling: object = None
    singles: dict = field(default_factory=dict)
    order: list = field(default_factory=list)
    fused: object = None
    corrects: bool = True


class CrossFit:
    """Fit and ask the nets of all cells.

    Parameters
    ----------
    face : Face
        Makes estimators, and knows outputs, predictions and losses.
    cells : list of Cell
    """

    def __init__(self, face, cells):
        self.face = face
        self.cells = cells

    def fit(self, X, y, weight, groups=None):
        """Fit singles, then fused nets; all folds of a modality as one batch."""
        self.prepare(y, weight, groups)
        for name in self.face.progress(X):
            self.fit_singles(name, X, y, weight)
        for cell in self.cells:
            cell.order = sorted(cell.singles, key=lambda n: valid_loss(cell.singles[n]))
        if X.shape[1] > 1:
            self._fit_fused(X, y, weight)
        return self

    def prepare(self, y, weight, groups=None):
        """Draw the rows that early stopping sets aside, the same for all nets."""
        self.valid, self.groups, self.warned = [], groups, False
        for cell in self.cells:
            part = y[cell.train], at(weight, cell.train)
            cell.prior = self.face.prior_of(*part)
            cell.scaling = self.face.scaling(*part)
            aside = np.zeros(len(y), dtype=bool)
            if self.face.stops and len(cell.train) >= FEWEST:
                aside[self._draw(cell, cell.train, y)] = True
            self.valid.append(aside)

    def _draw(self, cell, rows, y):
        """Some of the rows, by whole groups if there are any."""
        groups = at(self.groups, rows)
        if groups is not None and not self.warned and len(np.unique(groups)) == 1:
            self.warned = True
            warnings.warn(ONE_GROUP, UserWarning, stacklevel=2)
        return rows[self.face.set_aside(y[rows], cell.seed, groups)]

    def _aside(self, i, rows, y):
        """Which rows early stopping looks at; drawn anew where all or none would be."""
        aside = self.valid[i][rows]
        mixed = aside.any() and not aside.all()
        if mixed or self.groups is None or not self.face.stops:
            return aside  # without groups the estimator draws
        return np.isin(rows, self._draw(self.cells[i], rows, y))

    def fit_singles(self, name, X, y, weight):
        """Fit the nets of one modality, on the rows that have it."""
        there, view = X.present[name], X.select([name])
        rows = [cell.train[there[cell.train]] for cell in self.cells]
        able = [i for i, r in enumerate(rows) if len(r) >= FEWEST]
        models = [self.face.single(name, self.cells[i].seed) for i in able]
        data = [(view[rows[i]], y[rows[i]], at(weight, rows[i])) for i in able]
        valid = [self._aside(i, rows[i], y) for i in able]
        fit_together(models, data, classes=self.face.classes, valid=valid)
        for i, model in zip(able, models, strict=True):
            self.cells[i].singles[name] = model

    def _fit_fused(self, X, y, weight):
        cells = [cell for cell in self.cells if len(cell.singles) > 1]
        models, data, valid = [], [], []
        for cell in cells:
            part = X[cell.train], y[cell.train], at(weight, cell.train)
            valid.append(self.valid[self.cells.index(cell)][cell.train])
            given = self._given(cell, part[0])
            models.append(self._residual(cell))
            data.append((_with_given(part[0], cell, given), *part[1:]))
        fit_together(models, data, classes=self.face.classes, valid=valid)
        for cell, model in zip(cells, models, strict=True):
            cell.fused = model

    def _residual(self, cell):
        """A net that starts at the outputs of the best single one."""
        encoders = {n: model.encoders_[n] for n, model in cell.singles.items()}
        return self.face.estimator(
            {**encoders, GIVEN: Flatten()},
            seed=cell.seed,
            fusion=ConcatFusion(),
            head=ResidualHead(),
            lr=self.face.slower(SLOWER),
            early_stopping="keep_start",
        )

    def _given(self, cell, X):
        """Outputs of the first modality, in the cell's order, that a row has."""
        answers = first_present(
            X,
            cell.order,
            lambda name, rows: self.face.raw(cell.singles[name], rows),
            self.face.raw_prior(cell.prior),
        )
        return self.face.scaled(answers, cell.scaling)

    # -- predictions ---------------------------------------------------------------

    def ask_single(self, cell, name, X):
        """Predictions of a cell's net of one modality; without it, the prior."""
        known = [name] if name in cell.singles else []
        return self._first(cell, known, X)

    def ask_fused(self, cell, X):
        """Predictions of a cell's fused net, or of its best single one without it."""
        if cell.fused is None:
            return self._first(cell, cell.order, X)
        if cell.corrects:
            X = _with_given(X, cell, self._given(cell, X))
        return self.face.ask(cell.fused, X)

    def _first(self, cell, order, X):
        def ask(name, rows):
            return self.face.ask(cell.singles[name], rows)

        return first_present(X, order, ask, cell.prior)

    def bag(self, ask, X):
        """Mean over the cells of ``ask(cell, X)``."""
        return np.mean([ask(cell, X) for cell in self.cells], axis=0)

    def out_of_fold(self, ask, X, tests):
        """Mean over the cells that have not seen a row; which rows have one.

        Parameters
        ----------
        ask : callable
        X : ModalityDict
        tests : list of ndarray of int
            Rows that each cell has not seen and answers for.
        """
        total, votes = 0.0, np.zeros(len(X))
        for cell, rows in zip(self.cells, tests, strict=True):
            part = ask(cell, X[rows])
            total = np.zeros((len(X), *part.shape[1:])) if votes.sum() == 0 else total
            np.add.at(total, rows, part)
            np.add.at(votes, rows, 1)
        shape = (-1, *[1] * (total.ndim - 1))
        return total / np.maximum(votes, 1).reshape(shape), votes > 0


def first_present(X, order, ask, prior):
    """Answers of the first of some modalities that each row has.

    Parameters
    ----------
    X : ModalityDict
    order : list of str
    ask : callable
        ``ask(name, view)`` returns the answers (rows, ...) of one modality.
    prior : ndarray
        The answer for rows that have none of them.
    """
    out = np.broadcast_to(prior, (len(X), *np.shape(prior))).copy()
    for name, rows in by_first_present(X.present, order):
        out[rows] = ask(name, X.select([name])[rows])
    return out


def by_first_present(present, order):
    """Pairs of a modality and the rows of which it is the first present one.

    Parameters
    ----------
    present : dict of str to ndarray (n,) of bool
    order : list of str
    """
    taken = np.zeros(len(next(iter(present.values()))), dtype=bool)
    for name in order:
        rows = np.flatnonzero(~taken & present[name])
        taken[rows] = True
        if len(rows):
            yield name, rows


def _with_given(X, cell, given):
    """Modalities that the cell has nets of, and the outputs to be corrected."""
    names = [name for name in X if name in cell.singles]
    return X.select(names).assign({GIVEN: given.astype(np.float32)})


def at(weight, rows):
    """Weights of some rows, or None."""
    return None if weight is None else weight[rows]


def valid_loss(model):
    """Loss on the rows that early stopping set aside, at the weights that were kept."""
    best = model.best_epoch_
    return model.net_.history[best - 1]["valid_loss"] if best else np.inf


def make_cells(splits, n_init, seed):
    """One cell per split and start, and the rows that each answers for."""
    cells, tests = [], []
    for k, (train, test) in enumerate(splits):
        for r in range(n_init):
            cells.append(Cell(train, derive(seed, "fold", k, r) % 2**32))
            tests.append(test)
    return cells, tests
