"""Targets that are arrays of any shape, one or several by name.

=================  ==========================  ===============================
output activation  values that it can return   what the net is trained on
=================  ==========================  ===============================
"sigmoid"          between 0 and 1             the values
"relu"             not negative                the values
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

from skmm.data import ModalityDict
from skmm.objectives import ReconstructionLoss
from skmm.objectives.reconstruction import OUTPUT_ACTIVATIONS
from skmm.targets.base import Target

ONLY = "y"  # the name of a target that came without one
ROWS = 4096  # looked at together: whole copies of large targets are not made


@dataclass
class ArrayTarget(Target):
    """Values of one array, or of several by name; each sample is flattened.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        Shape of one row of each target.
    dtypes : dict of str to str
        Of predictions: float32 where y had it, else float64.
    activations : dict of str to str or None
    loss : str
        As for ``ReconstructionLoss``.
    means : dict of str to ndarray
        Of targets without activation.
    scales : dict of str to float
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
        """Note shapes, choose activations, and measure location and scale."""
        parts = read_arrays(y)
        if loss == "bce" and activation not in ("auto", "sigmoid"):
            raise ValueError(
                'loss="bce" is of probabilities: it needs output_activation="sigmoid" '
                f'or "auto"; got {activation!r}.'
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
        """Number of values in a row of each target."""
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
                f"y has rows of shape {_told(shapes)}, but {_told(self.shapes)} at the "
                "first fit."
            )
        for name, part in parts.items():
            _check_range(name, part, self.activations[name], self.loss)
        columns = self._columns(parts)
        return ModalityDict(columns) if self.named else columns[ONLY]

    def _columns(self, parts):
        """Arrays by name, each (n_samples, n_values)."""
        return {n: parts[n].reshape(len(parts[n]), d) for n, d in self.widths.items()}

    def flat(self, parts):
        """Arrays by name as one, (n_samples, values of all)."""
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
        """None: values have no strata."""
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


def read_arrays(y):
    """Checked values of y, ``{name: array (n, ...)}`` of float32 or float64.

    Parameters
    ----------
    y : array-like of shape (n, ...), or ModalityDict of them

    Raises
    ------
    ValueError
        If rows have several shapes, values are not finite, or they are no numbers.
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
                f"the target {name!r} has rows of several shapes, "
                f"{_told(sorted(shapes))}; bring them to one first, images with "
                "skmm.preprocessing.Downscale or by cropping."
            )
    floats = [np.float64, np.float32]
    return check_array(y, ensure_2d=False, allow_nd=True, dtype=floats, input_name=name)


def _told(shapes):
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
    """Refuse values that the activation can never return."""
    low = 0 if activation else -np.inf
    high = 1 if activation == "sigmoid" else np.inf
    if low <= y.min() and y.max() <= high:
        return
    because = 'loss="bce"' if loss == "bce" else f"output_activation={activation!r}"
    raise ValueError(
        f"{because} is for values {'in [0, 1]' if high == 1 else 'of at least 0'}, but "
        f"the target {name!r} has values from {y.min():g} to {y.max():g}. Scale it, "
        'or use output_activation=None with loss="mse". ("auto" chose at the first '
        "fit.)"
    )


def _moments(y, weight=None):
    """Mean of each value (d,), and the standard deviation of all together."""
    y = y.reshape(len(y), -1)
    weight = np.ones(len(y)) if weight is None else weight
    unit = float(max(y.max(), -y.min())) or 1.0  # squares of large values overflow
    slices = [slice(i, i + ROWS) for i in range(0, len(y), ROWS)]
    total = weight.sum()
    mean = sum(weight[part] @ (y[part] / unit) for part in slices) / total
    squares = sum(weight[part] @ (y[part] / unit - mean) ** 2 for part in slices)
    scale = float(np.sqrt(squares.sum() / (total * y.shape[1])))
    return mean * unit, scale * unit if scale > 1e-12 else 1.0
