r"""Weights of modalities from the norms of their layers, under an lp constraint.

Predictions are sums of blocks, one per modality or product of modalities, each times
the square root of its weight. With weights that are nowhere negative and have an lp
norm of 1 or less, the ridge penalty of all blocks is

.. math:: \sum_m \lVert w_m \rVert^2 / \beta_m,
    \qquad \lVert \beta \rVert_p \le 1

after the roots have moved into the layers w. Minimal over the weights, it is the block
norm of `profile_penalty`, at the weights of `best_weights`.
"""

import math

import torch

from skmm.nn.fusion.simplex import project_onto_simplex

ZERO = 1e-3  # a weight below this share of the largest is reported as none


def profile_penalty(norms, p):
    """Smallest penalty over all allowed weights, 0-d.

    Parameters
    ----------
    norms : Tensor (blocks,)
    p : float
        1 or more, ``math.inf`` too.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn.modality_weights import profile_penalty
    >>> profile_penalty(torch.tensor([3.0, 1.0]), 1)
    tensor(16.)
    """
    q = 2.0 if math.isinf(p) else 2 * p / (p + 1)
    return norms.pow(q).sum().pow(2 / q)


def best_weights(norms, p):
    """Weights (blocks,) at which the penalty is smallest; all zeros for norms of zero.

    Parameters
    ----------
    norms : Tensor (blocks,)
    p : float
        1 or more, ``math.inf`` too.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn.modality_weights import best_weights
    >>> best_weights(torch.tensor([3.0, 1.0]), 1)
    tensor([0.7500, 0.2500])
    """
    if math.isinf(p):
        return (norms > 0).to(norms.dtype)
    shares = norms / norms.max().clamp(min=torch.finfo(norms.dtype).tiny)
    powers = shares.pow(2 / (p + 1))
    total = powers.pow(p).sum().pow(1 / p)
    return powers / total.clamp(min=torch.finfo(norms.dtype).tiny)


def reported(weights):
    """Weights with zeros where they are negligible."""
    return weights.masked_fill(weights < ZERO * weights.max(), 0.0)


def step_towards(weights, norms, p):
    """One step of projected gradient descent on the penalty over the weights.

    It is taken in the weights to the power p, whose sum is 1 where the penalty is
    least, and halved until it does not climb.

    Parameters
    ----------
    weights, norms : Tensor (blocks,)
    p : float
        1 or more, ``math.inf`` too.
    """
    if math.isinf(p):
        return torch.ones_like(weights)
    powers, before = weights.pow(p), _penalty(weights, norms)
    slope = norms.square() * powers.pow(-1 / p - 1) / p
    size = powers.max() / slope.max().clamp(min=torch.finfo(norms.dtype).tiny)
    for _ in range(20):
        tried = project_onto_simplex(powers + size * slope).clamp(min=1e-6)
        if _penalty(tried.pow(1 / p), norms) <= before:
            return tried.pow(1 / p)
        size = size / 2
    return weights


def _penalty(weights, norms):
    return (norms.square() / weights).sum()
