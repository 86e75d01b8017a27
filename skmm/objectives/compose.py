"""Sums of objectives."""

from sklearn.base import BaseEstimator

from skmm.nn.resolve import resolve

__all__ = ["WeightedSum"]


class WeightedSum(BaseEstimator):
    """Weighted sum of objectives on the same outputs.

    Parameters
    ----------
    objectives : list of (Objective, float)
        Terms and their weights; names of objectives are accepted.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import AbsoluteError, SquaredError, WeightedSum
    >>> both = WeightedSum([(SquaredError(), 1.0), (AbsoluteError(), 0.5)])
    >>> both(torch.zeros(2, 1), torch.tensor([[1.0], [3.0]])).item()
    6.0
    """

    _parameter_constraints = {"objectives": [list, tuple]}

    def __init__(self, objectives):
        self.objectives = objectives

    def __call__(self, outputs, target, weight=None):
        """Sum of the terms, 0-d; arguments as for every objective."""
        return sum(
            factor * term(outputs, target, weight) for term, factor in self._terms()
        )

    def _terms(self):
        from skmm import objectives as room

        return [(resolve(term, room, "Objective"), f) for term, f in self.objectives]

    def _validate_params(self):
        super()._validate_params()
        for term, _ in self._terms():
            getattr(term, "_validate_params", bool)()
