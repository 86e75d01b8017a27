"""Encoder and decoder: a full modality from partial ones."""

import warnings

import numpy as np
import torch
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from skmm._sklearn import HasMethods, StrOptions
from skmm.base import ModalityEstimator, NetRegressorMixin
from skmm.base.search_space import of_parts
from skmm.data.tensors import map_tensors, rows_at, tensors_in
from skmm.data.validation import check_names, check_target, parts_in_use
from skmm.nn import ConcatFusion, DecoderHead, Flatten
from skmm.nn.assemble import complete
from skmm.nn.layers import check_widths
from skmm.objectives.reconstruction import LOSSES
from skmm.representation.target_selection import aimed, names_of
from skmm.targets.arrays import ONLY, ArrayTarget, read_arrays
from skmm.training import predict_outputs
from skmm.training.batches import batch_bounds, slice_rows


class EncoderDecoderReconstructor(NetRegressorMixin, ModalityEstimator):
    """Encode poor modalities to a narrow code, decode a rich one from it.

    Inputs are concatenated and pass through fully connected ReLU layers that first
    narrow and then widen; the output has the shape of y, such as images or tables. The
    defaults are the network of Liu's first experiment (2022), except its last ReLU.

    Parameters
    ----------
    hidden : tuple of int, default=(250, 128, 81, 128, 250)
        Widths of the hidden layers. The narrowest one, the first of them, is the code;
        () takes the concatenated embeddings of `encoders` as the code.
    encoders : dict, Block, torch.nn.Module or None, default=None
        As for ``FusionClassifier``, except that numbers without an encoder are
        flattened and passed to the first hidden layer.
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
        need them. They are inputs only if `modalities` names them.
    modalities : list of str or None, default=None
        Use only these as inputs; encoders of others are ignored.
    stages : list of Stage or None, default=None
        Train in several stages. The layers up to the code are the part "fusion", those
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
        A trailing mini-batch of one sample is merged into the previous one. In the
        thesis it is 128.
    max_epochs : int, default=100
        Passes over the data.
    early_stopping : bool or "keep_start", default=False
        Set samples aside and keep the weights that are best on them.
    validation_fraction : float, default=0.15
        Share of samples set aside.
    patience : int, default=10
        Epochs without improvement before stopping.
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
    A missing input is replaced by zeros; samples in which a target is missing are left
    out of training. Predictions have the dtype of y, if that is float32 or float64.

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

    _changes_loss = (
        *ModalityEstimator._changes_loss,
        *("loss", "output_activation", "target"),
    )
    _nested = ("encoders", "decoder")

    search_space = {
        "hidden": [  # to be searched: the thesis's, narrower ones, one layer
            (250, 128, 81, 128, 250),
            (128, 64, 128),
            (128, 32, 128),
            (64,),
        ],
    }

    _parameter_constraints = {
        **ModalityEstimator._parameter_constraints,
        "hidden": [tuple, list],
        "decoder": [HasMethods("build"), dict, None],
        "output_activation": [StrOptions({"auto", "sigmoid", "relu"}), None],
        "loss": [StrOptions(set(LOSSES))],
        "target": [str, list, tuple, None],
    }

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

    # -- fitting -------------------------------------------------------------------

    def fit(self, X, y=None, sample_weight=None):
        """Train a net.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like
            Modalities of n_samples each; see ``skmm.data.check_modalities``.
        y : array-like of shape (n, ...), dict of such, or None
            What to reconstruct; None if `target` names it. Samples in which it is
            missing are left out.
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, modalities or y do not fit together, there
            is no y or there are two, or values are missing or out of range.
        FloatingPointError
            If the loss becomes NaN or infinite.
        KeyboardInterrupt
            On Ctrl-C, as for ``FusionClassifier``.
        """
        return super().fit(X, y, sample_weight)

    def partial_fit(self, X, y=None, sample_weight=None):
        """Train for one epoch, starting from the current weights, if any.

        The output activation, location and scale of y are those of the first call.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        self
        """
        return self._fit_one_epoch(X, y, sample_weight)

    def prepare(self, X, y=None, sample_weight=None, **settings):
        """Check data and parameters and set up what training needs.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        **settings
            As for ``ModalityEstimator.prepare``.

        Returns
        -------
        TrainingData
        """
        return super().prepare(*aimed(self, X, y, sample_weight), **settings)

    def held_out(self, net, X, y=None):
        """Rows and target that a fit does not see, as the net in training reads them.

        Parameters
        ----------
        net : TensorNet
        X, y
            As for `fit`.

        Returns
        -------
        (TensorRows, Tensor)
        """
        return super().held_out(net, *aimed(self, X, y, None)[:2])

    def _training_space(self):
        return super()._training_space() | of_parts(self, "decoder")

    def _inputs(self, X):
        """All modalities but the targets, unless `modalities` names them."""
        if self.modalities is not None or self.target is None:
            return self.modalities
        inputs = [name for name in X if name not in names_of(self.target)]
        if not inputs:
            raise ValueError(
                f"X has only the target, {list(X)}. To reconstruct it from itself, use "
                f"modalities={list(X)}."
            )
        return inputs

    def _learn_target(self, y, weight=None, classes=None):
        return ArrayTarget.learn(y, weight, self.output_activation, self.loss)

    def _objective(self):
        return self._target.objective

    def _make_module(self):
        hidden = [*check_widths(self.hidden)]
        code = hidden.index(min(hidden)) + 1 if hidden else 0
        target = self._target
        shapes = target.shapes if target.named else target.shapes[ONLY]
        head = DecoderHead(hidden[code:], self._decoders(), shapes)
        return self._assemble(self._encoders(), ConcatFusion(hidden[:code]), head)

    def _encoders(self):
        """Templates by modality; numbers without an encoder are flattened."""
        shapes, given = self.shapes_in_, self.encoders
        if given is not None and not isinstance(given, dict):
            return complete(given, shapes)
        given = parts_in_use(given or {}, self, "encoders")
        flat = {name: Flatten() for name, shape in shapes.items() if shape}
        return complete(
            flat | {name: part for name, part in given.items() if part is not None},
            shapes,
        )

    def _decoders(self):
        if not isinstance(self.decoder, dict):
            return self.decoder
        if not self._target.named:
            raise ValueError(
                f"decoder names the targets {list(self.decoder)}, but y is one array; "
                "give one decoder, or y as a dict."
            )
        check_names(self.decoder, self._target.shapes, "decoder")
        return dict(self.decoder)

    def adopt(self, net, problem):
        """Take over a trained net, and count dead outputs.

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
        if self.output_activation == "relu":
            self._warn_dead(*problem.train)
        return self

    def _warn_dead(self, rows, target):
        """Warn of outputs that are zero for all samples, where the target is not."""
        alive, needed = [], []
        for start, stop in batch_bounds(len(rows), slice_rows(rows)):
            part = slice(start, stop)
            outputs = predict_outputs(self.net_.module_, rows.take(part))
            alive.append(_any_positive(outputs))
            needed.append(_any_positive(rows_at(target, part)))
        alive, needed = (torch.stack(found).any(0) for found in (alive, needed))
        if count := int((needed & ~alive).sum()):
            warnings.warn(
                f"{count} of {len(alive)} outputs are dead: their ReLU is zero for all "
                "training samples, unlike their target, so they no longer learn. "
                'Use output_activation="sigmoid" for values in [0, 1], None for '
                "others, or a smaller lr.",
                UserWarning,
                stacklevel=6,
            )

    # -- predictions ---------------------------------------------------------------

    def predict(self, X):
        """Reconstruct.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
            A target that `fit` found in X is not needed.

        Returns
        -------
        ndarray of shape (n, ...), as y was; or ModalityDict if y was a dict
        """
        return super().predict(X)

    def transform(self, X):
        """The code: values of the narrowest hidden layer.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n, width), float32
        """
        return super().transform(X)

    def inverse_transform(self, code):
        """Reconstruct from a code.

        Parameters
        ----------
        code : array-like of shape (n, width)
            As from `transform`.

        Returns
        -------
        ndarray of shape (n, ...), as y was; or ModalityDict if y was a dict
        """
        check_is_fitted(self, "net_")
        code = check_array(code, dtype=np.float32, input_name="code")
        if code.shape[1] != self._n_features_out:
            raise ValueError(
                f"code has {code.shape[1]} column(s), but that of this "
                f"{type(self).__name__} has {self._n_features_out}."
            )
        module = self.net_.module_.eval()
        device = next(module.head.parameters()).device
        with torch.inference_mode():
            parts = torch.from_numpy(code.copy()).to(device).split(ROWS)
            found = [module.head(part) for part in parts]
            outputs = map_tensors(lambda *values: torch.cat(values).cpu(), *found)
        return self._target.decode(outputs)

    def score(self, X, y=None, sample_weight=None):
        """Minus the mean squared error over all values; larger is better.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
        y : as for `fit`
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        float
        """
        X, y, weight = aimed(self, X, y, sample_weight)
        found = self.predict(X)
        check_target(self, y, len(found))
        true, found = read_arrays(y), read_arrays(found)
        shapes = {name: part.shape for name, part in true.items()}
        if shapes != {name: part.shape for name, part in found.items()}:
            raise ValueError(f"y has shape {shapes}, but {self._target.shapes} at fit.")
        squares = (self._target.flat(true) - self._target.flat(found)) ** 2
        return -float(np.average(squares.mean(1, dtype=np.float64), weights=weight))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.target is None
        tags.regressor_tags.poor_score = True  # minus an error, not near one
        return tags


def _any_positive(tensors):
    """Whether each value of all targets is positive in any sample."""
    return torch.cat([(part > 0).any(0).cpu() for part in tensors_in(tensors)])


ROWS = 2**12  # codes that are decoded at once
