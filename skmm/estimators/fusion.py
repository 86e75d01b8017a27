"""Fusion of the embeddings of several modalities in one net."""

import numpy as np

from skmm.base import ModalityEstimator, NetClassifierMixin, NetRegressorMixin
from skmm.base.nets import outputs_by_member


class FusionClassifier(NetClassifierMixin, ModalityEstimator):
    """Classifier that encodes each modality and fuses the embeddings.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        Encoder of each modality in a dict, or one encoder for all. Modalities without
        one get a default by shape, such as ``MLPEncoder()`` for a table. Encoders are
        copied before every fit. A plain module or a built Block keeps its weights; a
        Block that is not built gets new ones.
    fusion : str or Block, default="concat"
        A fusion of ``skmm.nn``, as an instance or by name, such as "concat", "gated"
        or "transformer" for ``ConcatFusion``, ``GatedFusion`` or ``TransformerFusion``.
    head : Block or None, default=None
        Layers from the fused embedding to the outputs. None is ``MLPHead()``, which
        has one hidden layer.
    modalities : list of str or None, default=None
        Modalities to use; encoders of others are ignored. None uses all.
    n_estimators : int, default=1
        Number of nets, which start from different weights, are trained together, and
        whose probabilities are averaged. Early stopping follows the average. Nets of
        dense layers are computed as one; others in turn.
    objective : str, callable or None, default=None
        Loss to minimise: a name, or ``objective(outputs, target, weight)``. None is
        cross-entropy, or binary cross-entropy for multilabel targets.
    stages : list of Stage or None, default=None
        Train in several stages, each of which trains some parts of the net; see
        :class:`skmm.training.Stage`. None trains all parts in one stage.
    optimizer : str or class, default="adam"
        "adam", "adamw", "sgd", "rmsprop", "nadam" or "adagrad", or a class of
        ``torch.optim``.
    lr : float or dict, default=1e-3
        Learning rate. A dict sets it by part, such as ``{"encoders": 1e-4}`` or
        ``{"encoders__image": 1e-5}``; other parts get 1e-3.
    weight_decay : float or dict, default=0.0
        L2 penalty, passed to the optimizer. A dict sets it by part, like `lr`; other
        parts get 0.
    lr_schedule : str, callable or None, default=None
        Schedule of `lr`. "cosine" decreases it to zero; "plateau" divides it by ten if
        the loss has not decreased for 5 epochs; "warmup_cosine" and "onecycle" first
        increase it, and change it after every mini-batch. A callable gets the optimizer
        and returns a scheduler, like the classes of torch; see
        :class:`skmm.training.PerBatch`.
    gradient_clip : float or None, default=None
        Maximum norm of the gradient. None does not clip it.
    batch_size : int, default=32
        Size of mini-batches. A trailing mini-batch of one sample is merged into the
        previous one.
    max_epochs : int, default=100
        Number of epochs, or maximum number with early stopping.
    early_stopping : bool, "auto" or "keep_start", default=False
        Stop when the loss on a validation set no longer decreases, and restore the
        best weights. "keep_start" includes the initial weights, so that fine-tuning
        does not increase the validation loss. "auto" stops early if there are at least
        100 samples, or a validation set is passed to `fit`; `partial_fit` does not.
    validation_fraction : float, default=0.15
        Fraction of the samples in the validation set, which is stratified by class.
    patience : int, default=10
        Epochs without improvement after which early stopping ends training.
    monitor : str or callable, default="loss"
        What early stopping follows on the validation set: "loss", or the name of a
        scorer of scikit-learn such as "roc_auc", of which more is better, or
        ``scorer(estimator, X, y)``. Recorded in `history_` as "valid_<name>", or
        "valid_score" for a callable.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weights of the classes, multiplied with `sample_weight`; for multilabel targets
        a list with one dict per label.
    warm_start : bool, default=False
        Start from the current weights if `fit` is called again.
    callbacks : list of skorch callbacks or None, default=None
        Callbacks, which are copied before every fit.
    checkpoint : path-like or None, default=None
        File that is written after every epoch and removed at the end of `fit`. If it
        exists, `fit` resumes from it, with the same result as without interruption. A
        file of other data or parameters raises an error.
    compile : bool, default=False
        Compile the net with ``torch.compile``. This takes up to a minute per fit and,
        on the CPU, requires a C++ compiler, so that only large nets benefit.
    device : str or torch.device, default="auto"
        Device of the net. "auto" is CUDA if available, else the CPU.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, mini-batches, dropout and the validation set. None
        draws it from the operating system; ``np.random.seed`` and
        ``torch.manual_seed`` have no effect.
    verbose : int, default=0
        Show a progress bar if not 0.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted classes; column numbers for multilabel targets.
    net_ : TensorNet
        The fitted skorch net, with `module_`, `history` and `callbacks_`.
    encoders_ : dict of str to Module
        Fitted encoder of each modality, of the first net if there are several. As
        `encoders` of another estimator, they keep their weights.
    history_ : DataFrame of shape (n_iter_, n_columns)
        Epoch, training loss, validation loss if any, and seconds of each epoch.
    n_iter_ : int
        Number of epochs trained.
    best_epoch_ : int
        Epoch of the best weights, counted from 1; 0 stands for the initial weights.
        Only if `early_stopping_` is not False.
    early_stopping_ : bool or "keep_start"
        Value of `early_stopping` in use.
    modality_weights_ : DataFrame of shape (n_blocks, n_columns)
        Weight of each modality and interaction. Only if the fusion learns weights,
        such as ``LpNormFusion`` and ``NoHarmFusion``.
    modalities_in_ : list of str
        Modalities in use, in the order of the net.
    shapes_in_ : dict of str to tuple of int
        Shape of one sample of each modality.
    optional_modalities_ : list of str
        Modalities that were missing from some training samples, and may be missing
        from X in prediction.
    modalities_seen_ : list of str
        Modalities that at least one training sample had. Others count as missing in
        every prediction, with a warning in `fit`; samples of zero weight, and those of
        the validation set of early stopping, do not count.
    n_features_in_ : int
        Number of modalities of X, or of features if X is an array.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the modalities of X. Only if X has names.

    See Also
    --------
    LateFusionClassifier : Combine the predictions of separate models.

    Notes
    -----
    Encoders of tables, such as `MLPEncoder`, scale their inputs; for other encoders,
    use a Pipeline with ``ModalityTransformer({"sequence": StandardScaler()})``. Missing
    modalities of a sample are left out of the fusion.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import FusionClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = {"a": rng.normal(size=(80, 3)), "b": rng.normal(size=(80, 5))}
    >>> y = np.where(X["a"][:, 0] > 0, "yes", "no")
    >>> model = FusionClassifier(max_epochs=30, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape, bool(model.score(X, y) > 0.9)
    ((80, 2), True)
    """

    _predicts_from_embeddings = True

    def __init__(
        self,
        encoders=None,
        *,
        fusion="concat",
        head=None,
        modalities=None,
        n_estimators=1,
        objective=None,
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

    def member_predict_proba(self, X):
        """Predict class probabilities with every net.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_estimators, n_samples, n_classes)
            Their mean over the first axis is `predict_proba`.

        Examples
        --------
        >>> import numpy as np
        >>> from skmm import FusionClassifier
        >>> X = {"a": np.random.default_rng(0).normal(size=(60, 3))}
        >>> y = (X["a"][:, 0] > 0).astype(int)
        >>> model = FusionClassifier(n_estimators=4, max_epochs=5, random_state=0)
        >>> model.fit(X, y).member_predict_proba(X).shape
        (4, 60, 2)
        """
        return np.stack([self._target.proba(o) for o in outputs_by_member(self, X)])


class FusionRegressor(NetRegressorMixin, ModalityEstimator):
    """Regressor that encodes each modality and fuses the embeddings.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        Encoder of each modality in a dict, or one encoder for all. Modalities without
        one get a default by shape. See :class:`FusionClassifier`.
    fusion : str or Block, default="concat"
        A fusion of ``skmm.nn``, as an instance or by name, such as "concat", "gated"
        or "transformer" for ``ConcatFusion``, ``GatedFusion`` or ``TransformerFusion``.
    head : Block or None, default=None
        Layers from the fused embedding to the outputs. None is ``MLPHead()``, which
        has one hidden layer.
    modalities : list of str or None, default=None
        Modalities to use; encoders of others are ignored. None uses all.
    n_estimators : int, default=1
        Number of nets, which start from different weights, are trained together, and
        whose predictions are averaged. Early stopping follows the average. Nets of
        dense layers are computed as one; others in turn.
    objective : str, callable or None, default=None
        Loss to minimise: "squared_error", "absolute_error", "huber_error", or
        ``objective(outputs, target, weight)``. None is "squared_error".
    stages : list of Stage or None, default=None
        Train in several stages, each of which trains some parts of the net; see
        :class:`skmm.training.Stage`. None trains all parts in one stage.
    optimizer : str or class, default="adam"
        "adam", "adamw", "sgd", "rmsprop", "nadam" or "adagrad", or a class of
        ``torch.optim``.
    lr : float or dict, default=1e-3
        Learning rate. A dict sets it by part, such as ``{"encoders": 1e-4}`` or
        ``{"encoders__image": 1e-5}``; other parts get 1e-3.
    weight_decay : float or dict, default=0.0
        L2 penalty, passed to the optimizer. A dict sets it by part, like `lr`; other
        parts get 0.
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
        best weights. "keep_start" includes the initial weights. "auto" stops early if
        there are at least 100 samples, or a validation set is passed to `fit`.
    validation_fraction : float, default=0.15
        Fraction of the samples in the validation set.
    patience : int, default=10
        Epochs without improvement after which early stopping ends training.
    monitor : str or callable, default="loss"
        What early stopping follows on the validation set: "loss", or a scorer of
        scikit-learn. See :class:`FusionClassifier`.
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
        Seed of initial weights, mini-batches, dropout and the validation set. None
        draws it from the operating system; ``np.random.seed`` and
        ``torch.manual_seed`` have no effect.
    verbose : int, default=0
        Show a progress bar if not 0.

    Attributes
    ----------
    net_ : TensorNet
        The fitted skorch net, with `module_`, `history` and `callbacks_`.
    encoders_ : dict of str to Module
        Fitted encoder of each modality, of the first net if there are several. As
        `encoders` of another estimator, they keep their weights.
    history_ : DataFrame of shape (n_iter_, n_columns)
        Epoch, training loss, validation loss if any, and seconds of each epoch. Losses
        are those of the standardised y.
    n_iter_ : int
        Number of epochs trained.
    best_epoch_ : int
        Epoch of the best weights, counted from 1; 0 stands for the initial weights.
        Only if `early_stopping_` is not False.
    early_stopping_ : bool or "keep_start"
        Value of `early_stopping` in use.
    modality_weights_ : DataFrame of shape (n_blocks, n_columns)
        Weight of each modality and interaction. Only if the fusion learns weights,
        such as ``LpNormFusion`` and ``NoHarmFusion``.
    modalities_in_ : list of str
        Modalities in use, in the order of the net.
    shapes_in_ : dict of str to tuple of int
        Shape of one sample of each modality.
    optional_modalities_ : list of str
        Modalities that were missing from some training samples, and may be missing
        from X in prediction.
    modalities_seen_ : list of str
        Modalities that at least one training sample had. Others count as missing in
        every prediction, with a warning in `fit`; samples of zero weight, and those of
        the validation set of early stopping, do not count.
    n_features_in_ : int
        Number of modalities of X, or of features if X is an array.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the modalities of X. Only if X has names.

    See Also
    --------
    LateFusionRegressor : Combine the predictions of separate models.

    Notes
    -----
    y is standardised by its weighted mean and standard deviation for training;
    predictions are in its units. Encoders of tables, such as `MLPEncoder`, scale their
    inputs; others do not. Missing modalities of a sample are left out of the fusion.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import FusionRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = {"a": rng.normal(size=(80, 3)), "b": rng.normal(size=(80, 5))}
    >>> y = 100 + 10 * (X["a"][:, 0] + X["b"][:, 0])
    >>> model = FusionRegressor(random_state=0).fit(X, y)
    >>> model.predict(X).shape, bool(model.score(X, y) > 0.9)
    ((80,), True)
    """

    _predicts_from_embeddings = True

    def __init__(
        self,
        encoders=None,
        *,
        fusion="concat",
        head=None,
        modalities=None,
        n_estimators=1,
        objective=None,
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
        warm_start=False,
        callbacks=None,
        checkpoint=None,
        compile=False,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self._store(locals())

    def predict(self, X, return_std=False):
        """Predict values in the units of y.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
            A modality that was missing from some training samples may be missing.
        return_std : bool, default=False
            Also return the standard deviation of the predictions of the nets. It is
            large where the training samples do not determine the prediction, and does
            not include noise in y. It is 0 for a single net.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), like y of `fit`
            Mean of the predictions of the nets.
        std : ndarray of the same shape
            Only if `return_std` is True.
        """
        if not return_std:
            return super().predict(X)
        found = np.stack([self._target.decode(o) for o in outputs_by_member(self, X)])
        return found.mean(axis=0), found.std(axis=0)
