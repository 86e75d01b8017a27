"""Encoder and decoder: the full modality from partial ones."""

from skmm.representation._reconstruction import Reconstruction


class EncoderDecoderReconstructor(Reconstruction):
    """Encode poor modalities to a narrow code, decode a rich one from it.

    Inputs are joined, go through fully connected ReLU layers that first narrow and then
    widen, and come out as an image, a table, or whatever shape y has. The defaults are
    the network of Liu's first experiment (2022), but for its last ReLU.

    Parameters
    ----------
    hidden : tuple of int, default=(250, 128, 81, 128, 250)
        Widths of the hidden layers. The first narrowest one is the code; () takes the
        joined embeddings of `encoders` as the code.
    encoders : dict, Block, torch.nn.Module or None, default=None
        As for ``FusionClassifier``, but that numbers without an encoder are flattened
        and go to the first hidden layer as they are.
    decoder : Block, dict or None, default=None
        From the last hidden layer to the values: ``MLPDecoder()``, which is one linear
        layer, for None, or ``ConvDecoder()`` for images. A dict gives it by target.
    output_activation : "auto", "sigmoid", "relu" or None, default="auto"
        "auto" is "sigmoid" for a target in [0, 1] and None for others, which are
        centred and scaled for training. With "relu", as in the thesis, outputs can die
        while training; a warning counts them.
    loss : {"mse", "rmse", "bce"}, default="mse"
        Mean squared error, its root over each batch, or binary cross-entropy, for
        targets in [0, 1]. Several targets count equally.
    target : str, list of str or None, default=None
        Modalities of X to reconstruct; then `fit` takes no y, and `predict` does not
        need them. They are no inputs, unless `modalities` names them.
    modalities : list of str or None, default=None
        Use only these as inputs; encoders of others are ignored.
    stages : list of Stage or None, default=None
        Train in several legs. The layers up to the code are the part "fusion", those
        behind it "head".
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
        A last batch of one row joins the batch before it. The thesis has 128.
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
    net_, encoders_, history_, n_iter_, best_epoch_
        As for ``FusionClassifier``. Without an output activation, losses are in
        standard deviations of the target.
    modalities_in_, shapes_in_, optional_modalities_
        As for ``FusionClassifier``; targets are not among them.
    n_features_in_, feature_names_in_
        Of all of X, targets included.

    See Also
    --------
    FusionRegressor : a few values from several modalities.

    Notes
    -----
    In a row that lacks an input, zeros stand in its place; rows that lack a target are
    not learnt from. Predictions have the dtype of y, if that is float32 or float64.

    References
    ----------
    Liu, "Multi-modal deep learning", thesis, 2022, experiment 1 and appendix.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skmm import EncoderDecoderReconstructor
    >>> images = load_digits().images[:300] / 16  # (n, 8, 8)
    >>> X = {"top": images[:, :4], "small": images[:, ::2, ::2]}
    >>> model = EncoderDecoderReconstructor((32, 16, 32), lr=0.01, random_state=0)
    >>> model.fit(X, images).predict(X).shape, model.transform(X).shape
    ((300, 8, 8), (300, 16))
    >>> bool(-model.score(X, images) < 0.5 * images.var(axis=0).mean())
    True
    """

    def __init__(
        self,
        hidden=(250, 128, 81, 128, 250),
        *,
        encoders=None,
        decoder=None,
        output_activation="auto",
        loss="mse",
        target=None,
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
        warm_start=False,
        callbacks=None,
        checkpoint=None,
        compile=False,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self._store(locals())
