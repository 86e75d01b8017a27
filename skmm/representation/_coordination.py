"""What makes a net a coordinated encoder: no target, and pairs of embeddings."""

import warnings
from itertools import combinations

import numpy as np
import torch
from scipy.stats import loguniform

from skmm import objectives
from skmm._sklearn import HasMethods, num_samples
from skmm.base import ModalityEstimator
from skmm.base.blocks_to_search import with_present
from skmm.base.parts_in_use import encoders_in_use
from skmm.base.targets import NoTarget
from skmm.base.weights import row_weights
from skmm.data import ModalityDict, check_modalities
from skmm.nn import IdentityHead, SideBySideFusion
from skmm.nn.resolve import resolve
from skmm.objectives import BarlowTwins, OverModalities
from skmm.objectives.correlation import cross_correlation
from skmm.training import predict_outputs

BATCH_SIZES = (128, 256, 512)  # rows that are compared with each other
PROJECTORS = (None, (16,), (32,), (64, 64))
WEIGHTS = (5e-3, 0.2)  # 0.0051 is published for 8192 features, few need more
CHOICES = (0.0051, 0.02, 0.05, 0.2)


class Coordination(ModalityEstimator, auto_wrap_output_keys=None):
    """All of `CoordinatedEncoder` but its parameters."""

    _parameter_constraints = {
        **ModalityEstimator._parameter_constraints,
        "objective": [str, callable],
        "projector": [tuple, list, HasMethods("build"), None],
    }

    # -- fitting -------------------------------------------------------------------

    def fit(self, X, y=None, sample_weight=None):
        """Train the encoders.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like
            Modalities of n rows each; see ``skmm.data.check_modalities``.
        y : ignored
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, modalities do not fit together, or values
            are missing or infinite.
        FloatingPointError
            If the loss becomes NaN or infinite.
        KeyboardInterrupt
            On Ctrl-C, as for ``FusionClassifier``.
        """
        return super().fit(X, None, sample_weight)

    def partial_fit(self, X, y=None, sample_weight=None):
        """Train for one epoch, from the present weights if there are any.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        self
        """
        return self._fit_one_epoch(X, None, sample_weight)

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
        Problem
        """
        return super().prepare(X, None, sample_weight, **settings)

    def held_out(self, net, X, y=None):
        """Rows that a fit does not see, as the net in training reads them.

        Parameters
        ----------
        net : TensorNet
        X : ModalityDict, dict, DataFrame or array-like of n rows
        y : ignored

        Returns
        -------
        (TensorRows, Tensor)
        """
        return super().held_out(net, X, np.zeros(num_samples(X)))

    def _training_space(self):
        space = super()._training_space()
        space["batch_size"] = with_present(self.batch_size, BATCH_SIZES)
        if self.projector is None or isinstance(self.projector, (tuple, list)):
            chosen = None if self.projector is None else tuple(self.projector)
            rest = [p for p in PROJECTORS if p != chosen]
            space["projector"] = [chosen, *rest]
        if isinstance(self.objective, BarlowTwins):
            space["objective__weight"] = loguniform(*WEIGHTS)
        elif self.objective == "barlow_twins":
            space["objective"] = [BarlowTwins(weight) for weight in CHOICES]
        return space

    def _read_target(self, X, y, sample_weight, again, classes, scaled):
        if len(X.keys()) == 1 and self.modalities is None:
            self._warn_single(next(iter(X)))
        self._target = NoTarget()
        n_rows = len(X)
        weight = row_weights(n_rows, None, sample_weight, scaled=scaled)
        return np.zeros(n_rows), weight

    def _warn_single(self, name):
        if hasattr(self, "feature_names_in_"):
            warnings.warn(
                f"there is only one modality, {name!r}: there is nothing that it could "
                "agree with, and its encoder stays as it starts.",
                UserWarning,
                stacklevel=7,
            )

    def _make_module(self):
        fusion = SideBySideFusion(self.projector)
        return self._assemble(encoders_in_use(self), fusion, IdentityHead())

    def _objective(self):
        if isinstance(self.objective, OverModalities):  # of a net that is being loaded
            return self.objective
        objective = resolve(self.objective, objectives, "Objective")
        return OverModalities(objective, len(self.modalities_in_))

    def adopt(self, net, problem):
        """Take a trained net as one's own, and note the correlations.

        Parameters
        ----------
        net : TensorNet
        problem : Problem
            What it was trained on.

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
        embeddings, present = self.net_.criterion.split(outputs.double())
        weight = torch.ones(len(outputs)) if weight is None else weight
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
        """Correlations of the features that the objective sees, over the rows of X.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n_pairs, D, D)
            In the order of `pairs_`; over the rows that have both modalities.
        """
        return self._correlations(self._outputs(X))

    def transform(self, X):
        """Embedding of every modality, as its encoder returns it.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ModalityDict of arrays (n, width), float32
            Missing where the modality is; if X is a plain array, an array.
        """
        embedded = self.embed(X)
        if not hasattr(self, "feature_names_in_"):
            return embedded[self.modalities_in_[0]]
        present = check_modalities(X, self, reset=False).present
        return ModalityDict(embedded, present=present)

    def get_feature_names_out(self, input_features=None):
        """Names of the modalities; of a plain array those of the features.

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
