r"""Loss of sums of terms in which each order is fitted on the residual.

==============  ==================================================  ====================
objective       loss                                                outputs
==============  ==================================================  ====================
ResidualLoss    sum_i l(y, sg(sum of orders below i) + order i)     {"terms": (batch, T,
                                                                    K)}
==============  ==================================================  ====================

In the table sg stops the gradient.
"""

from skmm.objectives.base import (
    Objective,
    check_inner,
    counted_by,
    validation_of,
)

__all__ = ["ResidualLoss"]


class ResidualLoss(Objective):
    r"""Sum of the losses of all orders, each with the lower orders as constants.

    .. math:: \sum_{i=1}^{R} \ell\Bigl(y,\;
        \mathrm{sg}\bigl[\sum_{j < i} \hat y_j\bigr] + \hat y_i\Bigr)

    where sg stops the gradient, so that lower orders do not depend on higher ones.

    Parameters
    ----------
    objective : Objective
        Loss l of a sum, (n_samples, n_outputs).
    orders : list of int, default=(1,)
        Order of each of the T terms, from 1.
    joint : bool, default=False
        Use only the loss of the whole sum, with all gradients.

    Notes
    -----
    Early stopping uses the loss of the whole sum. Gradient clipping makes lower orders
    depend on higher ones.

    References
    ----------
    Wörtwein et al., "Beyond additive fusion: learning non-additive multimodal
    interactions", 2022.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import ResidualLoss, SquaredError
    >>> loss = ResidualLoss(SquaredError(), [1, 2])
    >>> terms = torch.tensor([[[2.0], [0.5]]], requires_grad=True)  # of one sample
    >>> value = loss({"terms": terms}, torch.tensor([[3.0]]))  # (3 - 2)^2 + (3 - 2.5)^2
    >>> value.backward()
    >>> value.item(), terms.grad.flatten()
    (1.25, tensor([-2., -1.]))
    """

    reads = ("terms",)

    _parameter_constraints = {
        "objective": [callable],
        "orders": [list, tuple],
        "joint": ["boolean"],
    }

    def __init__(self, objective, orders=(1,), joint=False):
        self.objective = objective
        self.orders = orders
        self.joint = joint

    @property
    def compares_samples(self):
        """Whether the inner objective compares samples."""
        return getattr(self.objective, "compares_samples", False)

    def _validate_params(self):
        super()._validate_params()
        check_inner(self.objective)

    def __call__(self, outputs, target, weight=None):
        """Compute the loss of a mini-batch, 0-d.

        Parameters
        ----------
        outputs : dict
            "terms", shape (n_samples, n_terms, n_outputs).
        target, weight
            See `objective`.
        """
        by_order = self.by_order(outputs)
        if self.joint:
            return self.objective(sum(by_order), target, weight)
        loss, before = 0.0, 0.0
        for order in by_order:
            loss = loss + self.objective(before + order, target, weight)
            before = (before + order).detach()
        return loss

    def counted(self, target):
        """How often each sample counts in the mean; see `Objective`."""
        return counted_by(self.objective, target)

    @property
    def validation(self):
        """The loss of the whole sum."""
        return ResidualLoss(validation_of(self.objective), self.orders, joint=True)

    def by_order(self, outputs):
        """Sum of the terms of each order, list of (n_samples, n_outputs)."""
        places = {
            order: [i for i, other in enumerate(self.orders) if other == order]
            for order in sorted(set(self.orders))
        }
        return [outputs["terms"][:, mine].sum(1) for mine in places.values()]
