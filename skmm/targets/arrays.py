"""Targets that are arrays of any shape, one or several by name.

=================  ==========================  ===============================
output activation  values that it can return   what the net is trained on
=================  ==========================  ===============================
"sigmoid"          between 0 and 1             the values
"relu"             at least 0                  the values
None               all                         (values - mean of each) / scale
=================  ==========================  ===============================

The scale is one number per target, the standard deviation of all its values, so that
the loss is proportional to the squared error in the target's own units.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils import check_array

from skmm._views import prepending
from skmm.data import ModalityDict
from skmm.objectives import ReconstructionLoss
from skmm.objectives.reconstruction import OUTPUT_ACTIVATIONS
from skmm.targets.base import Target

ONLY = "y"  # name of a target without a name
ROWS = 4096  # samples per slice, which avoids copies of large targets


@dataclass
class ArrayTarget(Target):
    """Values of one array, or of several by name; each sample is flattened.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        Shape of one sample of each target.
    dtypes : dict of str to str
        Dtype of predictions: float32 if that of y, else float64.
    activations : dict of str to str or None
        Output activation of each target.
    loss : str
        See ``ReconstructionLoss``.
    means : dict of str to ndarray
        Means of targets without activation.
    scales : dict of str to float
        Standard deviations of targets without activation.
    named : bool
        Whether y was a dict.
    """

    shapes: dict
    dtypes: dict
    activations: dict
    loss: str
    means: dict
    scales: dict
    named: bool

    @classmethod
    def learn(cls, y, weight=None, activation="auto", loss="mse"):
        """Learn shapes, activations, means and scales."""
        parts = read_arrays(y)
        if loss == "bce" and activation not in ("auto", "sigmoid"):
            raise ValueError(
                'output_activation must be "sigmoid" or "auto" with loss="bce", which '
                f"needs probabilities; got {activation!r}."
            )
        target = cls(
            shapes={name: part.shape[1:] for name, part in parts.items()},
            dtypes={name: part.dtype.name for name, part in parts.items()},
            activations={
                name: _activation_for(name, part, activation, loss)
                for name, part in parts.items()
            },
            loss=loss,
            means={},
            scales={},
            named=isinstance(y, Mapping),
        )
        for name, part in parts.items():
            if target.activations[name] is None:
                target.means[name], target.scales[name] = _moments(part, weight)
        return target

    @property
    def widths(self):
        """Number of values in a sample of each target."""
        return {name: math.prod(shape) for name, shape in self.shapes.items()}

    @property
    def n_outputs(self):
        """Number of outputs that the net needs."""
        return sum(self.widths.values())

    @property
    def objective(self):
        """The loss, on outputs before their activation."""
        if self.named:
            return ReconstructionLoss(self.loss, dict(self.activations))
        parts = [(d, self.activations[name]) for name, d in self.widths.items()]
        return ReconstructionLoss(self.loss, parts)

    def read(self, y):
        """Checked y: array (n_samples, n_values), or a ModalityDict of such."""
        parts = read_arrays(y)
        shapes = {name: part.shape[1:] for name, part in parts.items()}
        if shapes != self.shapes or isinstance(y, Mapping) != self.named:
            raise ValueError(
                f"y must have samples of shape {_shown(self.shapes)}, like in the "
                f"first fit; got shape {_shown(shapes)}."
            )
        for name, part in parts.items():
            _check_range(name, part, self.activations[name], self.loss)
        columns = self._columns(parts)
        return ModalityDict(columns) if self.named else columns[ONLY]

    def _columns(self, parts):
        """Arrays by name, each (n_samples, n_values)."""
        return {n: parts[n].reshape(len(parts[n]), d) for n, d in self.widths.items()}

    def flat(self, parts):
        """All arrays concatenated, (n_samples, n_outputs)."""
        columns = [*self._columns(parts).values()]
        return columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)

    def encode(self, y):
        """Float32 tensor (n_samples, n_values) for the objective, or a dict of such."""
        if not self.named:
            return self._encoded(ONLY, y)
        return {name: self._encoded(name, y[name]) for name in self.shapes}

    def _encoded(self, name, y):
        if name in self.means:
            y = ((y - self.means[name]) / self.scales[name]).astype(np.float32)
        return torch.from_numpy(np.require(y, np.float32, "CW"))  # writeable, for torch

    def strata(self, y):
        """None, since samples cannot be stratified."""
        return None

    def decode(self, outputs):
        """Values in y's units, shape and dtype; a ModalityDict if y was a dict."""
        if not self.named:
            return self._decoded(ONLY, outputs)
        return ModalityDict(
            {name: self._decoded(name, outputs[name]) for name in outputs}
        )

    def _decoded(self, name, outputs):
        dtype = self.dtypes[name]
        if name in self.means:
            values = outputs.numpy() * np.asarray(self.scales[name], dtype)
            values = values + self.means[name].astype(dtype)
        else:
            activation = OUTPUT_ACTIVATIONS[self.activations[name]]
            values = activation(outputs).numpy().astype(dtype, copy=False)
        return values.reshape(len(values), *self.shapes[name])


@prepending("y")
def read_arrays(y):
    """Validate y: ``{name: array (n_samples, ...)}`` of float32 or float64.

    Parameters
    ----------
    y : array-like of shape (n_samples, ...), or ModalityDict of such

    Raises
    ------
    ValueError
        If samples have several shapes, or values are not finite numbers.
    """
    items = y.items() if isinstance(y, Mapping) else [(ONLY, y)]
    return {name: _read_array(name, part) for name, part in items}


def _read_array(name, y):
    y = y.toarray() if hasattr(y, "toarray") else y
    y = y.detach().cpu().numpy() if isinstance(y, torch.Tensor) else y
    if isinstance(y, (list, tuple)) or getattr(y, "dtype", None) == np.dtype("O"):
        shapes = {np.shape(row) for row in y}
        if len(shapes) > 1:
            raise ValueError(
                f"the target {name!r} must have samples of one shape; got "
                f"{_shown(sorted(shapes))}. Crop or resize them first."
            )
    floats = [np.float64, np.float32]
    return check_array(y, ensure_2d=False, allow_nd=True, dtype=floats, input_name=name)


def _shown(shapes):
    if isinstance(shapes, dict) and [*shapes] == [ONLY]:
        return str(shapes[ONLY])
    return str(shapes).strip("[]")


def _activation_for(name, y, activation, loss):
    if activation == "auto":
        in_range = loss == "bce" or (y.min() >= 0 and y.max() <= 1)
        activation = "sigmoid" if in_range else None
    _check_range(name, y, activation, loss)
    return activation


def _check_range(name, y, activation, loss):
    """Check that the activation can return the values."""
    low = 0 if activation else -np.inf
    high = 1 if activation == "sigmoid" else np.inf
    if low <= y.min() and y.max() <= high:
        return
    because = 'loss="bce"' if loss == "bce" else f"output_activation={activation!r}"
    raise ValueError(
        f"{because} needs values {'in [0, 1]' if high == 1 else 'of at least 0'}; got "
        f"values from {y.min():g} to {y.max():g} in the target {name!r}. Scale it, or "
        'use output_activation=None with loss="mse". ("auto" was set in the first fit.)'
    )


def _moments(y, weight=None):
    """Mean of each value, (n_values,), and one standard deviation of all."""
    y = y.reshape(len(y), -1)
    weight = np.ones(len(y)) if weight is None else weight
    unit = float(max(y.max(), -y.min())) or 1.0  # squares of large values overflow
    slices = [slice(i, i + ROWS) for i in range(0, len(y), ROWS)]
    total = weight.sum()
    mean = sum(weight[part] @ (y[part] / unit) for part in slices) / total
    squares = sum(weight[part] @ (y[part] / unit - mean) ** 2 for part in slices)
    scale = float(np.sqrt(squares.sum() / (total * y.shape[1])))
    return mean * unit, scale * unit if scale > 1e-12 else 1.0
