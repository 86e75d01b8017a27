"""Rules by which the predictions of several models are combined.

In the table p_m is the prediction of modality m for a sample, w_m its weight, π the
class shares and P the number of modalities that are present. Sums and products are over
these, and every result but "median" is divided by its sum over the classes.

=========  ==============================================================
rule       combined prediction
=========  ==============================================================
"mean"     sum_m w_m p_m / sum_m w_m
"logit"    exp(sum_m w_m log p_m / sum_m w_m), the geometric mean
"product"  prod_m p_m / π^(P - 1)
"max"      max_m p_m
"vote"     weighted share of the models whose most probable class this is
"median"   median of the values
=========  ==============================================================

All take ``predictions`` (n_modalities, n_samples, n_outputs) and ``weights``
(n_modalities, n_samples), both zero where a modality is missing, and ``prior``
(n_outputs,), and return an array of shape (n_samples, n_outputs). Where all modalities
are missing its values are arbitrary.
"""

import numpy as np
from scipy.special import softmax

TINY = np.finfo(np.float64).tiny  # replaces a probability of zero in logarithms


def mean(predictions, weights, prior):
    """Weighted mean."""
    total = weights.sum(axis=0)
    total = np.where(total > 0, total, 1.0)
    return np.einsum("mn,mnk->nk", weights, predictions) / total[:, None]


def logit(predictions, weights, prior):
    """Weighted mean of the log-probabilities, converted back to probabilities."""
    return softmax(mean(_log(predictions), weights, prior), axis=1)


def product(predictions, weights, prior):
    """Product of the probabilities, with the prior counted once."""
    present = (weights > 0).astype(np.float64)
    evidence = np.einsum("mn,mnk->nk", present, _log(predictions))
    excess = np.maximum(present.sum(axis=0) - 1, 0)[:, None]
    scores = evidence - excess * _log(prior)
    return softmax(np.where(prior > 0, scores, -np.inf), axis=1)


def largest(predictions, weights, prior):
    """Largest probability that any model predicts."""
    best = np.where(weights[..., None] > 0, predictions, 0.0).max(axis=0)
    total = best.sum(axis=1, keepdims=True)
    return best / np.where(total > 0, total, 1.0)


def vote(predictions, weights, prior):
    """Weighted shares of the votes."""
    n_classes = predictions.shape[2]
    first = predictions.argmax(axis=2)[..., None] == np.arange(n_classes)
    return mean(first.astype(np.float64), weights, prior)


def median(predictions, weights, prior):
    """Median of the values."""
    present = weights > 0
    rows = np.flatnonzero(present.any(axis=0))
    known = np.where(present[:, rows, None], predictions[:, rows], np.nan)
    out = np.zeros(predictions.shape[1:])
    out[rows] = np.nanmedian(known, axis=0) if len(rows) else out[rows]
    return out


def break_ties(votes, means):
    """Means of the classes with the most votes; -1 for all other classes."""
    tied = np.isclose(votes, votes.max(axis=1, keepdims=True), rtol=1e-9)
    return np.where(tied, means, -1.0)


def _log(probabilities):
    return np.log(np.maximum(probabilities, TINY))


CLASS_RULES = {
    "mean": mean,
    "logit": logit,
    "product": product,
    "max": largest,
    "vote": vote,
}
VALUE_RULES = {"mean": mean, "median": median}
