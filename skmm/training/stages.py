"""Stages: training in several legs, in each of which some parts learn."""

from contextlib import contextmanager
from numbers import Integral, Real

from sklearn.base import BaseEstimator
from torch import nn

from skmm._class_registry import registered
from skmm._sklearn import Interval, StrOptions
from skmm.training.parts import matching, parts_of, per_part, refuse_unknown

__all__ = ["Stage"]


@registered("training")
class Stage(BaseEstimator):
    """Which parts learn, from which weights, for how long and how fast.

    ``stages=[Stage(...), Stage(...)]`` of an estimator are trained one after the other,
    each with an optimizer of its own. Parts that do not learn are frozen: their weights
    and buffers stay as they are, bit for bit, and they behave as in prediction,
    BatchNorm and dropout included. A frozen encoder reads every row once; then its
    embeddings are used.

    Parameters
    ----------
    train : str or list of str, default="all"
        "encoders", "fusion", "head", one encoder as "encoders__image", or several in a
        list. Weights that you froze yourself stay frozen.
    start : {"previous", "initial"} or dict, default="previous"
        From where the parts that learn start: where the stage before left them, or
        what they were before the first stage. A dict gives some parts, frozen ones too,
        the weights of modules of the same structure, as
        ``{"encoders__image": other.encoders_["image"]}``.
    epochs : int or None, default=None
        Passes over the data; None is the estimator's `max_epochs`.
    lr : float, dict or None, default=None
        Learning rate; None is the estimator's `lr`, and so it is for parts that a dict
        does not name.

    Notes
    -----
    The training methods of a two-network fusion are lists of stages: *freeze both* is
    ``[Stage(["fusion", "head"])]`` on encoders that are trained already, *freeze one*
    ``[Stage(["encoders__table", "fusion", "head"])]``, *end to end* ``[Stage()]``.

    Embeddings are computed anew for every batch where an encoder is not deterministic
    although it is frozen: a copy of it reads two rows twice, and does not answer the
    same; or a part of it stays in training mode, or normalises by the batch. So they
    are where the rows lie on disk or are sparse, and embeddings are hardly narrower.

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
        raise ValueError("stages is empty; None trains all parts.")
    for number, stage in enumerate(stages, 1):
        if not isinstance(stage, Stage):
            raise TypeError(f"stages must be a list of Stage; got {stage!r} in it.")
        stage._validate_params()
        if stage.lr is not None:
            per_part(module, stage.lr, 1.0, f"lr of stage {number}")
        _require_weights(trained_parts(stage, module, number), module, number)
        if isinstance(stage.start, dict):
            _check_start(stage.start, module, f"start of stage {number}")


def _require_weights(names, module, number):
    parts = [part for name, part in parts_of(module).items() if name in names]
    if not any(p.requires_grad for part in parts for p in part.parameters()):
        raise ValueError(
            f"train of stage {number}: {names} has no weights that can learn. Leave "
            "the stage out, or add a part that has some."
        )


def _check_start(start, module, where):
    parts = parts_of(module)
    for name, source in start.items():
        if name not in parts:
            refuse_unknown(name, list(parts), where)
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
    """Names of the parts that learn in a stage."""
    names = [stage.train] if isinstance(stage.train, str) else stage.train
    found = [matching(module, name, f"train of stage {number}") for name in names]
    if not found:
        raise ValueError(f"train of stage {number} is empty: name a part that learns.")
    return list(dict.fromkeys(name for part in found for name in part))


def rates_of(stage, module, rates):
    """Learning rate of each part in a stage: its own, else that of all stages."""
    return rates if stage.lr is None else per_part(module, stage.lr, rates, "lr")


def move_to_start(stage, module, initial):
    """Give parts the weights from which a stage starts.

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
    """Let only some parts learn; gives the list of the other parts, frozen.

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
