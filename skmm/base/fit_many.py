"""Several estimators of one net each, fitted as one batch where possible."""

from skmm.base.validation_split import groups_for
from skmm.training.replicas import can_be_stacked, train_together

MEMORY = 2**29


def fit_many(models, data, *, classes=None, valid=None, groups=None, memory=MEMORY):
    """Fit several estimators, each on its own data.

    Parameters
    ----------
    models : list of ModalityEstimator
        Unfitted. Models that differ only in numbers and seeds are trained as one batch.
    data : list of (X, y, sample_weight)
        Training data of each model.
    classes : array-like, optional
        All classes, if some may be missing from some y.
    valid : list of ndarray of shape (n_samples,) of bool, optional
        Validation samples of each model for early stopping; None draws them.
    groups : list of ndarray of shape (n_samples,), optional
        Groups of each model, which the validation set keeps together.
    memory : int, default=2**29
        Memory limit of one batch in bytes.

    Returns
    -------
    list of ModalityEstimator
        `models`, fitted.
    """
    prepared, size = [], 0
    none = [None] * len(models)
    each = zip(models, data, valid or none, groups or none, strict=True)
    for model, (X, y, weight), mask, group in each:
        known = {} if group is None else groups_for(model, group)
        ready = model.prepare(X, y, weight, classes=classes, valid=mask, **known)
        net = model.make_net(ready.module)
        prepared.append((model, net, ready))
        size += ready.nbytes()
        # data stay in memory no longer than needed for one batch
        if size > memory or not can_be_stacked(net, ready):
            train_prepared(prepared, memory)
            prepared, size = [], 0
    train_prepared(prepared, memory)
    return models


def train_prepared(prepared, memory=MEMORY):
    """Train initialised nets, as one batch where possible, and fit their estimators.

    Parameters
    ----------
    prepared : list of (ModalityEstimator, TensorNet, TrainingData)
    memory : int, default=2**29
        Memory limit of one batch in bytes.
    """
    if not prepared:
        return
    models, nets, data = zip(*prepared, strict=True)
    seeds = [m.training_seed(net) for m, net in zip(models, nets, strict=True)]
    train_together(nets, data, seeds, memory=memory)
    for model, net, training_data in prepared:
        model.adopt(net, training_data)
