"""Conversion of the weights of modules, and of plain modules, to data.

A plain module is stored as its class and the arguments of its constructor, read from
the attributes of the same names. If that does not lead back to the same weights, only
the weights are stored, and `load` needs a factory of the module.
"""

import copy
import inspect

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy

from skmm._random import seeded
from skmm.persistence.class_registry import torch_classes
from skmm.persistence.json_codec import Kind

ENCODERS = "encoders."


class Factories:
    """Makers of the modules that a file cannot describe.

    Parameters
    ----------
    given : callable or dict of str to callable or None
        One maker for all modules, or one for each name.
    """

    def __init__(self, given):
        is_dict = isinstance(given, dict)
        makers = given.values() if is_dict else [] if given is None else [given]
        if not all(callable(maker) for maker in makers):
            raise TypeError(
                "modules must be a dict with a factory for each module, such as "
                f'{{"image": make_encoder}}, or one factory for all; got {given!r}.'
            )
        self.given = given
        self.unused = {*given} if is_dict else set()

    def make(self, name, described):
        """Return a new module, by the factory of this name.

        Raises
        ------
        ValueError
            If there is none, or it returns something else.
        """
        self.unused.discard(name)
        maker = self.given
        if isinstance(maker, dict):
            maker = maker.get(name)
        if maker is None:
            raise ValueError(
                f"the constructor of the module {name!r}, a {described}, cannot be "
                "replayed from the file; pass a function that makes the module: "
                f"load(path, modules={{{name!r}: make_module}})"
            )
        is_module = isinstance(maker, nn.Module)
        module = copy.deepcopy(maker) if is_module else maker()
        if not isinstance(module, nn.Module):
            raise ValueError(f"modules[{name!r}] returned {module!r}, not a module")
        return module

    def check_used(self):
        """Raise a ValueError for names that the file does not need."""
        if self.unused:
            raise ValueError(
                f"it needs no module of the name {sorted(map(str, self.unused))[0]!r}, "
                "which is in modules"
            )


def pack_state(codec, module, where):
    """Keys of weights and buffers, and names of frozen weights."""
    state = module.state_dict().items()
    frozen = [name for name, p in module.named_parameters() if not p.requires_grad]
    return {
        "tensors": {name: codec.keep(t, f"{where}.{name}") for name, t in state},
        "frozen": frozen,
    }


def restored(codec, make, data):
    """Make a module and set its weights, after a check of their shapes.

    Parameters
    ----------
    codec : ObjectCodec
    make : callable
        It is called first where tensors take no memory, since a forged file could name
        any size.
    data : dict
        Result of `pack_state`.

    Raises
    ------
    ValueError, RuntimeError
        If the weights are others than those of the module.
    """
    state = {name: codec.tensors[key] for name, key in data["tensors"].items()}
    if (shapes := _shapes_made(make)) is not None:
        check_shapes(state, shapes)
    module = make()
    module.load_state_dict(state, strict=True)
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name not in data["frozen"])
    return module


def check_shapes(state, shapes):
    """Compare names and shapes of weights in a file with those that a module has."""
    if other := sorted({*state} ^ {*shapes}):
        raise RuntimeError(f"weights of the names {other} are missing or unexpected")
    for name, shape in shapes.items():
        if shape is not None and state[name].shape != shape:
            raise ValueError(
                f"size mismatch for {name}: {tuple(state[name].shape)} in the file, "
                f"but {tuple(shape)} in the module"
            )


def _shapes_made(make):
    """Shapes of the weights that `make` would give; None if it needs real tensors."""
    try:
        with torch.device("meta"):
            return _shapes(make())
    except Exception:  # `make` raises it again
        return None


def _shapes(module):
    state = module.state_dict(keep_vars=True)
    return {name: None if is_lazy(t) else t.shape for name, t in state.items()}


# -- plain modules -----------------------------------------------------------------


def _pack(codec, module, where):
    cls = type(module)
    if cls is nn.Sequential:
        parts = module.named_children()
        parts = [[n, codec.pack(p, f"{where}.{n}")] for n, p in parts]
        return {"class": codec.classes.name(cls), "parts": parts}
    arguments = _arguments(module)
    if arguments is None or not _replays(module, arguments):
        return _pack_opaque(codec, module, where)
    data = {"class": codec.classes.name(cls), "params": codec.pack(arguments, where)}
    if not (isinstance(module, LazyModuleMixin) and module.has_uninitialized_params()):
        data["state"] = pack_state(codec, module, where)
    return data


def _unpack(codec, data):
    if "factory" in data:
        return _unpack_opaque(codec, data)
    cls = codec.classes.find(data["class"], nn.Module)
    if cls is nn.Sequential:
        module = nn.Sequential()
        for name, part in data["parts"]:
            module.add_module(name, codec.unpack(part))
        return module
    make = lambda: cls(**codec.unpack(data["params"]))  # noqa: E731
    return restored(codec, make, data["state"]) if "state" in data else make()


def _pack_opaque(codec, module, where):
    """Store the weights under the name of the modality, or else of the parameter."""
    name = where.rpartition(ENCODERS)[2] or where
    codec.opaque[name] = module
    state = pack_state(codec, module, where)
    return {"factory": name, "described": type(module).__name__, "state": state}


def _unpack_opaque(codec, data):
    name = str(data["factory"])
    make = lambda: codec.factories.make(name, data["described"])  # noqa: E731
    module, state = make(), data["state"]["tensors"]
    try:
        check_shapes({n: codec.tensors[k] for n, k in state.items()}, _shapes(module))
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"modules[{name!r}] is another module: {error}") from error
    return restored(codec, lambda: module, data["state"])


def _arguments(module):
    """Constructor arguments from attributes; None if one is not an attribute."""
    found = {}
    for p in inspect.signature(type(module)).parameters.values():
        special = p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        if special or p.name.startswith("_") or p.name in ("device", "dtype"):
            continue
        if _is_flag(module, p.name):
            found[p.name] = module._parameters[p.name] is not None  # bias=True
        elif hasattr(module, p.name) and not _is_weight(module, p.name):
            found[p.name] = getattr(module, p.name)
        elif p.default is p.empty or type(module) not in _of_torch():
            return None
    return found


def _is_flag(module, name):
    return name in module._parameters and type(module) in _of_torch()


def _is_weight(module, name):
    return isinstance(getattr(module, name), nn.Parameter)


def _of_torch():
    return {*torch_classes().values()}


def _replays(module, arguments):
    """Whether arguments lead to a module with weights of the same names and shapes."""
    if type(module) in _of_torch() and not any(
        isinstance(value, nn.Module) for value in arguments.values()
    ):
        return True
    try:
        with seeded(0):
            made = _shapes(type(module)(**copy.deepcopy(arguments)))
    except Exception:
        return False
    now = _shapes(module)
    return made.keys() == now.keys() and all(
        shape is None or shape == now[name] for name, shape in made.items()
    )


MODULES = {
    "module": Kind(lambda codec, value: isinstance(value, nn.Module), _pack, _unpack)
}
