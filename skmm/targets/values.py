"""Real values, standardised for training, and back."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils import check_array

from skmm.targets.base import Target


@dataclass
class ValueTarget(Target):
    """Real values, one or several columns, standardised for training.

    Attributes
    ----------
    mean, scale : ndarray (k,)
        Weighted over the training rows; a constant column has scale 1.
    flat : bool
        Whether y came as (n,).
    """

    mean: np.ndarray
    scale: np.ndarray
    flat: bool
    objective = "squared_error"

    @classmethod
    def learn(cls, y, weight=None, classes=None):
        """Measure location and scale."""
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
        """Checked y, (n, k)."""
        y, flat = _read_values(y)
        if y.shape[1] != self.n_outputs or flat != self.flat:
            raise ValueError(
                f"y has {y.shape[1]} column(s), but {self.n_outputs} at the first fit."
            )
        return y

    def encode(self, y):
        """Standardised values, float32 (n, k)."""
        return torch.from_numpy(((y - self.mean) / self.scale).astype(np.float32))

    def strata(self, y):
        """None: values have no strata."""
        return None

    def decode(self, outputs):
        """Values in y's units, (n,) or (n, k)."""
        values = outputs.double().numpy() * self.scale + self.mean
        return values[:, 0] if self.flat else values


def _read_values(y):
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    return (y[:, None], True) if y.ndim == 1 else (y, False)
