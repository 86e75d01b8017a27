"""Parts of a net by name, and optimizers with learning rates by part.

The method ``parts()`` of a module returns its parts, such as ``{"encoders__image": ...,
"encoders__table": ..., "fusion": ..., "head": ...}``. The name before the two
underscores stands for all parts of this kind. An objective with weights is the part
"objective".
"""

import inspect
import math
from functools import cache
from numbers import Real
from threading import Thread

import torch
from torch import nn

from skmm.nn.block import Block
from skmm.nn.composite.ensemble import Ensemble
from skmm.objectives.base import modules_in

MOMENTS = ("exp_avg", "momentum_buffer", "square_avg", "sum")  # as large as weights
LR, WEIGHT_DECAY = 1e-3, 0.0  # of parts that a dict does not name

NAMES = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "nadam": torch.optim.NAdam,
    "adagrad": torch.optim.Adagrad,
}


def make_optimizer(optimizer, module, lr, weight_decay):
    """Create an optimizer of the trainable parameters of a module.

    Parameters
    ----------
    optimizer : str or class
        A key of ``NAMES``, or a class whose constructor takes (parameters, lr=...).
    module : Module
    lr, weight_decay : float or dict
        A dict has parts as keys, such as "encoders" or "encoders__image"; others get
        1e-3 and 0.
        Blocks with a penalty of their own do not decay, nor what a Block exempts by
        `no_weight_decay`. Where `weight_decay` is 0, a ``functools.partial`` may bring
        its own.

    Raises
    ------
    ValueError
        If a part is unknown, nothing can be trained, or the optimizer does not support
        weight decay.
    TypeError
        If the class is not that of an optimizer.
    """
    import_compiler()
    cls = optimizer_class(optimizer)
    accepted = _accepted(cls)
    decay = _decay(cls, accepted, weight_decay)
    groups = _groups(module, lr, decay)
    if not groups:
        raise ValueError("none of the parts to be trained has trainable weights.")
    if "weight_decay" not in accepted:
        groups = _without_decay(groups)
    if has_one_rate(cls) and len(groups) > 1:
        raise ValueError(
            f"lr={lr}: LBFGS has one rate for all parts. Use a number, or another "
            f"optimizer, such as one of {sorted(NAMES)}."
        )
    extra = {"fused": True} if "fused" in accepted and _can_fuse(module) else {}
    made = cls(groups, lr=max(group["lr"] for group in groups), **extra)
    if not isinstance(made, torch.optim.Optimizer):
        raise TypeError(f"optimizer={cls!r} must return an optimizer; got {made!r}.")
    return made


def _accepted(cls):
    """Parameters of an optimizer class, which needs `lr`."""
    try:
        accepted = inspect.signature(cls).parameters
    except (TypeError, ValueError):  # of classes in C
        accepted = {}
    named = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    if "lr" not in accepted and not named:
        raise TypeError(
            f"optimizer must be one of {sorted(NAMES)}, or a class such as those of "
            f"torch.optim, called with (parameters, lr=...); got {cls!r}."
        )
    return accepted


@cache
def import_compiler():
    """Import what optimizers of torch import at their first use, also after Ctrl-C.

    An interrupted import would leave torch unusable. Only the main thread can be
    interrupted, so another one imports.
    """
    thread = Thread(target=_import_compiler)
    thread.start()
    thread.join()


def _import_compiler():
    import torch._dynamo  # noqa: F401


def optimizer_class(optimizer):
    """Return the class that a name stands for."""
    return NAMES[optimizer] if isinstance(optimizer, str) else optimizer


def has_one_rate(optimizer):
    """Whether an optimizer does not support rates by part."""
    cls = optimizer_class(optimizer)
    return getattr(cls, "func", cls) is torch.optim.LBFGS


def _decay(cls, accepted, weight_decay):
    """Set the decay of the groups, also to 0, since AdamW decays by default."""
    if _is_some(weight_decay) and "weight_decay" not in accepted:
        raise ValueError(
            f"weight_decay={weight_decay} is not supported by {_name(cls)}; use 0, or "
            f"one of {sorted(NAMES)}."
        )
    return weight_decay or getattr(cls, "keywords", {}).get("weight_decay", 0.0)


def _is_some(weight_decay):
    values = weight_decay.values() if isinstance(weight_decay, dict) else [weight_decay]
    return any(values)


def _name(optimizer):
    return getattr(getattr(optimizer, "func", optimizer), "__name__", repr(optimizer))


def carry_state(earlier, later):
    """Copy the state, but not the settings, of an optimizer of the same class."""
    if type(earlier) is type(later) and _trained(earlier) == _trained(later):
        load_state(later, earlier.state_dict()["state"])


def load_state(optimizer, state):
    """Set the state of an optimizer without changing its settings."""
    groups = optimizer.state_dict()["param_groups"]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for i, found in state.items():
        shapes = {found[name].shape for name in MOMENTS if name in found}
        if int(i) >= len(parameters) or not shapes <= {parameters[int(i)].shape}:
            raise ValueError("the state of the optimizer belongs to other parameters.")
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _trained(optimizer):
    return [id(p) for group in optimizer.param_groups for p in group["params"]]


def _groups(module, lr, weight_decay):
    """Trained parameters, grouped by learning rate and decay."""
    rates = per_part(module, lr, LR, "lr")
    decay = (weight_decay, WEIGHT_DECAY, "weight_decay", "of at least 0")
    decays = per_part(module, *decay)
    exempt = {id(p) for p in no_weight_decay(module)}
    groups = {}
    for name, part in parts_of(module).items():
        for p in part.parameters():
            decay = 0.0 if id(p) in exempt else decays[name]
            if p.requires_grad:
                groups.setdefault((rates[name], decay), {})[id(p)] = p
    return [
        {"params": list(params.values()), "lr": rate, "weight_decay": decay}
        for (rate, decay), params in groups.items()
    ]


def _without_decay(groups):
    """Merge the groups of equal learning rate."""
    by_rate = {}
    for group in groups:
        by_rate.setdefault(group["lr"], []).extend(group["params"])
    return [{"params": params, "lr": rate} for rate, params in by_rate.items()]


def no_weight_decay(module):
    """Parameters without decay: exempt by a Block, or of a Block with a penalty."""
    own = [p for block in penalised(module) for p in block.parameters()]
    blocks = [part for part in module.modules() if isinstance(part, Block)]
    return own + [p for block in blocks for p in block.no_weight_decay()]


def names_without_decay(module):
    """Names of the parameters that do not decay."""
    exempt = {id(p) for p in no_weight_decay(module)}
    return {name for name, p in module.named_parameters() if id(p) in exempt}


def penalised(module):
    """Blocks that override `penalty`."""
    return [
        part
        for part in module.modules()
        if isinstance(part, Block) and type(part).penalty is not Block.penalty
    ]


def _can_fuse(module):
    return all(p.is_floating_point() for p in module.parameters())


KIND_AND_NAME = "__"
OBJECTIVE = "objective"
ENCODERS = "encoders" + KIND_AND_NAME


def parts_of(module):
    """Submodules by name; a module without parts is one part without a name."""
    return module.parts() if hasattr(module, "parts") else {"": module}


class Learner(nn.Module):
    """A module and an objective with weights, which are trained as one.

    Parameters
    ----------
    module, objective : Module
    """

    def __init__(self, module, objective):
        super().__init__()
        self.module = module
        self.objective = objective

    def parts(self):
        """Parts of the module, and the objective."""
        return {**parts_of(self.module), OBJECTIVE: self.objective}


def as_module(objective):
    """The objective itself if it is a module, else a module that calls it."""
    return objective if isinstance(objective, nn.Module) else ObjectiveModule(objective)


def clip_gradients(learner, module, largest):
    """Limit the norm of the gradient, of each net of an ensemble."""
    if not isinstance(module, Ensemble):
        nn.utils.clip_grad_norm_(learner.parameters(), largest)
        return
    module.clip_gradients(largest)
    if learner is not module:
        nn.utils.clip_grad_norm_(learner.objective.parameters(), largest)


class ObjectiveModule(nn.Module):
    """Module of an objective that is not one, with the modules in it."""

    def __init__(self, objective):
        super().__init__()
        self.objective = objective
        self.inner = nn.ModuleList(modules_in(objective))

    def forward(self, outputs, target, weight=None):
        return self.objective(outputs, target, weight)


def matching(module, name, where):
    """Return the parts for a name such as "encoders", "encoders__image" or "all".

    Parameters
    ----------
    module : Module
    name : str
    where : str
        Name of the parameter for errors.

    Raises
    ------
    ValueError
        If the part does not exist.
    """
    parts = list(parts_of(module))
    if name == "all":
        return parts
    found = [
        part for part in parts if part == name or _kind(part) == (name, KIND_AND_NAME)
    ]
    if not found:
        raise_unknown(name, parts, where)
    return found


def raise_unknown(name, parts, where):
    """Raise a ValueError with the known parts and a suggestion."""
    kinds = dict.fromkeys(_kind(part)[0] for part in parts)
    known = list(dict.fromkeys([*kinds, *parts]))
    other = f"{ENCODERS}{name}"
    meant = f" Did you mean {other!r}?" if other in parts else ""
    raise ValueError(f"{where}: unknown part {name!r}; the parts are {known}.{meant}")


def _kind(part):
    return part.partition(KIND_AND_NAME)[:2]


def per_part(module, value, default, where, least="above 0"):
    """Return a number for each part.

    Parameters
    ----------
    module : Module
    value : float or dict of str to float
        A dict has parts as keys; the name of one part precedes that of its kind.
    default : float, or dict with a number for each part
        For parts that are not in the dict.
    where : str
        Name of the parameter, for errors.
    least : {"above 0", "of at least 0"}, default="above 0"
        Allowed numbers.

    Raises
    ------
    ValueError
        If a name is unknown, or a value is not an allowed finite number.
    """
    if not isinstance(value, dict):
        _check_number(value, where, least)
        return dict.fromkeys(parts_of(module), value)
    known = default if isinstance(default, dict) else {}
    out = {part: known.get(part, default) for part in parts_of(module)}
    for name in sorted(map(str, value), key=lambda name: KIND_AND_NAME in name):
        out |= dict.fromkeys(matching(module, name, where), value.get(name))
    for name, number in value.items():
        _check_number(number, f"{where}[{name!r}]", least)
    return out


def _check_number(value, where, least):
    number = isinstance(value, Real) and not isinstance(value, bool)
    allowed = number and math.isfinite(value) and value >= 0
    if not allowed or (value == 0 and least == "above 0"):
        raise ValueError(f"{where} must be a finite number {least}; got {value!r}.")
