"""Multimodal residual optimisation: interactions explain what modalities cannot."""

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
    """What the classifier and the regressor share."""

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
        """Predictions of the lowest order, of the lowest two, and so on."""
        check_is_fitted(self, "net_")
        decode, total = getattr(self._target, decode), 0.0
        for order in self._by_order(super()._outputs(X)):
            total = total + order
            yield decode(total)

    def staged_predict(self, X):
        """Predict with the lowest order, with the lowest two, and so on.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Yields
        ------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            One for each order; the last is `predict`.
        """
        yield from self._staged(X, "decode")

    def contributions(self, X, by="order"):
        """Contribution of each order, or each term, to the sum.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
        by : {"order", "term"}, default="order"
            Orders 1 to R, or the terms as in `terms_`.

        Returns
        -------
        ndarray of shape (n_samples, n_orders or n_terms, n_outputs)
            Logits of the classes; of a regressor values in the units of y, relative to
            its mean. A term is zero for a sample that lacks one of its modalities.
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
    r"""Add logits of single modalities, of pairs, and so on, each order on the last.

    .. math:: \hat y = \sum_m f_m(x_m) + \sum_{m < m'} f_{mm'}(x_m, x_{m'}) + \dots

    Every term is a separate net, with encoders, a fusion and a head. Each order is
    trained on the residual of the orders below it, which get no gradient from it: so an
    order holds only what no lower one can explain.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        As for ``FusionClassifier``; each term has clones of them.
    max_order : int or None, default=None
        Most modalities in one term; None is all, up to 6 modalities.
    mode : {"mro", "sequential", "joint"}, default="mro"
        "mro" trains all orders at once, each with the sum of the lower ones as a
        constant. "sequential" trains one order after the other, each for `max_epochs`,
        and freezes it. "joint" trains the sum as one net, so that its orders cannot be
        interpreted.
    fusion : str or Block, default="concat"
        Of the terms of several modalities, and of one whose encoder gives tokens. It
        must serve each: for ``BilinearFusion`` set ``max_order=2``.
    head : Block or None, default=None
        Of each term; None is ``MLPHead()``.
    modalities : list of str or None, default=None
        Use only these; encoders of others are ignored.
    objective : str, callable or None, default=None
        Of the sum up to an order; None is cross-entropy, or binary cross-entropy for
        multilabel targets.
    optimizer : str or class, default="adam"
        As for ``FusionClassifier``.
    lr : float or dict, default=1e-3
        Learning rate, or rates by part, such as ``{"order2": 1e-4,
        "order1__image": 1e-5}``.
    weight_decay : float or dict, default=0.0
        L2 penalty as the optimizer understands it; a dict as for `lr`.
    lr_schedule : "cosine", "plateau", callable or None, default=None
        How lr changes by epoch, as for ``FusionClassifier``.
    gradient_clip : float or None, default=None
        Largest norm of all gradients together; it ties lower orders to higher ones.
    batch_size : int, default=32
        A trailing mini-batch of one sample is merged into the previous one.
    max_epochs : int, default=100
        Passes over the data; with "sequential" of each order.
    early_stopping : bool or "keep_start", default=False
        Set rows aside and keep the weights with which the whole sum is best on them.
    validation_fraction : float, default=0.15
        Share of samples set aside, stratified by class.
    patience : int, default=10
        Epochs without improvement before stopping.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Multiplies `sample_weight`.
    warm_start : bool, default=False
        Continue from the current weights when `fit` is called again; not with
        "sequential".
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
    terms_ : list of tuple of str
        The modalities of each term, smaller ones first.
    encoders_ : dict of str to Module
        Those of the terms of one modality.
    net_, history_, n_iter_, best_epoch_
        As for ``FusionClassifier``.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        As for ``FusionClassifier``.

    See Also
    --------
    FusionClassifier : one net, with no such order.
    skmm.inspection.interaction_decomposition : contributions by order of any model.

    Notes
    -----
    With one modality it is the ``FusionClassifier`` of that modality. A term is zero
    for a sample that lacks one of its modalities. `embed` and `transform` return the
    concatenated embeddings of all terms.

    With "mro" the terms of one modality learn as if there were no others, bit for bit,
    unless dropout draws for all terms, gradients are clipped together, or early
    stopping or ``lr_schedule="plateau"`` looks at the sum.

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
        """Probabilities of the lowest order, of the lowest two, and so on.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Yields
        ------
        ndarray of shape (n_samples, n_classes)
            One for each order; the last is `predict_proba`.
        """
        yield from self._staged(X, "proba")


class ResidualFusionRegressor(NetRegressorMixin, BaseResidualFusion):
    r"""Add values of single modalities, of pairs, and so on, each order on the last.

    .. math:: \hat y = \sum_m f_m(x_m) + \sum_{m < m'} f_{mm'}(x_m, x_{m'}) + \dots

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        As for ``FusionRegressor``; each term has clones of them.
    max_order : int or None, default=None
        Most modalities in one term; None is all, up to 6 modalities.
    mode : {"mro", "sequential", "joint"}, default="mro"
        As for ``ResidualFusionClassifier``.
    fusion : str or Block, default="concat"
        Of the terms of several modalities, and of one whose encoder gives tokens. It
        must serve each: for ``BilinearFusion`` set ``max_order=2``.
    head : Block or None, default=None
        Of each term; None is ``MLPHead()``.
    modalities : list of str or None, default=None
        Use only these; encoders of others are ignored.
    objective : str, callable or None, default=None
        Of the sum up to an order; None is "squared_error".
    optimizer, lr, weight_decay, lr_schedule, gradient_clip : ...
        As for ``ResidualFusionClassifier``.
    batch_size, max_epochs, early_stopping, validation_fraction, patience : ...
        As for ``ResidualFusionClassifier``.
    warm_start, callbacks, checkpoint, compile, device, random_state, verbose : ...
        As for ``ResidualFusionClassifier``.

    Attributes
    ----------
    terms_ : list of tuple of str
        The modalities of each term, smaller ones first.
    net_, encoders_, history_, n_iter_, best_epoch_
        As for ``ResidualFusionClassifier``; losses in standard deviations of y.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        As for ``FusionRegressor``.

    See Also
    --------
    FusionRegressor : one net, with no such order.
    skmm.inspection.interaction_decomposition : contributions by order of any model.

    Notes
    -----
    As for ``ResidualFusionClassifier``. y is standardised inside.

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
        warm_start=False,
        callbacks=None,
        checkpoint=None,
        compile=False,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self._store(locals())
