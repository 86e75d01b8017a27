"""MulMix: one prediction per mixture of modalities, combined multiplicatively."""

from numbers import Real

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize_scalar

from skmm._sklearn import HasMethods, Interval, StrOptions
from skmm.base import ModalityEstimator, NetClassifierMixin
from skmm.base.modality_subset import encoders_in_use
from skmm.data.labels import with_labels_of
from skmm.data.validation import parts_in_use
from skmm.nn import MixtureFusion, MixtureHead
from skmm.nn.fusion.mixtures import choose_mixtures, names_of
from skmm.objectives import MultiplicativeLoss
from skmm.targets.classes import several_labels_message
from skmm.training import predict_outputs


class MulMixClassifier(NetClassifierMixin, ModalityEstimator):
    r"""Combine predictions of all modality mixtures; confident candidates dominate.

    Every subset of the modalities is a *mixture*, which predicts with its own head from
    the merged embeddings; encoders are shared. The loss of a wrong candidate is reduced
    where another candidate is right, so that a weak modality of a sample does not
    affect the others. The class of least loss

    .. math:: \ell^k = -\sum_i w_i \prod_{j \neq i} (1 - p_j^k)^{\beta / (C - 1)}
        \log p_i^k

    is predicted, where :math:`p_i` are the probabilities of candidate i of C.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        Encoder of each modality in a dict, or one encoder for all. See
        :class:`FusionClassifier`.
    mixtures : "all", "singletons", "full" or list of tuple of str, default="all"
        "all" :math:`2^M - 1` subsets (MulMix), every modality alone (Mul), all
        modalities in one mixture (Add, with plain cross-entropy), or a list of subsets.
    max_order : int or None, default=None
        With "all": maximum number of modalities in a mixture. None allows any number,
        for up to 6 modalities.
    merge : {"sum", "mean", "concat"}, default="sum"
        How the embeddings of the modalities of a mixture are merged.
    width : int or "auto", default="auto"
        An integer adds one linear map per modality to that width. "auto" does so only
        for "sum" and "mean" of embeddings of different widths, to the largest width.
    beta : float >= 0, default=0.5
        How much a confident candidate reduces the loss of the others. With 0, the loss
        is the sum of the cross-entropies. Tuned by cross-validation it is MulMix*.
    boosted : bool, default=False
        Ignore samples whose true class has the least loss by more than `margin`.
    margin : float >= 0, default=0.0
        Required difference to the loss of any other class. Only used if `boosted`.
    focal : float >= 0, default=0.0
        Exponent with which a confident candidate reduces its own loss.
    detach : bool, default=True
        Treat the products as constants in the gradient.
    candidate_weights : dict or None, default=None
        Weight of each mixture in the loss and the prediction, such as
        ``{("image",): 0.3, ("image", "table"): 1.0}``. The default for each is 1; a
        mixture of weight 0 is left out.
    head : Block or None, default=None
        Layers from the merged embedding to the outputs; each mixture has a clone. None
        is ``MLPHead()``, which has one hidden layer.
    temperature : float > 0 or "validation", default=1.0
        Probabilities are the softmax of :math:`-\ell / T`. Since losses are sums over
        mixtures, they are often overconfident at T = 1, or far underconfident with
        boosting. "validation" minimises the log-loss of the validation set, with a
        prior that keeps T near 1 if the set is small. Predicted classes do not depend
        on T.
    modalities : list of str or None, default=None
        Modalities to use; encoders and mixtures of others are ignored. None uses all.
    stages : list of Stage or None, default=None
        Train in several stages, each of which trains some parts of the net; see
        :class:`skmm.training.Stage`. None trains all parts in one stage.
    optimizer : str or class, default="adam"
        "adam", "adamw", "sgd", "rmsprop", "nadam" or "adagrad", or a class of
        ``torch.optim``.
    lr : float or dict, default=1e-3
        Learning rate. A dict sets it by part. See :class:`FusionClassifier`.
    weight_decay : float or dict, default=0.0
        L2 penalty, passed to the optimizer. A dict sets it by part, like `lr`.
    lr_schedule : str, callable or None, default=None
        Schedule of `lr` over the epochs. See :class:`FusionClassifier`.
    gradient_clip : float or None, default=None
        Maximum norm of the gradient. None does not clip it.
    batch_size : int, default=32
        Size of mini-batches. A trailing mini-batch of one sample is merged into the
        previous one.
    max_epochs : int, default=100
        Number of epochs, or maximum number with early stopping.
    early_stopping : bool, "auto" or "keep_start", default=False
        Stop when the loss on a validation set no longer decreases, and restore the
        best weights. "keep_start" includes the initial weights.
    validation_fraction : float, default=0.15
        Fraction of the samples in the validation set, which is stratified by class.
    patience : int, default=10
        Epochs without improvement after which early stopping ends training.
    monitor : str or callable, default="loss"
        What early stopping follows on the validation set: "loss", or a scorer of
        scikit-learn. See :class:`FusionClassifier`.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied with `sample_weight`.
    warm_start : bool, default=False
        Start from the current weights if `fit` is called again.
    callbacks : list of skorch callbacks or None, default=None
        Callbacks, which are copied before every fit.
    checkpoint : path-like or None, default=None
        File from which an interrupted `fit` resumes. See :class:`FusionClassifier`.
    compile : bool, default=False
        Compile the net with ``torch.compile``. See :class:`FusionClassifier`.
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
        Sorted classes.
    mixtures_ : list of tuple of str
        The C mixtures, smaller ones first.
    temperature_ : float
        The temperature T of predictions.
    net_, encoders_, history_, n_iter_, best_epoch_
        See :class:`FusionClassifier`.
    modalities_seen_ : list of str
        Modalities that count in predictions; see :class:`FusionClassifier`.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        See :class:`FusionClassifier`.

    See Also
    --------
    FusionClassifier : One prediction from the fused embedding of all modalities.
    LateFusionClassifier : Combine the predictions of separate models.
    NoHarmFusionClassifier : Fuse only as far as it beats the best modality.

    Notes
    -----
    Where a modality of a sample is missing, the mixtures that contain it are left out.
    If no mixture is complete, all of them predict from the modalities that are present.

    References
    ----------
    Liu et al., "Learn to Combine Modalities in Multimodal Deep Learning", 2018: eq. 7
    to 11.

    Examples
    --------
    >>> from skmm import MulMixClassifier
    >>> from skmm.datasets import make_weak_modality
    >>> X, y = make_weak_modality(300, n_classes=3, random_state=0)
    >>> model = MulMixClassifier(max_epochs=20, random_state=0).fit(X[:200], y[:200])
    >>> bool(model.score(X[200:], y[200:]) > 0.7), len(model.mixtures_)
    (True, 7)
    >>> model.answering_mixture(X[200:]).columns.tolist()
    ['mixture', 'share', 'probability']
    """

    _predicts_from_embeddings = True

    _training_parameters = ModalityEstimator._training_parameters | {
        *("beta", "boosted", "margin", "detach", "focal", "temperature")
    }
    _by_subset = ("mixtures", "candidate_weights")
    search_space = {  # beta up to 1, the range of MulMix* in the paper
        "beta": (0.0, 1.0),
        "merge": ["sum", "mean", "concat"],
    }
    _changes_loss = (
        *ModalityEstimator._changes_loss,
        *("beta", "boosted", "margin", "focal", "candidate_weights", "mixtures"),
    )

    _parameter_constraints = {
        **ModalityEstimator._parameter_constraints,
        **MixtureFusion._parameter_constraints,
        **MultiplicativeLoss._parameter_constraints,
        "candidate_weights": [dict, None],
        "head": [HasMethods("build"), None],
        "temperature": [
            Interval(Real, 0, None, closed="neither"),
            StrOptions({"validation"}),
        ],
    }

    def __init__(
        self,
        encoders=None,
        *,
        mixtures="all",
        max_order=None,
        merge="sum",
        width="auto",
        beta=0.5,
        boosted=False,
        margin=0.0,
        focal=0.0,
        detach=True,
        candidate_weights=None,
        head=None,
        temperature=1.0,
        modalities=None,
        stages=None,
        optimizer="adam",
        lr=1e-3,
        weight_decay=0.0,
        lr_schedule=None,
        gradient_clip=None,
        batch_size=32,
        max_epochs=100,
        early_stopping=False,
        validation_fraction=0.15,
        patience=10,
        monitor="loss",
        class_weight=None,
        warm_start=False,
        callbacks=None,
        checkpoint=None,
        compile=False,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self._store(locals())

    def _validate_params(self):
        super()._validate_params()
        if self.temperature == "validation" and not self.early_stopping:
            raise ValueError(
                'temperature="validation" needs the samples that early stopping sets '
                "aside: use early_stopping=True."
            )

    # -- the net -------------------------------------------------------------------

    def _learn_target(self, y, weight=None, classes=None):
        target = super()._learn_target(y, weight, classes)
        if target.multilabel:
            raise ValueError(several_labels_message(self))
        return target

    def _make_module(self):
        self.mixtures_, self._weights = self._choose()
        fusion = MixtureFusion(self.mixtures_, merge=self.merge, width=self.width)
        head = MixtureHead(len(self.mixtures_), self.head)
        return self._assemble(encoders_in_use(self), fusion, head)

    def _n_outputs(self):
        return len(self.mixtures_) * super()._n_outputs()

    def _choose(self):
        """Mixtures of non-zero weight, and their weights."""
        mixtures = self.mixtures
        if not isinstance(mixtures, str):
            mixtures = [tuple(mix) for mix in self._in_use(mixtures, "mixtures")]
        names = list(self.modalities_in_)
        mixtures = choose_mixtures(mixtures, names, self.max_order)
        given = self._given_weights(mixtures)
        weights = [given.get(frozenset(mix), 1.0) for mix in mixtures]
        kept = [(mix, w) for mix, w in zip(mixtures, weights, strict=True) if w]
        if not kept:
            raise ValueError(
                "candidate_weights must be above 0 for at least one mixture; all are 0."
            )
        return [mix for mix, _ in kept], [weight for _, weight in kept]

    def _in_use(self, mixtures, what):
        """Mixtures of which all modalities are in use, as sets of names."""
        named = [names_of(mix) for mix in mixtures]
        found = sorted(frozenset().union(*named))
        used = parts_in_use(dict.fromkeys(found), self, what)
        kept = [mix for mix in named if mix <= used.keys()]
        if named and not kept and what == "mixtures":
            raise ValueError(
                f"none of the mixtures {list(mixtures)} has only modalities in use, "
                f"{list(self.modalities_in_)}."
            )
        return kept

    def _given_weights(self, mixtures):
        """Checked `candidate_weights` by set of names."""
        if self.candidate_weights is None:
            return {}
        known = {frozenset(mix) for mix in mixtures}
        in_use = self._in_use(self.candidate_weights, "candidate_weights")
        weights = {}
        for mix, weight in self.candidate_weights.items():
            mix = names_of(mix)
            if mix not in in_use:
                continue
            good = isinstance(weight, Real) and np.isfinite(weight) and weight >= 0
            if mix not in known or mix in weights or not good:
                raise ValueError(
                    "candidate_weights must have a finite number >= 0 for some of the "
                    f"mixtures {mixtures}, once each; got {tuple(mix)}: {weight!r}."
                )
            weights[mix] = float(weight)
        return weights

    def _objective(self):
        weights = None if self.candidate_weights is None else self._weights
        return MultiplicativeLoss(
            self.beta, self.boosted, self.margin, self.detach, self.focal, weights
        )

    def adopt(self, net, problem):
        """Set the fitted attributes from a trained net, and find the temperature.

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
        if self.temperature != "validation":
            self.temperature_ = float(self.temperature)
        else:
            rows, target = problem.valid
            losses = self._class_losses(predict_outputs(net.module_, rows))
            weight = None if rows.weight is None else rows.weight.cpu()
            self.temperature_ = best_temperature(losses, target.cpu(), weight)
        return self

    # -- predictions ---------------------------------------------------------------

    def _in_training(self, net):
        model = super()._in_training(net)
        known = self.temperature != "validation"  # it is found after training
        model.temperature_ = float(self.temperature) if known else 1.0
        return model

    def _outputs(self, X, method="forward"):
        """For `forward`, negative class losses divided by the temperature."""
        outputs = super()._outputs(X, method)
        if method != "forward":
            return outputs
        return -self._class_losses(outputs) / self.temperature_

    def _class_losses(self, outputs):
        return self.net_.criterion.class_losses(_double(outputs))

    def candidate_predict_proba(self, X):
        """Predict class probabilities with each mixture.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_mixtures, n_classes)
            In the order of `mixtures_`. NaN where the mixture is incomplete in the
            sample, unless all mixtures are.
        """
        outputs = self._candidates(X)
        absent = ~outputs["available"][..., None]
        return outputs["logits"].masked_fill(absent, torch.nan).softmax(-1).numpy()

    def answering_mixture(self, X):
        """Find the mixture with the largest share in each prediction.

        The share of a mixture is its factor in the loss of the predicted class, divided
        by the sum of the factors of all mixtures; it increases with confidence. With
        ``beta=0`` all shares are equal, and the most confident mixture is returned. If
        no mixture is complete in a sample, it may be an incomplete one.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        DataFrame of shape (n_samples, 3)
            - mixture : tuple of str, the mixture with the largest share
            - share : float in (0, 1]
            - probability : float, predicted by this mixture for the predicted class
        """
        outputs, loss = self._candidates(X), self.net_.criterion
        available = outputs["available"]
        chosen = loss.class_losses(outputs).argmin(1)
        index = chosen.expand(len(self.mixtures_), -1)[..., None]
        shares = loss.shares(outputs).gather(2, index)[..., 0]  # (C, n)
        probability = outputs["logits"].softmax(-1).transpose(0, 1).gather(2, index)
        probability = probability[..., 0].masked_fill(~available.T, -1.0)
        best = (shares + 1e-9 * probability).argmax(0, keepdim=True)
        return pd.DataFrame(
            {
                "mixture": [self.mixtures_[i] for i in best[0].tolist()],
                "share": shares.gather(0, best)[0].numpy(),
                "probability": probability.gather(0, best)[0].numpy(),
            }
        )

    def _candidates(self, X):
        """Outputs by name, in double precision."""
        return _double(super()._outputs(X))

    def transform(self, X):
        """Compute the merged embeddings of all mixtures, concatenated.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_mixtures * width), float32
        """
        out = self._outputs(X, "fuse")["mixtures"].flatten(1).numpy()
        return with_labels_of(X, out, self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        return tags


def _double(outputs):
    return {**outputs, "logits": outputs["logits"].double()}


TEMPERATURES = np.log([0.05, 100.0])  # bounds of the search


def best_temperature(losses, target, weight=None):
    """Return the T for which the softmax of -losses / T has the least log-loss.

    log T has a standard normal prior: without wrong predictions the minimum would be
    at T = 0, and a few samples should not change T much.

    Parameters
    ----------
    losses : Tensor, shape (n_samples, n_classes)
    target : Tensor, shape (n_samples,)
    weight : Tensor, shape (n_samples,), optional
    """
    weight = torch.ones(len(target)) if weight is None else weight

    def cost(log_temperature):
        scores = -losses / np.exp(log_temperature)
        chosen = scores.log_softmax(1).gather(1, target[:, None])[:, 0]
        return -(chosen * weight).sum().item() + log_temperature**2 / 2

    found = minimize_scalar(cost, bounds=TEMPERATURES, method="bounded")
    return float(np.exp(found.x))
