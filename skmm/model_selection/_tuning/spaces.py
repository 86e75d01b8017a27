"""A search space of scikit-learn, as parameters of an Optuna study."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skmm.model_selection._tuning.labels import labels_of
from skmm.model_selection._tuning.optional import import_optuna

PART = "part of the space"  # of several dicts, the number of the one that is drawn


@dataclass
class Parameter:
    """One parameter: how a study draws it, and what its value then is.

    Attributes
    ----------
    key : str
        Its name in the study.
    distribution : optuna distribution
    choices : list or None
        What the labels of a categorical distribution stand for.
    quantile : frozen distribution or None
        Of which the study draws the level.
    """

    key: str
    distribution: Any
    choices: list | None = None
    quantile: Any = None

    def draw(self, trial):
        """Value that a trial draws, or has drawn."""
        drawn = _drawn(trial, self.key, self.distribution)
        if self.choices is not None:
            return self.choices[list(self.distribution.choices).index(drawn)]
        return drawn if self.quantile is None else self.quantile.ppf(drawn).item()


class Space:
    """A checked search space.

    Parameters
    ----------
    space : dict or list of dict
        Of parameter names to lists of choices, frozen distributions of SciPy or
        distributions of Optuna.

    Raises
    ------
    TypeError, ValueError
        If it is empty or something in it cannot be drawn from.
    """

    def __init__(self, space):
        parts = [space] if isinstance(space, Mapping) else space
        if not isinstance(parts, (list, tuple)) or not all(
            isinstance(part, Mapping) for part in parts
        ):
            raise TypeError(
                "space must be a dict of parameter names to choices or distributions, "
                f"or a list of such; got {space!r}."
            )
        if not parts or not any(parts):
            raise ValueError("space is empty: there is nothing to search.")
        self.parts = [
            {name: parameter(name, values) for name, values in part.items()}
            for part in parts
        ]
        if len(parts) > 1:
            self.of_part = parameter(PART, list(range(len(parts))))
            self._tell_apart()

    def _tell_apart(self):
        """Give parameters that are drawn in another way in another part own keys."""
        first = {}
        for number, part in enumerate(self.parts):
            for name, drawn in part.items():
                known = first.setdefault(name, drawn.distribution)
                if known != drawn.distribution:
                    drawn.key = f"{name} [{number}]"

    def suggest(self, trial):
        """Parameters that a trial draws, as real objects."""
        part = self.of_part.draw(trial) if len(self.parts) > 1 else 0
        return {name: drawn.draw(trial) for name, drawn in self.parts[part].items()}

    def described(self):
        """What makes it another space than others, as text."""
        to_json = import_optuna().distributions.distribution_to_json
        return [
            {
                name: [p.key, to_json(p.distribution), _moments(p)]
                for name, p in d.items()
            }
            for d in self.parts
        ]

    @property
    def names(self):
        """All parameters, of all parts."""
        return list(dict.fromkeys(name for part in self.parts for name in part))


def _moments(drawn):
    law = drawn.quantile
    return None if law is None else [law.dist.name, repr(law.args), repr(law.kwds)]


def _drawn(trial, key, distribution):
    """Ask a trial by the public method of a kind of distribution."""
    kinds = import_optuna().distributions
    if isinstance(distribution, kinds.CategoricalDistribution):
        return trial.suggest_categorical(key, distribution.choices)
    ask = trial.suggest_float
    if isinstance(distribution, kinds.IntDistribution):
        ask = trial.suggest_int
    bounds = distribution.low, distribution.high
    return ask(key, *bounds, step=distribution.step, log=distribution.log)


def parameter(name, values):
    """Say how the values of a parameter are drawn.

    Parameters
    ----------
    name : str
    values : list, tuple, ndarray, frozen distribution or Optuna distribution
    """
    kinds = import_optuna().distributions
    if isinstance(values, kinds.BaseDistribution):
        return Parameter(name, values)
    if isinstance(values, (list, tuple, np.ndarray)):
        if not len(values):
            raise ValueError(f"space: {name!r} has no choices.")
        choices = list(values)
        labels = kinds.CategoricalDistribution(labels_of(name, choices))
        return Parameter(name, labels, choices)
    if hasattr(values, "support") and hasattr(values, "ppf"):
        return _of_scipy(name, values, kinds)
    raise TypeError(
        f"space: {name!r} must be a list of choices, a frozen distribution of "
        "scipy.stats, as loguniform(1e-4, 1e-2), or a distribution of Optuna; got "
        f"{values!r}."
    )


def _of_scipy(name, law, kinds):
    low, high = (float(bound) for bound in law.support())
    kind = law.dist.name
    if kind == "uniform":
        return Parameter(name, kinds.FloatDistribution(low, high))
    is_log = kind in ("loguniform", "reciprocal") and low > 0
    if is_log and np.isclose(law.ppf(0.5), np.sqrt(low * high)):  # not shifted
        return Parameter(name, kinds.FloatDistribution(low, high, log=True))
    if kind == "randint":
        return Parameter(name, kinds.IntDistribution(int(low), int(high)))
    level = kinds.FloatDistribution(1e-9, 1 - 1e-9)
    return Parameter(f"{name} (quantile)", level, quantile=law)
