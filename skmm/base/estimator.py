"""What every estimator shares: from data and parameters to a trained net."""

from numbers import Integral, Real
from os import PathLike

import numpy as np
from sklearn.base import BaseEstimator
from torch import nn

from skmm import objectives
from skmm._random import base_seed, derive, seeded
from skmm._resolver import resolve
from skmm._sklearn import HasMethods, Interval, StrOptions
from skmm.base.mixins import EmbeddingFace, EncodersDiagram
from skmm.base.modality_subset import (
    encoders_in_use,
    fusion_in_use,
    rates_in_use,
    stages_in_use,
)
from skmm.base.sample_weight import mean_one, row_weights, split_rows
from skmm.base.search_space import SearchableNet
from skmm.base.training_data import Problem, to_rows
from skmm.base.warm_start import (
    note_missing,
    refuse_for_parts,
    refuse_other_classes,
    refuse_other_structure,
    resume_file,
    structure,
)
from skmm.data import check_modalities
from skmm.data.tensors import to_device
from skmm.nn.assemble import assemble
from skmm.objectives.base import check_objective
from skmm.persistence.saving import NetSaving
from skmm.targets.classes import require_target
from skmm.training import (
    BestWeights,
    EpochBar,
    TensorNet,
    optimizers,
    own_callbacks,
    resolve_device,
)


class ModalityEstimator(
    NetSaving, EmbeddingFace, SearchableNet, EncodersDiagram, BaseEstimator
):
    """Base of the estimators that train one net on several modalities.

    A final class stores the parameters below; its ``_learn_target(y, weight, classes)``
    returns a target of ``skmm.targets.classes``.
    """

    _nested = ("encoders",)

    _parameter_constraints = {
        "encoders": [dict, HasMethods("build"), nn.Module, None],
        "fusion": [str, HasMethods("build")],
        "head": [HasMethods("build"), None],
        "modalities": [list, tuple, np.ndarray, None],
        "objective": [str, callable, None],
        "stages": [list, tuple, None],
        "optimizer": [StrOptions(set(optimizers.NAMES)), callable],
        "lr": [Interval(Real, 0, None, closed="neither"), dict],
        "weight_decay": [Interval(Real, 0, None, closed="left"), dict],
        "lr_schedule": [StrOptions(set(optimizers.SCHEDULES)), callable, None],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean", StrOptions({"keep_start"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "warm_start": ["boolean"],
        "callbacks": [list, None],
        "checkpoint": [str, PathLike, None],
        "compile": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # -- fitting -------------------------------------------------------------------

    def fit(self, X, y, sample_weight=None):
        """Train a net.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like
            Modalities of n rows each; see ``skmm.data.check_modalities``.
        y : array-like of shape (n,) or (n, k)
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, modalities do not fit together, values are
            missing or infinite, or y cannot be learnt.
        FloatingPointError
            If the loss becomes NaN or infinite.
        KeyboardInterrupt
            On Ctrl-C. The estimator can then predict with the weights of the last step,
            or with early stopping the best so far; ``warm_start=True`` goes on.
        """
        again = self.warm_start and hasattr(self, "net_")
        problem = self.prepare(X, y, sample_weight, again=again)
        net = self.make_net(problem.module)
        net = net.resume(self.net_) if again else net
        if self.checkpoint is not None:
            net.callbacks_.append(("checkpoint", resume_file(self, problem)))
        return self._train(net, problem, self.max_epochs)

    def _fit_one_epoch(self, X, y, sample_weight, classes=None):
        """Do what every `partial_fit` does."""
        refuse_for_parts(self)
        again = hasattr(self, "net_")
        known = {"again": again, "classes": classes}
        problem = self.prepare(X, y, sample_weight, **known, scaled=False)
        net = self.make_net(problem.module)
        net.stages = None  # all parts learn
        net = net.resume(self.net_) if again else net
        return self._train(net, problem, 1)

    def prepare(
        self,
        X,
        y,
        sample_weight=None,
        *,
        again=False,
        classes=None,
        scaled=True,
        valid=None,
    ):
        """Check data and parameters and set up what training needs.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        again : bool, default=False
            Keep the fitted module, target and shapes.
        classes : array-like, optional
            All classes, where y need not have them.
        scaled : bool, default=True
            Scale the weights to mean one, and set rows aside; `partial_fit` does not.
        valid : ndarray of shape (n,) of bool, optional
            Rows that early stopping looks at; None draws some.

        Returns
        -------
        Problem
        """
        self._validate_params()
        device = resolve_device(self.device)
        if again:
            refuse_other_structure(self)
        X = check_modalities(X, self, reset=not again, modalities=self._inputs(X))
        note_missing(self, X)
        y, weight = self._read_target(X, y, sample_weight, again, classes, scaled)
        if weight is not None and not weight.all():  # rows without weight are not there
            kept = weight > 0
            X, y, weight = X[kept], y[kept], weight[kept]
            valid = None if valid is None else valid[kept]
            weight = mean_one(weight) if scaled else weight
        if not again:
            self._seed = base_seed(self.random_state)
            self._structure = structure(self)
        module = self.net_.module_ if again else self._make_module()
        rows = to_rows(X, module, device, weight)
        problem = Problem(module, (rows, to_device(self._target.encode(y), device)))
        if scaled and self._needs_valid():
            problem.set_aside(*self._aside(y, valid))
        return problem

    def _inputs(self, X):
        return self.modalities  # those of X to encode; None is all

    def _needs_valid(self):
        return self.early_stopping

    def _aside(self, y, valid):
        """Rows to train on, and rows for early stopping."""
        if valid is not None and valid.any() and not valid.all():
            return np.flatnonzero(~valid), np.flatnonzero(valid)
        seed, labels = derive(self._seed, "validation"), self._target.strata(y)
        return split_rows(len(y), self.validation_fraction, labels, seed)

    def _read_target(self, X, y, sample_weight, again, classes, scaled):
        """Checked y and the weights of the rows; learns the target unless `again`."""
        require_target(self, y, len(X))
        weight = row_weights(len(X), y, sample_weight)
        if not again:
            self._target = self._learn_target(y, weight, classes)
        else:
            refuse_other_classes(self, classes)
        y = self._target.read(y)
        class_weight = getattr(self, "class_weight", None)
        return y, row_weights(len(X), y, sample_weight, class_weight, scaled)

    def _make_module(self):
        encoders = encoders_in_use(self)
        return self._assemble(encoders, fusion_in_use(self.fusion, encoders), self.head)

    def _assemble(self, encoders, fusion, head):
        """Module of these parts for the fitted shapes and target."""
        sizes = self.shapes_in_, self._n_outputs()
        return assemble(encoders, fusion, head, *sizes, self._seeded)

    def _n_outputs(self):
        return self._target.n_outputs

    def _seeded(self, *names):
        return seeded(derive(self._seed, *names))

    def _train(self, net, problem, epochs):
        try:
            with seeded(self.training_seed(net), net.device):
                net.run(problem.train, problem.valid, epochs)
        except KeyboardInterrupt:
            self.adopt(net, problem)  # as far as it was trained
            raise
        return self.adopt(net, problem)

    def training_seed(self, net):
        """Seed of what training draws besides the order of rows, as dropout does."""
        return derive(self._seed, "training", len(net.history))

    def make_net(self, module):
        """Return an initialised net of these parameters, not yet trained.

        Parameters
        ----------
        module : MultimodalModule

        Returns
        -------
        TensorNet
        """
        keep_start = self.early_stopping == "keep_start"
        own = [EpochBar()] if self.verbose else []
        if self.early_stopping:
            own.insert(0, BestWeights(self.patience, keep_start=keep_start))
        return TensorNet(
            module,
            check_objective(resolve(self._objective(), objectives, "Objective")),
            stages=self._stages(),
            optimizer=self.optimizer,
            lr=rates_in_use(self.lr, self),
            weight_decay=rates_in_use(self.weight_decay, self),
            lr_schedule=self.lr_schedule,
            gradient_clip=self.gradient_clip,
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
            callbacks=own_callbacks(self.callbacks) + own,
            compile=self.compile,
            device=resolve_device(self.device),
            shuffle_seed=derive(self._seed, "order"),
            verbose=int(self.verbose),
        ).initialize()

    def _stages(self):
        return stages_in_use(self.stages, self)

    def _objective(self):
        return self._target.objective if self.objective is None else self.objective

    def adopt(self, net, problem):
        """Take a trained net as one's own.

        Parameters
        ----------
        net : TensorNet
        problem : Problem
            What it was trained on.

        Returns
        -------
        self
        """
        self.net_ = net
        self.n_iter_ = len(net.history)
        if self.early_stopping:
            self.best_epoch_ = net.best_epoch()
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = []
        return tags
