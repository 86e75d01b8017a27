"""Reconstruction of a modality from others by an encoder and a decoder."""

import numpy as np
import torch
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from skmm._params import known_arguments
from skmm._sklearn import HasMethods, StrOptions
from skmm._views import quantity
from skmm._warnings import warn
from skmm.base import ModalityEstimator, NetRegressorMixin
from skmm.base.search_space import of_parts
from skmm.data.tensors import map_tensors, rows_at, tensors_in
from skmm.data.validation import check_names, check_target, parts_in_use, with_target
from skmm.nn import ConcatFusion, DecoderHead, Flatten
from skmm.nn.assemble import complete
from skmm.nn.layers import check_widths
from skmm.objectives.reconstruction import LOSSES
from skmm.representation.target_selection import names_of, select_target
from skmm.targets.arrays import ONLY, ArrayTarget, read_arrays
from skmm.training import predict_outputs
from skmm.training.batches import batch_bounds, slice_rows


class EncoderDecoderReconstructor(NetRegressorMixin, ModalityEstimator):
    """Reconstruct a rich modality from poorer ones through a narrow code.

    Inputs are concatenated and passed through fully connected ReLU layers that first
    narrow and then widen. The output has the shape of y, such as images or tables. The
    defaults are the network of Liu's first experiment (2022), except for its last ReLU.

    Parameters
    ----------
    hidden : tuple of int, default=(250, 128, 81, 128, 250)
        Widths of the hidden layers. The first of the narrowest layers is the code. With
        (), the code is the concatenated embeddings of `encoders`.
    encoders : dict, Block, torch.nn.Module or None, default=None
        Encoder of each modality in a dict, or one encoder for all. See
        :class:`FusionClassifier`, except that numeric modalities without an encoder are
        flattened. ``RobustScale()`` also scales the columns of a table.
    decoder : Block, dict or None, default=None
        Layers from the last hidden layer to the values, such as ``ConvDecoder()`` for
        images. A dict has one per target. None is ``MLPDecoder()``, one linear layer.
    output_activation : "auto", "sigmoid", "relu" or None, default="auto"
        "auto" is "sigmoid" for a target in [0, 1] and None for others, which are
        standardised for training. With "relu", which the thesis uses, outputs can die
        in training; a warning counts them.
    loss : {"mse", "rmse", "bce"}, default="mse"
        Mean squared error, its root over each mini-batch, or binary cross-entropy for
        targets in [0, 1]. Several targets have equal weight.
    target : str, list of str or None, default=None
        Modalities of X to reconstruct. `fit` then takes no y, and `predict` does not
        need them. They are inputs only if they are in `modalities`.
    modalities : list of str or None, default=None
        Modalities to use as inputs; encoders of others are ignored. None uses all but
        the targets.
    stages : list of Stage or None, default=None
        Train in several stages; see :class:`skmm.training.Stage`. The layers up to the
        code are the part "fusion", those after it "head". None trains all parts in one
        stage.
    optimizer : str or class, default="adam"
        "adam", "adamw", "sgd", "rmsprop", "nadam" or "adagrad", or a class of
        ``torch.optim``.
    lr : float or dict, default=1e-3
        Learning rate. A dict sets it by part. See :class:`FusionClassifier`.
    weight_decay : float or dict, default=0.0
        L2 penalty, passed to the optimizer. A dict sets it by part, like `lr`.
    lr_schedule : str, callable or None, default=None
        Schedule of `lr` over the epochs. See :class:`FusionClassifier`.
    gradient_clip : float or None, default=None
        Maximum norm of the gradient. None does not clip it.
    batch_size : int, default=32
        Size of mini-batches; the thesis uses 128. A trailing mini-batch of one sample
        is merged into the previous one.
    max_epochs : int, default=100
        Number of epochs, or maximum number with early stopping.
    early_stopping : bool, "auto" or "keep_start", default=False
        Stop when the loss on a validation set no longer decreases, and restore the
        best weights. "keep_start" includes the initial weights.
    validation_fraction : float, default=0.15
        Fraction of the samples in the validation set.
    patience : int, default=10
        Epochs without improvement after which early stopping ends training.
    monitor : str or callable, default="loss"
        What early stopping follows on the validation set: "loss", or a scorer of
        scikit-learn. See :class:`FusionRegressor`.
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
        Seed of initial weights, mini-batches, dropout and the validation set. See
        :class:`FusionClassifier`.
    verbose : int, default=0
        Show a progress bar if not 0.

    Attributes
    ----------
    net_, encoders_, history_, n_iter_, best_epoch_
        See :class:`FusionClassifier`. Without an output activation, losses are those of
        the standardised target.
    modalities_in_, modalities_seen_, shapes_in_, optional_modalities_
        See :class:`FusionClassifier`. They do not include the targets.
    n_features_in_, feature_names_in_
        See :class:`FusionClassifier`. They include the targets in X.

    See Also
    --------
    FusionRegressor : Predict a few values from several modalities.

    Notes
    -----
    A missing input is replaced by zeros; samples with a missing target are left out of
    training. Predictions have the dtype of y if it is float32 or float64.

    References
    ----------
    Liu, "Multi-modal deep learning", thesis, 2022, experiment 1 and appendix.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skmm import EncoderDecoderReconstructor
    >>> images = load_digits().images[:300] / 16
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

    # -- fitting -------------------------------------------------------------------

    @known_arguments
    def fit(self, X, y=None, sample_weight=None, *, groups=None, validation_data=None):
        """Fit the net.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like
            Modalities of n_samples each; see ``skmm.data.check_modalities``.
        y : array-like of shape (n_samples, ...), dict of such, or None
            Target to reconstruct; None if `target` is set. Samples in which it is
            missing are left out.
        sample_weight : array-like of shape (n_samples,), optional
            None weights all samples equally.
        groups : array-like of shape (n_samples,), optional
            Samples of one group are all in the validation set or all out of it. No
            effect if no samples are set aside.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Validation set; no training samples are then set aside.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is invalid, modalities or y do not match, there is not
            exactly one target, or values are NaN or out of range.
        FloatingPointError
            If the loss becomes NaN or infinite.
        KeyboardInterrupt
            On Ctrl-C. See :meth:`FusionClassifier.fit`.
        """
        held = {"groups": groups, "validation_data": validation_data}
        return super().fit(X, y, sample_weight, **held)

    @known_arguments
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train for one epoch, starting from the current weights, if any.

        The output activation, location and scale of y are those of the first call.

        Parameters
        ----------
        X, y, sample_weight
            See `fit`.

        Returns
        -------
        self
        """
        return self._fit_one_epoch(X, y, sample_weight)

    def prepare(self, X, y=None, sample_weight=None, *, groups=None, **settings):
        """Validate data and parameters; make the module and its training data.

        Parameters
        ----------
        X, y, sample_weight, groups
            See `fit`.
        **settings
            See ``ModalityEstimator.prepare``.

        Returns
        -------
        TrainingData
        """
        *data, groups = select_target(self, X, y, sample_weight, groups)
        return super().prepare(*data, groups=groups, **settings)

    def _read_validation(self, X, y, sample_weight):
        X, y, sample_weight, _ = select_target(self, X, y, sample_weight)
        return super()._read_validation(X, y, sample_weight)

    def held_out(self, net, X, y=None):
        """Encode test samples and their target for a net in training.

        Parameters
        ----------
        net : TensorNet
        X, y
            See `fit`.

        Returns
        -------
        (TensorRows, Tensor)
        """
        return super().held_out(net, *select_target(self, X, y, None)[:2])

    def _training_space(self):
        return super()._training_space() | of_parts(self, "decoder")

    def _inputs(self, X):
        """All modalities but the targets, unless `modalities` is set."""
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
                f"decoder must not be a dict if y is one array; got one with the keys "
                f"{list(self.decoder)}. Give one decoder, or y as a dict."
            )
        check_names(self.decoder, self._target.shapes, "decoder")
        return dict(self.decoder)

    def adopt(self, net, problem):
        """Set the fitted attributes from a trained net, and warn of dead outputs.

        Parameters
        ----------
        net : TensorNet
        problem : TrainingData
            Its training data.

        Returns
        -------
        self
        """
        super().adopt(net, problem)
        if self.output_activation == "relu":
            self._warn_dead(*problem.train)
        return self

    def _warn_dead(self, rows, target):
        """Warn of outputs that are zero for all samples although the target is not."""
        alive, needed = [], []
        for start, stop in batch_bounds(len(rows), slice_rows(rows)):
            part = slice(start, stop)
            outputs = predict_outputs(self.net_.module_, rows.take(part))
            alive.append(_any_positive(outputs))
            needed.append(_any_positive(rows_at(target, part)))
        alive, needed = (torch.stack(found).any(0) for found in (alive, needed))
        if count := int((needed & ~alive).sum()):
            warn(
                f"{count} of {len(alive)} outputs are dead: their ReLU is zero for all "
                "training samples, unlike their target, so they no longer learn. "
                'Use output_activation="sigmoid" for values in [0, 1], None for '
                "others, or a smaller lr."
            )

    # -- predictions ---------------------------------------------------------------

    def predict(self, X):
        """Predict the target.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
            Targets in X are not needed.

        Returns
        -------
        ndarray of shape (n_samples, ...), like y; or ModalityDict if y is a dict
        """
        return super().predict(X)

    def transform(self, X):
        """Compute the code, which is the output of the narrowest hidden layer.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, width), float32
        """
        return super().transform(X)

    def inverse_transform(self, code):
        """Predict the target from a code.

        Parameters
        ----------
        code : array-like of shape (n_samples, width)
            Result of `transform`.

        Returns
        -------
        ndarray of shape (n_samples, ...), like y; or ModalityDict if y is a dict
        """
        check_is_fitted(self, "net_")
        code = check_array(code, dtype=np.float32, input_name="code")
        if code.shape[1] != self._n_features_out:
            raise ValueError(
                f"code must have {quantity(self._n_features_out, 'column')}, like the "
                f"result of transform; got {code.shape[1]}."
            )
        module = self.net_.module_.eval()
        device = next(module.head.parameters()).device
        with torch.inference_mode():
            parts = torch.from_numpy(code.copy()).to(device).split(ROWS)
            found = [module.head(part) for part in parts]
            outputs = map_tensors(lambda *values: torch.cat(values).cpu(), *found)
        return self._target.decode(outputs)

    def score(self, X, y=None, sample_weight=None):
        """Return the negative mean squared error over all values.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
        y : see `fit`
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        float
        """
        if y is None and self.target is None:
            X, y = with_target(X)
        X, y, weight, _ = select_target(self, X, y, sample_weight)
        found = self.predict(X)
        check_target(self, y, len(found))
        true, found = read_arrays(y), read_arrays(found)
        shapes = {name: part.shape for name, part in true.items()}
        if shapes != {name: part.shape for name, part in found.items()}:
            raise ValueError(
                f"y must have samples of shape {self._target.shapes}, like in fit; got "
                f"shape {shapes}."
            )
        squares = (self._target.flat(true) - self._target.flat(found)) ** 2
        return -float(np.average(squares.mean(1, dtype=np.float64), weights=weight))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.target is None
        tags.regressor_tags.poor_score = True  # a negative error, not near one
        return tags


def _any_positive(tensors):
    """Whether each value of all targets is positive in any sample."""
    return torch.cat([(part > 0).any(0).cpu() for part in tensors_in(tensors)])


ROWS = 2**12  # codes that are decoded at once
