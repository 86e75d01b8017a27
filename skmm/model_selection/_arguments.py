"""Checks of the arguments that functions on estimators and data share.

Tables of constraints have one of these by argument; errors name the argument, what was
expected and what was given.
"""

from numbers import Integral, Real

import numpy as np

from skmm._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    check_sample_weight,
    num_samples,
)


class Instance(HasMethods):
    """An object with certain methods, not its class."""

    def __init__(self, methods, what):
        super().__init__(methods)
        self.what = what

    def is_satisfied_by(self, val):
        """Return whether the value is one."""
        return not isinstance(val, type) and super().is_satisfied_by(val)

    def __str__(self):
        return f"{self.what}, not its class"


ESTIMATOR = [Instance(["fit", "get_params", "set_params"], "an estimator")]
FITTED = [Instance(["fit"], "a fitted estimator")]
N_JOBS = [Integral, None]
MEMORY = [Interval(Integral, 1, None, closed="left")]
ERROR_SCORE = [StrOptions({"raise"}), Real]
SCORING = [str, callable, None]


def check_has_samples(X, name="X"):
    """Raise a ValueError if X is not a container of samples; return their number."""
    try:
        return num_samples(X)
    except TypeError as error:
        raise ValueError(
            f"{name} must be modalities or an array with one entry per sample; got "
            f"{_shown(X)}."
        ) from error


def check_weight(sample_weight, n_samples):
    """Return checked weights of shape (n_samples,), or None."""
    if sample_weight is None:
        return None
    _check_length("sample_weight", sample_weight, n_samples)
    try:
        return check_sample_weight(
            sample_weight, np.empty((n_samples, 1)), ensure_non_negative=True
        )
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"sample_weight must be finite, non-negative numbers: {error}"
        ) from error


def check_groups(groups, n_samples):
    """Return groups as an array of shape (n_samples,), or None."""
    if groups is None:
        return None
    _check_length("groups", groups, n_samples)
    return np.asarray(groups)


def _check_length(name, values, n_samples):
    shape = np.shape(values)
    if len(shape) != 1 or shape[0] != n_samples:
        got = _shown(values) if not shape else f"shape {shape}"
        got = f"{shape[0]}" if len(shape) == 1 else got
        raise ValueError(
            f"{name} must have one entry per sample of X, {n_samples}; got {got}."
        )


def _shown(value):
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
