"""The guarantees "crossfit" and "holdout": fit, weigh the evidence, choose a weight."""

from functools import partial

import numpy as np
from scipy import stats

from skmm.estimators._no_harm.crossfit import (
    CrossFit,
    at,
    by_first_present,
    make_cells,
)
from skmm.estimators._no_harm.evidence import (
    GRID,
    LADDER,
    Evidence,
    by_unit,
    line_search,
    mean_and_error,
    mixture_gains,
    nested_tests,
    simplex_weights,
)
from skmm.estimators._no_harm.splits import calibration_rows, folds

FUSED = "fused"  # the name of the fused candidate among the predictions
DEPLOYED = "deployed"


def fit_crossfit(owner, X, y, weight, groups):
    """Choose the weight on the rows that the nets of each fold have not seen."""
    seen, present = _fit_nets(owner, X, y, weight, groups)
    oof = {name: values[seen] for name, values in owner.oof_predictions_.items()}
    rows = Rows(owner, y[seen], at(owner._evidence_weight(y, weight), seen), oof)
    rows.groups = at(groups, seen)
    rows.reference = _reference(owner, oof, {n: m[seen] for n, m in present.items()})
    rows.whole = complete_rows(present)[seen]
    evidence, rest = _nothing(), None
    if FUSED in oof:
        rows.check_bound(owner)
        evidence, rest = _by_completeness(owner, rows)
    _conclude(owner, evidence, rows, present, rest)


def complete_rows(present):
    """Which rows have all modalities, (n,), from the masks of each."""
    return np.logical_and.reduce(list(present.values()))


def _by_completeness(owner, rows):
    """Evidence from rows that have all modalities, and from those that lack some.

    A gain in the former says little of the latter. Where there is one kind only, both
    are the same.
    """
    grid, kinds = allowed(owner, GRID), [rows.whole, ~rows.whole]
    counts = np.ones(len(rows.whole), bool) if rows.weight is None else rows.weight > 0
    if not all((kind & counts).any() for kind in kinds):
        kinds = [counts] * 2
    gains = [rows.gains(rows.answers[FUSED], grid, kind) for kind in kinds]
    return [line_search(*found, grid, owner.z) for found in gains]


def fit_holdout(owner, X, y, weight, groups):
    """Choose the weight on rows that no net has seen, by tests."""
    fit, rest = calibration_rows(owner, y, groups)
    owner.calibration_rows_ = owner._given_rows[rest]
    owner._given_rows = owner._given_rows[fit]
    _fit_nets(owner, X[fit], y[fit], at(weight, fit), at(groups, fit))
    answers = owner._candidates(X[rest])
    rows = Rows(owner, y[rest], None, answers)  # unweighted, or the test is void
    rows.groups, rows.reference = at(groups, rest), owner._reference(X[rest])
    rows.whole = complete_rows(X[rest].present)
    ladder, evidence = allowed(owner, LADDER), _nothing()
    if FUSED in answers:
        rows.check_bound(owner)
        gains, _ = rows.gains(answers[FUSED], ladder)
        worst = owner._worst_loss(ladder)
        evidence = nested_tests(gains, ladder, worst, owner.alpha)
    _conclude(owner, evidence, rows, X[rest].present)


class Rows:
    """What all candidates say of rows that they have not seen.

    Attributes
    ----------
    loss : callable
        From predictions to the losses of the rows.
    weight, groups : ndarray (n,) or None
    answers : dict of str to ndarray
        Predictions of each candidate.
    reference : ndarray
        Predictions of the best modality, or of the next best where it is missing.
    whole : ndarray (n,) of bool
        Rows that have all modalities.
    """

    groups = reference = whole = None

    def __init__(self, owner, y, weight, answers):
        self.loss = owner._face().loss_of(y)
        self.weight = weight
        self.answers = answers

    def check_bound(self, owner):
        """Refuse a bound of the loss that is none."""
        both = (self.reference, self.answers[FUSED])
        owner._check_bound([self.loss(answers) for answers in both])

    def gains(self, other, grid, kept=slice(None)):
        """Gains of the mixtures with `other` in some rows; weights of the units."""
        gains = mixture_gains(self.loss, self.reference, other, grid)[:, kept]
        return by_unit(gains, at(self.weight, kept), at(self.groups, kept))

    def mean_loss(self, predictions):
        """Weighted mean of the losses."""
        return float(np.average(self.loss(predictions), weights=self.weight))

    def compared(self, predictions, alpha):
        """Loss, gain over the reference, its standard error and interval."""
        gains, weight = self.gains(predictions, np.ones(1))
        gain, error = (float(v[0]) for v in mean_and_error(gains, weight))
        half = error * stats.t.ppf(1 - alpha / 2, max(1, np.count_nonzero(weight) - 1))
        row = {"loss": self.mean_loss(predictions), "gain": gain}
        row |= {"standard_error": error, "lower": gain - half, "upper": gain + half}
        return row


def _fit_nets(owner, X, y, weight, groups):
    """Fit the nets of all folds; note what they say of the rows they have not seen."""
    splits = folds(owner, y, groups)
    owner.prior_ = owner._face().prior_of(y, weight)
    cells, tests = make_cells(splits, owner.n_init, owner._seed)
    nets = CrossFit(owner._face(), cells).fit(X, y, weight, groups)
    owner._keep(nets)
    asks = {name: partial(_ask_single, nets, name) for name in X}
    if any(cell.fused is not None for cell in cells):
        asks[FUSED] = nets.ask_fused
    found = {name: nets.out_of_fold(ask, X, tests) for name, ask in asks.items()}
    owner.oof_predictions_ = {
        name: np.where(known[:, None], values, np.nan)
        for name, (values, known) in found.items()
    }
    seen = np.flatnonzero(next(iter(found.values()))[1])
    _rank(owner, y, at(owner._evidence_weight(y, weight), seen), seen)
    return seen, X.present


def _ask_single(nets, name, cell, X):
    return nets.ask_single(cell, name, X)


def _rank(owner, y, weight, seen):
    """Losses of the candidates, the best modality, and weights of a pool of all."""
    oof = {name: values[seen] for name, values in owner.oof_predictions_.items()}
    rows = Rows(owner, y[seen], weight, oof)
    owner.oof_loss_ = {name: rows.mean_loss(values) for name, values in oof.items()}
    names = [name for name in oof if name != FUSED]
    owner.ranking_ = sorted(names, key=owner.oof_loss_.get)
    owner.best_modality_ = owner.ranking_[0]
    pool = simplex_weights(rows.loss, [oof[name] for name in names], weight)
    owner.modality_weights_ = dict(zip(names, pool.tolist(), strict=True))


def _reference(owner, answers, present):
    """Answers of the best modality, or of the next best where it is missing."""
    some = next(iter(answers.values()))
    out = np.broadcast_to(owner.prior_, some.shape).copy()
    for name, rows in by_first_present(present, owner.ranking_):
        out[rows] = answers[name][rows]
    return out


def allowed(owner, grid):
    """Weights of a grid that `max_harm` allows, and the largest that it allows."""
    largest = owner._largest_weight()
    return np.unique(np.append(grid[grid < largest], min(largest, grid[-1])))


def _nothing():
    """Evidence where there is nothing to fuse with."""
    zero = np.zeros(1)
    return Evidence(zero, zero, zero, zero, 0.0, 0.0)


def _conclude(owner, evidence, rows, present, rest=None):
    """Note the weights that are used, and how all candidates compare.

    `rest` is the evidence for rows that lack a modality, where it is another one.
    """
    owner.oof_predictions_ = {
        name: _at_given_rows(owner, values)
        for name, values in owner.oof_predictions_.items()
    }
    owner.weight_, owner.lower_bound_ = evidence.weight, evidence.lower_bound
    owner.incomplete_weight_ = (rest or evidence).weight
    curve = ("weights", "gain", "standard_error", "certain")
    owner._curve = {name: getattr(evidence, name) for name in curve}
    candidates = dict(rows.answers)
    if FUSED in candidates:
        pair = rows.reference, candidates[FUSED]
        candidates[DEPLOYED] = owner._mixed(*pair, rows.whole)
    lacking = {name: int((~mask).sum()) for name, mask in present.items()}
    owner._report = [
        {"model": name, **rows.compared(values, owner.alpha)}
        | {"rows_without": lacking.get(name, 0)}
        for name, values in candidates.items()
    ]


def _at_given_rows(owner, values):
    """Rows in the order that the user gave them; NaN for those that were left out."""
    out = np.full((owner._n_given, *values.shape[1:]), np.nan)
    out[owner._given_rows] = values
    return out
