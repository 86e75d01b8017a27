"""Weighted sums of objectives."""

from numbers import Real
from types import SimpleNamespace

from skmm._resolver import resolve
from skmm.data.tensors import names_in
from skmm.objectives import correlation, multiplicative, reconstruction, supervised
from skmm.objectives.base import (
    Objective,
    check_objective,
    counted_by,
    validation_of,
)

__all__ = ["WeightedSum"]

FAMILIES = (correlation, multiplicative, reconstruction, supervised)
NAMED = SimpleNamespace(
    __all__=[name for family in FAMILIES for name in family.__all__],
    **{name: getattr(family, name) for family in FAMILIES for name in family.__all__},
)


class WeightedSum(Objective):
    """Weighted sum of objectives on the same outputs.

    Parameters
    ----------
    objectives : list of (Objective, float)
        Terms and their weights; names of objectives are accepted. All read the same
        outputs.

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
        """Weighted sum of the terms, 0-d."""
        return sum(
            factor * term(outputs, target, weight) for term, factor in self._terms()
        )

    def counted(self, target):
        """How often each sample counts in the mean of the first term."""
        return counted_by(self._terms()[0][0], target)

    @property
    def validation(self):
        """Sum of what early stopping looks at in the terms."""
        return WeightedSum([(validation_of(term), f) for term, f in self._terms()])

    @property
    def compares_samples(self):
        """Whether one of the terms compares samples."""
        return any(getattr(t, "compares_samples", False) for t, _ in self._terms())

    def _terms(self):
        """Terms with their factors; names are looked up once."""
        if self._resolved[0] is not self.objectives:
            terms = [(resolve(t, NAMED, "Objective"), f) for t, f in self.objectives]
            self._resolved = self.objectives, terms
        return self._resolved[1]

    def _validate_params(self):
        super()._validate_params()
        for pair in self.objectives:
            if not (isinstance(pair, (list, tuple)) and len(pair) == 2):
                self._raise_for(pair)
            if not isinstance(pair[1], Real):
                self._raise_for(pair)
        for term, _ in self._terms():
            check_objective(term)
        if len(known := {frozenset(names) for names in self._known_reads()}) > 1:
            raise ValueError(
                "objectives of WeightedSum must read the same outputs; these read "
                f"{sorted(map(sorted, known))}."
            )

    def _known_reads(self):
        found = [names_in(getattr(t, "reads", None)) for t, _ in self._terms()]
        return [names for names in found if names is not None]

    @property
    def reads(self):
        """Names of the outputs that the terms read; None is unknown."""
        return next(iter(self._known_reads()), None)

    def _raise_for(self, pair):
        raise ValueError(
            "objectives of WeightedSum must be pairs of an objective and its weight, "
            f"such as [('squared_error', 1.0), ('absolute_error', 0.5)]; got {pair!r}."
        )
