"""Loss of branches that a gate weights, with a penalty on their cost.

==============  ==============================================  =======================
objective       loss                                            outputs
==============  ==============================================  =======================
GatedLoss       l(y, sum_b g_b f_b) + strength * sum_b g_b C_b  {"logits": (batch,
                                                                B, K), "gate": (batch,
                                                                B), "open": (batch, B)}
==============  ==============================================  =======================
"""

from numbers import Real

from skmm._sklearn import Interval
from skmm.objectives.base import (
    Objective,
    check_inner,
    counted_by,
    validation_of,
)

__all__ = ["GatedLoss"]


class GatedLoss(Objective):
    r"""Loss of a gated sum of branches, plus a penalty on the cost of the branches.

    .. math:: \ell\Bigl(y, \sum_b g_b \hat y_b\Bigr) + \lambda \, \sum_b g_b C_b

    Parameters
    ----------
    objective : Objective
        Loss l of the gated sum, (n_samples, n_outputs).
    costs : list of float, default=(1.0,)
        Costs C, one per branch.
    strength : float >= 0, default=0.1
        Factor λ of the penalty.

    Notes
    -----
    If the outputs do not contain "gate", because it is not trained yet, the loss is the
    sum of the losses of all branches, each over the samples for which it is open.

    References
    ----------
    Xue and Marculescu, "Dynamic multimodal fusion", 2023.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import GatedLoss, SquaredError
    >>> loss = GatedLoss(SquaredError(), [0.2, 1.0], strength=0.5)
    >>> outputs = {
    ...     "logits": torch.tensor([[[3.0], [5.0]]]),  # one sample, two branches
    ...     "gate": torch.tensor([[0.25, 0.75]]),
    ...     "open": torch.ones(1, 2, dtype=torch.bool),
    ... }
    >>> round(loss(outputs, torch.tensor([[4.5]])).item(), 3)
    0.4
    """

    reads = ("logits", "gate", "open")

    _parameter_constraints = {
        "objective": [callable],
        "costs": [list, tuple],
        "strength": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, objective, costs=(1.0,), strength=0.1):
        self.objective = objective
        self.costs = costs
        self.strength = strength

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
            "logits" of shape (n_samples, n_branches, n_outputs); if the gate is active,
            the weights "gate" of shape (n_samples, n_branches); and the mask "open" of
            the same shape.
        target, weight
            See `objective`.
        """
        if "gate" not in outputs:
            return self._each_branch(outputs, target, weight)
        loss = self.objective(self.answer(outputs), target, weight)
        cost = outputs["gate"] @ outputs["gate"].new_tensor(self.costs)
        cost = cost if weight is None else cost * weight
        return loss + self.strength * cost.mean()

    def _each_branch(self, outputs, target, weight):
        """Sum of the losses of the branches, each over the samples that it can read."""
        losses = []
        pairs = zip(outputs["logits"].unbind(1), outputs["open"].unbind(1), strict=True)
        for logits, is_open in pairs:
            own = weight
            if not is_open.all():
                own = is_open.to(logits.dtype)
                own = own if weight is None else own * weight
            losses.append(self.objective(logits, target, own))
        return sum(losses)

    def counted(self, target):
        """How often each sample counts in the mean; see `Objective`."""
        return counted_by(self.objective, target)

    @property
    def validation(self):
        """The same, with the validation objective of `objective`."""
        return GatedLoss(validation_of(self.objective), self.costs, self.strength)

    def weights(self, outputs):
        """Weights of the branches; equal for open ones before the gate is active."""
        if "gate" in outputs:
            return outputs["gate"]
        is_open = outputs["open"].to(outputs["logits"].dtype)
        return is_open / is_open.sum(1, keepdim=True)

    def answer(self, outputs):
        """Weighted sum of the branches, (n_samples, n_outputs)."""
        return (self.weights(outputs)[..., None] * outputs["logits"]).sum(1)
