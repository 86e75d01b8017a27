"""A weighted mean of the embeddings: the no-harm factor.

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

s is the softplus. The weights of a missing modality go to those that are present, in
proportion to their own. Widths must be equal; ``width=`` adds one linear map
(d_m + 1) d per modality.
"""

import math
from numbers import Real

import torch
from torch import nn
from torch.nn.functional import softplus

from skmm._sklearn import StrOptions
from skmm.nn.fusion.basic import EqualWidthFusion, fill_missing
from skmm.nn.fusion.simplex import (
    clipped,
    plane_weights,
    renormalised,
    shared_rest,
    softmax_weights,
    weighted_sum,
)

__all__ = ["NoHarmFusion"]

EPSILON = 1e-6  # added to the softplus, which can underflow to zero


class NoHarmFusion(EqualWidthFusion):
    r"""Weighted mean of the embeddings, whose weights are learnt or fixed.

    .. math:: c = \sum_m w_m \odot c_m, \qquad \sum_m w_m = 1

    With two modalities there is one factor, :math:`c = (1 - \lambda) \odot c_1 +
    \lambda \odot c_2`. Where a weight is one, the net is that of this modality alone.

    Parameters
    ----------
    factor : {"scalar", "vector"}, float or sequence of float, default="scalar"
        "scalar" learns one weight per modality, "vector" one per modality and unit;
        both start at 1 / M. A float in [0, 1] is a fixed λ, the weight of the *second*
        modality of two. A tuple or list has the fixed weight of every modality. A
        single modality has the weight one.
    kind : {"arithmetic", "geometric"}, default="arithmetic"
        "geometric" is :math:`\exp \sum_m w_m \ln s(c_m)`. It needs positive numbers:
        all embeddings pass through s, the softplus, also where a weight is one.
    constraint : {"clip", "sigmoid", "none"}, default="clip"
        How learnt weights stay in [0, 1]. "clip" goes to the nearest allowed weights
        after each step, so that 0 and 1 can be reached. "sigmoid" (softmax for more
        than two modalities) comes close to 0 and 1 only. "none" lets weights be
        negative or larger than one; they still sum to one. A fixed factor has no need
        of it.
    width : int or None, default=None
        None: all embeddings must have one width. An integer adds one linear map per
        modality to that width.

    Notes
    -----
    Shapes: ``parts[m]`` (batch, d), ``present`` (batch, M) bool, result (batch, d).

    Some weights reproduce the best single net if its head and encoder are kept; so the
    least training loss is no larger than its loss. Of new rows this promises nothing.

    In a row that lacks a modality, the weights of the others are divided by their sum.
    Those whose sum is below 0.001 count equally; with ``constraint="none"``, where a
    sum may be zero, what is lacking is shared equally. A row that lacks all gives
    zeros, or ones if geometric.

    Learnt factors are exempt from weight decay, which would pull λ to 0, that is to
    the first modality.

    References
    ----------
    Liu, "Multi-modal deep learning", thesis, 2022, section 3.2.3, "No-harm factor".
    There, λ is a learnt scalar or vector for two modalities, without a constraint;
    more modalities and constraints are additions. Its Algorithm 4 puts λ at the first
    modality; the equation of the section, followed here, at the second.

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

    stackable = True  # with fixed weights; a stack has no counterpart of learnt ones
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
        """Make the factor for ``in_shape = {modality: width}``."""
        fixed = fixed_weights(self.factor, list(in_shape))
        super().build(in_shape)
        units = self.out_features if self.factor == "vector" else 1
        if fixed is not None:
            fixed = torch.tensor(fixed)[:, None].repeat(1, units)
        self.register_buffer("fixed", fixed, persistent=False)  # (M, 1 or d)
        self.free = None if fixed is not None else self._start(len(in_shape), units)
        return self

    def _start(self, count, units):
        """Free parameters of equal weights: λ alone for two modalities."""
        start = torch.full((1 if count == 2 else count, units), 1 / count)
        return nn.Parameter(start * (self.constraint != "sigmoid"))

    def weights(self):
        """Weight of each modality now.

        Returns
        -------
        Tensor, shape (M,), or (M, d) with ``factor="vector"``
            In the order of the modalities; sums to one over them. Detached.
        """
        weights = self._weights().detach().clone()
        return weights if self.factor == "vector" else weights[:, 0]

    def modality_weights(self):
        """``{modality: weight}``, the mean over units if each has its own."""
        weights = self._weights().detach().mean(1)
        return dict(zip(self.names, weights.tolist(), strict=True))

    def no_weight_decay(self):
        """Return the factor: weight decay would pull it to the first modality."""
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
        """In training, take back what the last step went too far."""
        trains = self.training and torch.is_grad_enabled() and self.free is not None
        if trains and self.constraint == "clip" and self.free.requires_grad:
            with torch.no_grad():
                self.free.copy_(weights[-len(self.free) :])  # λ is the last of two


def fixed_weights(factor, names):
    """Return a list of weights, one per modality, or None if they are learnt.

    Raises
    ------
    ValueError
        If a fixed factor does not fit these modalities, or does not sum to one.
    """
    if len(names) == 1 and isinstance(factor, (str, Real)):
        return [1.0]
    if isinstance(factor, str):
        return None
    if isinstance(factor, Real):
        return _of_two(factor, names)
    return _of_each(list(factor), factor, names)


def kept_weights(factor, names, kept):
    """Return fixed weights of some modalities, scaled to sum to one.

    Parameters
    ----------
    factor : sequence of float
        Of the modalities `names`.
    names, kept : list of str

    Raises
    ------
    ValueError
        If the factor does not fit the names, or is zero for all that are kept.

    Examples
    --------
    >>> from skmm.nn.fusion.no_harm import kept_weights
    >>> kept_weights((0.5, 0.25, 0.25), ["a", "b", "c"], ["c", "b"])
    (0.5, 0.5)
    """
    weights = dict(zip(names, fixed_weights(factor, names), strict=True))
    total = math.fsum(weights[name] for name in kept)
    if total == 0:
        need = f"a weight above zero for one of the modalities that are used, {kept}"
        _refuse(factor, need, "zeros", "other weights")
    return tuple(weights[name] / total for name in kept)


def _of_two(factor, names):
    if len(names) != 2:
        need = "two modalities, as one number is the weight of the second"
        _refuse(factor, need, names, "a tuple with one weight for each of these")
    if not 0 <= factor <= 1:
        need = "a number in [0, 1], the weight of the second modality"
        _refuse(factor, need, factor, "a number from 0.0 to 1.0")
    return [1 - float(factor), float(factor)]


def _of_each(weights, factor, names):
    if len(weights) != len(names):
        need = f"one weight for each of the {len(names)} modalities {names}"
        _refuse(factor, need, len(weights), f"{len(names)} numbers")
    if not all(isinstance(w, Real) and w >= 0 for w in weights):
        _refuse(factor, "numbers of 0 or more", weights, "0.0 to leave one out")
    total = math.fsum(weights)
    if not math.isclose(total, 1, abs_tol=1e-6):
        need = "weights that sum to one"
        _refuse(factor, need, f"the sum {total:g}", "each divided by the sum")
    return [float(w) for w in weights]


def _refuse(factor, need, got, fix):
    raise ValueError(
        f"NoHarmFusion(factor={factor!r}) needs {need}; got {got}. Give {fix}, or "
        'factor="scalar" to learn the weights.'
    )


def geometric_mean(stacked, weights):
    """Product of positive numbers (..., M, d), each to the power of its weight.

    The weights sum to one. Zero counts as the smallest normal number, so that no
    gradient is infinite.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn.fusion.no_harm import geometric_mean
    >>> geometric_mean(torch.tensor([[1.0], [4.0]]), torch.tensor([[0.5], [0.5]]))
    tensor([2.])
    """
    least = torch.finfo(stacked.dtype).tiny
    return weighted_sum(stacked.clamp(min=least).log(), weights).exp()
