"""Nets of an estimator: how they are made from its parameters, alone or several."""

from functools import partial

from skmm import objectives
from skmm._random import derive
from skmm._resolver import resolve
from skmm.base.modality_subset import rates_in_use
from skmm.data.tensors import resolve_device
from skmm.nn.composite.ensemble import Ensemble
from skmm.objectives.base import check_objective
from skmm.training import TensorNet
from skmm.training.callbacks import callbacks_of


def make_net(estimator, module, objective=None):
    """Make an initialised, untrained net; see ``ModalityEstimator.make_net``."""
    objective = estimator._objective() if objective is None else objective
    return TensorNet(
        module,
        check_objective(resolve(objective, objectives, "Objective")),
        stages=estimator._stages(),
        optimizer=estimator.optimizer,
        lr=rates_in_use(estimator.lr, estimator),
        weight_decay=rates_in_use(estimator.weight_decay, estimator),
        lr_schedule=estimator.lr_schedule,
        gradient_clip=estimator.gradient_clip,
        batch_size=estimator.batch_size,
        max_epochs=estimator.max_epochs,
        callbacks=callbacks_of(estimator),
        compile=estimator.compile,
        device=resolve_device(estimator.device),
        shuffle_seed=derive(estimator._seed, "order"),
        verbose=int(estimator.verbose),
    ).initialize()


def make_ensemble(estimator, make):
    """Make the module of an estimator, which has `n_estimators` nets.

    Parameters
    ----------
    estimator : ModalityEstimator
        With a learnt target.
    make : callable
        ``make(seeded)`` makes one net; see `seeded` of ``skmm.nn.assemble.assemble``.

    Returns
    -------
    MultimodalModule or Ensemble
    """
    seeded, size = estimator._seeded, estimator.n_estimators
    if size == 1:
        return make(seeded)
    others = [make(partial(seeded, "member", i)) for i in range(1, size)]
    return Ensemble([make(seeded), *others], estimator._target.average).pack()


def members_of(module):
    """List of the nets of a module; copies if they are stacked."""
    return module.split() if isinstance(module, Ensemble) else [module]


def outputs_by_member(estimator, X):
    """Outputs of every net, which prediction averages.

    Parameters
    ----------
    estimator : ModalityEstimator
        Fitted.
    X : ModalityDict, dict, DataFrame or array-like of shape (n_samples, ...)

    Returns
    -------
    Tensor of shape (n_estimators, n_samples, n_outputs)
    """
    if not isinstance(estimator.net_.module_, Ensemble):
        return estimator._outputs(X)[None]
    return estimator._outputs(X, "by_member").movedim(1, 0)
