"""Encoders of which the embeddings of a sample agree, trained without a target."""

from itertools import combinations

import numpy as np
import torch

from skmm import objectives
from skmm._params import known_arguments
from skmm._resolver import resolve
from skmm._sklearn import HasMethods, num_samples
from skmm._warnings import warn
from skmm.base import ModalityEstimator
from skmm.base.modality_subset import encoders_in_use
from skmm.base.training_data import combined_weight
from skmm.data import ModalityDict, check_modalities
from skmm.data.labels import check_row_labels
from skmm.nn import IdentityHead, SideBySideFusion
from skmm.objectives import BarlowTwins, ByPosition
from skmm.objectives.base import check_objective
from skmm.objectives.correlation import cross_correlation
from skmm.targets.base import NoTarget
from skmm.training import predict_outputs


class CoordinatedEncoder(ModalityEstimator, auto_wrap_output_keys=None):
    """Train one encoder per modality so that their embeddings of a sample agree.

    It needs no y, so that unlabelled samples can be used. Another estimator can start
    from the fitted encoders: ``FusionClassifier(encoders=coordinated.encoders_)``.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        Encoder of each modality in a dict, or one encoder for all. See
        :class:`FusionClassifier`.
    objective : str or callable, default="barlow_twins"
        Loss to minimise: a name, or an instance such as ``BarlowTwins(weight=0.05)``.
        An `Objective` may read the outputs "embeddings" and "present". Any other
        callable gets (embeddings, present, weight), where embeddings have the shape
        (n_modalities, n_samples, n_features) and the mask `present` has the shape
        (n_samples, n_modalities). The weights of a ``torch.nn.Module`` are trained as
        the part "objective".
    projector : tuple of int, Block or None, default=None
        Layers from the embedding of each modality to the features that the objective
        compares; not part of `encoders_` or `transform`. A tuple has the widths of
        dense layers, the last of which is linear. None compares the embeddings
        themselves, or, if their widths differ, linear maps of them to the smallest
        width.
    modalities : list of str or None, default=None
        Modalities to use; encoders of others are ignored. None uses all.
    stages : list of Stage or None, default=None
        Train in several stages; see :class:`skmm.training.Stage`. The projectors are
        the part "fusion". None trains all parts in one stage.
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
    batch_size : int, default=256
        Size of mini-batches, within which samples are compared; see Notes.
    max_epochs : int, default=100
        Number of epochs, or maximum number with early stopping.
    early_stopping : bool, "auto" or "keep_start", default=False
        Stop when the loss on a validation set no longer decreases, and restore the
        best weights. "keep_start" includes the initial weights.
    validation_fraction : float, default=0.15
        Fraction of the samples in the validation set.
    patience : int, default=10
        Epochs without improvement after which early stopping ends training.
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
    encoders_ : dict of str to Module
        Fitted encoder of each modality. As `encoders` of another estimator, they keep
        their weights.
    pairs_ : list of (str, str)
        All pairs of modalities.
    cross_correlation_ : ndarray of shape (n_pairs, D, D)
        Correlations between the D features of the first modality of a pair (rows) and
        those of the second (columns), over the training samples that have both.
    net_, history_, n_iter_, best_epoch_
        See :class:`FusionClassifier`.
    modalities_seen_ : list of str
        Modalities that count in predictions; see :class:`FusionClassifier`.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        See :class:`FusionClassifier`.

    See Also
    --------
    skmm.inspection.CrossCorrelationDisplay : Draw `cross_correlation_`.

    Notes
    -----
    The optimal correlations of Barlow Twins are the identity, of rank n_features. Those
    of a mini-batch of n samples have a rank of at most n - 1: use mini-batches, and
    data, of more samples than features. Samples with a missing modality are left out of
    its pairs. The encoder of a single modality is not trained.

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

    _changes_loss = (*ModalityEstimator._changes_loss, "projector")
    search_space = {"batch_size": [128, 256, 512]}  # samples are compared in them

    _parameter_constraints = {
        **ModalityEstimator._parameter_constraints,
        "objective": [str, callable],
        "projector": [tuple, list, HasMethods("build"), None],
    }

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

    # -- fitting -------------------------------------------------------------------

    @known_arguments
    def fit(self, X, y=None, sample_weight=None, *, groups=None, validation_data=None):
        """Fit the encoders.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like
            Modalities of n_samples each; see ``skmm.data.check_modalities``.
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            None weights all samples equally.
        groups : array-like of shape (n_samples,), optional
            Samples of one group are all in the validation set or all out of it. No
            effect if no samples are set aside.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Validation set; no training samples are then set aside. y may be None.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is invalid, modalities do not match, or values are NaN or
            infinite.
        FloatingPointError
            If the loss becomes NaN or infinite.
        KeyboardInterrupt
            On Ctrl-C. See :meth:`FusionClassifier.fit`.
        """
        held = {"groups": groups, "validation_data": validation_data}
        return super().fit(X, None, sample_weight, **held)

    @known_arguments
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train for one epoch, starting from the current weights, if any.

        Parameters
        ----------
        X, y, sample_weight
            See `fit`.

        Returns
        -------
        self
        """
        return self._fit_one_epoch(X, None, sample_weight)

    def prepare(self, X, y=None, sample_weight=None, **settings):
        """Validate data and parameters; make the module and its training data.

        Parameters
        ----------
        X, y, sample_weight
            See `fit`.
        **settings
            See ``ModalityEstimator.prepare``.

        Returns
        -------
        TrainingData
        """
        return super().prepare(X, None, sample_weight, **settings)

    def held_out(self, net, X, y=None):
        """Encode test samples for a net in training.

        Parameters
        ----------
        net : TensorNet
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
        y : ignored

        Returns
        -------
        (TensorRows, Tensor)
        """
        return super().held_out(net, X, np.zeros(num_samples(X)))

    def _training_space(self):
        space = super()._training_space()
        if self.projector is None or isinstance(self.projector, (tuple, list)):
            chosen = None if self.projector is None else tuple(self.projector)
            rest = [p for p in PROJECTORS if p != chosen]
            space["projector"] = [chosen, *rest]
        if self.objective == "barlow_twins":
            space["objective"] = [BarlowTwins(weight) for weight in CHOICES]
        return space

    def _read_target(self, X, y, sample_weight, again, classes, scaled):
        if len(X.keys()) == 1 and self.modalities is None:
            self._warn_single(next(iter(X)))
        self._target = NoTarget()
        n_rows = len(X)
        check_row_labels(X, sample_weight=sample_weight)
        weight = combined_weight(n_rows, None, sample_weight, scaled=scaled)
        return np.zeros(n_rows), weight

    def _read_validation(self, X, y, sample_weight):
        X = check_modalities(X, self, reset=False)
        check_row_labels(X, sample_weight=sample_weight)
        weight = combined_weight(len(X), None, sample_weight)
        return X, np.zeros(len(X)), weight, weight

    def _warn_single(self, name):
        if hasattr(self, "feature_names_in_"):
            warn(
                f"there is only one modality, {name!r}: its embedding is not compared "
                "with another one, and its encoder is not trained."
            )

    def _make_module(self):
        fusion = SideBySideFusion(self.projector)
        return self._assemble(encoders_in_use(self), fusion, IdentityHead())

    def _objective(self):
        objective = check_objective(resolve(self.objective, objectives, "Objective"))
        reads_names = bool(getattr(objective, "reads", ()))
        return objective if reads_names else ByPosition(objective)

    def adopt(self, net, problem):
        """Set the fitted attributes from a trained net, and compute the correlations.

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
        self.pairs_ = list(combinations(self.modalities_in_, 2))
        rows = problem.train[0]
        weight = None if rows.weight is None else rows.weight.cpu()
        outputs = predict_outputs(net.module_, rows)
        self.cross_correlation_ = self._correlations(outputs, weight)
        return self

    def _correlations(self, outputs, weight=None):
        embeddings = outputs["embeddings"].double().transpose(0, 1)
        present = outputs["present"]
        weight = torch.ones(len(present)) if weight is None else weight
        width = embeddings.shape[2]
        found = [
            cross_correlation(
                embeddings[i], embeddings[j], weight * (present[:, i] & present[:, j])
            ).numpy()
            for i, j in combinations(range(len(embeddings)), 2)
        ]
        return np.array(found).reshape(len(found), width, width)

    # -- embeddings ----------------------------------------------------------------

    def cross_correlation(self, X):
        """Compute the correlations of the compared features over samples.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_pairs, D, D)
            In the order of `pairs_`, over the samples that have both modalities.
        """
        return self._correlations(self._outputs(X))

    def transform(self, X):
        """Compute the embedding of every modality, which its encoder returns.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ModalityDict of ndarray of shape (n_samples, width), float32
            With the presence mask of X. If X is a plain array, an array.
        """
        embedded = self.embed(X)
        if not hasattr(self, "feature_names_in_"):
            return embedded[self.modalities_in_[0]]
        X = check_modalities(X, self, reset=False)
        return ModalityDict(embedded, present=X.present).with_index(X.index)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the modalities, or of the features for a plain array.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str
        """
        if hasattr(self, "net_") and hasattr(self, "feature_names_in_"):
            return np.array(self.modalities_in_, dtype=object)
        return super().get_feature_names_out(input_features)

    @property
    def _n_features_out(self):
        return sum(self.net_.module_.widths.values())

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags


PROJECTORS = (None, (16,), (32,), (64, 64))
CHOICES = (0.0051, 0.02, 0.05, 0.2)
