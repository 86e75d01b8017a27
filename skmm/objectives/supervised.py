"""Losses of a prediction against a known target.

========================  ==========================================  ==============
objective                 loss of a row                               outputs
========================  ==========================================  ==============
CrossEntropy              -log softmax(z)_y                           (n, K) logits
BinaryCrossEntropy        mean_k -log sigmoid((2 y_k - 1) z_k)        (n, K) logits
SquaredError              mean_k (z_k - y_k)^2                        (n, K)
AbsoluteError             mean_k |z_k - y_k|                          (n, K)
HuberError                mean_k huber(z_k - y_k)                     (n, K)
========================  ==========================================  ==============

Each is called as ``objective(outputs, target, weight=None)`` and returns the mean of
``weight * loss`` over the rows of the batch.
"""

from numbers import Real

from sklearn.base import BaseEstimator
from torch.nn import functional

from skmm._class_registry import register
from skmm._sklearn import Interval

__all__ = [
    "AbsoluteError",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "HuberError",
    "SquaredError",
]


class Objective(BaseEstimator):
    """Base of the objectives: define `rows`, the loss of every row.

    Attributes
    ----------
    by_rows : bool
        Whether the loss of a batch is made of `rows`, as replicas in a stack need it;
        False where rows are compared with each other.
    additive : bool
        Whether the loss of all rows is the mean of those of batches.
    """

    _parameter_constraints: dict = {}
    by_rows = True
    additive = True

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        register(cls, "objectives")

    def __call__(self, outputs, target, weight=None):
        """Mean over the batch.

        Parameters
        ----------
        outputs : Tensor, shape (n, K)
        target : Tensor, shape (n,) or (n, K)
        weight : Tensor, shape (n,), optional
            Factor of each row; 1 on average over the training rows.

        Returns
        -------
        Tensor, 0-d
        """
        self.check(outputs, target)
        if weight is None:
            return self.finish(self.mean(outputs, target))
        return self.finish((self.rows(outputs, target) * weight).mean())

    def mean(self, outputs, target):
        """Unweighted mean of `rows`; override it where torch has it in one step."""
        return self.rows(outputs, target).mean()

    @property
    def validation(self):
        """Objective of the rows that early stopping looks at: this one."""
        return self

    def finish(self, mean):
        """Loss of a batch from the mean of its rows; as it is, unless overridden.

        Parameters
        ----------
        mean : Tensor, any shape
            In a stack, one number per replica.
        """
        return mean

    def check(self, outputs, target):
        """Refuse a target of another shape than the outputs: it would broadcast."""
        if outputs.shape != target.shape:
            raise ValueError(
                f"objective {type(self).__name__} needs a target of the outputs' shape "
                f"{tuple(outputs.shape)}; got {tuple(target.shape)}. For single labels "
                "use 'cross_entropy'."
            )

    def rows(self, outputs, target):
        """Loss of every row, shape (n,)."""
        raise TypeError(f"{type(self).__name__} must define rows(outputs, target).")


class CrossEntropy(Objective):
    """Cross-entropy of logits with class numbers.

    Parameters
    ----------
    label_smoothing : float in [0, 1), default=0.0
        Share of the target spread evenly over all classes.

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
        """Refuse a target of anything but class numbers (n,)."""
        check_class_numbers(self, target)

    def rows(self, outputs, target):
        """Loss of every row, shape (n,)."""
        return functional.cross_entropy(
            outputs, target, reduction="none", label_smoothing=self.label_smoothing
        )

    def mean(self, outputs, target):
        """Unweighted mean of `rows`."""
        return functional.cross_entropy(
            outputs, target, label_smoothing=self.label_smoothing
        )


def check_class_numbers(objective, target):
    """Refuse a target of anything but class numbers (n,)."""
    if target.is_floating_point() or target.ndim != 1:
        raise ValueError(
            f"objective {type(objective).__name__} needs class numbers of shape (n,); "
            f"got {target.dtype} of shape {tuple(target.shape)}. For values use "
            "'squared_error', for several labels per row 'binary_cross_entropy'."
        )


class BinaryCrossEntropy(Objective):
    """Mean binary cross-entropy of independent labels (multilabel targets).

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import BinaryCrossEntropy
    >>> BinaryCrossEntropy()(torch.zeros(4, 3), torch.ones(4, 3)).item()
    0.693147...
    """

    def rows(self, outputs, target):
        """Loss of every row, shape (n,)."""
        losses = functional.binary_cross_entropy_with_logits(
            outputs, target, reduction="none"
        )
        return losses.mean(1)


class SquaredError(Objective):
    """Mean squared error.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import SquaredError
    >>> SquaredError()(torch.zeros(2, 1), torch.tensor([[1.0], [3.0]])).item()
    5.0
    """

    def rows(self, outputs, target):
        """Loss of every row, shape (n,)."""
        return (outputs - target).square().flatten(1).mean(1)


class AbsoluteError(Objective):
    """Mean absolute error: the median, robust to outliers.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import AbsoluteError
    >>> AbsoluteError()(torch.zeros(2, 1), torch.tensor([[1.0], [-3.0]])).item()
    2.0
    """

    def rows(self, outputs, target):
        """Loss of every row, shape (n,)."""
        return (outputs - target).abs().flatten(1).mean(1)


class HuberError(Objective):
    """Squared near zero, absolute beyond `delta`.

    Parameters
    ----------
    delta : float > 0, default=1.0
        Where the loss turns linear, in standard deviations of the target.

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

    def rows(self, outputs, target):
        """Loss of every row, shape (n,)."""
        losses = functional.huber_loss(
            outputs, target, reduction="none", delta=self.delta
        )
        return losses.flatten(1).mean(1)
