"""Weights that sum to one: from free parameters, and in rows that lack modalities.

Free parameters are (1, ...), one number λ for the weights (1 - λ, λ) of two modalities,
or (M, ...). Weights are (M, ...), or (batch, M, ...) if rows differ.
"""

import torch

UNDECIDED = 1e-3  # below it, the ratio of two weights has a slope beyond use

# -- from free parameters (1 or M, ...) to weights (M, ...) --------------------------


def plane_weights(free):
    """Weights that sum to one: (1 - λ, λ), or the nearest ones to M free numbers.

    The gradient of M numbers has mean zero, so that an optimizer that scales each
    slope by its size sees what distinguishes the modalities.
    """
    if len(free) == 1:
        return torch.cat([1 - free, free])
    return free - (free.sum(0) - 1) / len(free)


def softmax_weights(free):
    """Weights in (0, 1): the sigmoid of one number, or the softmax of M."""
    both = torch.cat([torch.zeros_like(free), free]) if len(free) == 1 else free
    return both.softmax(0)


def clipped(free):
    """Nearest weights in [0, 1], with the gradient of `plane_weights`.

    The derivative of a clamp is zero outside and would hold a factor there for good.
    """
    plane = plane_weights(free)
    if len(free) == 1:
        inside = plane_weights(free.clamp(0, 1))
    else:
        inside = project_onto_simplex(free)
    return inside.detach() + (plane - plane.detach())


def project_onto_simplex(points):
    """Nearest points that are nowhere negative and sum to one along the first axis.

    A constant is taken from all entries, and what is then negative becomes zero; the
    constant follows from how many entries stay positive. See Duchi et al., "Efficient
    projections onto the l1-ball for learning in high dimensions", 2008.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn.fusion.simplex import project_onto_simplex
    >>> project_onto_simplex(torch.tensor([0.75, 0.75, -1.0]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    points = points - points.amax(0)  # exact for points that are far away
    falling = points.sort(0, descending=True).values
    ranks = torch.arange(1, len(points) + 1, device=points.device)
    ranks = ranks.reshape(-1, *[1] * (points.ndim - 1))
    constants = (falling.cumsum(0) - 1) / ranks
    positive = (falling > constants).sum(0, keepdim=True)
    return (points - constants.gather(0, positive - 1)).clamp(min=0)


# -- weights (M, 1 or d) of rows that lack modalities; there is (batch, M, 1) --------


def renormalised(weights, there):
    """Weights of what is present, divided by their sum; equal if that is tiny."""
    count = there.sum(-2, keepdim=True)
    kept = weights * there
    total = kept.sum(-2, keepdim=True)
    equal = (total < UNDECIDED) | (count < 2)  # one alone has weight one, slope zero
    shares = kept / total.masked_fill(equal, 1.0)
    return torch.where(equal, there / count.clamp(min=1), shares)


def shared_rest(weights, there):
    """Weights of what is present, plus an equal share of what is missing to one."""
    kept = weights * there
    rest = 1 - kept.sum(-2, keepdim=True)
    return kept + there * rest / there.sum(-2, keepdim=True).clamp(min=1)


# -- weights in use ------------------------------------------------------------------


def weighted_sum(stacked, weights):
    """Sum of (..., M, d) over M with weights that sum to one.

    Slopes of the weights are taken from differences to the first of the M: what all
    have in common has no bearing on weights that sum to one. So equal ones give slopes
    of exactly zero, where Adam would turn rounding errors into whole steps.
    """
    now = weights.detach()
    differences = (stacked - stacked[..., :1, :]).detach()
    return (stacked * now + (weights - now) * differences).sum(-2)
