"""Losses between a reconstruction and its target.

====================  ====================================================
objective             loss of a batch
====================  ====================================================
ReconstructionLoss    "mse": mean over samples and targets of mean (s(z) - y)^2
                      "rmse": the square root of that
                      "bce": mean of -log p(y), p = sigmoid(z), y in [0, 1]
====================  ====================================================

z are the outputs of the net, a tensor or a dict with one tensor per target; s is the
output activation. The cross-entropy is thus computed from logits, not from rounded
probabilities.
"""

from numbers import Integral

import torch
from torch.nn import functional

from skmm._sklearn import StrOptions
from skmm.objectives.base import (
    Objective,
    masked_mean,
    observed_samples,
    over_entries,
    split_mask,
    without_unobserved,
)

__all__ = ["ReconstructionLoss"]

LOSSES = ("mse", "rmse", "bce")
OUTPUT_ACTIVATIONS = {"sigmoid": torch.sigmoid, "relu": torch.relu, None: lambda z: z}
SMALLEST = 1e-12  # mean square; the gradient of its root is infinite at zero


class ReconstructionLoss(Objective):
    r"""Mean squared error, its root or cross-entropy, averaged over targets.

    .. math:: \ell = \frac{1}{T} \sum_{t=1}^{T} \frac{1}{N d_t}
        \sum_{n, j} d(s_t(z_{nj}), y_{nj})

    Parameters
    ----------
    loss : {"mse", "rmse", "bce"}, default="mse"
        Mean squared error, its root over the whole mini-batch, or binary cross-entropy,
        which needs sigmoid outputs and a target in [0, 1].
    parts : dict of str to (str or None), or tuple of (int, str or None), default=()
        Output activation ("sigmoid", "relu" or None) of each target by name, for
        outputs and targets that are dicts. For tensors, the width and the activation of
        each target, which are concatenated in the columns; () is one target without
        activation.

    Notes
    -----
    The gradient of "rmse" is that of "mse" divided by twice the RMSE. For one
    mini-batch both have the same minima, but the gradient of "rmse" does not decrease
    near a minimum.

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
    >>> ReconstructionLoss("bce", {"a": "sigmoid"})({"a": z}, {"a": y / 2}).item()
    0.693147...
    """

    _parameter_constraints = {
        "loss": [StrOptions(set(LOSSES))],
        "parts": [dict, list, tuple],
    }

    masks_entries = True

    def __init__(self, loss="mse", parts=()):
        self.loss = loss
        self.parts = parts

    @property
    def additive(self):
        """Whether the loss of all samples is the mean of the losses of mini-batches."""
        return self.loss != "rmse"

    @property
    def reads(self):
        """Names of the targets; () is a tensor."""
        return tuple(self.parts) if isinstance(self.parts, dict) else ()

    def _validate_params(self):
        super()._validate_params()
        for part in () if isinstance(self.parts, dict) else self.parts:
            if not (len(part) == 2 and isinstance(part[0], Integral) and part[0] > 0):
                raise ValueError(
                    "parts must be pairs of a width and an output activation, such as "
                    f"[(784, 'sigmoid')]; got {part!r}."
                )
        activations = {*self._activations()}
        if unknown := activations - {*OUTPUT_ACTIVATIONS}:
            raise ValueError(
                f"an output activation must be one of {[*OUTPUT_ACTIVATIONS]}; got "
                f"{unknown.pop()!r}."
            )
        if self.loss == "bce" and activations != {"sigmoid"}:
            raise ValueError(
                'the output activation must be "sigmoid" with loss="bce", which needs '
                f"probabilities; got parts={self.parts!r}."
            )

    def _activations(self):
        if isinstance(self.parts, dict):
            return list(self.parts.values())
        return [activation for _, activation in self.parts] or [None]

    def check(self, outputs, target):
        """Check that every target has the shape of its outputs."""
        if isinstance(self.parts, dict):
            self._check_names(target)
        for z, y in self._pairs(outputs, target):
            super().check(z, y)

    def _check_names(self, target):
        got = list(target) if isinstance(target, dict) else type(target).__name__
        if not isinstance(target, dict) or not self.parts.keys() <= target.keys():
            raise ValueError(
                "objective ReconstructionLoss needs a dict of the targets "
                f"{list(self.parts)}, the names of `parts`; got {got}."
            )

    def counted(self, target):
        """Which samples have an observed entry, (n_samples,); None is all."""
        counted = [observed_samples(y) for y in self._of(target)]
        if any(samples is None for samples in counted):
            return None
        return torch.stack(counted).any(0)

    def rows(self, outputs, target):
        """Loss of every sample, shape (n_samples,): the mean over its targets."""
        pairs = self._pairs(outputs, target)
        losses = [
            self._loss(z, *split_mask(y), activation)
            for (z, y), activation in zip(pairs, self._activations(), strict=True)
        ]
        total, counts = sum(losses), [observed_samples(y) for _, y in pairs]
        if all(samples is None for samples in counts):
            return total / len(losses)
        ones = torch.ones_like(total, dtype=torch.bool)
        counts = torch.stack([ones if c is None else c for c in counts])
        return total / counts.sum(0).clamp(min=1)

    def _pairs(self, outputs, target):
        """(outputs, target) of every target."""
        return list(zip(self._of(outputs), self._of(target), strict=True))

    def _of(self, tensors):
        """Tensors, or masked targets, in the order of `parts`."""
        if isinstance(self.parts, dict):
            return [tensors[name] for name in self.parts]
        widths = [width for width, _ in self.parts]
        if len(widths) < 2:
            return [tensors]
        values, observed = split_mask(tensors)
        if observed is None:
            return values.split(widths, 1)
        observed = over_entries(observed, values)
        columns = zip(values.split(widths, 1), observed.split(widths, 1), strict=True)
        return [{"values": y, "observed": mask} for y, mask in columns]

    def _loss(self, z, y, observed, activation):
        if observed is None:
            return self._distance(z, y, activation).mean(1)
        observed = over_entries(observed, y)
        z = without_unobserved(z, observed)
        distance = self._distance(z, y.masked_fill(~observed, 0.0), activation)
        return masked_mean(distance, observed)

    def _distance(self, z, y, activation):
        if self.loss == "bce":
            return functional.binary_cross_entropy_with_logits(z, y, reduction="none")
        return (OUTPUT_ACTIVATIONS[activation](z) - y).square()

    def finish(self, mean):
        """Turn the mean of `rows` into the loss of a mini-batch, or of each replica."""
        return mean.clamp(min=SMALLEST).sqrt() if self.loss == "rmse" else mean
