"""How the answers of several models become one.

In the table p_m is the answer of modality m for a row, w_m its weight, π the class
shares, P the number of modalities that the row has; sums and products are over these,
and every result but "median" is divided by its sum over the classes.

=========  ==============================================================
rule       answer
=========  ==============================================================
"mean"     sum_m w_m p_m / sum_m w_m
"logit"    exp(sum_m w_m log p_m / sum_m w_m), the geometric mean
"product"  prod_m p_m / π^(P - 1)
"max"      max_m p_m
"vote"     share of the weights of the models whose first choice this is
"median"   median of the values
=========  ==============================================================

All take ``answers`` (M, n, K), zero where a modality is missing, ``share`` (M, n), the
weights, zero there as well, and ``prior`` (K,). What they return for rows that have no
modality means nothing.
"""

import numpy as np
from scipy.special import softmax

TINY = np.finfo(np.float64).tiny  # a probability of zero counts as this in logarithms


def mean(answers, share, prior):
    """Weighted mean, (n, K)."""
    total = share.sum(axis=0)
    total = np.where(total > 0, total, 1.0)
    return np.einsum("mn,mnk->nk", share, answers) / total[:, None]


def logit(answers, share, prior):
    """Weighted mean of the log-probabilities, back as probabilities, (n, K)."""
    return softmax(mean(_log(answers), share, prior), axis=1)


def product(answers, share, prior):
    """Product of the probabilities, the prior counted once, (n, K)."""
    there = (share > 0).astype(np.float64)
    evidence = np.einsum("mn,mnk->nk", there, _log(answers))
    too_often = np.maximum(there.sum(axis=0) - 1, 0)[:, None]
    scores = evidence - too_often * _log(prior)
    return softmax(np.where(prior > 0, scores, -np.inf), axis=1)


def largest(answers, share, prior):
    """Largest probability that any model gives, (n, K)."""
    best = np.where(share[..., None] > 0, answers, 0.0).max(axis=0)
    total = best.sum(axis=1, keepdims=True)
    return best / np.where(total > 0, total, 1.0)


def vote(answers, share, prior):
    """Weighted shares of the votes, (n, K)."""
    first = answers.argmax(axis=2)[..., None] == np.arange(answers.shape[2])
    return mean(first.astype(np.float64), share, prior)


def median(answers, share, prior):
    """Median of the values, (n, K)."""
    there = share > 0
    rows = np.flatnonzero(there.any(axis=0))
    known = np.where(there[:, rows, None], answers[:, rows], np.nan)
    out = np.zeros(answers.shape[1:])
    out[rows] = np.nanmedian(known, axis=0) if len(rows) else out[rows]
    return out


def untie(votes, means):
    """Shares of votes (n, K), with only the best one left of those that are equal."""
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
