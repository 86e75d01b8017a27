r"""Losses over several candidate predictions of one target (Mul and MulMix).

==================  ====================================================  =============
objective           loss of a row                                         outputs
==================  ====================================================  =============
MultiplicativeLoss  -sum_i w_i q_i log p_i^y,                             (C, n, K)
                    q_i = prod_{j != i} (1 - p_j^y)^(beta / (C - 1))      logits
OverCandidates      that of another objective over (C, n, K)              (n, C K)
==================  ====================================================  =============
"""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import clone

from skmm._sklearn import Interval
from skmm.objectives.supervised import Objective, check_class_numbers

__all__ = ["MultiplicativeLoss", "OverCandidates"]


class MultiplicativeLoss(Objective):
    r"""Cross-entropies of several candidates, each heard where the others are unsure.

    .. math::
        \ell^k = -\sum_i w_i q_i^k \log p_i^k, \qquad
        q_i^k = \prod_{j \neq i} (1 - p_j^k)^{\beta / (C - 1)} (1 - p_i^k)^{\alpha}

    is the loss of class k; training minimises that of the true class, and the class of
    least loss is predicted. A candidate that errs is forgiven where another one is
    right.

    Parameters
    ----------
    beta : float >= 0, default=0.5
        How much a confident candidate silences the others; 0 is the sum of their
        cross-entropies.
    boosted : bool, default=False
        Rows whose true class has the least loss already, by `margin`, cost nothing;
        but on the rows that early stopping looks at, all count.
    margin : float >= 0, default=0.0
        With `boosted`: by how much; infinity is the loss without boosting.
    detach : bool, default=True
        Take the factors q for constants when differentiating, so that the gradient of a
        candidate is q times that of its cross-entropy.
    focal : float >= 0, default=0.0
        The exponent :math:`\alpha`: a candidate also silences itself.
    candidate_weights : sequence of float or None, default=None
        The weights w, one per candidate; None is 1 for all.

    Notes
    -----
    Logits that are all minus infinity mark a candidate that a row lacks; the others
    count as if it did not exist. Everything is finite for logits up to 200 in size:
    log(1 - p) is a difference of two log-sum-exps, and no power is taken.

    References
    ----------
    Liu et al., "Learn to Combine Modalities in Multimodal Deep Learning", 2018: eq. 7
    to 9, boosting in eq. 10; the factors are differentiated in the text, and not in the
    authors' code.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import MultiplicativeLoss
    >>> logits = torch.tensor([[[2.2, 0.0]], [[0.0, 0.0]]])  # 2 candidates, 1 row
    >>> y = torch.tensor([0])
    >>> [round(MultiplicativeLoss(beta)(logits, y).item(), 3) for beta in (0, 0.5, 1)]
    [0.798, 0.293, 0.122]
    """

    _parameter_constraints = {
        "beta": [Interval(Real, 0, None, closed="left")],
        "boosted": ["boolean"],
        "margin": [Interval(Real, 0, None, closed="both")],
        "detach": ["boolean"],
        "focal": [Interval(Real, 0, None, closed="left")],
        "candidate_weights": [list, tuple, np.ndarray, None],
    }

    def __init__(
        self,
        beta=0.5,
        boosted=False,
        margin=0.0,
        detach=True,
        focal=0.0,
        candidate_weights=None,
    ):
        self.beta = beta
        self.boosted = boosted
        self.margin = margin
        self.detach = detach
        self.focal = focal
        self.candidate_weights = candidate_weights

    def _validate_params(self):
        super()._validate_params()
        if self.margin and not self.boosted:
            raise ValueError(
                f"margin={self.margin} belongs to boosted=True; without it, it would "
                "do nothing."
            )
        weights = self.candidate_weights
        if weights is not None and not _are_weights(weights):
            raise ValueError(
                "candidate_weights must be finite numbers, none negative and not all "
                f"zero; got {list(weights)}."
            )

    @property
    def validation(self):
        """Objective of the rows that early stopping looks at: this, not boosted."""
        return clone(self).set_params(boosted=False, margin=0.0)

    def check(self, outputs, target):
        """Refuse outputs without candidates, and other targets than class numbers."""
        check_class_numbers(self, target)
        if outputs.ndim != 3 or outputs.shape[1] != len(target):
            raise ValueError(
                f"objective {type(self).__name__} needs logits of shape (candidates, "
                f"rows, classes) for {len(target)} rows; got {tuple(outputs.shape)}. "
                "MulMixClassifier has nets that put them out."
            )
        weights = self.candidate_weights
        if weights is not None and len(weights) != len(outputs):
            raise ValueError(
                f"candidate_weights has {len(weights)} numbers for {len(outputs)} "
                "candidates."
            )

    def rows(self, outputs, target):
        """Loss of every row, shape (n,), from logits (C, n, K)."""
        index = target.expand(len(outputs), -1)[..., None]
        logits, present = _without_absent(outputs)
        total = logits.logsumexp(-1)  # a log-softmax of few classes takes longer
        own = logits.gather(-1, index)[..., 0] - total
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach):
            factors = self._factors(_log_rest(logits, index, total), present)
        losses = -(factors * own).sum(0)
        return losses * self._to_learn(outputs, target) if self.boosted else losses

    def class_losses(self, logits):
        """Loss of every class, shape (n, K), from logits (C, n, K).

        The factors q are those of the class; the least loss is the prediction.
        """
        logits, present = _without_absent(logits)
        own = logits.log_softmax(-1)
        return -(self._factors(log_complement(logits, own), present) * own).sum(0)

    def shares(self, logits):
        """How much each candidate has to say on each class, (C, n, K), sum 1 over C."""
        logits, present = _without_absent(logits)
        rest = log_complement(logits, logits.log_softmax(-1))
        exponents, there = self._exponents(rest, present)
        factors = exponents + self._weights(exponents).log()
        return factors.masked_fill(there == 0, -torch.inf).softmax(0)

    def _factors(self, rest, present):
        """``w q`` from log(1 - p), zero for a candidate that is not there."""
        exponents, there = self._exponents(rest, present)
        factors = exponents.exp() * there
        if self.candidate_weights is None:
            return factors
        return factors * self._weights(factors)

    def _exponents(self, rest, present):
        """Log q from log(1 - p), and who is there, as numbers of the same shape."""
        there = present.view(*present.shape, *[1] * (rest.ndim - 2)).to(rest.dtype)
        rest = rest * there
        others = (there.sum(0) - 1).clamp(min=1)
        exponent = (rest.sum(0) - rest) * (self.beta / others)
        if self.focal:
            exponent = exponent + self.focal * rest
        return exponent, there

    def _weights(self, like):
        """The weights w, for tensors (C, ...)."""
        given = self.candidate_weights
        given = [1.0] * len(like) if given is None else map(float, given)
        return like.new_tensor(list(given)).view(-1, *[1] * (like.ndim - 1))

    @torch.no_grad()
    def _to_learn(self, logits, target):
        """1 where some other class has a loss not larger by the margin, else 0."""
        losses = self.class_losses(logits)
        true = losses.gather(1, target[:, None])
        others = losses.scatter(1, target[:, None], torch.inf)
        return (true[:, 0] + self.margin >= others.amin(1)).to(losses.dtype)


def _are_weights(values):
    try:
        values = np.asarray(values, float)
    except (TypeError, ValueError):
        return False
    return bool(np.isfinite(values).all() and (values >= 0).all() and values.any())


def _without_absent(logits):
    """Logits with zeros for the candidates that rows lack, and who is there (C, n)."""
    present = logits.detach().amax(-1) > -torch.inf
    return logits.masked_fill(~present[..., None], 0.0), present


def _log_rest(logits, index, total):
    """Log(1 - p) of one class, from logits (..., K) and their log-sum-exp (...)."""
    return logits.scatter(-1, index, -torch.inf).logsumexp(-1) - total


def log_complement(logits, log_p):
    """Log(1 - p) of every class, accurate where p is near 1 too.

    Parameters
    ----------
    logits, log_p : Tensor, shape (..., K)
        Logits, and their log-softmax.
    """
    top = logits.argmax(-1, keepdim=True)
    rest = _log_rest(logits, top, logits.logsumexp(-1))
    small = log_p.scatter(-1, top, -1.0)  # of the others p <= 1/2
    return torch.log1p(-small.exp()).scatter(-1, top, rest[..., None])


class OverCandidates(Objective):
    """Show an objective over candidates, (C, n, K), what a net puts out, (n, C K).

    Parameters
    ----------
    objective : Objective
        Over logits (C, n, K).
    n_candidates : int
        C.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import MultiplicativeLoss, OverCandidates
    >>> objective = OverCandidates(MultiplicativeLoss(beta=0.0), 2)
    >>> objective(torch.zeros(5, 6), torch.zeros(5, dtype=torch.int64)).item()
    2.197224...
    """

    _parameter_constraints = {
        "objective": [Objective],
        "n_candidates": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, objective, n_candidates):
        self.objective = objective
        self.n_candidates = n_candidates

    def _validate_params(self):
        super()._validate_params()
        clone(self.objective)._validate_params()

    @property
    def validation(self):
        """That of the objective."""
        return OverCandidates(self.objective.validation, self.n_candidates)

    def check(self, outputs, target):
        """Refuse what the objective refuses."""
        self.objective.check(self.candidates(outputs), target)

    def rows(self, outputs, target):
        """Loss of every row, shape (n,), from outputs (n, C K)."""
        return self.objective.rows(self.candidates(outputs), target)

    def candidates(self, outputs):
        """Outputs (n, C K) as (C, n, K)."""
        return outputs.unflatten(1, (self.n_candidates, -1)).transpose(0, 1)
