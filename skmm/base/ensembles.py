"""Estimators of several nets that start from different weights."""

from functools import partial

from skmm.nn.composite.ensemble import Ensemble


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
