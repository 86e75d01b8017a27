"""Losses of predictions of a known target.

========================  ======================================  ==================
objective                 loss of a sample                        outputs
========================  ======================================  ==================
CrossEntropy              -log softmax(z)_y                       (batch, K) logits
BinaryCrossEntropy        mean_k -log sigmoid((2 y_k - 1) z_k)    (batch, K) logits
SquaredError              mean_k (z_k - y_k)^2                    (batch, K)
AbsoluteError             mean_k |z_k - y_k|                      (batch, K)
HuberError                mean_k huber(z_k - y_k)                 (batch, K)
========================  ======================================  ==================

Each is called with ``(outputs, target, weight=None)`` and returns the mean of the
weighted losses over the samples of a mini-batch. The target may be masked,
``{"values": target, "observed": mask}``; the last four then return the weighted mean
over all observed entries of the mini-batch. See `Objective`.
"""

from numbers import Real

from torch.nn import functional

from skmm._sklearn import Interval
from skmm.objectives.base import (
    Objective,
    masked_mean,
    raise_not_masked,
    split_mask,
    without_unobserved,
)

__all__ = [
    "AbsoluteError",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "HuberError",
    "SquaredError",
]


class EntrywiseObjective(Objective):
    """Base class of objectives that are means over the entries of a sample.

    A subclass defines ``entries(outputs, values)``, the loss of every entry.
    """

    _is_abstract = True
    masks_entries = True

    def rows(self, outputs, target):
        """Loss of every sample, shape (n_samples,)."""
        values, observed = split_mask(target)
        if observed is None:
            return self.entries(outputs, values).flatten(1).mean(1)
        outputs = without_unobserved(outputs, observed)
        losses = self.entries(outputs, values.masked_fill(~observed, 0.0))
        return masked_mean(losses, observed)

    def counted(self, target):
        """Number of observed entries of each sample, or None; see `Objective`."""
        observed = split_mask(target)[1]
        if observed is None or observed.ndim == 1:
            return observed
        return observed.flatten(1).sum(1)


class CrossEntropy(Objective):
    """Cross-entropy of logits with class numbers.

    Parameters
    ----------
    label_smoothing : float in [0, 1), default=0.0
        Share of the target that is distributed equally to all classes.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import CrossEntropy
    >>> CrossEntropy()(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0])).item()
    0.693147...
    """

    _parameter_constraints = {"label_smoothing": [Interval(Real, 0, 1, closed="left")]}

    def __init__(self, label_smoothing=0.0):
        self.label_smoothing = label_smoothing

    def check(self, outputs, target):
        """Check that the target has class numbers of shape (n_samples,)."""
        check_class_numbers(self, target)

    def rows(self, outputs, target):
        """Loss of every sample, shape (n_samples,)."""
        return functional.cross_entropy(
            outputs, target, reduction="none", label_smoothing=self.label_smoothing
        )

    def mean(self, outputs, target):
        """Unweighted mean of `rows`."""
        return functional.cross_entropy(
            outputs, target, label_smoothing=self.label_smoothing
        )


def check_class_numbers(objective, target):
    """Check that a target has class numbers of shape (n_samples,)."""
    if isinstance(target, dict):
        raise_not_masked(objective, target)
    if target.is_floating_point() or target.ndim != 1:
        raise ValueError(
            f"objective {type(objective).__name__} needs class numbers of shape "
            f"(n_samples,); got {target.dtype} of shape {tuple(target.shape)}. For "
            "values use 'squared_error', for several labels per sample "
            "'binary_cross_entropy'."
        )


class BinaryCrossEntropy(EntrywiseObjective):
    """Mean binary cross-entropy of independent labels (multilabel targets).

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import BinaryCrossEntropy
    >>> BinaryCrossEntropy()(torch.zeros(4, 3), torch.ones(4, 3)).item()
    0.693147...
    """

    def entries(self, outputs, values):
        """Loss of every label, shape (n_samples, n_labels)."""
        return functional.binary_cross_entropy_with_logits(
            outputs, values, reduction="none"
        )


class SquaredError(EntrywiseObjective):
    """Mean squared error.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import SquaredError
    >>> SquaredError()(torch.zeros(2, 1), torch.tensor([[1.0], [3.0]])).item()
    5.0
    """

    def entries(self, outputs, values):
        """Loss of every value, in the shape of `values`."""
        return (outputs - values).square()


class AbsoluteError(EntrywiseObjective):
    """Mean absolute error, minimised by the median and robust to outliers.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import AbsoluteError
    >>> AbsoluteError()(torch.zeros(2, 1), torch.tensor([[1.0], [-3.0]])).item()
    2.0
    """

    def entries(self, outputs, values):
        """Loss of every value, in the shape of `values`."""
        return (outputs - values).abs()


class HuberError(EntrywiseObjective):
    """Mean Huber loss: squared error near zero, absolute error beyond `delta`.

    Parameters
    ----------
    delta : float > 0, default=1.0
        Absolute error beyond which the loss is linear, in standard deviations of the
        target.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import HuberError
    >>> HuberError()(torch.zeros(1, 1), torch.tensor([[3.0]])).item()
    2.5
    """

    _parameter_constraints = {"delta": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, delta=1.0):
        self.delta = delta

    def entries(self, outputs, values):
        """Loss of every value, in the shape of `values`."""
        return functional.huber_loss(
            outputs, values, reduction="none", delta=self.delta
        )
