"""Losses of a reconstruction against what was to be reconstructed.

====================  ====================================================
objective             loss of a batch
====================  ====================================================
ReconstructionLoss    "mse": mean over rows and targets of mean (s(z) - y)^2
                      "rmse": the square root of that
                      "bce": mean of -log p(y), p = sigmoid(z), y in [0, 1]
====================  ====================================================

z are the outputs of the net and s is the output activation, so that a cross-entropy is
computed from logits and never from a probability that was rounded to 0 or 1.
"""

from numbers import Integral

import torch
from torch.nn import functional

from skmm._sklearn import StrOptions
from skmm.objectives.supervised import Objective

__all__ = ["ReconstructionLoss"]

LOSSES = ("mse", "rmse", "bce")
OUTPUT_ACTIVATIONS = {"sigmoid": torch.sigmoid, "relu": torch.relu, None: lambda z: z}
SMALLEST = 1e-12  # of a mean square, for the slope of its root is infinite at zero


class ReconstructionLoss(Objective):
    r"""Distance between reconstructed and true values of one or several targets.

    .. math:: \ell = \frac{1}{T} \sum_{t=1}^{T} \frac{1}{N d_t}
        \sum_{n, j} d(s_t(z_{nj}), y_{nj})

    Parameters
    ----------
    loss : {"mse", "rmse", "bce"}, default="mse"
        Mean squared error, its root over the whole batch, or binary cross-entropy,
        which needs sigmoid outputs and a target in [0, 1].
    parts : tuple of (int, str or None), default=()
        Width and output activation ("sigmoid", "relu" or None) of each target, whose
        columns stand side by side; () is one target without activation.

    Notes
    -----
    The gradient of "rmse" is that of "mse" over twice the RMSE: for one batch both have
    the same minimisers, but near a minimum its steps do not become smaller.

    References
    ----------
    Liu, "Multi-modal deep learning", thesis, 2022, section 3.2.1.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import ReconstructionLoss
    >>> z, y = torch.zeros(2, 3), torch.full((2, 3), 2.0)
    >>> ReconstructionLoss()(z, y).item(), ReconstructionLoss("rmse")(z, y).item()
    (4.0, 2.0)
    >>> ReconstructionLoss("bce", [(3, "sigmoid")])(z, y / 2).item()
    0.693147...
    """

    _parameter_constraints = {
        "loss": [StrOptions(set(LOSSES))],
        "parts": [list, tuple],
    }

    def __init__(self, loss="mse", parts=()):
        self.loss = loss
        self.parts = parts

    @property
    def additive(self):
        """Whether the loss of all rows is the mean of those of batches."""
        return self.loss != "rmse"

    def _validate_params(self):
        super()._validate_params()
        for part in self.parts:
            if not (len(part) == 2 and isinstance(part[0], Integral) and part[0] > 0):
                raise ValueError(
                    "parts must be pairs of a width and an output activation, as "
                    f"[(784, 'sigmoid')]; got {part!r}."
                )
            if part[1] not in OUTPUT_ACTIVATIONS:
                raise ValueError(
                    f"an output activation must be one of {[*OUTPUT_ACTIVATIONS]}; got "
                    f"{part[1]!r}."
                )
        if self.loss == "bce" and {a for _, a in self._parts()} != {"sigmoid"}:
            raise ValueError(
                'loss="bce" is of probabilities: it needs the output activation '
                f'"sigmoid"; got parts={self.parts!r}.'
            )

    def _parts(self, width=None):
        return self.parts or [(width, None)]

    def rows(self, outputs, target):
        """Loss of every row, shape (n,), from outputs (n, sum of widths)."""
        widths = [width for width, _ in self._parts(outputs.shape[1])]
        columns = zip(outputs.split(widths, 1), target.split(widths, 1), strict=True)
        activations = [activation for _, activation in self._parts()]
        losses = [
            self._distance(z, y, activation).mean(1)
            for (z, y), activation in zip(columns, activations, strict=True)
        ]
        return sum(losses) / len(losses)

    def _distance(self, z, y, activation):
        if self.loss == "bce":
            return functional.binary_cross_entropy_with_logits(z, y, reduction="none")
        return (OUTPUT_ACTIVATIONS[activation](z) - y).square()

    def finish(self, mean):
        """Loss of a batch, or of each replica, from the mean of its rows."""
        return mean.clamp(min=SMALLEST).sqrt() if self.loss == "rmse" else mean
