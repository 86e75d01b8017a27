"""Conversion of Blocks, modules, objectives, optimizers and tensors to data."""

import functools
import inspect

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import nn
from torch.optim import Optimizer

from skmm.nn import Block
from skmm.objectives import Objective
from skmm.persistence.class_registry import ClassRegistry
from skmm.persistence.json_codec import JsonCodec, Kind
from skmm.persistence.modules import MODULES, Factories, pack_state, restored
from skmm.targets import Target

OF_TARGETS = "skmm.targets."  # files hold the short names of our targets


class ObjectCodec(JsonCodec):
    """Conversion of objects to JSON data and named tensors, and back.

    Parameters
    ----------
    classes : sequence of classes, default=()
        The user's classes that may be restored.
    tensors : dict of str to Tensor, optional
        Filled by `pack`, read by `unpack`.
    modules : callable or dict of str to callable, optional
        Make the modules that `pack` could not store as class and arguments.

    Attributes
    ----------
    opaque : dict of str to Module
        These modules, after `pack`.
    """

    def __init__(self, classes=(), tensors=None, modules=None):
        super().__init__()
        self.factories, self.opaque = Factories(modules), {}
        self.kinds |= OBJECTS
        self.classes = ClassRegistry(classes)
        self.tensors = {} if tensors is None else tensors

    def is_storable(self, value):
        """Whether a value may be of a class of the user."""
        return isinstance(value, (Block, Objective))

    def keep(self, tensor, where):
        """Store a tensor and return its key."""
        if type(tensor) not in (torch.Tensor, nn.Parameter):
            raise TypeError(self.unsupported(tensor, where))
        key = where
        while key in self.tensors:
            key += "_"
        # cloned, since safetensors does not allow shared memory
        self.tensors[key] = tensor.detach().cpu().contiguous().clone()
        return key

    def unsupported(self, value, where):
        """Error message for a value that cannot be saved."""
        if inspect.isroutine(value):
            return (
                f"{where} cannot be saved: {value!r} is a function. Use a name, or "
                "write a subclass of Block or skmm.objectives.Objective."
            )
        if where.split(".")[0] == "callbacks":
            return (
                f"callbacks cannot be saved ({where} is a {type(value).__name__}). "
                "Call set_params(callbacks=None); predictions do not need them."
            )
        return super().unsupported(value, where)


# -- objects with parameters: Blocks, objectives -----------------------------------


def pack_params(codec, value, where):
    """Class and parameters of an object with ``get_params``."""
    params = value.get_params(deep=False)
    prefix = f"{where}." if where else ""
    packed = {k: codec.pack(v, f"{prefix}{k}") for k, v in params.items()}
    return {"class": codec.classes.name(type(value)), "params": packed}


def unpack_params(codec, data, base=BaseEstimator):
    """Make an object from the result of `pack_params`."""
    cls = codec.classes.find(data["class"], base)
    return cls(**codec.unpack(data["params"]))


def _has_params(codec, value):
    if isinstance(value, nn.Module) and not isinstance(value, Block):
        return False
    known = codec.classes.is_own(type(value)) or codec.is_storable(value)
    return known and isinstance(value, BaseEstimator)


def _pack_object(codec, value, where):
    data = pack_params(codec, value, where)
    if isinstance(value, Block) and value.is_built:
        data["in_shape"] = codec.pack(value.in_shape_, where)
        data["state"] = pack_state(codec, value, where)
    return data


def _unpack_object(codec, data):
    if "state" not in data:
        return unpack_params(codec, data)
    in_shape = codec.unpack(data["in_shape"])
    make = lambda: unpack_params(codec, data).build(in_shape)  # noqa: E731
    return restored(codec, make, data["state"])


# -- the rest ----------------------------------------------------------------------


def _pack_target(codec, target, where):
    fields = {k: codec.pack(v, f"{where}.{k}") for k, v in vars(target).items()}
    name = codec.classes.name(type(target)).removeprefix(OF_TARGETS)
    return {"class": name, "fields": fields}


def _unpack_target(codec, data):
    name = str(data["class"])
    name = name if ":" in name else OF_TARGETS + name
    return codec.classes.find(name, Target)(**codec.unpack(data["fields"]))


def _is_optimizer(codec, value):
    return inspect.isclass(value) and issubclass(value, Optimizer)


def _is_partial(codec, value):
    is_partial = type(value) is functools.partial and not value.args
    return is_partial and _is_optimizer(codec, value.func)


def _pack_partial(codec, value, where):
    cls = codec.classes.name(value.func)
    return {"class": cls, "params": codec.pack(value.keywords, where)}


def _unpack_partial(codec, data):
    cls = codec.classes.find(data["class"], Optimizer)
    return functools.partial(cls, **codec.unpack(data["params"]))


def _unpack_random_state(codec, data):
    state = np.random.RandomState(0)
    state.set_state(codec.unpack(data))
    return state


OBJECTS = {
    "object": Kind(_has_params, _pack_object, _unpack_object),
    **MODULES,
    "tensor": Kind(
        lambda codec, value: type(value) is torch.Tensor,
        lambda codec, value, where: codec.keep(value, where),
        lambda codec, data: codec.tensors[data],
    ),
    "size": Kind(
        lambda codec, value: type(value) is torch.Size,
        lambda codec, value, where: list(value),
        lambda codec, data: torch.Size(data),
    ),
    "device": Kind(
        lambda codec, value: type(value) is torch.device,
        lambda codec, value, where: str(value),
        lambda codec, data: torch.device(data),
    ),
    "target": Kind(
        lambda codec, value: isinstance(value, Target),
        _pack_target,
        _unpack_target,
    ),
    "optimizer": Kind(
        _is_optimizer,
        lambda codec, value, where: codec.classes.name(value),
        lambda codec, data: codec.classes.find(data, Optimizer),
    ),
    "partial": Kind(_is_partial, _pack_partial, _unpack_partial),
    "random_state": Kind(
        lambda codec, value: type(value) is np.random.RandomState,
        lambda codec, value, where: codec.pack(value.get_state(), where),
        _unpack_random_state,
    ),
}
