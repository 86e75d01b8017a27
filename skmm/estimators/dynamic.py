"""Dynamic fusion: a gate sends easy samples to a cheap branch."""

from numbers import Real

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skmm import objectives
from skmm._resolver import resolve
from skmm._sklearn import HasMethods, Interval, StrOptions
from skmm.base import NetClassifierMixin
from skmm.base.net_state import packed_parts
from skmm.data.validation import parts_in_use
from skmm.estimators._branches import BranchEstimator
from skmm.nn import ConcatFusion, MLPHead
from skmm.nn.assemble import assemble, complete
from skmm.nn.composite.gated import GatedBranches
from skmm.nn.flops import operations
from skmm.nn.fusion.mixtures import choose_mixtures, names_of
from skmm.objectives import GatedLoss
from skmm.objectives.base import check_objective
from skmm.training import GateSchedule, Stage, predict_outputs

POSITIVE = Interval(Real, 0, None, closed="neither")
EXPERTS = "experts"


class DynamicFusionClassifier(NetClassifierMixin, BranchEstimator):
    r"""Classify each sample with the branch that a gate selects, at a low cost.

    Branches are separate nets: one per modality, and one that fuses all. A gate, which
    reads all modalities, weights the branches or selects one. The loss is

    .. math:: \ell\Bigl(y, \sum_b g_b \hat y_b\Bigr) + \lambda \, \mathrm{E}
        \Bigl[\sum_b g_b C_b\Bigr], \qquad g = \mathrm{softmax}(G(x) / \tau)

    where C are the costs of the branches. With a hard gate, only the selected branch is
    computed in prediction.

    Parameters
    ----------
    encoders : dict, Block, torch.nn.Module or None, default=None
        Encoder of each modality in a dict, or one encoder for all; each branch has
        clones of them. See :class:`FusionClassifier`.
    branches : list of tuple of str or None, default=None
        The modalities of each branch. None is each modality alone, and all of them.
    gate : {"hard", "soft"}, default="hard"
        "hard" selects one branch per sample, with the gradient of the soft gate in
        training. "soft" is a weighted sum, which computes all branches, so that costs
        are only a penalty.
    cost_strength : float >= 0, default=0.1
        Factor λ of the costs: the decrease of the loss for which the most expensive
        branch is worth its cost.
    costs : dict or None, default=None
        Cost of each branch, such as ``{("image",): 5, ("image", "text"): 8}``, divided
        by the largest cost. None counts the operations per sample. Costs of branches
        with unused modalities are ignored.
    temperature : float > 0, default=1.0
        Temperature τ in the first epoch of each stage.
    final_temperature : float > 0, default=0.1
        Temperature in the last epoch; it changes geometrically.
    training : {"two_stage", "frozen", "joint"}, default="two_stage"
        "two_stage" trains each branch on its own loss for `max_epochs`, then all
        branches and the gate for another `max_epochs`. "frozen" trains only the gate in
        the second stage. "joint" skips the first stage.
    gate_encoders : dict, Block, torch.nn.Module or None, default=None
        Encoders of the gate, in the form of `encoders`. They should be small, since
        they are computed for every sample.
    fusion : str or Block, default="concat"
        Fusion of the branches of several modalities.
    head : Block or None, default=None
        Head of each branch. None is ``MLPHead()``, which has one hidden layer.
    modalities : list of str or None, default=None
        Modalities to use; encoders and branches of others are ignored. None uses all.
    objective : str, callable or None, default=None
        Loss of the gated sum. None is cross-entropy, or binary cross-entropy for
        multilabel targets.
    optimizer : str or class, default="adam"
        "adam", "adamw", "sgd", "rmsprop", "nadam" or "adagrad", or a class of
        ``torch.optim``.
    lr : float or dict, default=1e-3
        Learning rate. A dict sets it by part, such as ``{"experts": 1e-3, "gate":
        1e-2}``; other parts get 1e-3.
    weight_decay : float or dict, default=0.0
        L2 penalty, passed to the optimizer. A dict sets it by part, like `lr`.
    lr_schedule : str, callable or None, default=None
        Schedule of `lr` over the epochs. See :class:`FusionClassifier`.
    gradient_clip : float or None, default=None
        Maximum norm of the gradient. None does not clip it.
    batch_size : int, default=32
        Size of mini-batches. A trailing mini-batch of one sample is merged into the
        previous one.
    max_epochs : int, default=100
        Number of epochs per stage, or maximum number with early stopping.
    early_stopping : bool, "auto" or "keep_start", default=False
        Stop when the loss on a validation set, including the cost, no longer decreases,
        and restore the best weights. "keep_start" includes the initial weights.
    validation_fraction : float, default=0.15
        Fraction of the samples in the validation set, which is stratified by class.
    patience : int, default=10
        Epochs without improvement after which early stopping ends training.
    monitor : str or callable, default="loss"
        What early stopping follows on the validation set: "loss", or a scorer of
        scikit-learn. See :class:`FusionClassifier`.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied with `sample_weight`.
    warm_start : bool, default=False
        Start from the current weights if `fit` is called again.
    callbacks : list of skorch callbacks or None, default=None
        Callbacks, which are copied before every fit.
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
    classes_ : ndarray of shape (n_classes,)
        Sorted classes; column numbers for multilabel targets.
    branches_ : list of tuple of str
        The modalities of each branch, smaller branches first.
    costs_ : dict of tuple of str to float
        Cost of each branch; the largest is 1.
    gate_cost_ : float
        Cost of the gate in the same unit; NaN if `costs` are given.
    expected_cost_ : float
        Mean cost of predictions for the training samples, without the gate.
    encoders_ : dict of str to Module
        Fitted encoder of each modality, of the first branch that reads it.
    net_, history_, n_iter_, best_epoch_
        See :class:`FusionClassifier`.
    modalities_seen_ : list of str
        Modalities that count in predictions; see :class:`FusionClassifier`.
    modalities_in_, shapes_in_, optional_modalities_, n_features_in_, feature_names_in_
        See :class:`FusionClassifier`.

    See Also
    --------
    MulMixClassifier : Combine predictions of all mixtures of modalities.

    Notes
    -----
    A branch reads those of its modalities that are present. If all of them are missing,
    it is neither trained on the sample nor selected. The operations of matrix products,
    convolutions, attention, and bilinear and recurrent layers are counted, for texts of
    eight characters; give `costs` for other layers. `partial_fit` trains all parts at
    once; its n-th call uses the temperature of the n-th of `max_epochs` epochs, and
    after `fit` the last one. With `warm_start` all stages are trained again, starting
    from the current weights. `transform` returns the concatenated fused embeddings of
    all branches.

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
    >>> settings = {"lr": 0.01, "max_epochs": 30, "random_state": 0}
    >>> model = DynamicFusionClassifier(**settings).fit(X, y)
    >>> model.branches_, bool(model.expected_cost_ < 0.5)
    ([('good',), ('noise',), ('good', 'noise')], True)
    """

    checkpoint = None

    _training_parameters = BranchEstimator._training_parameters | {
        *("cost_strength", "temperature", "final_temperature", "training")
    }
    _by_modality = ("encoders", "gate_encoders")
    _by_subset = ("branches", "costs")
    _changes_loss = (
        *BranchEstimator._changes_loss,
        *("branches", "cost_strength", "costs", "training"),
    )

    _parameter_constraints = {
        **BranchEstimator._parameter_constraints,
        "branches": [list, tuple, None],
        "gate": [StrOptions({"hard", "soft"})],
        "cost_strength": [Interval(Real, 0, None, closed="left")],
        "costs": [dict, None],
        "temperature": [POSITIVE],
        "final_temperature": [POSITIVE],
        "training": [StrOptions({"two_stage", "frozen", "joint"})],
        "gate_encoders": [dict, HasMethods("build"), torch.nn.Module, None],
    }

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
        monitor="loss",
        class_weight=None,
        warm_start=False,
        callbacks=None,
        compile=False,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self._store(locals())

    # -- the net -------------------------------------------------------------------

    def _make_module(self):
        self.branches_ = self._choose()
        nets = {mine: self._branch(mine) for mine in self.branches_}
        encoders = complete(self._gate_templates(), self.shapes_in_)
        gate = self._gate_net(encoders, ConcatFusion(), MLPHead())
        self._note_costs(nets, gate)
        return self._gated(nets, gate)

    def _choose(self):
        names = list(self.modalities_in_)
        if self.branches is None:
            singles = [(name,) for name in names]
            return singles + ([tuple(names)] if len(names) > 1 else [])
        kept = self._in_use([names_of(mine) for mine in self.branches], "branches")
        if self.branches and not kept:
            raise ValueError(
                f"none of branches={self.branches!r} reads only modalities in use, "
                f"{names}. Add such a branch, or use branches=None."
            )
        try:
            return choose_mixtures([tuple(mine) for mine in kept], names)
        except ValueError as error:
            text = str(error).replace("mixtures", "branches")
            raise ValueError(text) from error

    def _in_use(self, branches, what):
        """Branches of which all modalities are in use."""
        found = sorted(frozenset().union(*branches))
        used = parts_in_use(dict.fromkeys(found), self, what)
        return [mine for mine in branches if mine <= used.keys()]

    def _gate_templates(self):
        given = self.gate_encoders
        if isinstance(given, dict):
            return parts_in_use(given, self, "gate_encoders")
        return given

    def _gate_net(self, encoders, fusion, head):
        def seeded(*names):
            return self._seeded("gate", *names)

        sizes = self.shapes_in_, len(self.branches_)
        return assemble(encoders, fusion, head, *sizes, seeded)

    def _gated(self, nets, gate):
        kinds = [EXPERTS] * len(nets)
        hard = self.gate == "hard"
        return GatedBranches(nets, self.modalities_in_, kinds, gate, hard)

    def _note_costs(self, nets, gate):
        """Costs of branches and gate, relative to the most expensive branch."""
        if self.costs is not None:
            costs = self._given_costs()
        else:
            costs = {b: operations(n, self.shapes_in_) for b, n in nets.items()}
        most = max(costs.values()) or 1.0
        self.costs_ = {branch: cost / most for branch, cost in costs.items()}
        self.gate_cost_ = float("nan")
        if self.costs is None:
            self.gate_cost_ = operations(gate, self.shapes_in_) / most

    def _given_costs(self):
        given = {names_of(branch): cost for branch, cost in self.costs.items()}
        self._check_known(self._in_use(list(given), "costs"))
        known = {branch: given.get(frozenset(branch)) for branch in self.branches_}
        bad = [b for b, c in known.items() if not isinstance(c, Real) or not 0 <= c]
        if bad or not np.isfinite(list(known.values())).all():
            raise ValueError(
                "costs must have a finite number >= 0 for each of the branches "
                f"{self.branches_}; got {self.costs!r}."
            )
        return {branch: float(cost) for branch, cost in known.items()}

    def _check_known(self, branches):
        known = [frozenset(branch) for branch in self.branches_]
        unknown = [tuple(sorted(mine)) for mine in branches if mine not in known]
        if unknown:
            raise ValueError(
                f"costs: unknown branches {unknown}; the branches are {self.branches_}."
            )

    def _stages(self):
        if self.training == "joint":
            return None
        return [Stage(EXPERTS), Stage("gate" if self.training == "frozen" else "all")]

    def _objective(self):
        loss = check_objective(resolve(super()._objective(), objectives, "Objective"))
        return GatedLoss(loss, list(self.costs_.values()), float(self.cost_strength))

    def make_net(self, module, objective=None):
        """Make an initialised, untrained net from a module and the parameters.

        Parameters
        ----------
        module : GatedBranches
        objective : Objective, optional
            That of a net that is loaded; None is the estimator's own.

        Returns
        -------
        TensorNet
        """
        net = super().make_net(module, objective)
        schedule = GateSchedule(self.temperature, self.final_temperature)
        net.callbacks_.append(("gate_schedule", schedule))
        return net

    def adopt(self, net, problem):
        """Set the fitted attributes from a trained net, and the expected cost.

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
        outputs = predict_outputs(net.module_, problem.train[0])
        self.expected_cost_ = float(self._cost_of(self._weights_in(outputs)).mean())
        return self

    def _packed(self, module):
        return {
            **super()._packed(module),
            "gate": packed_parts(module.gate),
            "hard": module.hard,
            "gating": bool(module.gating),
            "temperature": float(module.temperature),
        }

    def _unpacked(self, parts):
        nets = self._branches_of(self.branches_, parts)
        module = self._gated(nets, self._gate_net(**parts["gate"]))
        module.hard = parts["hard"]
        module.gating.fill_(parts["gating"])
        module.temperature.fill_(parts["temperature"])
        return module

    # -- predictions ---------------------------------------------------------------

    def _outputs(self, X, method="forward"):
        outputs = super()._outputs(X, method)
        return self.net_.criterion.answer(outputs) if method == "forward" else outputs

    def _weights_in(self, outputs):
        """Weights (n_samples, n_branches); equal before the gate is trained."""
        return self.net_.criterion.weights(outputs).double().numpy()

    def _cost_of(self, weights):
        return weights @ np.array(list(self.costs_.values()))

    def gate_weights(self, X):
        """Compute the weight of each branch for each sample.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_branches)
            In the order of `branches_`. The weights of a sample sum to one; with
            ``gate="hard"`` they are one-hot.
        """
        return self._weights_in(super()._outputs(X))

    def answering_branch(self, X):
        """Find the branch with the largest weight for each sample.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        list of tuple of str, one per sample
        """
        return [self.branches_[i] for i in self.gate_weights(X).argmax(1)]

    def expected_cost(self, X):
        """Compute the mean cost of predictions; the most expensive branch costs one.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

        Returns
        -------
        float
            Without the gate, which costs `gate_cost_` for every sample.
        """
        check_is_fitted(self, "net_")
        return float(self._cost_of(self.gate_weights(X)).mean())
