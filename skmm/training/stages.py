"""Stages of training, in each of which some parts are trained."""

from contextlib import contextmanager
from copy import deepcopy
from numbers import Integral, Real

from sklearn.base import BaseEstimator
from torch import nn

from skmm._class_registry import registered
from skmm._sklearn import Interval, StrOptions
from skmm.training.embeddings import EmbeddingCache
from skmm.training.optimizers import LR, matching, parts_of, per_part, raise_unknown

__all__ = ["Stage"]


@registered("training")
class Stage(BaseEstimator):
    """Stage of training: the parts to train, their initial weights, epochs and rate.

    ``stages=[Stage(...), Stage(...)]`` of an estimator are trained one after the other,
    each with its own optimizer. All other parts are frozen: their weights and buffers
    are not changed, and they are in evaluation mode, including BatchNorm and dropout.
    The embeddings of a frozen encoder are computed only once.

    Parameters
    ----------
    train : str or list of str, default="all"
        "encoders", "fusion", "head", one encoder such as "encoders__image", "objective"
        if it has weights, or a list of several. Weights that do not require gradients
        stay frozen.
    start : {"previous", "initial"} or dict, default="previous"
        Initial weights of the trained parts: those after the previous stage, or those
        before the first stage. A dict has modules of the same structure whose weights
        are copied, also to frozen parts, such as ``{"encoders__image":
        other.encoders_["image"]}``.
    epochs : int or None, default=None
        Number of epochs; None is `max_epochs` of the estimator.
    lr : float, dict or None, default=None
        Learning rate. None, and parts that are not in a dict, use `lr` of the
        estimator.

    Notes
    -----
    The training methods of two-network fusions are lists of stages: *freeze both* is
    ``[Stage(["fusion", "head"])]`` with pretrained encoders, *freeze one*
    ``[Stage(["encoders__table", "fusion", "head"])]``, *end to end* ``[Stage()]``.

    Embeddings are computed for every mini-batch if a frozen encoder is not
    deterministic: if it returns different embeddings for the same samples, a part of it
    stays in training mode, or it normalises by the mini-batch. The same holds if the
    data are on disk or sparse, and embeddings are hardly narrower.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm import FusionClassifier
    >>> from skmm.training import Stage
    >>> X = {"a": np.random.default_rng(0).normal(size=(40, 3))}
    >>> y = X["a"][:, 0] > 0
    >>> stages = [Stage(epochs=2), Stage("head", epochs=3, lr=1e-4)]
    >>> FusionClassifier(stages=stages, random_state=0).fit(X, y).history_["stage"]
    0    1
    1    1
    2    2
    3    2
    4    2
    Name: stage, dtype: int64
    """

    _parameter_constraints = {
        "train": [str, list, tuple],
        "start": [StrOptions({"previous", "initial"}), dict],
        "epochs": [Interval(Integral, 1, None, closed="left"), None],
        "lr": [Interval(Real, 0, None, closed="neither"), dict, None],
    }

    def __init__(self, train="all", *, start="previous", epochs=None, lr=None):
        self.train = train
        self.start = start
        self.epochs = epochs
        self.lr = lr


def check_stages(stages, module):
    """Raise an error if stages do not fit a module.

    Parameters
    ----------
    stages : list of Stage or None
    module : Module
    """
    if stages is None:
        return
    if not stages:
        raise ValueError("stages is empty; use None to train all parts.")
    for number, stage in enumerate(stages, 1):
        if not isinstance(stage, Stage):
            raise TypeError(f"stages must be a list of Stage; it has {stage!r}.")
        stage._validate_params()
        if stage.lr is not None:
            per_part(module, stage.lr, 1.0, f"lr of stage {number}")
        _check_weights(trained_parts(stage, module, number), module, number)
        if isinstance(stage.start, dict):
            _check_start(stage.start, module, f"start of stage {number}")


def _check_weights(names, module, number):
    parts = [part for name, part in parts_of(module).items() if name in names]
    if not any(p.requires_grad for part in parts for p in part.parameters()):
        raise ValueError(
            f"train of stage {number}: {names} has no trainable weights. Leave the "
            "stage out, or add a part with trainable weights."
        )


def _check_start(start, module, where):
    parts = parts_of(module)
    for name, source in start.items():
        if name not in parts:
            raise_unknown(name, list(parts), where)
        if not isinstance(source, nn.Module):
            raise TypeError(f"{where}: {name!r} must be a module; got {source!r}.")
        if _shapes(source) != _shapes(parts[name]):
            raise ValueError(
                f"{where}: the weights for {name!r} have the shapes {_shapes(source)}, "
                f"the part has {_shapes(parts[name])}."
            )


def _shapes(module):
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def trained_parts(stage, module, number=1):
    """Names of the parts that are trained in a stage."""
    names = [stage.train] if isinstance(stage.train, str) else stage.train
    found = [matching(module, name, f"train of stage {number}") for name in names]
    if not found:
        raise ValueError(f"train of stage {number} is empty; name a part to train.")
    return list(dict.fromkeys(name for part in found for name in part))


def rates_of(stage, module, rates):
    """Learning rate of each part in a stage, by default that of the estimator."""
    return rates if stage.lr is None else per_part(module, stage.lr, rates, "lr")


def move_to_start(stage, module, initial):
    """Set the initial weights of a stage.

    Parameters
    ----------
    stage : Stage
    module : Module
    initial : dict of str to dict
        State of each part before the first stage.

    Returns
    -------
    list of str
        Names of the parts whose weights may have changed.
    """
    parts = parts_of(module)
    if stage.start == "previous":
        return []
    if stage.start == "initial":
        sources = {name: initial[name] for name in trained_parts(stage, module)}
    else:
        sources = {name: source.state_dict() for name, source in stage.start.items()}
    for name, state in sources.items():
        parts[name].load_state_dict(state)
    return list(sources)


@contextmanager
def frozen_but(module, trained):
    """Freeze all but some parts; yields the list of frozen parts.

    Parameters
    ----------
    module : Module
    trained : list of str
    """
    others = [part for name, part in parts_of(module).items() if name not in trained]
    weights = [p for part in others for p in part.parameters() if p.requires_grad]
    for weight in weights:
        weight.requires_grad_(False)
        weight.grad = None
    try:
        yield others
    finally:
        for weight in weights:
            weight.requires_grad_(True)


def run_stages(net, train, valid, epochs):
    """Train stage by stage, each with its frozen parts and learning rate."""
    module, cache = net.learner_, EmbeddingCache(net.module_)
    initial = {n: deepcopy(p.state_dict()) for n, p in parts_of(module).items()}
    rates = per_part(module, net.lr, LR, "lr")
    try:
        for net.stage_, stage in enumerate(net.stages, 1):
            trained = trained_parts(stage, module)
            cache.forget([*move_to_start(stage, module, initial), *trained])
            with frozen_but(module, trained) as net.frozen_:
                net._make_optimizer(rates_of(stage, module, rates))
                net._run_stage(train, valid, stage.epochs or epochs, cache)
    finally:
        net.frozen_ = []
        net._make_optimizer(net.lr)  # of all parts, for later training
