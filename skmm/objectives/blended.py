"""Weighted sum of the losses of several heads.

==============  ===========================  ==================================
objective       loss                         outputs of H heads
==============  ===========================  ==================================
BlendedLoss     sum_k w_k l(y, head k)       {"logits": (batch, H, K),
                                             "available": (batch, H) bool}
==============  ===========================  ==================================
"""

from numbers import Integral

import numpy as np
import torch

from skmm._sklearn import Interval
from skmm.data.tensors import map_tensors
from skmm.objectives.base import (
    Objective,
    check_inner,
    counted_by,
    validation_of,
)

__all__ = ["BlendedLoss"]


class BlendedLoss(Objective):
    r"""Weighted sum of the losses of several heads on one target.

    .. math:: \sum_k w_k \, \ell(y, \hat y_k)

    Parameters
    ----------
    objective : Objective
        Loss l of the outputs of one head, (n_samples, n_outputs).
    n_heads : int, default=1
        Number of heads, the last of which predicts.
    weights : sequence of float or None, default=None
        Weights w of the heads; None is ``1 / n_heads`` each. A head of weight 0 is left
        out.

    Notes
    -----
    The loss of a head is the mean over the samples for which it is available. Early
    stopping uses the loss of the last head.

    References
    ----------
    Wang, Tran and Feiszli, "What makes training multi-modal classification networks
    hard?", 2020.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import BlendedLoss, CrossEntropy
    >>> outputs = {
    ...     "logits": torch.tensor([[[0.0, 0.0], [2.0, 0.0]]]),  # of two heads
    ...     "available": torch.ones(1, 2, dtype=torch.bool),
    ... }
    >>> y = torch.tensor([0])
    >>> losses = BlendedLoss(CrossEntropy(), 2).losses(outputs, y)
    >>> [round(loss.item(), 3) for loss in losses]
    [0.693, 0.127]
    >>> round(BlendedLoss(CrossEntropy(), 2, [0.25, 0.75])(outputs, y).item(), 3)
    0.268
    """

    reads = ("logits", "available")

    _parameter_constraints = {
        "objective": [callable],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
        "weights": [list, tuple, np.ndarray, None],
    }

    def __init__(self, objective, n_heads=1, weights=None):
        self.objective = objective
        self.n_heads = n_heads
        self.weights = weights

    @property
    def compares_samples(self):
        """Whether the inner objective compares samples."""
        return getattr(self.objective, "compares_samples", False)

    def _validate_params(self):
        super()._validate_params()
        check_inner(self.objective)
        if self.weights is not None and len(self.weights) != self.n_heads:
            raise ValueError(
                f"weights of BlendedLoss must have one entry per head, {self.n_heads}; "
                f"got {self.weights!r}."
            )

    def __call__(self, outputs, target, weight=None):
        """Compute the weighted sum, 0-d.

        Parameters
        ----------
        outputs : dict
            "logits" of shape (n_samples, n_heads, n_outputs), and the mask "available"
            of shape (n_samples, n_heads).
        target, weight
            See `objective`.
        """
        losses = self.losses(outputs, target, weight, self.factors())
        pairs = zip(losses, self.factors(), strict=True)
        return sum(factor * loss for loss, factor in pairs if factor)

    def factors(self):
        """Weight of each head, list of float."""
        if self.weights is None:
            return [1 / self.n_heads] * self.n_heads
        return [float(weight) for weight in self.weights]

    def counted(self, target):
        """How often each sample counts in the mean; see `Objective`."""
        return counted_by(self.objective, target)

    @property
    def validation(self):
        """The loss of the last head."""
        last = [0.0] * (self.n_heads - 1) + [1.0]
        return BlendedLoss(validation_of(self.objective), self.n_heads, last)

    def losses(self, outputs, target, weight=None, factors=None):
        """Compute the loss of each head over its available samples; 0 without any.

        Parameters
        ----------
        outputs, target, weight
            See `__call__`.
        factors : list of float, optional
            Heads of factor 0 are left out.

        Returns
        -------
        list of Tensor, 0-d
        """
        factors = factors or [1.0] * self.n_heads
        heads = outputs["logits"].unbind(1), outputs["available"].unbind(1), factors
        return [
            self._loss(logits, available, target, weight)
            if factor
            else logits.new_zeros(())
            for logits, available, factor in zip(*heads, strict=True)
        ]

    def _loss(self, logits, available, target, weight):
        if available.all():
            return self.objective(logits, target, weight)
        if not available.any():
            return logits.sum() * 0.0
        if weight is not None:  # a mean over fewer samples, of the same mean weight
            some = weight[available]
            tiny = torch.finfo(some.dtype).tiny
            weight = some * (weight.mean() / some.mean().clamp(min=tiny))
        target = map_tensors(lambda values: values[available], target)
        return self.objective(logits[available], target, weight)
