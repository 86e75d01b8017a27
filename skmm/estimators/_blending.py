"""What makes a net a gradient blend: a head per modality, weights of the losses."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skmm import objectives
from skmm._sklearn import Interval, StrOptions
from skmm.base import ClassifierFace, ModalityEstimator
from skmm.base.modality_weights import WeighsModalities
from skmm.data.validation import check_labels
from skmm.nn import MLPHead
from skmm.nn.auxiliary import AuxiliaryModule, auxiliary_heads
from skmm.nn.probing import give_tokens
from skmm.nn.resolve import resolve
from skmm.nn.seeds import derive
from skmm.objectives import BlendedLoss
from skmm.objectives.calling import checked
from skmm.training import BlendLosses

FUSED = "fused"


class GradientBlending(WeighsModalities, ClassifierFace, ModalityEstimator):
    """All of `GradientBlendingClassifier` but its parameters."""

    stages, checkpoint, compile = None, None, False

    _parameter_constraints = {
        **ModalityEstimator._parameter_constraints,
        "mode": [StrOptions({"offline", "online"})],
        "super_epoch": [Interval(Integral, 1, None, closed="left")],
    }

    # -- the net -------------------------------------------------------------------

    def _needs_valid(self):
        return True  # over-fitting shows on rows that are set aside

    def _make_module(self):
        net = super()._make_module()
        head = MLPHead() if self.head is None else self.head
        self.heads_ = [*self.modalities_in_, FUSED]
        check_labels(self.heads_, "heads")
        self._weights, self._estimates = None, []  # none of an earlier training
        sizes = net.widths, self._target.n_outputs
        self._refuse_tokens(net)
        return AuxiliaryModule(net, auxiliary_heads(head, *sizes, self._seeded))

    def _refuse_tokens(self, net):
        if many := give_tokens(net.encoders):
            raise ValueError(
                f"encoders of {many} give tokens, but the head of a modality reads one "
                "vector. Give an encoder of one vector, as ConvEncoder or LSTMEncoder."
            )

    def _objective(self):
        loss = checked(resolve(super()._objective(), objectives, "Objective"))
        if isinstance(loss, BlendedLoss):  # of a net that is being loaded
            return loss
        return BlendedLoss(loss, len(self.heads_), self._weights)

    def make_net(self, module):
        """Return an initialised net of these parameters, not yet trained.

        Parameters
        ----------
        module : AuxiliaryModule

        Returns
        -------
        TensorNet
        """
        net = super().make_net(module)
        seed, online = derive(self._seed, "blending"), self.mode == "online"
        settings = self.heads_, self.super_epoch, online, seed
        blend = BlendLosses(*settings, earlier=self._estimates)
        net.callbacks_.append(("blend_losses", blend))
        return net

    def adopt(self, net, problem):
        """Take a trained net as one's own, with its weights.

        Parameters
        ----------
        net : TensorNet
        problem : Problem
            What it was trained on.

        Returns
        -------
        self
        """
        super().adopt(net, problem)
        blend = next(c for _, c in net.callbacks_ if isinstance(c, BlendLosses))
        self._estimates = blend.estimates_
        self._weights = net.criterion.factors()
        return self

    def _packed(self, module):
        return {**super()._packed(module), "heads": dict(module.heads.items())}

    def _unpacked(self, parts):
        parts = dict(parts)
        heads = parts.pop("heads")
        return AuxiliaryModule(self._assemble(**parts), heads)

    # -- what it shows -------------------------------------------------------------

    @property
    def blending_weights_(self):
        """Weight of the loss of each head, as it was last; their sum is one."""
        check_is_fitted(self, "net_")
        return dict(zip(self.heads_, self._weights, strict=True))

    @property
    def blending_history_(self):
        """One row per estimate and head: epoch, head, gain, overfitting, weight.

        `partial_fit` and ``warm_start`` append to it; epochs count from the first one.
        """
        check_is_fitted(self, "net_")
        columns = ["epoch", "head", "gain", "overfitting", "weight"]
        return pd.DataFrame(self._estimates, columns=columns)

    def _outputs(self, X, method="forward"):
        outputs = super()._outputs(X, method)
        if method != "forward":
            return outputs
        return self.net_.criterion.heads(outputs)[-1]

    def head_predict_proba(self, X):
        """Probabilities of the classes according to each head.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n, H, n_classes)
            In the order of `heads_`, the fused one last; NaN for a modality that a row
            lacks.
        """
        check_is_fitted(self, "net_")
        heads = self.net_.criterion.heads(super()._outputs(X))
        said = np.stack([self._target.proba(one) for one in heads], 1)
        lacking = (heads.amax(-1) == -np.inf).T.numpy()
        said[lacking] = np.nan
        return said
