"""Several estimators of one net each, fitted as one batch where possible."""

from skmm.training.replicas import can_be_stacked, train_together

MEMORY = 2**29


def fit_together(models, data, *, classes=None, valid=None, memory=MEMORY):
    """Fit estimators on data of their own.

    Parameters
    ----------
    models : list of ModalityEstimator
        Unfitted; with the same parameters but for numbers and seeds they are trained
        as one batch.
    data : list of (X, y, sample_weight)
        Rows of each.
    classes : array-like, optional
        All classes, where some y need not have them all.
    valid : list of ndarray of bool, optional
        Of each, the rows that early stopping looks at; None lets it draw some.
    memory : int, default=2**29
        Bytes that one stack may take.

    Returns
    -------
    list of fitted estimators
        The same objects.
    """
    waiting, held = [], 0
    valid = [None] * len(models) if valid is None else valid
    for model, (X, y, weight), aside in zip(models, data, valid, strict=True):
        problem = model.prepare(X, y, weight, classes=classes, valid=aside)
        net = model.make_net(problem.module)
        waiting.append((model, net, problem))
        held += problem.nbytes()
        # rows are not held for longer than they can be trained together
        if held > memory or not can_be_stacked(net, problem):
            train_prepared(waiting, memory)
            waiting, held = [], 0
    train_prepared(waiting, memory)
    return models


def train_prepared(prepared, memory=MEMORY):
    """Train initialised nets as one batch where possible, and hand them over.

    Parameters
    ----------
    prepared : list of (ModalityEstimator, TensorNet, TrainingData)
    memory : int, default=2**29
    """
    if not prepared:
        return
    models, nets, problems = zip(*prepared, strict=True)
    seeds = [m.training_seed(net) for m, net in zip(models, nets, strict=True)]
    train_together(nets, problems, seeds, memory=memory)
    for model, net, problem in prepared:
        model.adopt(net, problem)
