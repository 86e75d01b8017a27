r"""Losses of sums of terms, of which each order corrects the orders before it.

==============  ==================================================  ==================
objective       loss                                                outputs
==============  ==================================================  ==================
ResidualLoss    sum_i l(y, sg(sum of orders below i) + order i)     (n, T K), T terms
==============  ==================================================  ==================

In the table sg stops the gradient.
"""

from sklearn.base import BaseEstimator

from skmm._class_registry import registered
from skmm.objectives.base import checked, validation_of

__all__ = ["ResidualLoss"]


@registered("objectives")
class ResidualLoss(BaseEstimator):
    r"""Loss of every order of a sum, given the orders below it as constants.

    .. math:: \sum_{i=1}^{R} \ell\Bigl(y,\;
        \mathrm{sg}\bigl[\sum_{j < i} \hat y_j\bigr] + \hat y_i\Bigr)

    No gradient of a higher order reaches a lower one, so that a lower order learns all
    that it can.

    Parameters
    ----------
    objective : Objective
        The loss l of a sum, (n, K).
    orders : list of int, default=(1,)
        Order of each of the T terms, from 1.
    joint : bool, default=False
        Only the loss of the whole sum, with all gradients.

    Notes
    -----
    Rows that early stopping looks at count with the loss of the whole sum. A norm to
    which all gradients are clipped together makes lower orders depend on higher ones.

    References
    ----------
    Wörtwein et al., "Beyond additive fusion: learning non-additive multimodal
    interactions", 2022.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import ResidualLoss, SquaredError
    >>> loss = ResidualLoss(SquaredError(), [1, 2])
    >>> said = torch.tensor([[2.0, 0.5]], requires_grad=True)
    >>> value = loss(said, torch.tensor([[3.0]]))  # (3 - 2)^2 + (3 - 2.5)^2
    >>> value.backward()
    >>> value.item(), said.grad
    (1.25, tensor([[-2., -1.]]))
    """

    _parameter_constraints = {
        "objective": [callable],
        "orders": [list, tuple],
        "joint": ["boolean"],
    }

    def __init__(self, objective, orders=(1,), joint=False):
        self.objective = objective
        self.orders = orders
        self.joint = joint

    def _validate_params(self):
        super()._validate_params()
        checked(self.objective)

    def __call__(self, outputs, target, weight=None):
        """Loss of a batch, 0-d.

        Parameters
        ----------
        outputs : Tensor, shape (n, T K)
            The terms side by side.
        target, weight
            As for `objective`.
        """
        by_order = self.by_order(outputs)
        if self.joint:
            return self.objective(sum(by_order), target, weight)
        loss, before = 0.0, 0.0
        for said in by_order:
            loss = loss + self.objective(before + said, target, weight)
            before = (before + said).detach()
        return loss

    @property
    def validation(self):
        """The loss of the whole sum."""
        return ResidualLoss(validation_of(self.objective), self.orders, joint=True)

    def terms(self, outputs):
        """Outputs (n, T K) as (n, T, K)."""
        return outputs.unflatten(1, (len(self.orders), -1))

    def by_order(self, outputs):
        """Sum of the terms of each order, R tensors (n, K)."""
        terms = self.terms(outputs)
        places = {
            order: [i for i, other in enumerate(self.orders) if other == order]
            for order in sorted(set(self.orders))
        }
        return [terms[:, mine].sum(1) for mine in places.values()]
