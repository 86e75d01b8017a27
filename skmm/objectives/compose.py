"""Sums of objectives."""

from numbers import Real

from sklearn.base import BaseEstimator

from skmm import objectives as room
from skmm._class_registry import registered
from skmm._resolver import resolve
from skmm.objectives.base import checked

__all__ = ["WeightedSum"]


@registered("objectives")
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
    _resolved = None, ()

    def __init__(self, objectives):
        self.objectives = objectives

    def __call__(self, outputs, target, weight=None):
        """Sum of the terms, 0-d; arguments as for every objective."""
        return sum(
            factor * term(outputs, target, weight) for term, factor in self._terms()
        )

    def _terms(self):
        """Terms with their factors; names are looked up once."""
        if self._resolved[0] is not self.objectives:
            terms = [(resolve(t, room, "Objective"), f) for t, f in self.objectives]
            self._resolved = self.objectives, terms
        return self._resolved[1]

    def _validate_params(self):
        super()._validate_params()
        for pair in self.objectives:
            if not (isinstance(pair, (list, tuple)) and len(pair) == 2):
                self._refuse(pair)
            if not isinstance(pair[1], Real):
                self._refuse(pair)
        for term, _ in self._terms():
            checked(term)

    def _refuse(self, pair):
        raise ValueError(
            "objectives of WeightedSum must be pairs of an objective and its weight, "
            f"as [('squared_error', 1.0), ('absolute_error', 0.5)]; got {pair!r}."
        )
