"""Loss of branches that a gate weighs, with a price of what they cost.

==============  ==================================================  ==================
objective       loss                                                outputs
==============  ==================================================  ==================
GatedLoss       l(y, sum_b g_b f_b) + strength * sum_b g_b C_b      (n, B K + B)
==============  ==================================================  ==================
"""

from numbers import Real

from sklearn.base import BaseEstimator

from skmm._class_registry import registered
from skmm._sklearn import Interval
from skmm.objectives.base import checked, validation_of

__all__ = ["GatedLoss"]


@registered("objectives")
class GatedLoss(BaseEstimator):
    r"""Loss of what a gate makes of several branches, and the cost of those it uses.

    .. math:: \ell\Bigl(y, \sum_b g_b \hat y_b\Bigr) + \lambda \, \sum_b g_b C_b

    Parameters
    ----------
    objective : Objective
        The loss l of the answer, (n, K).
    costs : list of float, default=(1.0,)
        The costs C, one per branch.
    strength : float >= 0, default=0.1
        The factor λ.

    Notes
    -----
    Where no weight g is above zero the gate has not learnt yet: then the loss is the
    sum of the losses of all branches, each for itself, without the rows in which its
    weight is below zero, as it cannot read them.

    References
    ----------
    Xue and Marculescu, "Dynamic multimodal fusion", 2023.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import GatedLoss, SquaredError
    >>> loss = GatedLoss(SquaredError(), [0.2, 1.0], strength=0.5)
    >>> outputs = torch.tensor([[3.0, 5.0, 0.25, 0.75]])  # two branches, their weights
    >>> round(loss(outputs, torch.tensor([[4.5]])).item(), 3)
    0.4
    """

    _parameter_constraints = {
        "objective": [callable],
        "costs": [list, tuple],
        "strength": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, objective, costs=(1.0,), strength=0.1):
        self.objective = objective
        self.costs = costs
        self.strength = strength

    def _validate_params(self):
        super()._validate_params()
        checked(self.objective)

    def __call__(self, outputs, target, weight=None):
        """Loss of a batch, 0-d.

        Parameters
        ----------
        outputs : Tensor, shape (n, B K + B)
            Of the branches, side by side, then their weights g; before the gate
            learns 0, or -1 in rows that a branch cannot read.
        target, weight
            As for `objective`.
        """
        said, gates = self.split(outputs)
        if not gates.gt(0).any():
            return self._apart(said, gates, target, weight)
        loss = self.objective(self.answer(outputs), target, weight)
        cost = gates @ gates.new_tensor(self.costs)
        cost = cost if weight is None else cost * weight
        return loss + self.strength * cost.mean()

    def _apart(self, said, gates, target, weight):
        """Loss of every branch in the rows that it can read, added up."""
        losses = []
        for one, closed in zip(said.unbind(1), gates.lt(0).unbind(1), strict=True):
            own = weight
            if closed.any():
                own = (~closed).to(one.dtype)
                own = own if weight is None else own * weight
            losses.append(self.objective(one, target, own))
        return sum(losses)

    @property
    def validation(self):
        """The same, of what `objective` measures on such rows."""
        return GatedLoss(validation_of(self.objective), self.costs, self.strength)

    def split(self, outputs):
        """What the branches say, (n, B, K), and their weights, (n, B)."""
        count = len(self.costs)
        return outputs[:, :-count].unflatten(1, (count, -1)), outputs[:, -count:]

    def weights(self, outputs):
        """Weights of the branches, (n, B); before the gate learns equal where open."""
        gates = self.split(outputs)[1]
        if gates.gt(0).any():
            return gates
        heard = gates.eq(0).to(gates.dtype)
        return heard / heard.sum(1, keepdim=True)

    def answer(self, outputs):
        """Weighted sum of the branches, (n, K)."""
        said = self.split(outputs)[0]
        return (self.weights(outputs)[..., None] * said).sum(1)
