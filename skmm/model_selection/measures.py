"""What models are compared by: the loss of every row, or a score per split."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import check_scoring

SMALLEST = np.finfo(np.float64).eps  # probability


@dataclass
class Measure:
    """How the predictions of a model are judged.

    Attributes
    ----------
    name : str
    rows : callable or None
        ``rows(model, X, y)`` returns the loss of every row, lower is better; None for
        scores that are no mean over rows.
    score : callable or None
        ``score(model, X, y)`` returns one number, greater is better.
    sees_rows : bool
        Whether it is a user's own function, which may look at X.
    """

    name: str
    rows: Callable | None = None
    score: Callable | None = None
    sees_rows: bool = False


def log_loss_of_rows(model, X, y):
    """Minus the logarithm of the probability of the true class."""
    p = np.asarray(model.predict_proba(X), float)
    place = {label: k for k, label in enumerate(model.classes_.tolist())}
    columns = np.array([place.get(label, -1) for label in y.tolist()])
    own = np.where(columns < 0, 0.0, p[np.arange(len(y)), columns])
    return -np.log(np.clip(own / p.sum(1), SMALLEST, 1.0))


def zero_one_of_rows(model, X, y):
    """1 where the predicted class is wrong, else 0."""
    return (np.asarray(model.predict(X)) != y).astype(float)


def _of_values(penalty):
    def rows(model, X, y):
        predicted = np.asarray(model.predict(X), float).reshape(len(y), -1)
        return penalty(predicted - y.reshape(len(y), -1)).mean(1)

    return rows


BY_ROWS = {
    "neg_log_loss": Measure("log-loss", log_loss_of_rows),
    "accuracy": Measure("error rate", zero_one_of_rows),
    "neg_mean_squared_error": Measure("squared error", _of_values(np.square)),
    "neg_mean_absolute_error": Measure("absolute error", _of_values(np.abs)),
}


def choose_measure(estimator, scoring, y):
    """Return the measure that `scoring` means.

    Parameters
    ----------
    estimator : estimator
    y : ndarray of shape (n, ...)
    scoring : str, callable or None
        None is the log-loss of classifiers that have probabilities, the error rate of
        others, and the squared error of regressors.
    """
    if scoring is None:
        scoring = _default(estimator)
    if isinstance(scoring, str) and scoring in BY_ROWS:
        if is_classifier(estimator) and y.ndim > 1:
            raise ValueError(
                f"y has several labels per row, for which {scoring!r} is not made: "
                "give another scoring, as 'f1_macro'."
            )
        return BY_ROWS[scoring]
    name = scoring if isinstance(scoring, str) else "score"
    scorer = check_scoring(estimator, scoring)
    return Measure(name, score=scorer, sees_rows=not isinstance(scoring, str))


def _default(estimator):
    if is_regressor(estimator):
        return "neg_mean_squared_error"
    if not is_classifier(estimator):
        raise ValueError(
            f"{type(estimator).__name__} is neither classifier nor regressor: say by "
            "scoring= what its predictions are judged by."
        )
    return "neg_log_loss" if hasattr(estimator, "predict_proba") else "accuracy"
