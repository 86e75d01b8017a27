"""What a model loses when modalities are replaced, on rows that it was not fitted on.

A loss is one number per row, or, for scores that are no mean over rows, the score of
all rows with the opposite sign. Lower is better.
"""

from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import NotFittedError
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted

from skmm._random import derive
from skmm._sklearn import check_sample_weight
from skmm._views import noting
from skmm.data import check_modalities
from skmm.data.validation import check_target
from skmm.inspection._replacing import JOINED, METHODS, encoded_once, replaced
from skmm.model_selection.replicas import fit_replicas
from skmm.model_selection.splits import make_splits
from skmm.model_selection.statistics import by_clusters, by_rows, by_splits

FEWEST = 10  # observations: of fewer, intervals are too short


@dataclass
class Rows:
    """Checked rows, their weights and groups.

    Attributes
    ----------
    X : ModalityDict
    y : ndarray of shape (n, ...)
    weight : ndarray of shape (n,), or None
    groups : ndarray of shape (n,), or None
    """

    X: object
    y: np.ndarray
    weight: np.ndarray | None = None
    groups: np.ndarray | None = None

    def take(self, index):
        """Some of the rows."""
        parts = (self.X, self.y, self.weight, self.groups)
        return Rows(*(None if part is None else part[index] for part in parts))


def checked_rows(estimator, X, y, sample_weight=None, groups=None):
    """Check what a user gives."""
    X = check_modalities(X, finite=False)
    check_target(estimator, y, len(X))
    if sample_weight is not None:
        sample_weight = check_sample_weight(sample_weight, X, ensure_non_negative=True)
    if groups is not None:
        groups = column_or_1d(groups)
        if len(groups) != len(X):
            raise ValueError(f"groups has {len(groups)} entries; X has {len(X)} rows.")
    return Rows(X, np.asarray(y), sample_weight, groups)


def require_known_labels(estimator, y):
    """Refuse labels of which a fitted classifier knows none.

    Parameters
    ----------
    estimator : fitted estimator
    y : ndarray of shape (n, ...)
    """
    classes = getattr(estimator, "classes_", None)
    if not isinstance(classes, np.ndarray) or y.ndim > 1:
        return
    known, labels = set(classes.tolist()), np.unique(y).tolist()
    if not any(label in known for label in labels):
        raise ValueError(
            f"y has none of the classes that {type(estimator).__name__} was fitted on, "
            f"{classes.tolist()[:5]}; it has {labels[:5]}. Write them as in fit."
        )


def require_fitted(estimator, name, parameter="estimator", otherwise=""):
    """Refuse an estimator that cannot be asked.

    Parameters
    ----------
    estimator : estimator
    name : str
        Of the function that would ask it.
    parameter : str, default="estimator"
        What that function calls it.
    otherwise : str, default=""
        What else there is to do.
    """
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise NotFittedError(
            f"{parameter}, {type(estimator).__name__}, is not fitted: fit it on other "
            f"rows than those for {name}{otherwise}."
        ) from error


class Held:
    """A fitted model and rows that it is asked about.

    Parameters
    ----------
    model : fitted estimator
    rows : Rows
    measure : Measure
    where : str
        Which split, for errors.
    method : str
        By which modalities will be replaced.

    Attributes
    ----------
    whole : ndarray of shape (n,) or (1,)
        Losses with all modalities.
    weight : ndarray of the same shape
        Of mean one.
    """

    def __init__(self, model, rows, measure, where, method):
        self.rows, self.measure, self.where = rows, measure, where
        self.model, self.X, self.method = model, rows.X, method
        if len(rows.X) < 2 and method in METHODS:
            raise ValueError(
                f"{where}: 1 row is held out; 2 are the least that can be told apart. "
                "Give more rows, or another cv."
            )
        self.weight = np.ones(1)
        if measure.losses is not None:
            self.weight = np.ones(len(rows.X)) if rows.weight is None else rows.weight
            if not self.weight.any():
                raise ValueError(f"{where}: all rows have sample_weight 0.")
            self.weight = self.weight / self.weight.mean()
        with noting(f"{where}, with all modalities"):
            if method == "permute" and not measure.reads_X:
                self.model, self.X = encoded_once(model, rows.X)
            self.whole = self.losses(self.X)

    def losses(self, X):
        """Losses of the model on X."""
        y, weight = self.rows.y, self.rows.weight
        if self.measure.losses is not None:
            return self.measure.losses(self.model, X, y)
        extra = {} if weight is None else {"sample_weight": weight}
        score = float(self.measure.score(self.model, X, y, **extra))
        if np.isnan(score):
            raise ValueError(
                f"the {self.measure.name} is NaN, as where the rows have one class. "
                "Use stratified splits, or a score by rows, as 'neg_log_loss'."
            )
        return np.array([-score])

    def loss(self):
        """Mean loss with all modalities."""
        return float(np.mean(self.weight * self.whole))

    def without(self, names, n_repeats, seed):
        """Return what is lost without some modalities: (n_repeats,), and by rows."""
        found = [self._once(names, seed, r) for r in range(n_repeats)]
        means, rows = zip(*found, strict=True)
        return np.array(means), np.mean(rows, axis=0)

    def _once(self, names, seed, repeat):
        where = f"{self.where}, {self.method} modality {JOINED.join(names)!r}"
        with noting(f"{where}, repeat {repeat}"):
            seed = derive(seed, self.method, *names, repeat)
            other, donors = replaced(self.X, names, self.method, seed)
            lost = self.losses(other)
        gain = lost - self.whole
        mean = np.mean(self.weight * gain)
        away = self.weight * (gain - mean)
        rows = mean + away
        if donors is not None and len(rows) > 1:  # a row answers for what it lends, too
            rows[donors] += away
        return mean, rows


def asked(estimator, rows, measure, method, cv, seed, n_jobs, name):
    """Models, with rows that they were not fitted on, and the splits if there are any.

    Parameters
    ----------
    estimator : estimator
        Fitted if `cv` is None.
    rows : Rows
    measure : Measure
    method : str
    cv : int, splitter, iterable or None
    seed : int
    n_jobs : int or None
    name : str
        Of the function that asks.

    Returns
    -------
    held : list of Held
    splits : Splits or None
    """
    if cv is None:
        otherwise = ", or give cv= to have it fitted in folds"
        require_fitted(estimator, name, otherwise=otherwise)
        require_known_labels(estimator, rows.y)
        return [Held(estimator, rows, measure, name, method)], None
    parts = (rows.X, rows.y, rows.groups)
    splits = make_splits(cv, estimator, *parts, seed % 2**32, "cv")
    held = held_out(estimator, rows, splits, measure, name, method, n_jobs)
    return held, splits


def held_out(estimator, rows, splits, measure, name, method, n_jobs):
    """Clones of an estimator, fitted on each split, with its test rows."""
    trains = [train for train, _ in splits.pairs]
    weight = rows.weight
    models = fit_replicas(
        estimator, rows.X, rows.y, trains, sample_weight=weight, n_jobs=n_jobs
    )
    return [
        Held(model, rows.take(test), measure, f"{name}: in split {split}", method)
        for split, (model, (_, test)) in enumerate(
            zip(models, splits.pairs, strict=True)
        )
    ]


def losses_without(held, groups, n_repeats, seed, n_jobs):
    """``{label: [(repeats, rows) for each of held]}``."""
    jobs = [(number, label) for label in groups for number in range(len(held))]
    seeds = [derive(seed, "split", number) for number in range(len(held))]
    found = Parallel(n_jobs=n_jobs)(
        delayed(held[number].without)(groups[label], n_repeats, seeds[number])
        for number, label in jobs
    )
    out = {label: [] for label in groups}
    for (_, label), result in zip(jobs, found, strict=True):
        out[label].append(result)
    return out


def judged(values, measure, splits, groups):
    """Difference from one value per split, or per row of one fitted model.

    Returns None for one fitted model and a score that is no mean over rows, or less
    than `FEWEST` rows or groups.
    """
    if splits is not None:
        return by_splits(np.asarray(values), splits.ratio)
    if measure.losses is None:
        return None
    found = by_rows(values) if groups is None else by_clusters(values, groups)
    return found if found.df >= FEWEST - 1 else None


def columns_of(difference, alpha):
    """Error, interval and p value of a difference; NaN where it is None."""
    if difference is None:
        return dict.fromkeys(["standard_error", "lower", "upper", "p"], np.nan)
    lower, upper = difference.interval(alpha)
    return {
        "standard_error": difference.standard_error,
        "lower": lower,
        "upper": upper,
        "p": difference.p_above(),
    }
