"""MulMix: one prediction per mixture of modalities, joined multiplicatively."""

from numbers import Real

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize_scalar

from skmm._sklearn import HasMethods, Interval, StrOptions
from skmm.base import ModalityEstimator, NetClassifierMixin
from skmm.base.modality_subset import encoders_in_use
from skmm.data.validation import parts_in_use
from skmm.nn import MixtureFusion, MixtureHead
from skmm.nn.fusion.mixtures import choose_mixtures, names_of
from skmm.objectives import MultiplicativeLoss
from skmm.training import predict_outputs


class MulMixClassifier(NetClassifierMixin, ModalityEstimator):
    r"""Combine predictions of all mixtures of modalities; confident ones dominate.

    Every subset of the modalities, a *mixture*, predicts with its own head from the
    merged embeddings; encoders are shared. A mixture that errs costs little where
    another one is right, so that a weak modality of a sample does not spoil what the
    others learn from it. The class of least loss

    .. math:: \ell^k = -\sum_i w_i \prod_{j \neq i} (1 - p_j^k)^{\beta / (C - 1)}
        \log p_i^k

    is predicted, where :math:`p_i` are the probabilities of mixture i of C.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        As for ``FusionClassifier``.
    mixtures : "all", "singletons", "full" or list of tuple of str, default="all"
        "all" :math:`2^M - 1` subsets (MulMix), every modality alone (Mul), all together
        (Add, with plain cross-entropy), or those that a list names.
    max_order : int or None, default=None
        With "all": the most modalities in one mixture; needed beyond 6 modalities.
    merge : {"sum", "mean", "concat"}, default="sum"
        How a mixture joins the embeddings of its modalities.
    width : int or "auto", default="auto"
        An integer adds one linear map per modality to that width. "auto" does so only
        for "sum" and "mean" of embeddings of different widths, to the largest of them.
    beta : float >= 0, default=0.5
        How much a confident mixture reduces the loss of the others; 0 is the sum of
        their cross-entropies. Tuned by cross-validation it is MulMix*.
    boosted : bool, default=False
        Samples whose true class wins by the `margin` cost nothing.
    margin : float >= 0, default=0.0
        By how much the true class must win, in terms of the losses; only used when
        `boosted`.
    focal : float >= 0, default=0.0
        Exponent with which a confident mixture reduces its own loss.
    detach : bool, default=True
        Differentiate as if the products were constants.
    candidate_weights : dict or None, default=None
        Weight of a mixture in the loss and the prediction, as
        ``{("image",): 0.3, ("image", "table"): 1.0}``; 1 for those that are not in it.
        A mixture of weight 0 is left out.
    head : Block or None, default=None
        From the merged embedding to the outputs; each mixture has a clone of it. None
        is ``MLPHead()``, one hidden layer.
    temperature : float > 0 or "validation", default=1.0
        Probabilities are the softmax of :math:`-\ell / T`. As losses are sums over
        mixtures, they are often overconfident at T = 1, with boosting far
        underconfident; "validation" finds the T of least log-loss on the samples that
        early stopping sets aside, with a prior that keeps it near 1 if they are few.
        Predicted classes do not depend on it.
    modalities : list of str or None, default=None
        Use only these; encoders and mixtures of others are ignored.
    stages : list of Stage or None, default=None
        Train in several stages; see ``skmm.training.Stage``.
    optimizer : str or class, default="adam"
        As for ``FusionClassifier``.
    lr : float or dict, default=1e-3
        Learning rate, or rates by part.
    weight_decay : float or dict, default=0.0
        L2 penalty as the optimizer understands it.
    lr_schedule : "cosine", "plateau", callable or None, default=None
        How lr changes by epoch, as for ``FusionClassifier``.
    gradient_clip : float or None, default=None
        Largest norm of all gradients together.
    batch_size : int, default=32
        A trailing mini-batch of one sample is merged into the previous one.
    max_epochs : int, default=100
        Passes over the data.
    early_stopping : bool or "keep_start", default=False
        Set samples aside and keep the weights that are best on them.
    validation_fraction : float, default=0.15
        Share of samples set aside, stratified by class.
    patience : int, default=10
        Epochs without improvement before stopping.
    class_weight : dict, "balanced" or None, default=None
        Multiplies `sample_weight`.
    warm_start : bool, default=False
        Continue from the current weights when `fit` is called again.
    callbacks : list of skorch callbacks or None, default=None
        Copied before use.
    checkpoint : path-like or None, default=None
        A file from which an interrupted `fit` goes on, as for ``FusionClassifier``.
    compile : bool, default=False
        Compile the net with ``torch.compile``, as for ``FusionClassifier``.
    device : str or torch.device, default="auto"
        "auto" is CUDA where there is one.
    random_state : int, RandomState or None, default=None
        As for ``FusionClassifier``.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    mixtures_ : list of tuple of str
        The C mixtures, smaller ones first.
    temperature_ : float
        T, as it is used.
    net_, encoders_, history_, n_iter_, best_epoch_
        As for ``FusionClassifier``.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        As for ``FusionClassifier``.

    See Also
    --------
    FusionClassifier : one prediction, from all modalities together.
    LateFusionClassifier : separate models, joined after they predict.
    NoHarmFusionClassifier : is a fusion better than the best modality?

    Notes
    -----
    In a sample that lacks a modality, the mixtures that contain it are left out; if
    none is complete, all predict from the modalities that there are.

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
    search_space = {  # beta up to 1, as MulMix* is tuned in the paper
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
            raise ValueError(
                f"{type(self).__name__} needs one class per sample, but y has several "
                "labels per sample. Use FusionClassifier, or fit one model per label "
                "(sklearn.multioutput.MultiOutputClassifier)."
            )
        return target

    def _make_module(self):
        self.mixtures_, self._weights = self._choose()
        fusion = MixtureFusion(self.mixtures_, merge=self.merge, width=self.width)
        head = MixtureHead(len(self.mixtures_), self.head)
        return self._assemble(encoders_in_use(self), fusion, head)

    def _n_outputs(self):
        return len(self.mixtures_) * super()._n_outputs()

    def _choose(self):
        """The mixtures that count, and their weights."""
        mixtures = self.mixtures
        if not isinstance(mixtures, str):
            mixtures = [tuple(mix) for mix in self._in_use(mixtures, "mixtures")]
        names = list(self.modalities_in_)
        mixtures = choose_mixtures(mixtures, names, self.max_order)
        given = self._given_weights(mixtures)
        weights = [given.get(frozenset(mix), 1.0) for mix in mixtures]
        kept = [(mix, w) for mix, w in zip(mixtures, weights, strict=True) if w]
        if not kept:
            raise ValueError("candidate_weights leaves no mixture: all are zero.")
        return [mix for mix, _ in kept], [weight for _, weight in kept]

    def _in_use(self, mixtures, what):
        """Those that have only modalities in use, as sets of names."""
        named = [names_of(mix) for mix in mixtures]
        met = sorted(frozenset().union(*named))
        used = parts_in_use(dict.fromkeys(met), self, what)
        kept = [mix for mix in named if mix <= used.keys()]
        if named and not kept and what == "mixtures":
            raise ValueError(
                f"none of the mixtures {list(mixtures)} has only modalities in use, "
                f"{list(self.modalities_in_)}."
            )
        return kept

    def _given_weights(self, mixtures):
        """`candidate_weights` by set of names, checked."""
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
        """Take over a trained net, and find the temperature.

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
        if self.temperature != "validation":
            self.temperature_ = float(self.temperature)
        else:
            rows, target = problem.valid
            losses = self._class_losses(predict_outputs(net.module_, rows))
            weight = None if rows.weight is None else rows.weight.cpu()
            self.temperature_ = best_temperature(losses, target.cpu(), weight)
        return self

    # -- predictions ---------------------------------------------------------------

    def _outputs(self, X, method="forward"):
        """For `forward`, minus the losses of the classes over the temperature."""
        outputs = super()._outputs(X, method)
        if method != "forward":
            return outputs
        return -self._class_losses(outputs) / self.temperature_

    def _class_losses(self, outputs):
        return self.net_.criterion.class_losses(_double(outputs))

    def candidate_predict_proba(self, X):
        """Probabilities of the classes according to each mixture.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_mixtures, n_classes)
            In the order of `mixtures_`; NaN where a sample lacks a modality of it,
            unless it lacks one of every mixture.
        """
        outputs = self._candidates(X)
        absent = ~outputs["available"][..., None]
        return outputs["logits"].masked_fill(absent, torch.nan).softmax(-1).numpy()

    def answering_mixture(self, X):
        """Mixture with the largest share in each prediction.

        The share of a mixture is its factor in the loss of the predicted class, divided
        by the sum of the factors of all mixtures: it grows with confidence. With
        ``beta=0`` all shares are equal, and the most confident mixture is returned. For
        a sample in which no mixture is complete it may be an incomplete one.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        DataFrame of n_samples rows
            mixture : tuple of str, that with the largest share; share : float in
            (0, 1]; probability : float, of the predicted class, according to it.
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
        """Merged embeddings of all mixtures, one after the other.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_mixtures * width), float32
        """
        return self._outputs(X, "fuse")["mixtures"].flatten(1).numpy()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        return tags


def _double(outputs):
    return {**outputs, "logits": outputs["logits"].double()}


TEMPERATURES = np.log([0.05, 100.0])  # bounds of the search


def best_temperature(losses, target, weight=None):
    """Temperature at which the softmax of -losses / T has the least log-loss.

    log T has a standard normal prior: without wrong samples the least loss is at T = 0,
    and a few samples should not change it much.

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
