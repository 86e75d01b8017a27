"""MulMix: one prediction per mixture of modalities, joined multiplicatively."""

from skmm.estimators._mulmix import MulMix


class MulMixClassifier(MulMix):
    r"""Classify by all mixtures of modalities, and trust those that are sure.

    Every subset of the modalities, a *mixture*, predicts by a head of its own from the
    merged embeddings; encoders are shared. Training forgives a mixture that errs where
    another is right, so that a weak modality in a row does not spoil what others learn
    from it. The class of least loss

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
        How much a confident mixture silences the others; 0 is their joint
        cross-entropy. Tuned by cross-validation it is MulMix*.
    boosted : bool, default=False
        Rows that are right by the `margin` cost nothing.
    margin : float >= 0, default=0.0
        Of the losses, with `boosted`.
    focal : float >= 0, default=0.0
        Exponent with which a mixture silences itself.
    detach : bool, default=True
        Differentiate as if the products were constants.
    candidate_weights : dict or None, default=None
        Weight of a mixture in the loss and the prediction, as
        ``{("image",): 0.3, ("image", "table"): 1.0}``; 1 for those that are not in it.
        A mixture of weight 0 is left out.
    head : Block or None, default=None
        From the merged embedding to the outputs, one of its kind per mixture; None is
        ``MLPHead()``, one hidden layer.
    temperature : float > 0 or "validation", default=1.0
        Probabilities are the softmax of :math:`-\ell / T`. As losses are sums over
        mixtures, they are often too sure of themselves at T = 1, with boosting far too
        unsure; "validation" finds the T of least log-loss on the rows that early
        stopping sets aside, with a prior that holds it near 1 where those say little.
        Classes predicted do not depend on it.
    modalities : list of str or None, default=None
        Use only these; encoders and mixtures of others are ignored.
    stages : list of Stage or None, default=None
        Train in several legs; see ``skmm.training.Stage``.
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
        A last batch of one row joins the batch before it.
    max_epochs : int, default=100
        Passes over the data.
    early_stopping : bool or "keep_start", default=False
        Set rows aside and keep the weights that are best on them.
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
    In a row that lacks a modality, the mixtures that contain it are left out; if none
    is complete, all are asked with what there is. `transform` returns the merged
    embeddings of all mixtures, then C columns that are 1 where a mixture is complete.

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
