"""Targets of regression."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils import check_array

from skmm.data.tensors import one_tensor
from skmm.targets.base import Target


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
        """Compute the mean and the standard deviation."""
        y, flat = _read_values(y)
        largest = np.abs(y).max(axis=0)  # squares of very large or small y are not safe
        unit = np.where(largest > 0, largest, 1.0)
        parts = y / unit
        mean = np.average(parts, axis=0, weights=weight)
        scale = np.sqrt(np.average((parts - mean) ** 2, axis=0, weights=weight))
        return cls(mean * unit, np.where(scale > 1e-12, scale * unit, 1.0), flat)

    @property
    def n_outputs(self):
        """Number of outputs that the net needs."""
        return len(self.mean)

    def read(self, y):
        """Validate y; the result has shape (n_samples, n_outputs)."""
        y, flat = _read_values(y)
        if y.shape[1] != self.n_outputs or flat != self.flat:
            raise ValueError(
                f"y has {y.shape[1]} output(s), but {self.n_outputs} at the first fit."
            )
        return y

    def encode(self, y):
        """Standardised values in float32."""
        return torch.from_numpy(((y - self.mean) / self.scale).astype(np.float32))

    def strata(self, y):
        """None, since values cannot be stratified."""
        return None

    def decode(self, outputs):
        """Predictions in the units and the shape of y."""
        values = one_tensor(outputs).numpy() * self.scale + self.mean
        return values[:, 0] if self.flat else values


def _read_values(y):
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    return (y[:, None], True) if y.ndim == 1 else (y, False)
