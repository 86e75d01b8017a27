"""The no-harm factor: a weighted mean of the embeddings.

In the table h_m is the embedding of modality m, d its width, M their number, w_m its
weight; the weights sum to one. For M = 2, w = (1 - λ, λ).

==========================  =====================  ==================  ==============
NoHarmFusion                formula                parameters          all missing
==========================  =====================  ==================  ==============
kind="arithmetic"           sum_m w_m h_m          of the factor       zeros
kind="geometric"            prod_m s(h_m)^w_m      of the factor       ones
factor="scalar"             one w_m per modality   1 if M = 2, else M
factor="vector"             one per unit as well   d if M = 2, else Md
factor=0.3, (0.2, 0.5 ...)  fixed                  none
==========================  =====================  ==================  ==============

s is the softplus. The weight of a missing modality is distributed to those that are
present, in proportion to their own weights. Widths must be equal; ``width=`` adds one
linear map (d_m + 1) d per modality.
"""

import math
from numbers import Real

import torch
from torch import nn
from torch.nn.functional import softplus

from skmm._sklearn import StrOptions
from skmm.nn.fusion.basic import EqualWidthFusion, fill_missing
from skmm.nn.modality_weights import project_onto_simplex

__all__ = ["NoHarmFusion"]

EPSILON = 1e-6  # added to the softplus, which can underflow to zero
UNDECIDED = 1e-3  # sums of weights below it count as zero: gradients of ratios explode


class NoHarmFusion(EqualWidthFusion):
    r"""Weighted mean of the embeddings with learnt or fixed weights.

    .. math:: c = \sum_m w_m \odot c_m, \qquad \sum_m w_m = 1

    With two modalities there is a single factor, :math:`c = (1 - \lambda) \odot c_1 +
    \lambda \odot c_2`. If a weight is one, the net is a single-modality net.

    Parameters
    ----------
    factor : {"scalar", "vector"}, float or sequence of float, default="scalar"
        "scalar" learns one weight per modality, "vector" one per modality and unit;
        both are initialised at 1 / M. A float in [0, 1] is a fixed λ, the weight of the
        *second* of two modalities. A tuple or list holds a fixed weight for every
        modality. The weight of a single modality is always one.
    kind : {"arithmetic", "geometric"}, default="arithmetic"
        Kind of mean. "geometric" is :math:`\exp \sum_m w_m \ln s(c_m)`, where the
        softplus s makes the embeddings positive, even if a weight is one.
    constraint : {"clip", "sigmoid", "none"}, default="clip"
        How learnt weights are kept in [0, 1]. "clip" projects them onto the allowed
        weights after each step; 0 and 1 can be reached. With "sigmoid" (softmax for
        more than two modalities), 0 and 1 are only approached. "none" allows weights
        below zero and above one; they still sum to one. Not used if the factor is
        fixed.
    width : int or None, default=None
        Common width to which a linear map per modality brings the embeddings. None adds
        no maps and requires embeddings of equal width.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d), ``present`` (batch, M) bool, result (batch, d).

    Some weights reproduce the best single-modality net if its head and encoder are
    kept; the minimum of the training loss is therefore at most its loss. Nothing
    follows for new samples.

    If a modality of a sample is missing, the weights of the others are divided by their
    sum. If this sum is below 0.001, they are equal; with ``constraint="none"``, where
    it can be zero, the missing weight is shared equally instead. Samples without any
    modality give zeros, or ones with ``kind="geometric"``.

    Learnt factors are exempt from weight decay, which would pull λ towards 0, the first
    modality.

    References
    ----------
    Liu, "Multi-modal deep learning", thesis, 2022, section 3.2.3, "No-harm factor".
    There, λ is an unconstrained learnt scalar or vector for two modalities; constraints
    and more modalities are additions. Like in the equation of that
    section, λ is the weight of the second modality (in Algorithm 4, of the first).

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import NoHarmFusion
    >>> fuse = NoHarmFusion(0.25).build({"image": 2, "table": 2})
    >>> parts = {"image": torch.tensor([[0.0, 4.0]]), "table": torch.ones(1, 2)}
    >>> fuse(parts)
    tensor([[0.2500, 3.2500]])
    >>> NoHarmFusion().build({"image": 2, "table": 2}).weights()
    tensor([0.5000, 0.5000])
    """

    stackable = True  # only with fixed weights: learnt ones are parameters
    per_replica = {"factor": "fixed"}

    _parameter_constraints = {
        **EqualWidthFusion._parameter_constraints,
        "factor": [StrOptions({"scalar", "vector"}), Real, tuple, list],
        "kind": [StrOptions({"arithmetic", "geometric"})],
        "constraint": [StrOptions({"clip", "sigmoid", "none"})],
    }

    def __init__(
        self, factor="scalar", *, kind="arithmetic", constraint="clip", width=None
    ):
        super().__init__(width)
        self.factor = factor
        self.kind = kind
        self.constraint = constraint

    def build(self, in_shape):
        """Create the factor for ``in_shape = {modality: width}``."""
        fixed = fixed_weights(self.factor, list(in_shape))
        super().build(in_shape)
        units = self.out_features if self.factor == "vector" else 1
        if fixed is not None:
            fixed = torch.tensor(fixed)[:, None].repeat(1, units)
        self.register_buffer("fixed", fixed, persistent=False)  # (M, 1 or d)
        self.free = None if fixed is not None else self._start(len(in_shape), units)
        return self

    def _start(self, count, units):
        """Initial parameters, for equal weights; for two modalities only λ."""
        start = torch.full((1 if count == 2 else count, units), 1 / count)
        return nn.Parameter(start * (self.constraint != "sigmoid"))

    def weights(self):
        """Return the current weight of each modality.

        Returns
        -------
        Tensor, shape (M,), or (M, d) with ``factor="vector"``
            In the order of the modalities, over which it sums to one; detached.
        """
        weights = self._weights().detach().clone()
        return weights if self.factor == "vector" else weights[:, 0]

    def modality_weights(self):
        """Return ``{modality: weight}``; with ``factor="vector"``, means over units."""
        weights = self._weights().detach().mean(1)
        return dict(zip(self.names, weights.tolist(), strict=True))

    def no_weight_decay(self):
        """Return the factor, which decay would pull towards the first modality."""
        return [] if self.free is None else [self.free]

    def merge(self, stacked, present):
        """(batch, M, d) to (batch, d)."""
        weights = self._weights()
        self._move_inside(weights)
        if present is not None:
            share = shared_rest if self.constraint == "none" else renormalised
            weights = share(weights, present[..., None].to(weights.dtype))
        stacked = fill_missing(stacked, present, 0.0)
        if self.kind == "arithmetic":
            return weighted_sum(stacked, weights)
        return geometric_mean(softplus(stacked) + EPSILON, weights)

    def _weights(self):
        """(M, 1 or d)."""
        if self.free is None:
            return self.fixed
        if self.constraint == "sigmoid":
            return softmax_weights(self.free)
        return (plane_weights if self.constraint == "none" else clipped)(self.free)

    def _move_inside(self, weights):
        """Move parameters that left [0, 1] in the last step back, in training."""
        trains = self.training and torch.is_grad_enabled() and self.free is not None
        if trains and self.constraint == "clip" and self.free.requires_grad:
            with torch.no_grad():
                self.free.copy_(weights[-len(self.free) :])  # λ is the last of two


def fixed_weights(factor, names):
    """Return the fixed weight of each modality as a list, or None if they are learnt.

    Raises
    ------
    ValueError
        If a fixed factor does not match the modalities, or does not sum to one.
    """
    if len(names) == 1 and isinstance(factor, (str, Real)):
        return [1.0]
    if isinstance(factor, str):
        return None
    if isinstance(factor, Real):
        return _of_two(factor, names)
    return _of_each(list(factor), factor, names)


def kept_weights(factor, names, kept):
    """Return the fixed weights of some modalities, rescaled to sum to one.

    Parameters
    ----------
    factor : sequence of float
        Weights of the modalities `names`.
    names, kept : list of str

    Returns
    -------
    tuple of float

    Raises
    ------
    ValueError
        If the factor does not match the names, or is zero for all kept modalities.

    Examples
    --------
    >>> from skmm.nn.fusion.no_harm import kept_weights
    >>> kept_weights((0.5, 0.25, 0.25), ["a", "b", "c"], ["c", "b"])
    (0.5, 0.5)
    """
    weights = dict(zip(names, fixed_weights(factor, names), strict=True))
    total = math.fsum(weights[name] for name in kept)
    if total == 0:
        expected = (
            f"a positive weight for at least one of the modalities in use, {kept}"
        )
        raise _invalid(factor, expected, "zeros", "other weights")
    return tuple(weights[name] / total for name in kept)


def _of_two(factor, names):
    if len(names) != 2:
        expected = "two modalities: a single number is the weight of the second"
        raise _invalid(factor, expected, names, "a tuple with one weight per modality")
    if not 0 <= factor <= 1:
        expected = "a number in [0, 1], the weight of the second modality"
        raise _invalid(factor, expected, factor, "a number from 0.0 to 1.0")
    return [1 - float(factor), float(factor)]


def _of_each(weights, factor, names):
    if len(weights) != len(names):
        expected = f"one weight for each of the {len(names)} modalities {names}"
        raise _invalid(factor, expected, len(weights), f"{len(names)} numbers")
    if not all(isinstance(w, Real) and w >= 0 for w in weights):
        expected = "non-negative numbers"
        raise _invalid(factor, expected, weights, "0.0 to leave a modality out")
    total = math.fsum(weights)
    if not math.isclose(total, 1, abs_tol=1e-6):
        expected = "weights that sum to one"
        raise _invalid(factor, expected, f"the sum {total:g}", "weights / sum(weights)")
    return [float(w) for w in weights]


def _invalid(factor, expected, got, fix):
    return ValueError(
        f"NoHarmFusion(factor={factor!r}) needs {expected}; got {got}. Use {fix}, or "
        'factor="scalar" to learn the weights.'
    )


# -- free parameters (1 or M, ...) to weights (M, ...); one parameter is λ of two ----


def plane_weights(free):
    """Weights that sum to one: (1 - λ, λ), or the projection of M parameters.

    The gradient of M parameters has mean zero, so that optimizers that normalise each
    component, such as Adam, only see differences between the modalities.
    """
    if len(free) == 1:
        return torch.cat([1 - free, free])
    return free - (free.sum(0) - 1) / len(free)


def softmax_weights(free):
    """Weights in (0, 1): the sigmoid of one parameter, or the softmax of M."""
    both = torch.cat([torch.zeros_like(free), free]) if len(free) == 1 else free
    return both.softmax(0)


def clipped(free):
    """Nearest weights in [0, 1], with the gradient of `plane_weights`.

    The gradient of a clamp is zero outside of [0, 1]: a weight could never return.
    """
    plane = plane_weights(free)
    if len(free) == 1:
        inside = plane_weights(free.clamp(0, 1))
    else:
        inside = project_onto_simplex(free)
    return inside.detach() + (plane - plane.detach())


# -- weights of samples with missing modalities; present is (batch, M, 1) of float ---


def renormalised(weights, present):
    """Weights of the present modalities divided by their sum; equal if it is tiny."""
    count = present.sum(-2, keepdim=True)
    kept = weights * present
    total = kept.sum(-2, keepdim=True)
    equal = (total < UNDECIDED) | (count < 2)  # a single weight is 1, its gradient 0
    shares = kept / total.masked_fill(equal, 1.0)
    return torch.where(equal, present / count.clamp(min=1), shares)


def shared_rest(weights, present):
    """Weights of the present modalities plus equal shares of the missing weight."""
    kept = weights * present
    rest = 1 - kept.sum(-2, keepdim=True)
    return kept + present * rest / present.sum(-2, keepdim=True).clamp(min=1)


# -- weighted means ------------------------------------------------------------------


def weighted_sum(stacked, weights):
    """Sum of (..., M, d) over M with weights that sum to one.

    Gradients of the weights are computed from differences to the first modality, since
    a common part has no influence if weights sum to one. Equal embeddings therefore
    give gradients of exactly zero instead of rounding errors, which Adam would turn
    into full steps.
    """
    now = weights.detach()
    differences = (stacked - stacked[..., :1, :]).detach()
    return (stacked * now + (weights - now) * differences).sum(-2)


def geometric_mean(stacked, weights):
    """Weighted geometric mean of positive numbers (..., M, d) over M.

    The weights sum to one. Zero counts as the smallest normal number, so that gradients
    are finite.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn.fusion.no_harm import geometric_mean
    >>> geometric_mean(torch.tensor([[1.0], [4.0]]), torch.tensor([[0.5], [0.5]]))
    tensor([2.])
    """
    least = torch.finfo(stacked.dtype).tiny
    return weighted_sum(stacked.clamp(min=least).log(), weights).exp()
