r"""Weights of modalities under a norm constraint: the mathematics of `LpNormHead`.

Predictions are sums of blocks, one per modality or product of modalities, each
multiplied by the square root of its weight. For non-negative weights with an lp norm of
at most 1, the ridge penalty of all blocks is

.. math:: \sum_m \lVert w_m \rVert^2 / \beta_m,
    \qquad \lVert \beta \rVert_p \le 1

after the square roots are absorbed by the layers w. Its minimum over the weights is the
block norm of `profile_penalty`, which `best_weights` attain.
"""

import math

import torch

ZERO = 1e-3  # weights below this share of the largest are reported as zero


def profile_penalty(norms, p):
    """Return the minimum of the penalty over all allowed weights.

    Parameters
    ----------
    norms : Tensor (n_blocks,)
    p : float
        Order of the norm, 1 to ``math.inf``.

    Returns
    -------
    Tensor, 0-d

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
    """Return the weights that minimise the penalty; zeros if all norms are zero.

    Parameters
    ----------
    norms : Tensor (n_blocks,)
    p : float
        Order of the norm, 1 to ``math.inf``.

    Returns
    -------
    Tensor (n_blocks,)

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
    """Return the weights with negligible ones set to zero."""
    return weights.masked_fill(weights < ZERO * weights.max(), 0.0)


def step_towards(weights, norms, p):
    """Take one step of projected gradient descent on the penalty.

    The variables are the weights to the power p, which sum to one at the minimum. The
    step is halved until the penalty does not increase.

    Parameters
    ----------
    weights, norms : Tensor (n_blocks,)
    p : float
        Order of the norm, 1 to ``math.inf``.

    Returns
    -------
    Tensor (n_blocks,)
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


def project_onto_simplex(points):
    """Return the nearest non-negative points that sum to one along the first axis.

    A constant is subtracted from all entries, and negative entries are set to zero; the
    constant follows from the number of entries that remain positive.

    Parameters
    ----------
    points : Tensor (M, ...)

    Returns
    -------
    Tensor (M, ...)

    References
    ----------
    Duchi et al., "Efficient projections onto the l1-ball for learning in high
    dimensions", 2008.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn.modality_weights import project_onto_simplex
    >>> project_onto_simplex(torch.tensor([0.75, 0.75, -1.0]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    points = points - points.amax(0)  # exact for distant points
    falling = points.sort(0, descending=True).values
    ranks = torch.arange(1, len(points) + 1, device=points.device)
    ranks = ranks.reshape(-1, *[1] * (points.ndim - 1))
    constants = (falling.cumsum(0) - 1) / ranks
    positive = (falling > constants).sum(0, keepdim=True)
    return (points - constants.gather(0, positive - 1)).clamp(min=0)
