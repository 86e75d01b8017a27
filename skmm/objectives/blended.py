"""Weighted sum of the losses of several heads.

==============  ==================================================  ==================
objective       loss                                                outputs
==============  ==================================================  ==================
BlendedLoss     sum_k w_k l(y, head k)                              (n, H K), H heads
==============  ==================================================  ==================
"""

from numbers import Integral

import numpy as np
import torch
from sklearn.base import BaseEstimator

from skmm._class_registry import registered
from skmm._sklearn import Interval
from skmm.objectives.base import checked, validation_of

__all__ = ["BlendedLoss"]


@registered("objectives")
class BlendedLoss(BaseEstimator):
    r"""Losses of several heads on one target, each times a weight.

    .. math:: \sum_k w_k \, \ell(y, \hat y_k)

    Parameters
    ----------
    objective : Objective
        The loss l of one head, (n, K).
    n_heads : int, default=1
        H; the last one is the answer.
    weights : sequence of float or None, default=None
        The weights w; None is 1 / H each. A head of weight 0 is not looked at.

    Notes
    -----
    Outputs of minus infinity mark rows that a head cannot answer; its loss is the mean
    of the others. Rows that early stopping looks at count with the loss of the answer.

    References
    ----------
    Wang, Tran and Feiszli, "What makes training multi-modal classification networks
    hard?", 2020.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import BlendedLoss, CrossEntropy
    >>> logits = torch.tensor([[0.0, 0.0, 2.0, 0.0]])  # two heads, two classes
    >>> y = torch.tensor([0])
    >>> losses = BlendedLoss(CrossEntropy(), 2).losses(logits, y)
    >>> [round(loss.item(), 3) for loss in losses]
    [0.693, 0.127]
    >>> round(BlendedLoss(CrossEntropy(), 2, [0.25, 0.75])(logits, y).item(), 3)
    0.268
    """

    _parameter_constraints = {
        "objective": [callable],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
        "weights": [list, tuple, np.ndarray, None],
    }

    def __init__(self, objective, n_heads=1, weights=None):
        self.objective = objective
        self.n_heads = n_heads
        self.weights = weights

    def _validate_params(self):
        super()._validate_params()
        checked(self.objective)
        if self.weights is not None and len(self.weights) != self.n_heads:
            raise ValueError(
                f"weights of BlendedLoss must be one per head, {self.n_heads}; got "
                f"{self.weights!r}."
            )

    def __call__(self, outputs, target, weight=None):
        """Weighted sum, 0-d.

        Parameters
        ----------
        outputs : Tensor, shape (n, H K)
            Of the heads, side by side.
        target, weight
            As for `objective`.
        """
        losses = self.losses(outputs, target, weight, self.factors())
        pairs = zip(losses, self.factors(), strict=True)
        return sum(factor * loss for loss, factor in pairs if factor)

    def factors(self):
        """Weight of each head, as list of float."""
        if self.weights is None:
            return [1 / self.n_heads] * self.n_heads
        return [float(weight) for weight in self.weights]

    @property
    def validation(self):
        """The loss of the answer."""
        last = [0.0] * (self.n_heads - 1) + [1.0]
        return BlendedLoss(validation_of(self.objective), self.n_heads, last)

    def heads(self, outputs):
        """Outputs (n, H K) as (H, n, K)."""
        return outputs.unflatten(1, (self.n_heads, -1)).transpose(0, 1)

    def losses(self, outputs, target, weight=None, factors=None):
        """Loss of each head over the rows that it can answer; 0 where it is none.

        Parameters
        ----------
        outputs, target, weight
            As for the sum.
        factors : list of float, optional
            Heads of factor 0 are left out.

        Returns
        -------
        list of Tensor, 0-d
        """
        factors = factors or [1.0] * self.n_heads
        pairs = zip(self.heads(outputs), factors, strict=True)
        return [
            self._loss(said, target, weight) if factor else said.new_zeros(())
            for said, factor in pairs
        ]

    def _loss(self, said, target, weight):
        known = said.detach().amax(-1) > -torch.inf
        if known.all():
            return self.objective(said, target, weight)
        if not known.any():
            return said.nan_to_num(neginf=0.0).sum() * 0.0
        weight = None if weight is None else weight[known]
        return self.objective(said[known], target[known], weight)
