"""Gradient blending: losses of all modalities, weighed by how they generalise."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skmm import objectives
from skmm._random import derive
from skmm._resolver import resolve
from skmm._sklearn import Interval, StrOptions
from skmm.base import ModalityEstimator, NetClassifierMixin
from skmm.data.validation import check_labels
from skmm.nn import MLPHead
from skmm.nn.composite.auxiliary import AuxiliaryModule, auxiliary_heads
from skmm.nn.shape_inference import give_tokens
from skmm.objectives import BlendedLoss
from skmm.objectives.base import check_objective
from skmm.training import BlendLosses


class GradientBlendingClassifier(NetClassifierMixin, ModalityEstimator):
    r"""Train with a head per modality, and weigh their losses by how they generalise.

    Modalities over-fit at different rates, so that one rate for all trains some too
    long and others too short. Each modality has a head on its embedding beside the
    fused one, and the loss is

    .. math:: \sum_k w_k \, \ell(y, \hat y_k), \qquad
        w_k \propto \Delta G_k / \Delta O_k^2

    over the modalities and the fused head. The gain ΔG is by how much the validation
    loss of a head falls when the net is trained on the loss of this head alone, ΔO by
    how much the distance between validation and training loss grows. The fused head
    predicts.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        As for ``FusionClassifier``.
    mode : {"offline", "online"}, default="offline"
        "offline" estimates the weights once, at the start of the first `fit`; "online"
        estimates them again every `super_epoch` epochs, from the current net.
    super_epoch : int, default=20
        Epochs for which a copy of the net is trained for each head, to estimate the
        weights; with M modalities an estimate costs M + 1 times as many epochs.
    fusion : str or Block, default="concat"
        As for ``FusionClassifier``.
    head : Block or None, default=None
        From an embedding to the outputs; each modality and the fused embedding have a
        clone of it. None is ``MLPHead()``.
    modalities : list of str or None, default=None
        Use only these; encoders of others are ignored.
    objective : str, callable or None, default=None
        Of each head; None is cross-entropy, or binary cross-entropy for multilabel
        targets.
    optimizer : str or class, default="sgd"
        As for ``FusionClassifier``; see Notes.
    lr : float or dict, default=0.05
        Learning rate, or rates by part; heads of modalities are "heads__image".
    weight_decay : float or dict, default=0.0
        L2 penalty as the optimizer understands it; a dict as for `lr`.
    lr_schedule : "cosine", "plateau", callable or None, default=None
        How lr changes by epoch, as for ``FusionClassifier``; not in estimates.
    gradient_clip : float or None, default=1.0
        Largest norm of all gradients together.
    batch_size : int, default=32
        A trailing mini-batch of one sample is merged into the previous one.
    max_epochs : int, default=100
        Passes over the data, without those of estimates.
    early_stopping : bool or "keep_start", default=False
        Stop when the validation loss of the fused head no longer falls, and keep the
        best weights.
    validation_fraction : float, default=0.2
        Share of samples set aside, stratified by class, without early stopping too:
        they show over-fitting.
    patience : int, default=10
        Epochs without improvement before stopping.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Multiplies `sample_weight`.
    warm_start : bool, default=False
        Continue from the current weights, also those of the losses, when `fit` is
        called again: "offline" does not estimate again, "online" when it is due.
    callbacks : list of skorch callbacks or None, default=None
        Copied before use; not called for the copies that estimate the weights.
    device : str or torch.device, default="auto"
        "auto" is CUDA where there is one.
    random_state : int, RandomState or None, default=None
        As for ``FusionClassifier``.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    heads_ : list of str
        The modalities, then "fused".
    blending_weights_ : dict of str to float
        Last weight of the loss of each head.
    blending_history_ : DataFrame
        One row per estimate and head: epoch, head, gain, overfitting, weight. A warm
        start appends to it; `epoch` counts all training before the estimate, calls of
        `partial_fit` included.
    modality_weights_ : DataFrame
        Of the fused head, with ``LpNormFusion`` or ``NoHarmFusion``; a penalty of the
        fusion counts whole, whatever the weight of that head.
    net_, encoders_, history_, n_iter_, best_epoch_
        As for ``FusionClassifier``.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        As for ``FusionClassifier``.

    See Also
    --------
    skmm.inspection.overfitting_to_generalization_ratio : the same of any two moments.
    LateFusionClassifier : separate models, joined after they predict.

    Notes
    -----
    The default is plain gradient descent, as in the paper: Adam divides each gradient
    by its own size, so that an encoder learns as fast whatever the weight of its loss.
    Its rate suits standardised modalities.

    A sample that lacks a modality does not count in the loss of its head. Gains below
    zero count as zero, over-fitting of less than 1e-3 as 1e-3; if no head gains
    anything, weights are equal. The fused head, which predicts, has a weight of 0.1 or
    more, unlike in the paper, so that it always learns. `partial_fit` does not set
    samples aside nor estimate weights: it keeps those of an earlier `fit`, or equal
    ones.

    References
    ----------
    Wang, Tran and Feiszli, "What makes training multi-modal classification networks
    hard?", 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import GradientBlendingClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = {"good": rng.normal(size=(200, 3)), "noise": rng.normal(size=(200, 30))}
    >>> y = X["good"][:, 0] > 0
    >>> settings = {"super_epoch": 5, "max_epochs": 5, "random_state": 0}
    >>> model = GradientBlendingClassifier(**settings).fit(X, y)
    >>> weights = model.blending_weights_
    >>> list(weights), bool(weights["good"] > weights["noise"])
    (['good', 'noise', 'fused'], True)
    """

    _predicts_from_embeddings = True

    stages, checkpoint, compile = None, None, False

    _training_parameters = ModalityEstimator._training_parameters | {
        *("mode", "super_epoch")
    }

    _parameter_constraints = {
        **ModalityEstimator._parameter_constraints,
        "mode": [StrOptions({"offline", "online"})],
        "super_epoch": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        encoders=None,
        *,
        mode="offline",
        super_epoch=20,
        fusion="concat",
        head=None,
        modalities=None,
        objective=None,
        optimizer="sgd",
        lr=0.05,
        weight_decay=0.0,
        lr_schedule=None,
        gradient_clip=1.0,
        batch_size=32,
        max_epochs=100,
        early_stopping=False,
        validation_fraction=0.2,
        patience=10,
        class_weight=None,
        warm_start=False,
        callbacks=None,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self._store(locals())

    # -- the net -------------------------------------------------------------------

    def _needs_valid(self):
        return True  # over-fitting is measured on them

    def _make_module(self):
        net = super()._make_module()
        head = MLPHead() if self.head is None else self.head
        self.heads_ = [*self.modalities_in_, FUSED]
        check_labels(self.heads_, "heads")
        self._weights, self._estimates = None, []  # none of an earlier training
        sizes = net.widths, self._target.n_outputs
        self._check_tokens(net)
        return AuxiliaryModule(net, auxiliary_heads(head, *sizes, self._seeded))

    def _check_tokens(self, net):
        if many := give_tokens(net.encoders):
            raise ValueError(
                f"encoders of {many} give tokens, but the head of a modality reads one "
                "vector. Use an encoder of one vector, such as ConvEncoder or "
                "LSTMEncoder."
            )

    def _objective(self):
        loss = check_objective(resolve(super()._objective(), objectives, "Objective"))
        return BlendedLoss(loss, len(self.heads_), self._weights)

    def make_net(self, module, objective=None):
        """Return an initialised net of these parameters, not yet trained.

        Parameters
        ----------
        module : AuxiliaryModule
        objective : Objective, optional
            That of a net that is loaded; None is the estimator's own.

        Returns
        -------
        TensorNet
        """
        net = super().make_net(module, objective)
        seed, online = derive(self._seed, "blending"), self.mode == "online"
        settings = self.heads_, self.super_epoch, online, seed
        blend = BlendLosses(*settings, earlier=self._estimates)
        net.callbacks_.append(("blend_losses", blend))
        return net

    def adopt(self, net, problem):
        """Take over a trained net, with the weights of its losses.

        Parameters
        ----------
        net : TensorNet
        problem : TrainingData
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
        """Last weight of the loss of each head; their sum is one."""
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
        return outputs["logits"][:, -1]

    def head_predict_proba(self, X):
        """Probabilities of the classes according to each head.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_heads, n_classes)
            In the order of `heads_`, the fused one last; NaN for a modality that a
            sample lacks.
        """
        check_is_fitted(self, "net_")
        outputs = super()._outputs(X)
        heads = outputs["logits"].unbind(1)
        proba = np.stack([self._target.proba(logits) for logits in heads], 1)
        proba[~outputs["available"].numpy()] = np.nan
        return proba


FUSED = "fused"
