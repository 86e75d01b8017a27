"""Base class of the estimators that train one net on several modalities."""

from copy import copy

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skmm import objectives, training
from skmm._params import NestedParams, unchanged_on_error
from skmm._random import base_seed, derive, float32_default, seeded
from skmm._resolver import resolve
from skmm._sklearn import HasMethods
from skmm.base import net_state, warm_start
from skmm.base import search_space as spaces
from skmm.base.constraints import OF_TRAINING
from skmm.base.diagram import parts_block
from skmm.base.modality_subset import (
    check_by_modality,
    encoders_in_use,
    fusion_in_use,
    rates_in_use,
    stages_in_use,
)
from skmm.base.modality_weights import weights_table
from skmm.base.plain_rows import plain_rows
from skmm.base.training_data import (
    Samples,
    TrainingData,
    check_groups,
    check_sample_weights,
    combined_weight,
    note_modalities,
)
from skmm.base.validation_split import set_monitor, set_validation
from skmm.data import check_modalities
from skmm.data.labels import with_labels_of
from skmm.data.tensors import (
    TensorRows,
    one_tensor,
    resolve_device,
    to_device,
    to_rows,
)
from skmm.data.validation import check_target, note_missing, with_target
from skmm.nn.assemble import assemble
from skmm.objectives.base import check_objective
from skmm.persistence.states import savable
from skmm.training.callbacks import LOSS, callbacks_of
from skmm.training.fingerprint import digests


@savable
class ModalityEstimator(
    NestedParams, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Base of the estimators that train one net on several modalities.

    A final class stores the parameters below and adds a mixin of ``skmm.base.mixins``,
    or its own ``_learn_target(y, weight, classes)``, which returns a target of
    ``skmm.targets``. Further hooks are listed in docs/contributing.md.

    Notes
    -----
    Class attributes describe the parameters of a class:

    `_training_parameters`
        Parameters that may change between two fits of the same net. All others are
        structural and must not change in a warm start.
    `_no_effect_on_weights`
        Parameters that may change between a checkpoint and the fit that resumes it.
    `_by_modality`, `_by_part`, `_by_subset`
        Parameters whose values are dicts by modality, dicts by part of the net such
        as "encoders__image", or collections of subsets of the modalities.
    `_changes_loss`
        Parameters that change the scale or the number of the validation losses. Trials
        with a pruner must agree in them.
    `_predicts_from_embeddings`
        Whether the prediction methods accept the result of `_encoded`. Not inherited,
        since a subclass may use the modalities themselves.
    `search_space`
        Default search space of the parameters that the class adds.
    """

    _is_abstract = True
    _nested = ("encoders",)
    _fitted_by = "net_"
    _training_parameters = frozenset(
        "objective stages optimizer lr weight_decay lr_schedule gradient_clip "
        "batch_size max_epochs early_stopping validation_fraction patience monitor "
        "class_weight warm_start callbacks checkpoint compile device random_state "
        "verbose".split()
    )
    _no_effect_on_weights = frozenset(
        {"checkpoint", "compile", "device", "verbose", "warm_start"}
    )
    _by_modality = ("encoders",)
    _by_part = ("lr", "weight_decay")
    _by_subset = ()
    _changes_loss = "objective class_weight stages max_epochs early_stopping".split()
    search_space = {}
    class_weight = None  # a parameter of classifiers
    monitor = LOSS  # a parameter of estimators whose predictions can be scored
    __metadata_request__fit = {"groups": True}

    _parameter_constraints = {
        "encoders": [dict, HasMethods("build"), nn.Module, None],
        "fusion": [str, HasMethods("build")],
        "head": [HasMethods("build"), None],
        "modalities": [list, tuple, np.ndarray, None],
        **OF_TRAINING,
    }

    # -- fitting -------------------------------------------------------------------

    @unchanged_on_error
    def fit(self, X, y=None, sample_weight=None, *, groups=None, validation_data=None):
        """Fit the net.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
            Modalities; see ``skmm.data.check_modalities``. May be a map-style torch
            Dataset of (modalities, target), which is read once.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Target. None is that of a Dataset. Of several outputs, NaN, None and pd.NA
            are entries that were not measured, and are left out.
        sample_weight : array-like of shape (n_samples,), optional
            None weights all samples equally.
        groups : array-like of shape (n_samples,), optional
            Samples of one group, such as those of one patient, are all in the
            validation set or all out of it. No effect if no samples are set aside.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Validation set; no training samples are then set aside. Without
            `early_stopping`, its loss and `monitor` are only recorded.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is invalid, modalities do not match, values are NaN or
            infinite, y is not a valid target, there is only one group, or
            `validation_data` does not match the training data.
        FloatingPointError
            If the loss becomes NaN or infinite.
        KeyboardInterrupt
            On Ctrl-C. The estimator is then fitted with the weights of the last step,
            or with the best weights so far if `early_stopping` is set. Fitting again
            with ``warm_start=True`` continues. Before the first epoch, it is unchanged.
        """
        again = self._is_warm() and hasattr(self, "net_")
        held = {"groups": groups, "validation_data": validation_data}
        data = self.prepare(X, y, sample_weight, again=again, **held)
        net = self.make_net(data.module)
        net = net.resume(self.net_) if again else net
        if self.checkpoint is not None:
            net.callbacks_.append(("checkpoint", warm_start.resume_file(self, data)))
        return self._train(net, data, self.max_epochs)

    @unchanged_on_error
    def _fit_one_epoch(self, X, y, sample_weight, classes=None):
        """Implement `partial_fit`."""
        warm_start.check_partial_fit(self)
        again = hasattr(self, "net_")
        known = {"again": again, "classes": classes}
        data = self.prepare(X, y, sample_weight, **known, scaled=False)
        net = self.make_net(data.module)
        net.stages = None  # all parts are trained
        net = net.resume(self.net_) if again else net
        net.schedule_in_calls(self.net_ if again else None)
        return self._train(net, data, 1)

    def _net_to_train_further(self, method):
        further = self._is_warm() or method != "fit"
        return vars(self).get("net_") if further else None

    def _is_warm(self):
        given = self.warm_start  # not yet validated
        return isinstance(given, (bool, np.bool_)) and bool(given)

    @float32_default()
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
        groups=None,
        validation_data=None,
    ):
        """Validate data and parameters; make the module and its training data.

        Parameters
        ----------
        X, y, sample_weight
            See `fit`.
        again : bool, default=False
            Keep the fitted module, target and shapes.
        classes : array-like, optional
            All classes, if some may be missing from y.
        scaled : bool, default=True
            Scale the weights to mean one and split off a validation set if needed;
            False for `partial_fit`.
        valid : ndarray of shape (n_samples,) of bool, optional
            Validation samples of early stopping; None draws them.
        groups, validation_data
            See `fit`.

        Returns
        -------
        TrainingData
        """
        self._validate_params()
        device = resolve_device(self.device)
        if y is None and self.__sklearn_tags__().target_tags.required:
            X, y = with_target(X)
        if again:
            warm_start.check_same_structure(self)
        names, unseen = self._inputs(X), "keep"
        X = check_modalities(X, self, reset=not again, modalities=names, unseen=unseen)
        note_missing(self, X)
        check_by_modality(self)
        given = check_sample_weights(sample_weight, len(X))
        groups = check_groups(groups, len(X), X)
        y, weight = self._read_target(X, y, sample_weight, again, classes, scaled)
        samples = Samples(X, y, weight, given, groups, valid).counted(scaled)
        if not again:
            self._seed = base_seed(self.random_state)
            self._structure = self._structure_digests()
        module = self.net_.module_ if again else self._make_module()
        rows = to_rows(samples.X, module, device, samples.weight)
        target = to_device(self._target.encode(samples.y), device)
        data = TrainingData(module, (rows, target))
        held = validation_data is not None or self._needs_valid()
        validates = scaled and (held or self.monitor != LOSS)
        if validates:
            held = set_validation(self, data, samples, validation_data)
        note_modalities(self, data, again)
        if validates:
            set_monitor(self, data, held)
        return data

    def _structure_digests(self):
        """Digests of the structural parameters, for warm starts."""
        return digests(self.get_params(), without=self._training_parameters)

    def _inputs(self, X):
        return self.modalities  # to encode; None is all modalities of X

    def _needs_valid(self):
        return self.early_stopping

    def _uses_groups(self):
        return self._needs_valid()

    def _read_target(self, X, y, sample_weight, again, classes, scaled):
        """Validate y and sample weights; learn the target unless `again`."""
        y = check_target(self, y, len(X), X, sample_weight=sample_weight)
        weight = combined_weight(len(X), y, sample_weight)
        if not again:
            self._target = self._learn_target(y, weight, classes)
        else:
            warm_start.check_same_classes(self, classes)
        y = self._target.read(y)
        return y, combined_weight(len(X), y, sample_weight, self.class_weight, scaled)

    def _read_validation(self, X, y, sample_weight):
        """Validate `validation_data`: X, y, the weights and the sample weights."""
        X = check_modalities(X, self, reset=False)
        y = check_target(self, y, len(X), X, sample_weight=sample_weight)
        y = self._target.read(y)
        given = check_sample_weights(sample_weight, len(X))
        return X, y, combined_weight(len(X), y, given, self.class_weight), given

    def _learn_target(self, y, weight=None, classes=None):
        """Learn a target of `_target_class` and set its fitted attributes."""
        target = self._target_class.learn(y, weight, classes)
        vars(self).update(target.fitted_attributes(type(self).__name__))
        return target

    def _in_training(self, net):
        """A shallow copy that predicts with a net in training."""
        model = copy(self)
        model.net_ = net
        return model

    def _make_module(self):
        encoders = encoders_in_use(self)
        return self._assemble(encoders, fusion_in_use(self.fusion, encoders), self.head)

    def _assemble(self, encoders, fusion, head):
        """Assemble the module for the fitted shapes and target."""
        sizes = self.shapes_in_, self._n_outputs()
        return assemble(encoders, fusion, head, *sizes, self._seeded)

    def _n_outputs(self):
        return self._target.n_outputs

    def _seeded(self, *names):
        return seeded(derive(self._seed, *names))

    def _train(self, net, data, epochs):
        before = len(net.history)
        try:
            with seeded(self.training_seed(net), net.device):
                net.run(data.train, data.valid, epochs, data.monitor)
        except KeyboardInterrupt:
            if len(net.history) > before:
                self.adopt(net, data)
            raise
        return self.adopt(net, data)

    def training_seed(self, net):
        """Seed of all random numbers in training but the order of the samples."""
        return derive(self._seed, "training", len(net.history))

    @float32_default()
    def make_net(self, module, objective=None):
        """Make an initialised, untrained net from a module and the parameters.

        Parameters
        ----------
        module : MultimodalModule
        objective : Objective or callable, optional
            That of a net that is loaded; None is the estimator's own.

        Returns
        -------
        TensorNet
        """
        objective = self._objective() if objective is None else objective
        return training.TensorNet(
            module,
            check_objective(resolve(objective, objectives, "Objective")),
            stages=self._stages(),
            optimizer=self.optimizer,
            lr=rates_in_use(self.lr, self),
            weight_decay=rates_in_use(self.weight_decay, self),
            lr_schedule=self.lr_schedule,
            gradient_clip=self.gradient_clip,
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
            callbacks=callbacks_of(self),
            compile=self.compile,
            device=resolve_device(self.device),
            shuffle_seed=derive(self._seed, "order"),
            verbose=int(self.verbose),
        ).initialize()

    def _stages(self):
        return None if self.stages is None else stages_in_use(self.stages, self)

    def _objective(self):
        return self._target.objective if self.objective is None else self.objective

    def adopt(self, net, data):
        """Set the fitted attributes from a trained net.

        Parameters
        ----------
        net : TensorNet
        data : TrainingData
            Its training data.

        Returns
        -------
        self
        """
        self.net_ = net
        self.n_iter_ = len(net.history)
        if self.early_stopping:
            self.best_epoch_ = net.best_epoch()
        return self

    # -- outputs and embeddings ----------------------------------------------------

    def _outputs(self, X, method="forward"):
        if "net_" not in vars(self):  # the check itself is slow
            check_is_fitted(self, "net_")
        rows = X if isinstance(X, TensorRows) else self._rows(X)
        return training.predict_outputs(self.net_.module_, rows, method=method)

    def _rows(self, X):
        module = self.net_.module_
        if (rows := plain_rows(self, X, module)) is not None:
            return rows
        X = check_modalities(X, self, reset=False)
        return to_rows(X, module, module.device or self.net_.device)

    def _encoded(self, X):
        """Replace modalities by their embeddings, to predict more than once.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        TensorRows
            Accepted as X by the prediction methods.
        """
        check_is_fitted(self, "net_")
        rows = self._rows(X)
        found = training.predict_outputs(self.net_.module_, rows, method="encode")
        device = next(iter(rows.x.values())).device
        return rows.with_embeddings({n: out.to(device) for n, out in found.items()})

    def transform(self, X):
        """Compute the fused embedding, which is the input of the head.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_features_out), float32
        """
        fix = "override `transform`, or use `embed`, which returns each modality"
        out = one_tensor(self._outputs(X, "fuse"), fix).numpy()
        return with_labels_of(X, out, self)

    def embed(self, X):
        """Compute the embedding of each modality, which are the input of the fusion.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        dict of str to ndarray of shape (n_samples, width), float32
            Zero where the modality is missing.
        """
        return {n: out.numpy() for n, out in self._outputs(X, "encode").items()}

    @property
    def encoders_(self):
        """Fitted encoder of each modality."""
        check_is_fitted(self, "net_")
        return dict(self.net_.module_.encoders.items())

    @property
    def history_(self):
        """DataFrame with a row per epoch: epoch, train_loss, valid_loss if any, dur."""
        check_is_fitted(self, "net_")
        return training.history_frame(self.net_.history)

    @property
    def modality_weights_(self):
        """Weight of each modality, and of each interaction that the fusion models.

        Returns
        -------
        DataFrame
            With the column "weight", and for ``LpNormFusion`` also "variance_share",
            the share of a block in the variance of the outputs in training.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        AttributeError
            If the fusion does not learn weights of modalities.
        """
        check_is_fitted(self, "net_")
        return weights_table(self.net_.module_)

    @property
    def _n_features_out(self):
        return self.net_.module_.fused_features

    # -- saving, searching, displaying ---------------------------------------------

    def _saved(self):
        return net_state.saved_attributes(self)

    def _restore(self, attributes):
        return net_state.restore(self, attributes)

    def _probe(self):
        return net_state.probe(self)

    def _packed(self, module):
        """Parts of the module, from which `_unpacked` rebuilds it."""
        return net_state.packed_parts(module)

    def _unpacked(self, parts):
        return self._assemble(**parts)

    def default_search_space(self):
        """Default search space, such as for ``RandomizedSearchCV``.

        Returns
        -------
        dict of str to list or frozen distribution
            By parameter name as in ``set_params``. Includes the `encoders` that are
            given and used. If `fusion` is a name or `head` is None, the choices are
            Blocks.

        See Also
        --------
        skmm.model_selection.default_search_space : Search space of a Pipeline.
        skmm.model_selection.ModalitySearchCV : Search over it.

        Notes
        -----
        The learning rate is log-uniform from 5e-5 to 1e-2; published nets use 6e-5 to
        1e-3 with Adam. The L2 penalty ranges from 1e-6, which is practically none, to
        1e-2, and the size of mini-batches from 16 to 128. Rates given by part are not
        searched, nor is the number of epochs, which early stopping finds at lower cost.
        """
        return spaces.of_estimator(self)

    def _training_space(self):
        return spaces.of_training(self) | spaces.declared(self)

    def held_out(self, net, X, y):
        """Encode test samples and their target for a net in training.

        Samples of classes that are not in the training set are dropped.

        Parameters
        ----------
        net : TensorNet
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)
        y : array-like of shape (n_samples, ...) or None

        Returns
        -------
        (TensorRows, Tensor) or None
            None if no sample is left.
        """
        X, y = self._target.known(check_modalities(X, self, reset=False), y)
        if X is None:
            return None
        target = self._target.encode(self._target.read(y))
        return to_rows(X, net.module_, net.device), to_device(target, net.device)

    def _sk_visual_block_(self):
        return parts_block(self, "encoders")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = []
        return tags
