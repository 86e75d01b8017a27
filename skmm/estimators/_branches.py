"""Base of the estimators of several nets: how these are made and saved."""

from contextlib import contextmanager
from functools import partial

from skmm._sklearn import InvalidParameterError
from skmm.base import ModalityEstimator
from skmm.base.modality_subset import encoders_in_use, fusion_in_use
from skmm.base.net_state import packed_parts
from skmm.nn import ConcatFusion
from skmm.nn.assemble import assemble
from skmm.nn.shape_inference import give_tokens
from skmm.training import Stage
from skmm.training.optimizers import OBJECTIVE


class BranchEstimator(ModalityEstimator):
    """Base of the estimators whose module is a `Branches`."""

    _is_abstract = True
    stages = None  # the order of training is what these estimators are
    _unit = "branch"  # what errors call one of the nets

    def _branch(self, names):
        """A net on some modalities; one modality starts as in a `FusionClassifier`."""
        encoders = encoders_in_use(self)
        mine = {name: encoders[name] for name in names}
        with self._naming(names):
            return self._net_of(names, mine, self._fusion_for(mine), self.head)

    def _fusion_for(self, encoders):
        """The fusion; one modality needs none, unless its encoder gives tokens."""
        if len(encoders) == 1 and not give_tokens(encoders):
            return ConcatFusion()
        return fusion_in_use(self.fusion, encoders)

    @contextmanager
    def _naming(self, names):
        """Name the net whose fusion cannot be built in the error."""
        try:
            yield
        except (ValueError, TypeError) as error:
            parameter = isinstance(error.__cause__, InvalidParameterError)
            if parameter or not str(error).startswith("fusion: "):
                raise
            where = f"{self._unit} {tuple(names)}"
            raise type(error)(f"{where}: {error} {self._without(names)}") from error

    def _without(self, names):
        """What to do where the net of some modalities cannot be built."""
        return (
            "Leave this branch out of branches=, or give a fusion that serves all "
            "branches of several modalities."
        )

    def _net_of(self, names, encoders, fusion, head):
        seeded = self._seeded
        if len(names) > 1:
            seeded = partial(self._seeded, "branch", *names)
        shapes = {name: self.shapes_in_[name] for name in names}
        n_outputs = self._target.n_outputs
        return assemble(encoders, fusion, head, shapes, n_outputs, seeded)

    def make_net(self, module, objective=None):
        """Make a net of which every stage trains the weights of the objective, if any.

        Parameters
        ----------
        module : Branches
        objective : Objective, optional
            That of a net that is loaded; None is the estimator's own.

        Returns
        -------
        TensorNet
        """
        net = super().make_net(module, objective)
        if net.stages and net.objective_learns_:
            net.stages = [Stage([stage.train, OBJECTIVE]) for stage in net.stages]
        return net

    def _packed(self, module):
        return {"branches": [packed_parts(branch) for branch in module.branches]}

    def _branches_of(self, members, packed):
        """Branches from what `_packed` made of them."""
        pairs = zip(members, packed["branches"], strict=True)
        return {names: self._net_of(names, **parts) for names, parts in pairs}
