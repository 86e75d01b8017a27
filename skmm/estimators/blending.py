"""Gradient blending: losses weighted by how well each modality generalises."""

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
    r"""Train with a head per modality, and weight losses by how well they generalise.

    Modalities overfit at different rates, so that one learning rate trains some too
    long and others too briefly. Each modality has a head on its own embedding, in
    addition to the fused head, and the loss is

    .. math:: \sum_k w_k \, \ell(y, \hat y_k), \qquad
        w_k \propto \Delta G_k / \Delta O_k^2

    over the modalities and the fused head, which predicts. The gain ΔG is the decrease
    of the validation loss of a head when the net is trained on the loss of this head
    alone; ΔO is the increase of the difference between validation and training loss.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        Encoder of each modality in a dict, or one encoder for all. See
        :class:`FusionClassifier`.
    mode : {"offline", "online"}, default="offline"
        "offline" estimates the weights once, at the start of the first `fit`. "online"
        estimates them again every `super_epoch` epochs, from the current net.
    super_epoch : int, default=20
        Number of epochs for which a copy of the net is trained for each head to
        estimate the weights. With M modalities, an estimate takes M + 1 times as many.
    fusion : str or Block, default="concat"
        A fusion of ``skmm.nn``, as an instance or by name. See
        :class:`FusionClassifier`.
    head : Block or None, default=None
        Layers from an embedding to the outputs; each modality and the fused embedding
        have a clone. None is ``MLPHead()``, which has one hidden layer.
    modalities : list of str or None, default=None
        Modalities to use; encoders of others are ignored. None uses all.
    objective : str, callable or None, default=None
        Loss of each head. None is cross-entropy, or binary cross-entropy for multilabel
        targets.
    optimizer : str or class, default="sgd"
        "adam", "adamw", "sgd", "rmsprop", "nadam" or "adagrad", or a class of
        ``torch.optim``; see Notes.
    lr : float or dict, default=0.05
        Learning rate. A dict sets it by part, such as ``{"heads__image": 0.01}`` for
        the head of a modality; other parts get 1e-3.
    weight_decay : float or dict, default=0.0
        L2 penalty, passed to the optimizer. A dict sets it by part, like `lr`.
    lr_schedule : str, callable or None, default=None
        Schedule of `lr` over the epochs, not used in estimates of the weights. See
        :class:`FusionClassifier`.
    gradient_clip : float or None, default=1.0
        Maximum norm of the gradient. None does not clip it.
    batch_size : int, default=32
        Size of mini-batches. A trailing mini-batch of one sample is merged into the
        previous one.
    max_epochs : int, default=100
        Number of epochs, or maximum number with early stopping; those of estimates of
        the weights are not counted.
    early_stopping : bool, "auto" or "keep_start", default=False
        Stop when the validation loss of the fused head no longer decreases, and restore
        the best weights. "keep_start" includes the initial weights.
    validation_fraction : float, default=0.2
        Fraction of the samples in the validation set, which is stratified by class. It
        is also needed without early stopping, to measure overfitting.
    patience : int, default=10
        Epochs without improvement after which early stopping ends training.
    monitor : str or callable, default="loss"
        What early stopping follows on the validation set: "loss", or a scorer of
        scikit-learn. See :class:`FusionClassifier`.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weights of the classes, multiplied with `sample_weight`; for multilabel targets
        a list with one dict per label.
    warm_start : bool, default=False
        Start from the current weights of the net and of the losses if `fit` is called
        again. "offline" does not estimate them again; "online" does when it is due.
    callbacks : list of skorch callbacks or None, default=None
        Callbacks, which are copied before every fit. They are not called for the copies
        of the net that estimate the weights.
    device : str or torch.device, default="auto"
        Device of the net. "auto" is CUDA if available, else the CPU.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, mini-batches, dropout and the validation set. See
        :class:`FusionClassifier`.
    verbose : int, default=0
        Show a progress bar if not 0.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted classes; column numbers for multilabel targets.
    heads_ : list of str
        The modalities, then "fused".
    blending_weights_ : dict of str to float
        Last weight of the loss of each head.
    blending_history_ : DataFrame
        One row per estimate and head: epoch, head, gain, overfitting, weight. A warm
        start appends to it. `epoch` counts all epochs before the estimate, including
        calls of `partial_fit`.
    modality_weights_ : DataFrame
        Weights in the fused embedding, with ``LpNormFusion`` or ``NoHarmFusion``. A
        penalty of the fusion is not multiplied with the weight of the fused head.
    net_, encoders_, history_, n_iter_, best_epoch_
        See :class:`FusionClassifier`.
    modalities_seen_ : list of str
        Modalities that count in predictions; see :class:`FusionClassifier`.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        See :class:`FusionClassifier`.

    See Also
    --------
    skmm.inspection.overfitting_to_generalization_ratio : The ratio between any epochs.
    LateFusionClassifier : Combine the predictions of separate models.

    Notes
    -----
    The default is gradient descent, like in the paper: Adam divides each gradient by
    its own magnitude, so that the weight of a loss would hardly change how fast an
    encoder learns. The default learning rate is meant for standardised modalities.

    A sample does not contribute to the loss of a head whose modality is missing. Gains
    below zero are replaced by zero, overfitting of less than 1e-3 by 1e-3; without any
    gain, weights are equal. The fused head, which predicts, has a weight of at least
    0.1, unlike in the paper, so that it always learns. `partial_fit` has no validation
    set and does not estimate weights: it keeps those of an earlier `fit`, or equal
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
        monitor="loss",
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
        return True  # overfitting is measured on them

    def _uses_groups(self):
        return True

    def _make_module(self):
        net = super()._make_module()
        head = MLPHead() if self.head is None else self.head
        self.heads_ = [*self.modalities_in_, FUSED]
        check_labels(self.heads_, "heads")
        self._weights, self._estimates = None, []  # discards those of an earlier fit
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
        """Make an initialised, untrained net from a module and the parameters.

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
        """Set the fitted attributes from a trained net, with the weights of its losses.

        Parameters
        ----------
        net : TensorNet
        problem : TrainingData
            Its training data.

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

    # -- weights and predictions ---------------------------------------------------

    @property
    def blending_weights_(self):
        """Last weight of the loss of each head; the weights sum to one."""
        check_is_fitted(self, "net_")
        return dict(zip(self.heads_, self._weights, strict=True))

    @property
    def blending_history_(self):
        """One row per estimate and head: epoch, head, gain, overfitting, weight.

        `partial_fit` and ``warm_start`` append to it; epochs are counted from the first
        fit.
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
        """Predict class probabilities with each head.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_heads, n_classes)
            In the order of `heads_`, the fused head last; NaN where the modality of the
            head is missing.
        """
        check_is_fitted(self, "net_")
        outputs = super()._outputs(X)
        heads = outputs["logits"].unbind(1)
        proba = np.stack([self._target.proba(logits) for logits in heads], 1)
        proba[~outputs["available"].numpy()] = np.nan
        return proba


FUSED = "fused"
