"""The guarantees "crossfit" and "holdout": fit nets, then choose a weight for fusion.

Both return the fitted attributes of the estimator. A *gain* is by how much the loss of
a candidate is lower than that of the reference, the best single modality.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from skmm._warnings import warn
from skmm.data.unseen import warn_unseen
from skmm.estimators.no_harm import crossfit
from skmm.estimators.no_harm.crossfit import (
    BEST_SINGLE,
    FUSED,
    CrossFit,
    as_list,
    calibration_split,
    cv_splits,
    make_folds,
    rows_by_first_present,
    take,
)
from skmm.estimators.no_harm.evidence import (
    GRID,
    LADDER,
    NO_EVIDENCE,
    by_unit,
    line_search,
    mean_and_error,
    mixture,
    mixture_gains,
    nested_tests,
    simplex_weights,
)

MIN_SAMPLES = 4  # of a whole fit

DEPLOYED = "deployed"  # the mixture that the estimator predicts with


def check_names_in(X, params):
    """Check that no modality has a reserved name; warn if there is only one.

    Parameters
    ----------
    X : ModalityDict
    params : estimator
        After it has read X.
    """
    if BEST_SINGLE in X:
        raise ValueError(f"the name {BEST_SINGLE!r} is reserved: rename that modality.")
    named = hasattr(params, "feature_names_in_") and params.modalities is None
    if X.shape[1] == 1 and named:
        warn(
            f"there is only one modality, {next(iter(X))!r}: nothing is fused, and the "
            "result is the model of that modality."
        )


def fit_crossfit(params, task, samples, seed):
    """Choose the weight by out-of-fold losses.

    Parameters
    ----------
    params : estimator
        Only its parameters are read.
    task : Task
    samples : Samples
    seed : int

    Returns
    -------
    dict
        Fitted attributes.
    """
    _, held_out, fitted = _fit_folds(params, task, samples, seed)
    complete = incomplete = NO_EVIDENCE
    if FUSED in held_out.predictions:
        held_out.check_loss_bound(task)
        grid = _allowed(GRID, task.largest_weight())
        complete, incomplete = _by_completeness(held_out, grid, params.z)
    found = {"weight_": complete.weight, "incomplete_weight_": incomplete.weight}
    return fitted | found | _reports(params, samples.X, held_out, complete, found)


def _by_completeness(held_out, grid, z):
    """Evidence from samples with all modalities, and from the others.

    The gain where all modalities are present need not hold for the others. With
    samples of one kind only, both are the same.
    """
    complete, weight = held_out.complete, held_out.weight
    counts = np.ones(len(complete), bool) if weight is None else weight > 0
    kinds = [complete, ~complete]
    if not all((kind & counts).any() for kind in kinds):
        kinds = [counts] * 2
    fused = held_out.predictions[FUSED]
    gains = [held_out.gains(fused, grid, kind) for kind in kinds]
    return [line_search(*found, grid, z) for found in gains]


def fit_holdout(params, task, samples, seed):
    """Choose the weight by tests on samples that no net is trained on.

    Parameters
    ----------
    params : estimator
        Only its parameters are read.
    task : Task
    samples : Samples
    seed : int

    Returns
    -------
    dict
        Fitted attributes.
    """
    stratify = task.classes is not None
    split = calibration_split(samples, params.calibration_fraction, stratify, seed)
    training, test = (samples.take(rows) for rows in split)
    nets, _, fitted = _fit_folds(params, task, training, seed)
    held_out = HeldOut(
        task.loss_of(test.y),
        nets.predict_candidates(test.X),
        weight=None,  # weights would void the test
        groups=test.groups,
        reference=nets.reference(test.X, fitted["ranking_"], fitted["prior_"]),
        complete=complete_rows(test.X.present),
    )
    evidence = NO_EVIDENCE
    if FUSED in held_out.predictions:
        held_out.check_loss_bound(task)
        ladder = _allowed(LADDER, task.largest_weight())
        gains, _ = held_out.gains(held_out.predictions[FUSED], ladder)
        evidence = nested_tests(gains, ladder, task.worst_loss(ladder), params.alpha)
    found = {"weight_": evidence.weight, "incomplete_weight_": evidence.weight}
    found["calibration_rows_"] = test.index
    return fitted | found | _reports(params, test.X, held_out, evidence, found)


def check_parameters(params, table):
    """Raise a ValueError if a parameter is set that `guarantee` does not use.

    Parameters
    ----------
    params : estimator
    table : dict of dict
        By guarantee, the parameters that only some guarantees use, with their defaults.
    """
    guarantee, items = params.guarantee, table.items()
    for name, default in {k: v for _, used in items for k, v in used.items()}.items():
        value = getattr(params, name)
        same = type(value) is type(default) and value == default
        if name not in table[guarantee] and not same:
            where = " or ".join(repr(other) for other, used in items if name in used)
            raise ValueError(
                f"{name} is only used when guarantee={where}; got {name}={value!r} "
                f"with guarantee={guarantee!r}. Leave {name} at {default!r}."
            )
    if guarantee is not None and not params.early_stopping:
        raise ValueError(
            f"guarantee={guarantee!r} needs early_stopping=True, which keeps a fused "
            "net from becoming worse on the validation set than the single net that "
            "it starts from."
        )


def complete_rows(present):
    """Which samples have all modalities, from the mask of each modality."""
    return np.logical_and.reduce(list(present.values()))


@dataclass(eq=False)
class HeldOut:
    """Predictions of all candidates for samples that their nets are not trained on.

    Attributes
    ----------
    loss : callable
        From predictions to the loss of each sample.
    predictions : dict of str to ndarray
        Of each candidate.
    weight, groups : ndarray of shape (n_samples,) or None
    reference : ndarray
        Predictions of the best modality, or of the next best where it is missing.
    complete : ndarray of shape (n_samples,) of bool
        Samples with all modalities.
    """

    loss: object
    predictions: dict
    weight: np.ndarray | None = None
    groups: np.ndarray | None = None
    reference: np.ndarray | None = None
    complete: np.ndarray | None = None

    def check_loss_bound(self, task):
        """Raise a ValueError if a loss exceeds the bound given by the user."""
        both = (self.reference, self.predictions[FUSED])
        task.check_loss_bound([self.loss(predictions) for predictions in both])

    def gains(self, other, grid, kept=slice(None)):
        """Gains of the mixtures with `other` for some samples; weights of the units."""
        gains = mixture_gains(self.loss, self.reference, other, grid)[:, kept]
        return by_unit(gains, take(self.weight, kept), take(self.groups, kept))

    def mean_loss(self, predictions):
        """Weighted mean of the losses."""
        return float(np.average(self.loss(predictions), weights=self.weight))

    def comparison(self, predictions, alpha):
        """Loss, gain over the reference, its standard error and interval."""
        gains, weight = self.gains(predictions, np.ones(1))
        gain, error = (float(v[0]) for v in mean_and_error(gains, weight))
        half = error * stats.t.ppf(1 - alpha / 2, max(1, np.count_nonzero(weight) - 1))
        row = {"loss": self.mean_loss(predictions), "gain": gain}
        row |= {"standard_error": error, "lower": gain - half, "upper": gain + half}
        return row


def _fit_folds(params, task, samples, seed):
    """Fit the nets of all folds; return them, `HeldOut` and fitted attributes."""
    splits = cv_splits(params.cv, samples, task.classes is not None, seed)
    folds, tests = make_folds(splits, params.n_init, seed)
    nets = CrossFit(task, folds).fit(samples)
    oof, rows = nets.out_of_fold(samples.X, tests)
    held_out = _held_out(task, samples, oof, rows)
    ranked = _ranking(held_out)
    prior = task.prior(samples.y, samples.weight)
    present = {name: mask[rows] for name, mask in samples.X.present.items()}
    held_out.reference = np.broadcast_to(prior, (len(rows), len(prior))).copy()
    for name, some in rows_by_first_present(present, ranked["ranking_"]):
        held_out.reference[some] = held_out.predictions[name][some]
    fitted = {"prior_": prior, "oof_predictions_": _at_all(samples, oof, rows)}
    return nets, held_out, nets.attributes(list(samples.X)) | ranked | fitted


def _held_out(task, samples, oof, rows):
    return HeldOut(
        task.loss_of(samples.y[rows]),
        {name: values[rows] for name, values in oof.items()},
        weight=take(task.evidence_weight(samples.y, samples.weight), rows),
        groups=take(samples.groups, rows),
        complete=complete_rows(samples.X.present)[rows],
    )


def _at_all(samples, oof, rows):
    """Out-of-fold predictions for the data given to `fit`, NaN where there is none."""
    known = np.zeros((len(samples.y), 1), dtype=bool)
    known[rows] = True
    return {n: samples.scatter(np.where(known, v, np.nan)) for n, v in oof.items()}


def _ranking(held_out):
    """Modalities by out-of-fold loss, and the weights of a pool of their models."""
    predictions = held_out.predictions
    losses = {name: held_out.mean_loss(values) for name, values in predictions.items()}
    names = [name for name in predictions if name != FUSED]
    ranking = sorted(names, key=losses.get)
    singles = [predictions[name] for name in names]
    pool = simplex_weights(held_out.loss, singles, held_out.weight)
    return {
        "oof_loss_": losses,
        "ranking_": ranking,
        "best_modality_": ranking[0],
        "modality_weights_": dict(zip(names, pool.tolist(), strict=True)),
    }


def _allowed(grid, largest):
    """Weights of a grid up to the largest that is allowed, which is included."""
    return np.unique(np.append(grid[grid < largest], min(largest, grid[-1])))


def _reports(params, X, held_out, evidence, chosen):
    """Lower bound of the gain, its curve, and a comparison of all candidates."""
    candidates = dict(held_out.predictions)
    if FUSED in candidates:
        weights = chosen["weight_"], chosen["incomplete_weight_"]
        weight = np.where(held_out.complete, *weights)[:, None]
        candidates[DEPLOYED] = mixture(held_out.reference, candidates[FUSED], weight)
    missing = {name: int((~mask).sum()) for name, mask in X.present.items()}
    curve = ("weights", "gain", "standard_error", "certain")
    return {
        "lower_bound_": evidence.lower_bound,
        "_curve": {name: getattr(evidence, name) for name in curve},
        "_report": [
            {"model": name, **held_out.comparison(values, params.alpha)}
            | {"rows_without": missing.get(name, 0)}
            for name, values in candidates.items()
        ],
    }


def note_modalities(estimator):
    """Set `modalities_seen_`; modalities without a model count as missing.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    """
    models = {name: as_list(nets) for name, nets in estimator.unimodal_.items()}
    names = estimator.modalities_in_
    estimator.modalities_seen_ = [name for name in names if models.get(name)]
    if unseen := [name for name in names if not models.get(name)]:
        folds = f"fewer than {crossfit.MIN_SAMPLES} training samples"
        folds += "" if estimator.guarantee is None else " of every fold"
        warn_unseen(unseen, f"present in {folds}")


def check_enough(estimator, y):
    """Check that there are enough samples to hold some out."""
    if len(y) < MIN_SAMPLES:
        raise ValueError(
            f"{type(estimator).__name__} needs at least {MIN_SAMPLES} samples with "
            f"non-zero weight, to hold some out; got n_samples = {len(y)}."
        )
