"""Outputs of a model that are additive: logits, or predicted values."""

import numpy as np
from sklearn.base import is_classifier

SMALLEST = np.finfo(float).tiny


def predicts_labels(model, X):
    """Whether a classifier predicts several independent labels per sample.

    Parameters
    ----------
    model : fitted estimator
    X : ModalityDict
    """
    return is_classifier(model) and np.ndim(model.predict(X[:1])) == 2


def decision_values(model, X, labels=False):
    """Logits, log probabilities or predicted values; log-odds for labels.

    Parameters
    ----------
    model : fitted estimator
    X : ModalityDict or TensorRows of n_samples
    labels : bool, default=False
        Result of `predicts_labels`.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_outputs)
    """
    if not is_classifier(model):
        return model.predict(X)
    if hasattr(model, "decision_function"):
        return model.decision_function(X)
    proba = model.predict_proba(X)
    if not labels:
        return np.log(np.maximum(np.asarray(proba, float), SMALLEST))
    if isinstance(proba, list):  # (n_samples, 2) for each label
        proba = np.stack([each[:, -1] for each in proba], axis=1)
    odds = np.maximum([proba, 1.0 - proba], SMALLEST)
    return np.log(odds[0]) - np.log(odds[1])
