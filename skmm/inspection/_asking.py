"""What a model says, as numbers that add up: logits, or values."""

import numpy as np
from sklearn.base import is_classifier

SMALLEST = np.finfo(float).tiny


def tells_labels(model, X):
    """Whether a classifier tells several labels of a row, each by itself.

    Parameters
    ----------
    model : fitted estimator
    X : ModalityDict
    """
    return is_classifier(model) and np.ndim(model.predict(X[:1])) == 2


def outputs_of(model, X, labels=False):
    """Logits, or logarithms of probabilities, or values; of labels their log-odds.

    Parameters
    ----------
    model : fitted estimator
    X : ModalityDict or TensorRows of n rows
    labels : bool
        As from `tells_labels`.

    Returns
    -------
    ndarray of shape (n,) or (n, K)
    """
    if not is_classifier(model):
        return model.predict(X)
    if hasattr(model, "decision_function"):
        return model.decision_function(X)
    proba = model.predict_proba(X)
    if not labels:
        return np.log(np.maximum(np.asarray(proba, float), SMALLEST))
    if isinstance(proba, list):  # (n, 2) for each label
        proba = np.stack([each[:, -1] for each in proba], axis=1)
    odds = np.maximum([proba, 1.0 - proba], SMALLEST)
    return np.log(odds[0]) - np.log(odds[1])
