"""Encoders that learn from each other, without a target."""

from skmm.representation._coordination import Coordination


class CoordinatedEncoder(Coordination):
    """Train one encoder per modality so that their embeddings of a row agree.

    No y is needed, so rows without labels can be used. The trained encoders start
    another estimator: ``FusionClassifier(encoders=coordinated.encoders_)``.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        As for ``FusionClassifier``.
    objective : str or callable, default="barlow_twins"
        ``objective(embeddings, present, weight)`` of embeddings (M, n, D) of the M
        modalities, and a mask (n, M); a name, or an instance as
        ``BarlowTwins(weight=0.05)``.
    projector : tuple of int, Block or None, default=None
        From the embedding of each modality to the features that the objective compares;
        it is not part of `encoders_` or `transform`. A tuple is the widths of layers,
        the last of which is linear. None compares the embeddings themselves, if they
        have one width, or else what a linear layer to the smallest width makes of them.
    modalities : list of str or None, default=None
        Use only these; encoders of others are ignored.
    stages : list of Stage or None, default=None
        Train in several legs; the projectors are the part "fusion".
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
    batch_size : int, default=256
        Rows that are compared with each other; see Notes.
    max_epochs : int, default=100
        Passes over the data.
    early_stopping : bool or "keep_start", default=False
        Set rows aside and keep the weights that are best on them.
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
        As for ``FusionClassifier``.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    encoders_ : dict of str to Module
        The trained encoders; given to another estimator, they bring their weights.
    pairs_ : list of (str, str)
        All pairs of modalities.
    cross_correlation_ : ndarray of shape (n_pairs, D, D)
        Correlations of the D features of one modality of a pair, rows, with those of
        the other, columns, over the training rows that have both.
    net_, history_, n_iter_, best_epoch_
        As for ``FusionClassifier``.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        As for ``FusionClassifier``.

    See Also
    --------
    skmm.inspection.CrossCorrelationDisplay : a picture of `cross_correlation_`.

    Notes
    -----
    Barlow twins ask for correlations that are the identity, of rank D. A batch of n
    rows gives rank n - 1 at most: take batches, and data, of more rows than features.
    Rows that lack a modality take no part in its pairs. One modality alone has nothing
    to agree with, and stays as it starts.

    References
    ----------
    Zbontar et al., "Barlow Twins", ICML 2021; Liu, "Multi-modal deep learning", thesis,
    2022, algorithm 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import CoordinatedEncoder
    >>> from skmm.objectives import BarlowTwins
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.normal(size=(500, 2))
    >>> X = {"a": shared @ rng.normal(size=(2, 6)), "b": np.tanh(shared)}
    >>> model = CoordinatedEncoder(
    ...     objective=BarlowTwins(0.05), projector=(2,), lr=0.01, random_state=0
    ... ).fit(X)
    >>> {name: part.shape for name, part in model.transform(X).items()}
    {'a': (500, 64), 'b': (500, 64)}
    >>> bool((model.cross_correlation_[0].diagonal() > 0.9).all())
    True
    """

    def __init__(
        self,
        encoders=None,
        *,
        objective="barlow_twins",
        projector=None,
        modalities=None,
        stages=None,
        optimizer="adam",
        lr=1e-3,
        weight_decay=0.0,
        lr_schedule=None,
        gradient_clip=None,
        batch_size=256,
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
