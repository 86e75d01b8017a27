"""Nested parameters of dicts of parts, such as ``encoders__image__hidden``."""

from functools import cache, wraps
from inspect import signature

from sklearn.base import BaseEstimator, clone

from skmm._class_registry import register
from skmm._sklearn import HasMethods


class CachedParamNames:
    """Mixin that inspects the constructor of a class once, which takes long."""

    @classmethod
    def _get_param_names(cls):
        return list(_param_names(cls))


@cache
def _param_names(cls):
    return tuple(BaseEstimator._get_param_names.__func__(cls))


class NestedParams(CachedParamNames):
    """Mixin that gives access to the parameters of parts in a dict-valued parameter.

    A class lists these parameters in `_nested`. ``set_params`` replaces the dict and
    clones the part, so that objects of the user are not changed.
    """

    _nested = ()

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "_fitted_by"):  # the class supports `save`
            register(cls, "")

    def _net_to_train_further(self, method):
        """The fitted net, if the fit method of this name changes its weights."""
        return None

    def _store(self, arguments):
        """Store the constructor's arguments: ``self._store(locals())``."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def get_params(self, deep=True):
        """Get parameters.

        Parameters
        ----------
        deep : bool, default=True
            Include nested ones, such as ``encoders__image__hidden``.

        Returns
        -------
        dict
        """
        params = super().get_params(deep=deep)
        for outer in self._nested if deep else ():
            for name, part in _by_name(params.get(outer)).items():
                params[f"{outer}__{name}"] = part
                inner = _params_of(part)
                params |= {f"{outer}__{name}__{k}": v for k, v in inner.items()}
        return params

    def set_params(self, **params):
        """Set parameters; nested ones are set last.

        Parameters
        ----------
        **params : dict
            Such as ``encoders__image=MLPEncoder()`` or
            ``encoders__image__hidden=(32,)``.

        Returns
        -------
        self
        """
        self._check_parts_exist(params)
        self._check_parameters_exist(params)
        nested = [key for key in params if self._part_of(key, params) is not None]
        super().set_params(**{k: v for k, v in params.items() if k not in nested})
        for key in sorted(nested, key=lambda key: key.count("__")):
            self._set_part(key, params[key])
        return self

    def _part_of(self, key, params=()):
        """Split "encoders__image__hidden" into its three names, or return None."""
        for outer in self._nested:
            parts = params[outer] if outer in params else getattr(self, outer)
            if not key.startswith(outer + "__") or not isinstance(parts, dict):
                continue
            rest = key.removeprefix(outer + "__")
            known = [
                n for n in _by_name(parts) if rest == n or rest.startswith(f"{n}__")
            ]
            if known:
                name = max(known, key=len)
                return outer, name, rest.removeprefix(name).removeprefix("__")
        return None

    def _check_parts_exist(self, params):
        for key in params:
            outer = next((o for o in self._nested if key.startswith(o + "__")), None)
            if outer is None or self._part_of(key, params) is not None:
                continue
            parts = params.get(outer, getattr(self, outer))
            if parts is None or isinstance(parts, dict):
                raise ValueError(
                    f"Invalid parameter {key!r} for {type(self).__name__}: {outer} has "
                    f"the parts {list(parts or {})}. Set {outer} to a dict with that "
                    "part first."
                )

    def _check_parameters_exist(self, params):
        """Check that the owner of a nested parameter such as "head__hidden" has it."""
        valid = super().get_params(deep=False)
        for key in params:
            outer, _, rest = key.partition("__")
            value = params.get(outer, valid.get(outer))
            if not rest or outer not in valid or self._part_of(key, params) is not None:
                continue
            if rest.partition("__")[0] in _params_of(value):
                continue
            one = outer in self._nested and bool(_params_of(value))
            fix = "a dict of parts by modality" if one else "an instance that has it"
            raise ValueError(
                f"Invalid parameter {key!r} for {type(self).__name__}: {outer} is "
                f"{value!r}, which has no parameter {rest!r}. Set {outer} to {fix} "
                "first."
            )

    def _set_part(self, key, value):
        outer, name, inner = self._part_of(key)
        parts = _by_name(getattr(self, outer))
        part = parts[name]
        if inner and (isinstance(part, type) or not hasattr(part, "set_params")):
            raise ValueError(
                f"Invalid parameter {key!r} for {type(self).__name__}: "
                f"{outer}[{name!r}] is {part!r}, which has no parameters."
            )
        if inner:
            value = clone(part).set_params(**{inner: value})
        setattr(self, outer, {**parts, name: value})


class Instance(HasMethods):
    """An object with certain methods, not its class."""

    def __init__(self, methods, what):
        super().__init__(methods)
        self.what = what

    def is_satisfied_by(self, val):
        """Return whether the value is one."""
        return not isinstance(val, type) and super().is_satisfied_by(val)

    def __str__(self):
        return f"{self.what} (an instance, not a class)"


def _by_name(parts):
    """Parts of a dict by name, which is the key as a string; empty if not a dict."""
    items = parts.items() if isinstance(parts, dict) else ()
    return {str(name): part for name, part in items}


def _params_of(part):
    return {} if isinstance(part, type) else getattr(part, "get_params", dict)()


FURTHER = "_net_to_train_further"  # method of estimators that hold a net


def known_arguments(method):
    """Decorator of a method; errors for unknown arguments name the class and a fix.

    What to do instead is said in `_argument_advice`, a dict of the class by argument.
    """
    known = signature(method)

    @wraps(method)
    def wrapper(self, *args, **kwargs):
        try:
            known.bind(self, *args, **kwargs)
        except TypeError as error:
            where, fix = f"{type(self).__name__}.{method.__name__}", ""
            unknown = [name for name in kwargs if name not in known.parameters]
            if unknown:
                fix = f". {_advice(self, unknown[0], [*known.parameters][1:])}"
            raise TypeError(f"{where}: {error}{fix}") from error
        return method(self, *args, **kwargs)

    return wrapper


def _advice(estimator, name, accepted):
    if name in estimator.get_params(deep=False):
        return f"Use {type(estimator).__name__}({name}=...)."
    known = getattr(estimator, "_argument_advice", {})
    return known.get(name, f"The arguments are {', '.join(accepted)}.")


def unchanged_on_error(fit):
    """Decorator of a fit method that restores the estimator if the fit fails.

    After a KeyboardInterrupt the estimator is kept if `net_` was set, so that it can
    predict and continue. A net that is trained further is restored as well. Errors for
    unknown arguments are those of `known_arguments`.
    """
    fit = known_arguments(fit)

    @wraps(fit)
    def wrapper(self, *args, **kwargs):
        attributes, trained = dict(vars(self)), getattr(self, FURTHER, None)
        net = None if trained is None else trained(fit.__name__)
        state = None if net is None else net.snapshot()
        try:
            return fit(self, *args, **kwargs)
        except BaseException as error:
            adopted = vars(self).get("net_") is not attributes.get("net_")
            if not (isinstance(error, KeyboardInterrupt) and adopted):
                vars(self).clear()
                vars(self).update(attributes)
                if net is not None:
                    net.roll_back(state)
            raise

    return wrapper
