"""One net on all modalities: encode, fuse, predict."""

from skmm.base import ModalityEstimator, NetClassifierMixin, NetRegressorMixin


class FusionClassifier(NetClassifierMixin, ModalityEstimator):
    """Encode every modality, fuse the embeddings, classify.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        A dict names an encoder for some or all modalities; one encoder serves all;
        what is not given is chosen by shape, ``MLPEncoder()`` for numbers. A plain
        module is copied and keeps its weights, as does a built Block: every fit, and
        so every fold, starts from the same ones; a Block not yet built starts anew.
    fusion : str or Block, default="concat"
        Name of a fusion of ``skmm.nn``, as "concat", "gated" or "transformer" for
        ``ConcatFusion``, ``GatedFusion``, ``TransformerFusion``; or an instance.
    head : Block or None, default=None
        From the fused embedding to the outputs; None is ``MLPHead()``, one hidden
        layer.
    modalities : list of str or None, default=None
        Use only these; encoders of others are ignored.
    objective : str, callable or None, default=None
        ``objective(outputs, target, weight)``; None is cross-entropy, or binary
        cross-entropy for multilabel targets.
    stages : list of Stage or None, default=None
        Train in several legs, in each of which some parts learn; see
        ``skmm.training.Stage``. None trains all parts together.
    optimizer : str or class, default="adam"
        "adam", "adamw", "sgd", "rmsprop", "nadam", "adagrad", or a class of
        ``torch.optim``.
    lr : float or dict, default=1e-3
        Learning rate. A dict gives it by part, as ``{"encoders": 1e-4, "head": 1e-2}``
        or ``{"encoders__image": 1e-5}``; parts that it does not name have 1e-3.
    weight_decay : float or dict, default=0.0
        L2 penalty as the optimizer understands it; a dict as for `lr`, 0 elsewhere.
    lr_schedule : "cosine", "plateau", callable or None, default=None
        How lr changes by epoch: "cosine" falls to zero, "plateau" divides by ten when
        the loss has not fallen for 5 epochs; a callable gets the optimizer and returns
        a torch scheduler, as its class does.
    gradient_clip : float or None, default=None
        Largest norm of all gradients together.
    batch_size : int, default=32
        A last batch of one row joins the batch before it.
    max_epochs : int, default=100
        Passes over the data.
    early_stopping : bool or "keep_start", default=False
        Set rows aside, stop when their loss no longer falls, and keep the best
        weights. "keep_start" counts the weights before the first epoch too, so that
        fine-tuning is never worse on these rows than what it started from.
    validation_fraction : float, default=0.15
        Share of rows set aside, stratified by class.
    patience : int, default=10
        Epochs without improvement before stopping.
    class_weight : dict, "balanced" or None, default=None
        Multiplies `sample_weight`.
    warm_start : bool, default=False
        Continue from the present weights when `fit` is called again.
    callbacks : list of skorch callbacks or None, default=None
        Copied before use.
    checkpoint : path-like or None, default=None
        A file that is written after every epoch and removed when `fit` is done. If it
        is there, `fit` goes on from it and reaches the weights that it would have
        reached without the interruption; one of other data or parameters is refused.
    compile : bool, default=False
        Compile the net with ``torch.compile``. It takes seconds to a minute per fit,
        and a C++ compiler on CPU: for large nets only.
    device : str or torch.device, default="auto"
        "auto" is CUDA where there is one.
    random_state : int, RandomState or None, default=None
        Seeds of all parts are derived from it and from their names. None draws from
        the operating system: ``np.random.seed`` and ``torch.manual_seed`` do not act.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    net_ : TensorNet
        The skorch net, with its module, history and callbacks.
    encoders_ : dict of str to Module
        The trained encoders; given to another estimator, they bring their weights.
    history_ : DataFrame
        Losses by epoch.
    n_iter_ : int
        Epochs trained.
    best_epoch_ : int
        With early stopping, the epoch whose weights were kept; 0 is the start.
    modalities_in_ : list of str
        Modalities used, in order.
    shapes_in_ : dict
        Shape of one row of each.
    optional_modalities_ : list of str
        Modalities that some training row lacks; X may lack these when predicting.
    n_features_in_ : int
        Columns of X: modalities, or features of a plain array.
    feature_names_in_ : ndarray of str
        Names of the modalities of X.

    See Also
    --------
    LateFusionClassifier : separate models, joined after they predict.

    Notes
    -----
    Inputs are not scaled: put ``ModalityTransformer({"table": StandardScaler()})`` in
    front. A row in which a modality is missing is encoded without it.

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


class FusionRegressor(NetRegressorMixin, ModalityEstimator):
    """Encode every modality, fuse the embeddings, predict values.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        A dict names an encoder for some or all modalities; one encoder serves all;
        what is not given is chosen by shape. Details as for ``FusionClassifier``.
    fusion : str or Block, default="concat"
        Name of a fusion of ``skmm.nn``, as "concat", "gated" or "transformer" for
        ``ConcatFusion``, ``GatedFusion``, ``TransformerFusion``; or an instance.
    head : Block or None, default=None
        From the fused embedding to the outputs; None is ``MLPHead()``, one hidden
        layer.
    modalities : list of str or None, default=None
        Use only these; encoders of others are ignored.
    objective : str, callable or None, default=None
        None is "squared_error"; others are "absolute_error" and "huber_error".
    stages : list of Stage or None, default=None
        Train in several legs, in each of which some parts learn; see
        ``skmm.training.Stage``. None trains all parts together.
    optimizer : str or class, default="adam"
        "adam", "adamw", "sgd", "rmsprop", "nadam", "adagrad", or a class of
        ``torch.optim``.
    lr : float or dict, default=1e-3
        Learning rate. A dict gives it by part, as ``{"encoders": 1e-4, "head": 1e-2}``
        or ``{"encoders__image": 1e-5}``; parts that it does not name have 1e-3.
    weight_decay : float or dict, default=0.0
        L2 penalty as the optimizer understands it; a dict as for `lr`, 0 elsewhere.
    lr_schedule : "cosine", "plateau", callable or None, default=None
        How lr changes by epoch, as for ``FusionClassifier``.
    gradient_clip : float or None, default=None
        Largest norm of all gradients together.
    batch_size : int, default=32
        A last batch of one row joins the batch before it.
    max_epochs : int, default=100
        Passes over the data.
    early_stopping : bool or "keep_start", default=False
        Set rows aside and keep the weights that are best on them; "keep_start" counts
        those before the first epoch too.
    validation_fraction : float, default=0.15
        Share of rows set aside.
    patience : int, default=10
        Epochs without improvement before stopping.
    warm_start : bool, default=False
        Continue from the present weights when `fit` is called again.
    callbacks : list of skorch callbacks or None, default=None
        Copied before use.
    checkpoint : path-like or None, default=None
        A file from which an interrupted `fit` goes on, as for ``FusionClassifier``.
    compile : bool, default=False
        Compile the net with ``torch.compile``, as for ``FusionClassifier``.
    device : str or torch.device, default="auto"
        "auto" is CUDA where there is one.
    random_state : int, RandomState or None, default=None
        Seeds of all parts are derived from it and from their names. None draws from
        the operating system: ``np.random.seed`` and ``torch.manual_seed`` do not act.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    net_ : TensorNet
        The skorch net, with its module, history and callbacks.
    encoders_ : dict of str to Module
        The trained encoders; given to another estimator, they bring their weights.
    history_ : DataFrame
        Losses by epoch, in standard deviations of y.
    n_iter_ : int
        Epochs trained.
    best_epoch_ : int
        With early stopping, the epoch whose weights were kept; 0 is the start.
    modalities_in_ : list of str
        Modalities used, in order.
    shapes_in_ : dict
        Shape of one row of each.
    optional_modalities_ : list of str
        Modalities that some training row lacks; X may lack these when predicting.
    n_features_in_ : int
        Columns of X: modalities, or features of a plain array.
    feature_names_in_ : ndarray of str
        Names of the modalities of X.

    See Also
    --------
    LateFusionRegressor : separate models, joined after they predict.

    Notes
    -----
    y is standardised inside, by its weighted mean and standard deviation, and
    predictions come back in its units. Inputs are not scaled.

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
        warm_start=False,
        callbacks=None,
        checkpoint=None,
        compile=False,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self._store(locals())
