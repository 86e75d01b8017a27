r"""Losses of several candidate predictions of one target (Mul and MulMix).

==================  =================================================  =================
objective           loss of a sample                                   outputs
==================  =================================================  =================
MultiplicativeLoss  -sum_i w_i q_i log p_i^y,                          {"logits":
                    q_i = prod_{j != i} (1 - p_j^y)^(beta / (C - 1))   (batch, C, K),
                                                                       "available":
                                                                       (batch, C)}
==================  =================================================  =================
"""

import copy
import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import clone

from skmm._sklearn import Interval
from skmm.objectives.base import Objective
from skmm.objectives.supervised import check_class_numbers

__all__ = ["MultiplicativeLoss", "OverCandidates"]


class MultiplicativeLoss(Objective):
    r"""Sum of cross-entropies in which confident candidates reduce the other terms.

    .. math::
        \ell^k = -\sum_i w_i q_i^k \log p_i^k, \qquad
        q_i^k = \prod_{j \neq i} (1 - p_j^k)^{\beta / (C - 1)} (1 - p_i^k)^{\alpha}

    is the loss of class k. Training minimises that of the true class, and the class of
    least loss is predicted. A wrong candidate has a small loss where another candidate
    is right.

    Parameters
    ----------
    beta : float >= 0, default=0.5
        How much a confident candidate reduces the loss of the others; 0 is the sum of
        the cross-entropies.
    boosted : bool, default=False
        Ignore samples whose true class has the least loss by more than `margin`. Early
        stopping uses the loss without boosting.
    margin : float >= 0, default=0.0
        Margin of boosting; infinity is the loss without boosting. Only used if
        `boosted`.
    detach : bool, default=True
        Treat the factors q as constants, so that the gradient of a candidate is q times
        that of its cross-entropy.
    focal : float >= 0, default=0.0
        Exponent :math:`\alpha` with which a candidate reduces its own loss.
    candidate_weights : sequence of float or None, default=None
        Weights w of the candidates; None is 1 for all.

    Notes
    -----
    Candidates that are not available for a sample are left out of its loss. The loss is
    finite for logits of absolute value up to 200, since log(1 - p) is computed as a
    difference of two log-sum-exps.

    References
    ----------
    Liu et al., "Learn to Combine Modalities in Multimodal Deep Learning", 2018: eq. 7
    to 9, boosting in eq. 10. The factors are differentiated in the text, but not in the
    code of the authors.

    Examples
    --------
    >>> import torch
    >>> from skmm.objectives import MultiplicativeLoss
    >>> outputs = {
    ...     "logits": torch.tensor([[[2.2, 0.0], [0.0, 0.0]]]),  # 2 candidates
    ...     "available": torch.ones(1, 2, dtype=torch.bool),
    ... }
    >>> y = torch.tensor([0])
    >>> [round(MultiplicativeLoss(beta)(outputs, y).item(), 3) for beta in (0, 0.5, 1)]
    [0.798, 0.293, 0.122]
    """

    reads = ("logits", "available")

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
                f"margin={self.margin} is only used when boosted=True; got "
                "boosted=False."
            )
        weights = self.candidate_weights
        if weights is not None and not _are_weights(weights):
            raise ValueError(
                "candidate_weights must be finite non-negative numbers, not all "
                f"zero; got {list(weights)}."
            )

    @property
    def validation(self):
        """Objective of the validation set: this one without boosting."""
        return clone(self).set_params(boosted=False, margin=0.0)

    def check(self, outputs, target):
        """Check the shapes of logits, target and weights."""
        check_class_numbers(self, target)
        logits = _candidates(outputs)[0]
        if logits.ndim != 3 or logits.shape[1] != len(target):
            raise ValueError(
                f"objective {type(self).__name__} needs the outputs 'logits', of shape "
                "(n_samples, n_candidates, n_classes), and 'available', or a tensor "
                f"(n_candidates, n_samples, n_classes), for {len(target)} samples; got "
                f"logits of shape {tuple(logits.shape)}. The net of MulMixClassifier "
                "has such outputs."
            )
        weights = self.candidate_weights
        if weights is not None and len(weights) != len(logits):
            raise ValueError(
                f"candidate_weights must have one entry per candidate, {len(logits)}; "
                f"got {len(weights)}."
            )

    def rows(self, outputs, target):
        """Loss of every sample, shape (n_samples,).

        Parameters
        ----------
        outputs : dict, or Tensor
            "logits" of shape (n_samples, n_candidates, n_classes), and the mask
            "available" of shape (n_samples, n_candidates); or logits of shape
            (n_candidates, n_samples, n_classes), all of which are available.
        target : Tensor, shape (n_samples,)
        """
        logits, available = _candidates(outputs)
        index = target.expand(len(logits), -1)[..., None]
        total = logits.logsumexp(-1)  # a log-softmax of few classes takes longer
        own = logits.gather(-1, index)[..., 0] - total
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach):
            factors = self._factors(_log_rest(logits, index, total), available)
        losses = -(factors * own).sum(0)
        return losses * self._to_learn(outputs, target) if self.boosted else losses

    def _without_unobserved(self, outputs, observed):
        if isinstance(outputs, dict):
            return super()._without_unobserved(outputs, observed)
        samples_first = outputs.transpose(0, 1)
        return super()._without_unobserved(samples_first, observed).transpose(0, 1)

    def class_losses(self, outputs):
        """Compute the loss of every class, shape (n_samples, n_classes); see `rows`.

        The factors q are those of the class; the class of least loss is predicted.
        """
        logits, available = _candidates(outputs)
        own = logits.log_softmax(-1)
        return -(self._factors(log_complement(logits, own), available) * own).sum(0)

    def shares(self, outputs):
        """Compute the share of each candidate in the loss of each class; see `rows`.

        Returns
        -------
        Tensor, shape (n_candidates, n_samples, n_classes)
            They sum to one over the candidates.
        """
        logits, available = _candidates(outputs)
        rest = log_complement(logits, logits.log_softmax(-1))
        exponents, there = self._exponents(rest, available)
        factors = exponents + self._weights(exponents).log()
        return factors.masked_fill(there == 0, -torch.inf).softmax(0)

    def _factors(self, rest, available):
        """``w q`` from log(1 - p), zero for candidates that are not available."""
        exponents, there = self._exponents(rest, available)
        factors = exponents.exp() * there
        if self.candidate_weights is None:
            return factors
        return factors * self._weights(factors)

    def _exponents(self, rest, available):
        """Log q from log(1 - p), and the mask as numbers of the same shape."""
        there = available.view(*available.shape, *[1] * (rest.ndim - 2)).to(rest.dtype)
        rest = rest * there
        others = (there.sum(0) - 1).clamp(min=1)
        exponent = (rest.sum(0) - rest) * (self.beta / others)
        if self.focal:
            exponent = exponent + self.focal * rest
        return exponent, there

    def _weights(self, like):
        """Weights w of the candidates, for tensors (C, ...)."""
        given = self.candidate_weights
        given = [1.0] * len(like) if given is None else map(float, given)
        return like.new_tensor(list(given)).view(-1, *[1] * (like.ndim - 1))

    @torch.no_grad()
    def _to_learn(self, outputs, target):
        """1 where another class is within the margin of the true class, else 0."""
        losses = self.class_losses(outputs)
        true = losses.gather(1, target[:, None])
        others = losses.scatter(1, target[:, None], torch.inf)
        return (true[:, 0] + self.margin >= others.amin(1)).to(losses.dtype)


def _are_weights(values):
    try:
        values = np.asarray(values, float)
    except (TypeError, ValueError):
        return False
    return bool(np.isfinite(values).all() and (values >= 0).all() and values.any())


def _candidates(outputs):
    """Logits (C, batch, K), zero where not available, and the mask (C, batch)."""
    if not isinstance(outputs, dict):
        return outputs, outputs.new_ones(outputs.shape[:2], dtype=torch.bool)
    logits, available = outputs["logits"], outputs["available"].T
    return logits.transpose(0, 1).masked_fill(~available[..., None], 0.0), available


def _log_rest(logits, index, total):
    """Log(1 - p) of one class, from logits (..., K) and their log-sum-exp (...)."""
    return logits.scatter(-1, index, -torch.inf).logsumexp(-1) - total


def log_complement(logits, log_p):
    """Log(1 - p) of every class, also accurate if p is near 1.

    Parameters
    ----------
    logits, log_p : Tensor, shape (..., K)
        Logits and their log-softmax.
    """
    top = logits.argmax(-1, keepdim=True)
    rest = _log_rest(logits, top, logits.logsumexp(-1))
    small = log_p.scatter(-1, top, -1.0)  # of the others p <= 1/2
    return torch.log1p(-small.exp()).scatter(-1, top, rest[..., None])


class OverCandidates(Objective):
    """Deprecated: objectives over candidates read the named outputs themselves.

    .. deprecated:: 0.1
        Pass `objective` itself, on ``{"logits": ..., "available": ...}``.

    Parameters
    ----------
    objective : Objective
        Objective of logits of shape (n_candidates, n_samples, n_classes).
    n_candidates : int
        Number of candidates, concatenated in the columns of a tensor.
    """

    _parameter_constraints = {
        "objective": [Objective],
        "n_candidates": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, objective, n_candidates):
        warnings.warn(
            "OverCandidates is deprecated and will be removed in 0.3: "
            "MultiplicativeLoss reads the outputs 'logits' and 'available' by name.",
            FutureWarning,
            stacklevel=2,
        )
        self.objective = objective
        self.n_candidates = n_candidates

    def _validate_params(self):
        super()._validate_params()
        clone(self.objective)._validate_params()

    @property
    def validation(self):
        """Objective of the validation set."""
        other = copy.copy(self)
        other.objective = self.objective.validation
        return other

    def check(self, outputs, target):
        """Check outputs and target by the objective."""
        self.objective.check(self._named(outputs), target)

    def rows(self, outputs, target):
        """Loss of every sample, shape (n_samples,)."""
        return self.objective.rows(self._named(outputs), target)

    def _named(self, outputs):
        if not self.objective.reads:
            return self.candidates(outputs)
        logits = outputs.unflatten(1, (self.n_candidates, -1))
        return {"logits": logits, "available": logits.detach().amax(-1) > -torch.inf}

    def candidates(self, outputs):
        """Split columns (batch, C K) into logits (C, batch, K)."""
        return outputs.unflatten(1, (self.n_candidates, -1)).transpose(0, 1)
