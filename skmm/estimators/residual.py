"""Multimodal residual optimisation: interactions are fitted on residuals."""

from numbers import Integral

import torch
from sklearn.utils.validation import check_is_fitted

from skmm import objectives
from skmm._resolver import resolve
from skmm._sklearn import Interval, StrOptions
from skmm.base import NetClassifierMixin, NetRegressorMixin
from skmm.estimators._branches import BranchEstimator
from skmm.nn.composite.branches import SummedBranches
from skmm.nn.fusion.mixtures import choose_mixtures
from skmm.objectives import ResidualLoss
from skmm.objectives.base import check_objective
from skmm.training import Stage


class BaseResidualFusion(BranchEstimator):
    """Base of the classifier and the regressor."""

    _unit = "term"

    _training_parameters = BranchEstimator._training_parameters | {"mode"}
    _changes_loss = (*BranchEstimator._changes_loss, "mode")

    _parameter_constraints = {
        **BranchEstimator._parameter_constraints,
        "mode": [StrOptions({"mro", "sequential", "joint"})],
        "max_order": [Interval(Integral, 1, None, closed="left"), None],
    }

    def _validate_params(self):
        super()._validate_params()
        if self.mode == "sequential" and self.warm_start:
            raise ValueError(
                "mode='sequential' freezes an order once it is trained, so warm_start "
                "must be False; or use mode='mro'."
            )

    def _fit_one_epoch(self, X, y, sample_weight, classes=None):
        if self.mode == "sequential":
            raise ValueError(
                "partial_fit trains all orders at once, mode='sequential' one by one; "
                "use mode='mro'."
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
        loss = check_objective(resolve(super()._objective(), objectives, "Objective"))
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
        """Predictions of order 1, of orders 1 and 2, and so on."""
        check_is_fitted(self, "net_")
        decode, total = getattr(self._target, decode), 0.0
        for order in self._by_order(super()._outputs(X)):
            total = total + order
            yield decode(total)

    def staged_predict(self, X):
        """Predict with order 1, with orders 1 and 2, and so on.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Yields
        ------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            One per order; the last is the result of `predict`.
        """
        yield from self._staged(X, "decode")

    def contributions(self, X, by="order"):
        """Compute the contribution of each order, or of each term, to the sum.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
        by : {"order", "term"}, default="order"
            Orders from 1, or the terms in the order of `terms_`.

        Returns
        -------
        ndarray of shape (n_samples, n_orders or n_terms, n_outputs)
            Logits of the classes, or for regressors values in the units of y relative
            to its mean. A term is zero where one of its modalities is missing.
        """
        if by not in ("order", "term"):
            raise ValueError(f"by must be 'order' or 'term'; got {by!r}.")
        outputs = super()._outputs(X)
        if by == "term":
            parts = outputs["terms"]
        else:
            parts = torch.stack(self._by_order(outputs), 1)
        return parts.double().numpy() * getattr(self._target, "scale", 1.0)


class ResidualFusionClassifier(NetClassifierMixin, BaseResidualFusion):
    r"""Sum logits of modalities, pairs and so on, each order fitted on the residual.

    .. math:: \hat y = \sum_m f_m(x_m) + \sum_{m < m'} f_{mm'}(x_m, x_{m'}) + \dots

    Every term is a separate net, with encoders, a fusion and a head. Each order is
    trained on the residual of the lower orders, which receive no gradient from it, so
    that it only models what they cannot.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        Encoder of each modality in a dict, or one encoder for all; each term has
        clones of them. See :class:`FusionClassifier`.
    max_order : int or None, default=None
        Maximum number of modalities in a term. None allows any number, for up to 6
        modalities.
    mode : {"mro", "sequential", "joint"}, default="mro"
        "mro" trains all orders at once, each with the sum of the lower ones as a
        constant. "sequential" trains one order after the other for `max_epochs` each,
        and freezes it. "joint" trains the sum as one net, whose orders cannot be
        interpreted.
    fusion : str or Block, default="concat"
        Fusion of the terms of several modalities, and of single modalities whose
        encoder gives tokens. It must support all of them: ``BilinearFusion`` requires
        ``max_order=2``.
    head : Block or None, default=None
        Head of each term. None is ``MLPHead()``, which has one hidden layer.
    modalities : list of str or None, default=None
        Modalities to use; encoders of others are ignored. None uses all.
    objective : str, callable or None, default=None
        Loss of the sum of the orders up to each order. None is cross-entropy, or binary
        cross-entropy for multilabel targets.
    optimizer : str or class, default="adam"
        "adam", "adamw", "sgd", "rmsprop", "nadam" or "adagrad", or a class of
        ``torch.optim``.
    lr : float or dict, default=1e-3
        Learning rate. A dict sets it by part, such as ``{"order2": 1e-4,
        "order1__image": 1e-5}``; other parts get 1e-3.
    weight_decay : float or dict, default=0.0
        L2 penalty, passed to the optimizer. A dict sets it by part, like `lr`.
    lr_schedule : str, callable or None, default=None
        Schedule of `lr` over the epochs. See :class:`FusionClassifier`.
    gradient_clip : float or None, default=None
        Maximum norm of the gradient of all orders, so that lower orders depend on
        higher ones. None does not clip it.
    batch_size : int, default=32
        Size of mini-batches. A trailing mini-batch of one sample is merged into the
        previous one.
    max_epochs : int, default=100
        Number of epochs, or maximum number with early stopping; with "sequential" per
        order.
    early_stopping : bool, "auto" or "keep_start", default=False
        Stop when the loss of the whole sum on a validation set no longer decreases, and
        restore the best weights. "keep_start" includes the initial weights.
    validation_fraction : float, default=0.15
        Fraction of the samples in the validation set, which is stratified by class.
    patience : int, default=10
        Epochs without improvement after which early stopping ends training.
    monitor : str or callable, default="loss"
        What early stopping follows on the validation set: "loss", or a scorer of
        scikit-learn. See :class:`FusionClassifier`.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weights of the classes, multiplied with `sample_weight`; for multilabel targets
        a list with one dict per label.
    warm_start : bool, default=False
        Start from the current weights if `fit` is called again. Not with "sequential".
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
        Sorted classes; column numbers for multilabel targets.
    terms_ : list of tuple of str
        The modalities of each term, smaller terms first.
    encoders_ : dict of str to Module
        Fitted encoder of each modality, of the terms of one modality.
    net_, history_, n_iter_, best_epoch_
        See :class:`FusionClassifier`.
    modalities_seen_ : list of str
        Modalities that count in predictions; see :class:`FusionClassifier`.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        See :class:`FusionClassifier`.

    See Also
    --------
    FusionClassifier : One net, whose outputs are not a sum of orders.
    skmm.inspection.interaction_decomposition : Decompose the outputs of any model.

    Notes
    -----
    With one modality it equals the ``FusionClassifier`` of that modality. A term is
    zero where one of its modalities is missing. `embed` and `transform` return the
    concatenated embeddings of all terms.

    With "mro" the terms of one modality are bit for bit those of a fit without the
    other terms, unless there is dropout, gradient clipping, early stopping or
    ``lr_schedule="plateau"``, which depend on all terms.

    References
    ----------
    Wörtwein et al., "Beyond additive fusion: learning non-additive multimodal
    interactions", 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import ResidualFusionClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = {"a": rng.normal(size=(200, 2)), "b": rng.normal(size=(200, 2))}
    >>> y = X["a"][:, 0] * X["b"][:, 0] > 0  # no modality alone helps
    >>> settings = {"lr": 0.01, "max_epochs": 40, "random_state": 0}
    >>> model = ResidualFusionClassifier(**settings).fit(X, y)
    >>> alone, both = (np.mean(y_pred == y) for y_pred in model.staged_predict(X))
    >>> model.terms_, bool(alone < 0.8), bool(both > 0.9)
    ([('a',), ('b',), ('a', 'b')], True, True)
    """

    _predicts_from_embeddings = True

    def __init__(
        self,
        encoders=None,
        *,
        max_order=None,
        mode="mro",
        fusion="concat",
        head=None,
        modalities=None,
        objective=None,
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

    def staged_predict_proba(self, X):
        """Predict class probabilities with order 1, with orders 1 and 2, and so on.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Yields
        ------
        ndarray of shape (n_samples, n_classes)
            One per order; the last is the result of `predict_proba`.
        """
        yield from self._staged(X, "proba")


class ResidualFusionRegressor(NetRegressorMixin, BaseResidualFusion):
    r"""Sum values of modalities, pairs and so on, each order fitted on the residual.

    .. math:: \hat y = \sum_m f_m(x_m) + \sum_{m < m'} f_{mm'}(x_m, x_{m'}) + \dots

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        Encoder of each modality in a dict, or one encoder for all; each term has
        clones of them. See :class:`FusionRegressor`.
    max_order : int or None, default=None
        Maximum number of modalities in a term. None allows any number, for up to 6
        modalities.
    mode : {"mro", "sequential", "joint"}, default="mro"
        See :class:`ResidualFusionClassifier`.
    fusion : str or Block, default="concat"
        Fusion of the terms of several modalities, and of single modalities whose
        encoder gives tokens. It must support all of them: ``BilinearFusion`` requires
        ``max_order=2``.
    head : Block or None, default=None
        Head of each term. None is ``MLPHead()``, which has one hidden layer.
    modalities : list of str or None, default=None
        Modalities to use; encoders of others are ignored. None uses all.
    objective : str, callable or None, default=None
        Loss of the sum of the orders up to each order. None is "squared_error".
    optimizer, lr, weight_decay, lr_schedule, gradient_clip : ...
        See :class:`ResidualFusionClassifier`.
    batch_size, max_epochs, early_stopping, validation_fraction, patience, monitor : ...
        See :class:`ResidualFusionClassifier`.
    warm_start, callbacks, checkpoint, compile, device, random_state, verbose : ...
        See :class:`ResidualFusionClassifier`.

    Attributes
    ----------
    terms_ : list of tuple of str
        The modalities of each term, smaller terms first.
    net_, encoders_, history_, n_iter_, best_epoch_
        See :class:`ResidualFusionClassifier`. Losses are those of the standardised y.
    modalities_seen_ : list of str
        Modalities that count in predictions; see :class:`FusionClassifier`.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        See :class:`FusionRegressor`.

    See Also
    --------
    FusionRegressor : One net, whose outputs are not a sum of orders.
    skmm.inspection.interaction_decomposition : Decompose the outputs of any model.

    Notes
    -----
    See :class:`ResidualFusionClassifier`. y is standardised for training; predictions
    are in its units.

    References
    ----------
    Wörtwein et al., "Beyond additive fusion: learning non-additive multimodal
    interactions", 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import ResidualFusionRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = {"a": rng.normal(size=(100, 2)), "b": rng.normal(size=(100, 2))}
    >>> y = 10 * X["a"][:, 0] + 5
    >>> settings = {"lr": 0.01, "max_epochs": 40, "random_state": 0}
    >>> model = ResidualFusionRegressor(**settings).fit(X, y)
    >>> single, pair = model.contributions(X).std(axis=0)[:, 0]
    >>> bool(single > 8), bool(pair < 2)
    (True, True)
    """

    _predicts_from_embeddings = True

    def __init__(
        self,
        encoders=None,
        *,
        max_order=None,
        mode="mro",
        fusion="concat",
        head=None,
        modalities=None,
        objective=None,
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
        warm_start=False,
        callbacks=None,
        checkpoint=None,
        compile=False,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self._store(locals())
