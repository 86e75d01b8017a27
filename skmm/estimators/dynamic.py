"""Dynamic fusion: easy rows go to a cheap branch, hard ones to an expensive one."""

from skmm.estimators._dynamic import DynamicFusion


class DynamicFusionClassifier(DynamicFusion):
    r"""Classify each row by the branch that a gate chooses, counting what it costs.

    Branches are nets of their own: one per modality, and one that fuses all. A gate on
    all modalities weighs them or chooses one. Trained is

    .. math:: \ell\Bigl(y, \sum_b g_b \hat y_b\Bigr) + \lambda \, \mathrm{E}
        \Bigl[\sum_b g_b C_b\Bigr], \qquad g = \mathrm{softmax}(G(x) / \tau)

    where C are the costs of the branches. With a hard gate, a row is read by its branch
    alone when predicting.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        As for ``FusionClassifier``; each branch has clones of them.
    branches : list of tuple of str or None, default=None
        The modalities of each branch; None is each alone, and all together.
    gate : {"hard", "soft"}, default="hard"
        One branch per row, trained with the gradient of the soft gate; or a mixture,
        which runs all branches: its costs are a penalty, and nothing that is saved.
    cost_strength : float >= 0, default=0.1
        The factor λ: loss that the most expensive branch must save to be used.
    costs : dict or None, default=None
        Cost of each branch, as ``{("image",): 5, ("image", "text"): 8}``; the largest
        is then one. None counts the operations that a row needs. Costs of branches
        with modalities that are not used are ignored.
    temperature : float > 0, default=1.0
        The temperature τ in the first epoch of each stage.
    final_temperature : float > 0, default=0.1
        In the last of `max_epochs`; before it the temperature changes by equal factors.
    training : {"two_stage", "frozen", "joint"}, default="two_stage"
        "two_stage" trains each branch on its own loss for `max_epochs`, then all with
        the gate, for as many. "frozen" trains only the gate in the second stage.
        "joint" has no first stage.
    gate_encoders : dict, Block, torch.nn.Module or None, default=None
        Of the gate, as `encoders`; small ones, or nothing is saved.
    fusion : str or Block, default="concat"
        Of the branches of several modalities.
    head : Block or None, default=None
        Of each branch; None is ``MLPHead()``.
    modalities : list of str or None, default=None
        Use only these; encoders and branches of others are ignored.
    objective : str, callable or None, default=None
        Of the answer; None is cross-entropy, or binary cross-entropy for multilabel
        targets.
    optimizer : str or class, default="adam"
        As for ``FusionClassifier``.
    lr : float or dict, default=1e-3
        Learning rate, or rates by part, as ``{"experts": 1e-3, "gate": 1e-2}``.
    weight_decay : float or dict, default=0.0
        L2 penalty as the optimizer understands it; a dict as for `lr`.
    lr_schedule : "cosine", "plateau", callable or None, default=None
        How lr changes by epoch, as for ``FusionClassifier``.
    gradient_clip : float or None, default=None
        Largest norm of all gradients together.
    batch_size : int, default=32
        A last batch of one row joins the batch before it.
    max_epochs : int, default=100
        Passes over the data, in each stage.
    early_stopping : bool or "keep_start", default=False
        Set rows aside and keep the weights that are best on them, cost included.
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
    branches_ : list of tuple of str
        The modalities of each branch, smaller ones first.
    costs_ : dict of tuple of str to float
        Of the branches; the largest is 1.
    gate_cost_ : float
        Of the gate, in the same unit; NaN where `costs` are given.
    expected_cost_ : float
        Mean cost of the answers for the training rows, without the gate.
    encoders_ : dict of str to Module
        Of the first branch that reads each modality.
    net_, history_, n_iter_, best_epoch_
        As for ``FusionClassifier``.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        As for ``FusionClassifier``.

    See Also
    --------
    MulMixClassifier : all mixtures answer, and those that are sure decide.

    Notes
    -----
    A branch reads what a row has of its modalities; where that is none, it neither
    learns from the row nor is it chosen. Counted are matrix products, convolutions,
    attention, bilinear and recurrent layers, texts as if they had eight characters:
    give `costs` for other layers. `partial_fit` trains all parts together; its n-th
    call has the temperature of the n-th of `max_epochs` epochs, and after `fit` the
    last one. With `warm_start` all stages are trained again, from the present weights.
    `transform` gives the fused embeddings of all branches side by side.

    References
    ----------
    Xue and Marculescu, "Dynamic multimodal fusion", 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import DynamicFusionClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = {"good": rng.normal(size=(100, 3)), "noise": rng.normal(size=(100, 20))}
    >>> y = X["good"][:, 0] > 0
    >>> settings = {"lr": 0.01, "max_epochs": 15, "random_state": 0}
    >>> model = DynamicFusionClassifier(**settings).fit(X, y)
    >>> model.branches_, bool(model.expected_cost_ < 0.5)
    ([('good',), ('noise',), ('good', 'noise')], True)
    """

    def __init__(
        self,
        encoders=None,
        *,
        branches=None,
        gate="hard",
        cost_strength=0.1,
        costs=None,
        temperature=1.0,
        final_temperature=0.1,
        training="two_stage",
        gate_encoders=None,
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
        compile=False,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self._store(locals())
