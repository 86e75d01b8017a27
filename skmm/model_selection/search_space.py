"""Search spaces: the default one, and drawing from one in a trial of Optuna."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from torch import nn

from skmm._params import Instance
from skmm._sklearn import validate_parameter_constraints
from skmm.base.search_space import search_space_of
from skmm.model_selection._key import key_of

PART = "part of the space"  # study parameter: which of several dicts is drawn
PLAIN = (type(None), bool, int, float, str)  # choices that studies store unchanged


def import_optuna():
    """Return the optuna module, or raise an ImportError on how to install it."""
    try:
        import optuna
    except ImportError as error:
        raise ImportError(
            "searching parameters needs Optuna, which is not installed: pip install "
            '"skmm[tune]", or pip install optuna. default_search_space() works without '
            "it, with scikit-learn's RandomizedSearchCV."
        ) from error
    return optuna


def default_search_space(estimator):
    """Return the search space of an estimator, a Pipeline or a meta-estimator.

    Every estimator of skmm has a method of this name; here the names get the prefixes
    of the steps that contain it.

    Parameters
    ----------
    estimator : estimator

    Returns
    -------
    dict of str to list or frozen distribution
        For ``ModalitySearchCV``, ``RandomizedSearchCV`` and ``HalvingRandomSearchCV``.

    Raises
    ------
    TypeError
        If no part of the estimator has a search space.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skmm import FusionClassifier
    >>> from skmm.model_selection import default_search_space
    >>> from skmm.preprocessing import ModalityTransformer
    >>> model = make_pipeline(ModalityTransformer({}), FusionClassifier())
    >>> list(default_search_space(model))[:2]
    ['fusionclassifier__lr', 'fusionclassifier__weight_decay']
    """
    constraints = {"estimator": [Instance(["get_params"], "an estimator")]}
    given = {"estimator": estimator}
    validate_parameter_constraints(constraints, given, "default_search_space")
    space = search_space_of(estimator)
    if not space:
        raise TypeError(
            f"{type(estimator).__name__} has no search space, and none of its steps "
            'has one; give space=, such as {"alpha": loguniform(1e-4, 10)}.'
        )
    return space


def suggest(trial, space):
    """Draw parameters from a search space in a trial of an Optuna study.

    Parameters
    ----------
    trial : optuna.trial.Trial, FixedTrial or FrozenTrial
        With a finished trial, such as ``study.best_trial``, the values that it has
        drawn.
    space : dict or list of dict
        Parameter names to lists of choices, frozen distributions of ``scipy.stats`` or
        distributions of Optuna. Of several dicts one is drawn first. In the study,
        choices that are not numbers or strings, such as Blocks, appear as their repr.

    Returns
    -------
    dict of str to object
        For ``set_params``. Blocks are copies: setting ``fusion__hidden`` on one does
        not change the space.

    Raises
    ------
    ValueError, TypeError
        If an entry of the space cannot be drawn from, or two choices are equal.
    ImportError
        If Optuna is not installed.

    Examples
    --------
    >>> import optuna
    >>> from scipy.stats import loguniform
    >>> from skmm.model_selection import suggest
    >>> from skmm.nn import ConcatFusion, MeanFusion
    >>> space = {
    ...     "lr": loguniform(1e-4, 1e-2), "fusion": [ConcatFusion(), MeanFusion(32)]
    ... }
    >>> trial = optuna.trial.FixedTrial({"lr": 0.01, "fusion": "MeanFusion(width=32)"})
    >>> suggest(trial, space)
    {'lr': 0.01, 'fusion': MeanFusion(width=32)}
    """
    import_optuna()
    constraints = {"trial": [Instance(["suggest_categorical"], "a trial of Optuna")]}
    validate_parameter_constraints(constraints, {"trial": trial}, "suggest")
    return clone(Space(space).suggest(trial), safe=False)


class Space:
    """A checked search space.

    Parameters
    ----------
    space : dict or list of dict
        Parameter names to lists of choices, frozen distributions of SciPy or
        distributions of Optuna.

    Raises
    ------
    TypeError, ValueError
        If it is empty, or an entry cannot be drawn from.
    """

    def __init__(self, space):
        parts = [space] if isinstance(space, Mapping) else space
        if not isinstance(parts, (list, tuple)) or not all(
            isinstance(part, Mapping) for part in parts
        ):
            raise TypeError(
                "space must be a dict of parameter names to choices or distributions, "
                f"or a list of such dicts; got {space!r}."
            )
        for name in (name for part in parts for name in part):
            if not isinstance(name, str):
                raise TypeError(
                    "space must have parameter names, which are strings, as keys; got "
                    f"{name!r}."
                )
        if not parts or not any(parts):
            raise ValueError("space must not be empty.")
        self.parts = [
            {name: parameter(name, values) for name, values in part.items()}
            for part in parts
        ]
        if len(parts) > 1:
            self.choice_of_part = parameter(PART, list(range(len(parts))))
            self._make_keys_unique()

    def _make_keys_unique(self):
        """Give a name other keys in parts where it is drawn differently."""
        first = {}
        for number, part in enumerate(self.parts):
            for name, drawn in part.items():
                known = first.setdefault(name, drawn.distribution)
                if known != drawn.distribution:
                    drawn.key = f"{name} [{number}]"

    def suggest(self, trial):
        """Return the parameters that a trial draws."""
        part = self.choice_of_part.draw(trial) if len(self.parts) > 1 else 0
        return {name: drawn.draw(trial) for name, drawn in self.parts[part].items()}

    def described(self):
        """Return keys and distributions as text, by which spaces are compared."""
        return [
            {name: drawn.described() for name, drawn in part.items()}
            for part in self.parts
        ]

    @property
    def names(self):
        """All parameters of all parts."""
        return list(dict.fromkeys(name for part in self.parts for name in part))


@dataclass
class Parameter:
    """How a study draws one parameter.

    Attributes
    ----------
    key : str
        Its name in the study.
    distribution : optuna distribution
    choices : list or None
        The objects behind the labels of a categorical distribution.
    law : frozen distribution or None
        Of which the study draws the quantile level.
    """

    key: str
    distribution: Any
    choices: list | None = None
    law: Any = None

    def draw(self, trial):
        """Return the value that a trial draws, or has drawn."""
        drawn = self._suggested(trial)
        if self.choices is not None:
            return self.choices[list(self.distribution.choices).index(drawn)]
        return drawn if self.law is None else self.law.ppf(drawn).item()

    def described(self):
        """Return key, distribution and law as text."""
        law = self.law
        described = law and [law.dist.name, repr(law.args), repr(law.kwds)]
        to_json = import_optuna().distributions.distribution_to_json
        return [self.key, to_json(self.distribution), described]

    def _suggested(self, trial):
        kinds, distribution = import_optuna().distributions, self.distribution
        if isinstance(distribution, kinds.CategoricalDistribution):
            return trial.suggest_categorical(self.key, distribution.choices)
        is_int = isinstance(distribution, kinds.IntDistribution)
        suggest_number = trial.suggest_int if is_int else trial.suggest_float
        bounds = distribution.low, distribution.high
        step, log = distribution.step, distribution.log
        return suggest_number(self.key, *bounds, step=step, log=log)


def parameter(name, values):
    """Return the `Parameter` for the choices or the distribution of one name.

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
            raise ValueError(f"space: the list of choices of {name!r} is empty.")
        choices = list(values)
        labels = kinds.CategoricalDistribution(labels_of(name, choices))
        return Parameter(name, labels, choices)
    if all(hasattr(values, part) for part in ("support", "ppf", "dist")):
        return _from_scipy(name, values, kinds)
    raise TypeError(
        f"space: {name!r} must be a list of choices, a frozen distribution of "
        "scipy.stats, such as loguniform(1e-4, 1e-2), or a distribution of Optuna; got "
        f"{values!r}."
    )


def _from_scipy(name, law, kinds):
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
    return Parameter(f"{name} (quantile)", level, law=law)


def labels_of(name, choices):
    """Return the labels of the choices of a parameter.

    Raises
    ------
    ValueError
        If two labels are equal or one is NaN: a study could not distinguish them.
    """
    labels = [label_of(choice) for choice in choices]
    if any(label != label for label in labels):
        raise ValueError(
            f"space: the choices of {name!r} must not include NaN, which a study "
            "cannot look up. Use None if the estimator accepts it, or remove NaN."
        )
    for i, label in enumerate(labels):
        if label in labels[:i]:
            raise ValueError(
                f"space: two choices of {name!r} have the same label, {label!r}. "
                "Remove one; objects of your own classes need different "
                "parameters, such as those of a Block, or a different state."
            )
    return labels


def label_of(choice):
    """Return a choice itself if it is plain, else text, the same in every process.

    Parameters
    ----------
    choice : object

    Returns
    -------
    None, bool, int, float or str
    """
    if isinstance(choice, np.generic):
        choice = choice.item()
    return choice if type(choice) in PLAIN else _text(choice)


def _text(value):
    if isinstance(value, np.generic) or type(value) in PLAIN:
        return repr(value.item() if isinstance(value, np.generic) else value)
    if isinstance(value, dict):
        items = [f"{_text(key)}: {_text(part)}" for key, part in value.items()]
        return "{" + ", ".join(items) + "}"
    if type(value) in (list, tuple):
        comma = "," if type(value) is tuple and len(value) == 1 else ""
        ends = "()" if type(value) is tuple else "[]"
        return ends[0] + ", ".join(map(_text, value)) + comma + ends[1]
    if inspect.isclass(value) or inspect.isroutine(value):
        return getattr(value, "__qualname__", value.__name__)
    if isinstance(value, BaseEstimator) and not getattr(value, "is_built", False):
        return _text_of_parameters(value)
    return _text_of_state(value)


def _text_of_parameters(value):
    """Return the class name, and the parameters that differ from their defaults."""
    params, given = value.get_params(deep=False), inspect.signature(type(value))
    shown = {
        name: _text(params[name])
        for name, known in given.parameters.items()
        if name in params and _text(params[name]) != _text(known.default)
    }
    listed = ", ".join(f"{name}={text}" for name, text in shown.items())
    return f"{type(value).__name__}({listed})"


def _text_of_state(value):
    """Return the class name, and a digest of the state, which includes weights."""
    digest = key_of(state=value)["state"][:8]
    built = " with weights" if isinstance(value, nn.Module) else ""
    return f"{type(value).__name__}{built} {digest}"
