"""Targets of regression."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils import check_array

from skmm._views import prepending, quantity
from skmm.data.finite import (
    by_output,
    check_measured,
    measured_entries,
    with_nan,
)
from skmm.data.tensors import one_tensor
from skmm.targets.base import Target, masked_tensor


@dataclass
class ValueTarget(Target):
    """Values of one or several outputs, standardised for training.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_outputs,)
        Weighted mean and standard deviation; `scale` is 1 for a constant output.
    flat : bool
        Whether y has shape (n_samples,).
    """

    mean: np.ndarray
    scale: np.ndarray
    flat: bool
    objective = "squared_error"

    @classmethod
    def learn(cls, y, weight=None, classes=None):
        """Compute the mean and the standard deviation over measured entries."""
        y, flat = _read_values(y)
        if measured_entries(y) is not None:
            return cls._learn_masked(y, weight)
        largest = np.abs(y).max(axis=0)  # squares of very large or small y are not safe
        unit = np.where(largest > 0, largest, 1.0)
        parts = y / unit
        mean = np.average(parts, axis=0, weights=weight)
        scale = np.sqrt(np.average((parts - mean) ** 2, axis=0, weights=weight))
        return cls(mean * unit, np.where(scale > 1e-12, scale * unit, 1.0), flat)

    @classmethod
    def _learn_masked(cls, y, weight):
        """Learn each output from the samples in which it is measured."""
        check_measured(y, weight)
        found = [cls.learn(true, own) for true, _, own in by_output(y, y, weight)]
        moments = [(one.mean[0], one.scale[0]) for one in found]
        return cls(*np.array(moments).T, flat=False)

    @property
    def n_outputs(self):
        """Number of outputs that the net needs."""
        return len(self.mean)

    def read(self, y):
        """Validate y; the result has shape (n_samples, n_outputs)."""
        y, flat = _read_values(y)
        if y.shape[1] != self.n_outputs or flat != self.flat:
            raise ValueError(
                f"y has {quantity(y.shape[1], 'output')}, but {self.n_outputs} at the "
                "first fit."
            )
        return y

    def encode(self, y):
        """Standardised values in float32; masked where y is not measured."""
        return masked_tensor(((y - self.mean) / self.scale).astype(np.float32))

    def strata(self, y):
        """None, since values cannot be stratified."""
        return None

    def decode(self, outputs):
        """Predictions in the units and the shape of y."""
        values = one_tensor(outputs).double().numpy() * self.scale + self.mean
        return values[:, 0] if self.flat else values


def _read_values(y):
    y = read_values(y)
    return (y[:, None], True) if y.ndim == 1 else (y, False)


@prepending("y")
def read_values(y):
    """Validate values: float64 of shape (n_samples,) or (n_samples, n_outputs).

    NaN is accepted in one of several outputs, but not in all of them everywhere.
    """
    y = with_nan(y)
    y = y if hasattr(y, "shape") else np.asarray(y)
    missing = len(y.shape) == 2 and y.shape[1] > 1
    finite = "allow-nan" if missing else True
    checks = {"ensure_2d": False, "ensure_all_finite": finite, "input_name": "y"}
    y = check_array(y, dtype=np.float64, **checks)
    if missing and np.isnan(y).all():
        raise ValueError("y has no measured value: all of its entries are NaN.")
    return y


@prepending("y")
def read_all_values(y, estimator):
    """Validate values of an estimator whose models need all of them.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    estimator : estimator
        Named in errors.

    Returns
    -------
    ndarray of float64
    """
    y = read_values(y)
    if measured_entries(y) is not None:
        raise ValueError(
            f"Input y contains NaN: the models of a {type(estimator).__name__} need "
            "all targets of a sample. Use FusionRegressor or NoHarmFusionRegressor, "
            "which leave missing ones out, or fit one model per target."
        )
    return y
