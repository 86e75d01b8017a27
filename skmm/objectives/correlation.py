"""Losses of the agreement of embeddings between modalities.

===========  ===================================================================
objective    loss of a pair of modalities
===========  ===================================================================
BarlowTwins  sum_i (1 - C_ii)^2 + weight sum_{i != j} C_ij^2,
             C: correlations between the features of both modalities
===========  ===================================================================

They read the outputs "embeddings" of shape (n_samples, n_modalities, n_features), and
"present" of shape (n_samples, n_modalities). Samples are compared with each other, so
that the loss of a mini-batch depends on its size.
"""

import warnings
from itertools import combinations
from numbers import Integral, Real

import torch
from scipy.stats import loguniform
from sklearn.base import clone

from skmm._sklearn import Interval
from skmm.objectives.base import Objective, check_objective

__all__ = ["BarlowTwins", "ByPosition", "OverModalities"]


def cross_correlation(a, b, weight=None, eps=1e-8):
    """Compute the correlations between the features of a and b over samples.

    Parameters
    ----------
    a, b : Tensor, shape (n_samples, n_features)
    weight : Tensor, shape (n_samples,), optional
        Zero leaves a sample out.
    eps : float, default=1e-8
        Added to variances, so that the correlations of constant features are zero.

    Returns
    -------
    Tensor, shape (n_features, n_features)
        Entry (i, j) is the correlation of feature i of a with feature j of b.
    """
    weight = a.new_ones(len(a)) if weight is None else weight.to(a.dtype)
    share = weight / weight.sum().clamp(min=torch.finfo(a.dtype).tiny)
    a, b = _standardised(a, share, eps), _standardised(b, share, eps)
    return (a * share[:, None]).T @ b


def _standardised(x, share, eps):
    x = x - share @ x
    return x * torch.rsqrt(share @ x.square() + eps)


class BarlowTwins(Objective):
    r"""Barlow Twins: correlate equal features of two modalities, decorrelate others.

    .. math:: \ell = \sum_i (1 - C_{ii})^2 + \lambda \sum_{i \neq j} C_{ij}^2

    where :math:`C` are the correlations between the features of two modalities over the
    samples of a mini-batch. With more than two modalities, it is the mean over all
    pairs.

    Parameters
    ----------
    weight : float >= 0, default=0.0051
        :math:`\lambda`. The default is that of the paper, for 8,192 features; some tens
        of features need a larger one, such as 0.05.
    eps : float > 0, default=1e-8
        Added to the variance of every feature.

    Notes
    -----
    The C of a mini-batch of n samples has a rank of at most n - 1. If n is at most the
    number D of features, C cannot be the identity, and :math:`\lVert C - I \rVert^2
    \geq D - (n - 1)`. Samples with a missing modality are left out of its pairs, and so
    are samples of weight zero, and pairs with fewer than two samples in a mini-batch.

    References
    ----------
    Zbontar et al., "Barlow Twins", ICML 2021, eq. 1; Liu, "Multi-modal deep learning",
    thesis, 2022, algorithm 3, with a separate encoder for every modality.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import BarlowTwins
    >>> a = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    >>> b = torch.tensor([[1.0, 1], [0, 1], [-1, -1], [0, -1]])
    >>> outputs = {
    ...     "embeddings": torch.stack([a, b], 1),
    ...     "present": torch.ones(4, 2, dtype=torch.bool),
    ... }
    >>> BarlowTwins()(outputs).item()
    0.08833...
    """

    reads = ("embeddings", "present")

    # 0.0051 is published for 8,192 features; few features need more
    search_space = {"weight": loguniform(5e-3, 0.2)}

    _parameter_constraints = {
        "weight": [Interval(Real, 0, None, closed="left")],
        "eps": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, weight=0.0051, eps=1e-8):
        self.weight = weight
        self.eps = eps

    def __call__(self, outputs, target=None, weight=None):
        """Compute the mean over the pairs of modalities.

        Parameters
        ----------
        outputs : dict, or Tensor
            "embeddings" of shape (n_samples, n_modalities, n_features), and "present"
            of shape (n_samples, n_modalities); or embeddings of shape (n_modalities,
            n_samples, n_features), with the mask as the target.
        target : Tensor of bool, shape (n_samples, n_modalities), optional
            Presence mask, only with a tensor; None if all are present.
        weight : Tensor, shape (n_samples,), optional

        Returns
        -------
        Tensor, 0-d
        """
        if isinstance(outputs, dict):
            outputs, target = outputs["embeddings"].transpose(0, 1), outputs["present"]
        self.check(outputs, target)
        ones = outputs.new_ones(outputs.shape[1])
        weight = ones if weight is None else weight.to(ones)
        total, count = outputs.sum() * 0, outputs.new_zeros(())  # keeps a gradient
        for i, j in combinations(range(len(outputs)), 2):
            both = weight if target is None else weight * (target[:, i] & target[:, j])
            enough = (both > 0).sum() > 1
            total = total + self._loss(outputs[i], outputs[j], both) * enough
            count = count + enough
        return total / count.clamp(min=1)

    def _loss(self, a, b, weight):
        correlations = cross_correlation(a, b, weight, self.eps)
        diagonal = correlations.diagonal()
        others = correlations.square().sum() - diagonal.square().sum()
        return (1 - diagonal).square().sum() + self.weight * others

    def check(self, outputs, target):
        """Check the shapes of embeddings and mask."""
        expected = outputs.shape[:2][::-1]
        if outputs.ndim != 3 or (target is not None and target.shape != expected):
            mask = None if target is None else tuple(target.shape)
            raise ValueError(
                "objective BarlowTwins needs embeddings of shape (n_modalities, "
                "n_samples, n_features) and a mask (n_samples, n_modalities); got "
                f"{tuple(outputs.shape)} and {mask}. Use it in CoordinatedEncoder."
            )


class ByPosition(Objective):
    """Pass named outputs to an objective of (embeddings, present, weight).

    Parameters
    ----------
    objective : callable
        ``objective(embeddings, present, weight)`` with embeddings of shape
        (n_modalities, n_samples, n_features) and a mask of shape (n_samples,
        n_modalities).
    """

    reads = ("embeddings", "present")
    by_rows = False
    additive = False

    _parameter_constraints = {"objective": [callable]}

    def __init__(self, objective):
        self.objective = objective

    def _validate_params(self):
        super()._validate_params()
        check_objective(self.objective)

    def __call__(self, outputs, target, weight=None):
        """Compute the loss of a mini-batch, 0-d; the target is ignored."""
        embeddings = outputs["embeddings"].transpose(0, 1)
        return self.objective(embeddings, outputs["present"], weight)


class OverModalities(Objective):
    """Deprecated: objectives of embeddings read the named outputs themselves.

    .. deprecated:: 0.1
        Pass `objective` itself, on ``{"embeddings": ..., "present": ...}``.

    Parameters
    ----------
    objective : Objective
        ``objective(embeddings, present, weight)``, such as ``BarlowTwins()``.
    n_modalities : int
        Number of modalities, whose embeddings are concatenated in the columns of a
        tensor, followed by one column per modality that is 1 where it is present.
    """

    by_rows = False
    additive = False

    _parameter_constraints = {
        "objective": [callable],
        "n_modalities": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, objective, n_modalities):
        warnings.warn(
            "OverModalities is deprecated and will be removed in 0.3: BarlowTwins "
            "reads the outputs 'embeddings' and 'present' by name.",
            FutureWarning,
            stacklevel=2,
        )
        self.objective = objective
        self.n_modalities = n_modalities

    def _validate_params(self):
        super()._validate_params()
        if isinstance(self.objective, Objective):
            clone(self.objective)._validate_params()

    def __call__(self, outputs, target, weight=None):
        """Compute the loss of a mini-batch, 0-d; the target is ignored."""
        return self.objective(*self.split(outputs), weight)

    def split(self, outputs):
        """Split columns into embeddings (M, batch, D) and a mask (batch, M)."""
        count = self.n_modalities
        embeddings = outputs[:, :-count].unflatten(1, (count, -1)).transpose(0, 1)
        return embeddings, outputs[:, -count:] > 0
