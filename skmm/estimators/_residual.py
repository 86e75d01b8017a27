"""Sums of terms of one, two and more modalities, each order trained on what is left."""

from numbers import Integral

import torch
from sklearn.utils.validation import check_is_fitted

from skmm import objectives
from skmm._sklearn import Interval, StrOptions
from skmm.estimators._branches import BranchEstimator
from skmm.nn.branches import SummedBranches
from skmm.nn.fusion.mixtures import choose_mixtures
from skmm.nn.resolve import resolve
from skmm.objectives import ResidualLoss
from skmm.objectives.calling import checked
from skmm.training import Stage


class ResidualFusion(BranchEstimator):
    """What the classifier and the regressor share."""

    _unit = "term"

    _parameter_constraints = {
        **BranchEstimator._parameter_constraints,
        "mode": [StrOptions({"mro", "sequential", "joint"})],
        "max_order": [Interval(Integral, 1, None, closed="left"), None],
    }

    def _validate_params(self):
        super()._validate_params()
        if self.mode == "sequential" and self.warm_start:
            raise ValueError(
                "mode='sequential' freezes an order once it is trained; it cannot go "
                "on with warm_start=True. Use mode='mro', or warm_start=False."
            )

    def _fit_one_epoch(self, X, y, sample_weight, classes=None):
        if self.mode == "sequential":
            raise ValueError(
                "partial_fit trains all orders together; mode='sequential' trains one "
                "after the other. Use mode='mro'."
            )
        return super()._fit_one_epoch(X, y, sample_weight, classes)

    # -- the net -------------------------------------------------------------------

    def _make_module(self):
        names = list(self.modalities_in_)
        self.terms_ = choose_mixtures("all", names, self.max_order)
        return self._joined({mine: self._branch(mine) for mine in self.terms_})

    def _without(self, names):
        fix = "give a fusion that serves all terms of several modalities."
        if len(names) == 1:
            return fix.capitalize()
        return f"Set max_order={len(names) - 1}, or {fix}"

    def _joined(self, branches):
        kinds = [f"order{len(mine)}" for mine in branches]
        return SummedBranches(branches, self.modalities_in_, kinds)

    def _stages(self):
        if self.mode != "sequential":
            return None
        return [Stage(f"order{order}") for order in self._orders()]

    def _orders(self):
        return sorted({len(mine) for mine in self.terms_})

    def _objective(self):
        loss = checked(resolve(super()._objective(), objectives, "Objective"))
        if isinstance(loss, ResidualLoss):  # of a net that is being loaded
            return loss
        orders = [len(mine) for mine in self.terms_]
        return ResidualLoss(loss, orders, joint=self.mode != "mro")

    def _packed(self, module):
        return {**super()._packed(module), "trained": module.trained.tolist()}

    def _unpacked(self, parts):
        module = self._joined(self._branches_of(self.terms_, parts))
        module.trained.copy_(torch.tensor(parts["trained"]))
        return module

    # -- predictions ---------------------------------------------------------------

    def _outputs(self, X, method="forward"):
        outputs = super()._outputs(X, method)
        return outputs if method != "forward" else sum(self._by_order(outputs))

    def _by_order(self, outputs):
        return self.net_.criterion.by_order(outputs)

    def _staged(self, X, decode):
        """What the lowest order says, the lowest two together, and so on."""
        check_is_fitted(self, "net_")
        decode, total = getattr(self._target, decode), 0.0
        for said in self._by_order(super()._outputs(X)):
            total = total + said
            yield decode(total)

    def staged_predict(self, X):
        """Predict by the lowest order, by the lowest two together, and so on.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Yields
        ------
        ndarray of shape (n,) or (n, k)
            One for each order; the last is `predict`.
        """
        yield from self._staged(X, "decode")

    def contributions(self, X, by="order"):
        """What each order, or each term, adds to the sum.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows
        by : {"order", "term"}, default="order"
            Orders 1 to R, or the terms as in `terms_`.

        Returns
        -------
        ndarray of shape (n, R, K) or (n, n_terms, K)
            Logits of the K classes; of a regressor values in the units of y less its
            mean. A term is zero in a row that lacks one of its modalities.
        """
        if by not in ("order", "term"):
            raise ValueError(f"by must be 'order' or 'term'; got {by!r}.")
        outputs = super()._outputs(X)
        if by == "term":
            parts = self.net_.criterion.terms(outputs)
        else:
            parts = torch.stack(self._by_order(outputs), 1)
        return parts.double().numpy() * getattr(self._target, "scale", 1.0)
