"""Losses of embeddings that are to agree between modalities.

==============  ====================================================================
objective       loss of a pair of modalities
==============  ====================================================================
BarlowTwins     sum_i (1 - C_ii)^2 + weight sum_{i != j} C_ij^2,
                C the correlations of the features of one with those of the other
OverModalities  another objective, on what ``SideBySideFusion`` returns
==============  ====================================================================

They are called with embeddings (M, n, D), a mask of who is present (n, M) in the place
of a target, and weights (n,). Rows are compared with each other, so that the loss of a
batch depends on its size.
"""

from itertools import combinations
from numbers import Integral, Real

import torch
from sklearn.base import clone

from skmm._sklearn import Interval
from skmm.objectives.supervised import Objective

__all__ = ["BarlowTwins", "OverModalities"]


def cross_correlation(a, b, weight=None, eps=1e-8):
    """Correlations of the features of a with those of b, over rows.

    Parameters
    ----------
    a, b : Tensor, shape (n, D)
    weight : Tensor, shape (n,), optional
        Of the rows; zero leaves one out.
    eps : float, default=1e-8
        Added to variances: a constant feature correlates with nothing.

    Returns
    -------
    Tensor, shape (D, D)
        Entry (i, j) is that of feature i of a and j of b.
    """
    weight = a.new_ones(len(a)) if weight is None else weight.to(a.dtype)
    share = weight / weight.sum().clamp(min=torch.finfo(a.dtype).tiny)
    a, b = _standardised(a, share, eps), _standardised(b, share, eps)
    return (a * share[:, None]).T @ b


def _standardised(x, share, eps):
    x = x - share @ x
    return x * torch.rsqrt(share @ x.square() + eps)


class BarlowTwins(Objective):
    r"""Features of two modalities shall agree, and each say something of its own.

    .. math:: \ell = \sum_i (1 - C_{ii})^2 + \lambda \sum_{i \neq j} C_{ij}^2

    where :math:`C` are the correlations, over the rows of a batch, of the features of
    one modality with those of the other. Of more than two modalities the mean over all
    pairs is taken.

    Parameters
    ----------
    weight : float >= 0, default=0.0051
        :math:`\lambda`, for 8,192 features in the paper; for some tens of features
        larger ones, as 0.05, are needed.
    eps : float > 0, default=1e-8
        Added to the variance of every feature.

    Notes
    -----
    A batch of n rows gives a C of rank n - 1 at most, so that C cannot be the identity,
    and :math:`\lVert C - I \rVert^2 \geq D - (n - 1)`, where there are as few rows as
    features D. Rows that lack a modality, or have no weight, take no part in its pairs;
    a pair of which a batch has fewer than two rows is left out.

    References
    ----------
    Zbontar et al., "Barlow Twins", ICML 2021, eq. 1; Liu, "Multi-modal deep learning",
    thesis, 2022, algorithm 3: with an encoder of its own for every modality.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import BarlowTwins
    >>> a = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    >>> b = torch.tensor([[1.0, 1], [0, 1], [-1, -1], [0, -1]])
    >>> BarlowTwins()(torch.stack([a, b])).item()
    0.08833...
    """

    by_rows = False
    additive = False

    _parameter_constraints = {
        "weight": [Interval(Real, 0, None, closed="left")],
        "eps": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, weight=0.0051, eps=1e-8):
        self.weight = weight
        self.eps = eps

    def __call__(self, outputs, target=None, weight=None):
        """Mean over the pairs of modalities.

        Parameters
        ----------
        outputs : Tensor, shape (M, n, D)
        target : Tensor of bool, shape (n, M), optional
            Which rows have which modalities; None is all.
        weight : Tensor, shape (n,), optional

        Returns
        -------
        Tensor, 0-d
        """
        self.check(outputs, target)
        ones = outputs.new_ones(outputs.shape[1])
        weight = ones if weight is None else weight.to(ones)
        total, met = outputs.sum() * 0, outputs.new_zeros(())  # a slope without pairs
        for i, j in combinations(range(len(outputs)), 2):
            both = weight if target is None else weight * (target[:, i] & target[:, j])
            enough = (both > 0).sum() > 1
            total = total + self._loss(outputs[i], outputs[j], both) * enough
            met = met + enough
        return total / met.clamp(min=1)

    def _loss(self, a, b, weight):
        correlations = cross_correlation(a, b, weight, self.eps)
        diagonal = correlations.diagonal()
        others = correlations.square().sum() - diagonal.square().sum()
        return (1 - diagonal).square().sum() + self.weight * others

    def check(self, outputs, target):
        """Refuse outputs that are not (M, n, D), and other masks than (n, M)."""
        expected = outputs.shape[:2][::-1]
        if outputs.ndim != 3 or (target is not None and target.shape != expected):
            mask = None if target is None else tuple(target.shape)
            raise ValueError(
                "objective BarlowTwins needs embeddings of shape (modalities, rows, "
                f"features) and a mask (rows, modalities); got {tuple(outputs.shape)} "
                f"and {mask}. Use it in CoordinatedEncoder."
            )


class OverModalities(Objective):
    """Show an objective over embeddings, (M, n, D), what `SideBySideFusion` returns.

    Parameters
    ----------
    objective : callable
        ``objective(embeddings, present, weight)``, as ``BarlowTwins()``.
    n_modalities : int
        M.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import BarlowTwins, OverModalities
    >>> objective = OverModalities(BarlowTwins(), 2)
    >>> z, present = torch.tensor([[1.0], [2.0]]), torch.ones(2, 2)
    >>> objective(torch.cat([z, -z, present], 1), None).item()
    4.0
    """

    by_rows = False
    additive = False

    _parameter_constraints = {
        "objective": [callable],
        "n_modalities": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, objective, n_modalities):
        self.objective = objective
        self.n_modalities = n_modalities

    def _validate_params(self):
        super()._validate_params()
        if isinstance(self.objective, Objective):
            clone(self.objective)._validate_params()

    def __call__(self, outputs, target, weight=None):
        """Loss of a batch, 0-d; there is no target."""
        return self.objective(*self.split(outputs), weight)

    def split(self, outputs):
        """Outputs (n, M D + M) as embeddings (M, n, D) and a mask (n, M)."""
        count = self.n_modalities
        embeddings = outputs[:, :-count].unflatten(1, (count, -1)).transpose(0, 1)
        return embeddings, outputs[:, -count:] > 0
