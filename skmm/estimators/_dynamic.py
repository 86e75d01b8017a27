"""A gate that chooses, row by row, which branch answers, at what cost."""

from numbers import Real

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skmm import objectives
from skmm._sklearn import HasMethods, Interval, StrOptions
from skmm.base import ClassifierFace
from skmm.base.saving import packed_net
from skmm.data.validation import parts_in_use
from skmm.estimators._branches import BranchEstimator
from skmm.nn import ConcatFusion, MLPHead
from skmm.nn.assemble import assemble, complete
from skmm.nn.fusion.mixtures import choose_mixtures, names_of
from skmm.nn.gated import GatedBranches
from skmm.nn.operations import operations
from skmm.nn.resolve import resolve
from skmm.objectives import GatedLoss
from skmm.objectives.calling import checked
from skmm.training import GateSchedule, Stage, predict_outputs

POSITIVE = Interval(Real, 0, None, closed="neither")
EXPERTS = "experts"


class DynamicFusion(ClassifierFace, BranchEstimator):
    """All of `DynamicFusionClassifier` but its parameters."""

    checkpoint = None

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
                f"branches={self.branches!r} has none that reads only {names}, the "
                "modalities that are used. Name one, or leave branches=None."
            )
        try:
            return choose_mixtures([tuple(mine) for mine in kept], names)
        except ValueError as error:
            text = str(error).replace("mixtures", "branches")
            raise ValueError(text) from error

    def _in_use(self, branches, what):
        """Those of `branches` whose modalities are all used."""
        met = sorted(frozenset().union(*branches))
        used = parts_in_use(dict.fromkeys(met), self, what)
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
        """Cost of each branch, and of the gate: the most expensive branch costs one."""
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
        self._refuse_unknown(self._in_use(list(given), "costs"))
        known = {branch: given.get(frozenset(branch)) for branch in self.branches_}
        bad = [b for b, c in known.items() if not isinstance(c, Real) or not 0 <= c]
        if bad or not np.isfinite(list(known.values())).all():
            raise ValueError(
                "costs must have a finite number >= 0 for each of the branches "
                f"{self.branches_}; got {self.costs!r}."
            )
        return {branch: float(cost) for branch, cost in known.items()}

    def _refuse_unknown(self, branches):
        known = [frozenset(branch) for branch in self.branches_]
        unknown = [tuple(sorted(mine)) for mine in branches if mine not in known]
        if unknown:
            raise ValueError(
                f"costs has {unknown}, which are no branches; the branches are "
                f"{self.branches_}."
            )

    def _stages(self):
        if self.training == "joint":
            return None
        return [Stage(EXPERTS), Stage("gate" if self.training == "frozen" else "all")]

    def _objective(self):
        loss = checked(resolve(super()._objective(), objectives, "Objective"))
        if isinstance(loss, GatedLoss):  # of a net that is being loaded
            return loss
        return GatedLoss(loss, list(self.costs_.values()), float(self.cost_strength))

    def make_net(self, module):
        """Return an initialised net of these parameters, not yet trained.

        Parameters
        ----------
        module : GatedBranches

        Returns
        -------
        TensorNet
        """
        net = super().make_net(module)
        schedule = GateSchedule(self.temperature, self.final_temperature)
        net.callbacks_.append(("gate_schedule", schedule))
        return net

    def adopt(self, net, problem):
        """Take a trained net as one's own, and note what its answers cost.

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
        outputs = predict_outputs(net.module_, problem.train[0])
        self.expected_cost_ = float(self._cost_of(self._weights_in(outputs)).mean())
        return self

    def _packed(self, module):
        return {
            **super()._packed(module),
            "gate": packed_net(module.gate),
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
        """Weights (n, B); before the gate has learnt equal where open."""
        return self.net_.criterion.weights(outputs).double().numpy()

    def _cost_of(self, weights):
        return weights @ np.array(list(self.costs_.values()))

    def gate_weights(self, X):
        """Weight of each branch in each row.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        ndarray of shape (n, B)
            In the order of `branches_`; rows sum to one, and with ``gate="hard"`` are
            one-hot.
        """
        return self._weights_in(super()._outputs(X))

    def answering_branch(self, X):
        """Branch of the largest weight in each row.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        list of tuple of str, one per row
        """
        return [self.branches_[i] for i in self.gate_weights(X).argmax(1)]

    def expected_cost(self, X):
        """Mean cost of the answers, where the most expensive branch costs one.

        Parameters
        ----------
        X : ModalityDict, dict, DataFrame or array-like of n rows

        Returns
        -------
        float
            Without the gate itself, which costs `gate_cost_` in every row.
        """
        check_is_fitted(self, "net_")
        return float(self._cost_of(self.gate_weights(X)).mean())
