"""What a parameter is, as bytes that differ when it does: the key of a checkpoint.

``repr`` would not do: it leaves out weights, scikit-learn's shortens long lists, and
that of an object without one of its own is an address. So objects are what pickle would
write: their class and state. A class that is of none of the libraries below is its
methods' code too; what those call in their turn is not looked at.
"""

import inspect
from collections.abc import Mapping, Set
from hashlib import blake2b
from types import CodeType

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils.hooks import RemovableHandle

PLAIN = (type(None), bool, int, float, complex, str)
LIBRARIES = {"skmm", "sklearn", "torch", "numpy", "scipy", "pandas", "skorch"}
LIBRARIES |= {"builtins"}


def describe(value, weights=True):
    """Bytes that say what a value is, in this process and in any other.

    Parameters
    ----------
    value : object
        Of parameters of an estimator: numbers, names, containers, Blocks, modules,
        objects of any class …
    weights : bool, default=True
        Whether the weights of modules count, and objects must have a state that can
        be read.

    Yields
    ------
    bytes

    Raises
    ------
    TypeError
        If the state of an object cannot be read, as that of a lock or an open file.
    """
    yield _Digests(weights).of(value)[0]


def digest(parts):
    """Short text that differs when the parts of bytes do."""
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


class _Digests:
    """Digests of values; an object that is met again is not described again.

    Equal values have equal digests, whether they share objects or not.

    Parameters
    ----------
    weights : bool
        As for `describe`.
    """

    def __init__(self, weights):
        self.weights = weights
        self.known = {}  # with the objects: an id is free for another after its end

    def of(self, value, above=()):
        """Digest of a value, and whether something in it refers to what it lies in.

        Parameters
        ----------
        value : object
        above : tuple of int
            Ids of the objects that the value lies in.
        """
        if type(value) is bytes:  # of weights; a repr would take four times the room
            return _joined([b"bytes", value]), False
        name = type(value).__qualname__.encode()
        if type(value) in PLAIN or isinstance(value, np.generic):
            return _joined([name, repr(value).encode()]), False
        if id(value) in above:  # counted from here, so that it is the same at any depth
            distance = len(above) - above.index(id(value))
            return _joined([b"above", name, str(distance).encode()]), True
        for key in (id(value), (id(value), above)):
            if key in self.known:
                return self.known[key][1]
        return self._note(value, name, above)

    def _note(self, value, name, above):
        inner = (*above, id(value))
        found = [self.of(part, inner) for part in _parts(value, self.weights)]
        digests, in_ring = [part for part, _ in found], any(ring for _, ring in found)
        if isinstance(value, Set):  # whose order differs between processes
            digests.sort()
        key = (id(value), above) if in_ring else id(value)  # a ring is where it begins
        self.known[key] = value, (_joined([name, *digests]), in_ring)
        return self.known[key][1]


def _joined(parts):
    """Digest of some bytes, in their order."""
    digest = blake2b(digest_size=32)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _parts(value, weights):
    """Return what a value consists of, to be described in turn."""
    if isinstance(value, (Mapping, Set, list, tuple)):
        return _of_container(value)
    if isinstance(value, nn.Module):
        return _of_module(value, weights)
    if isinstance(value, BaseEstimator):
        return type(value), value.get_params(deep=False)
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return _of_array(_as_array(value))
    if isinstance(value, CodeType):
        return value.co_code, value.co_names, value.co_consts
    if inspect.isclass(value) or inspect.ismodule(value) or inspect.isfunction(value):
        return _of_name(value)
    return _of_object(value, weights)


def _of_container(value):
    yield len(value)
    if isinstance(value, Mapping):
        value = [part for item in value.items() for part in item]
    yield from value


def _of_name(value):
    """What a class, function or Python module is: its name, and a function's code."""
    yield getattr(value, "__module__", None)
    yield getattr(value, "__qualname__", value.__name__)
    if inspect.isfunction(value):
        yield from (value.__code__, value.__defaults__, value.__kwdefaults__)
        yield [_content(cell) for cell in value.__closure__ or ()]
    if inspect.isclass(value) and value.__module__.split(".")[0] not in LIBRARIES:
        yield value.__bases__
        yield {n: part for n, part in vars(value).items() if inspect.isfunction(part)}


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:  # not yet assigned
        return None


def _of_object(value, weights):
    """What pickle would write."""
    try:
        made = value.__reduce_ex__(2)
    except Exception as error:
        if weights:
            raise TypeError(
                f"a {type(value).__name__} has no state that can be compared ({error})"
            ) from error
        return
    if isinstance(made, str):
        yield from (getattr(value, "__module__", None), made)
        return
    made = made[:5]  # a function, its arguments, the state, items of lists and dicts
    yield from (list(part) if hasattr(part, "__next__") else part for part in made)


def _as_array(value):
    if not isinstance(value, torch.Tensor):
        return value
    value = value.detach().cpu()
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy()


def _of_array(array):
    yield f"{array.dtype} {array.shape}"
    yield array.tolist() if array.dtype == object else array.tobytes()


def _of_module(module, weights):
    """Parameters or attributes, and weights."""
    if isinstance(module, BaseEstimator):
        yield from (type(module), module.get_params(deep=False))
    if "_modules" not in vars(module):  # its constructor forgot, which `build` refuses
        return
    if not isinstance(module, BaseEstimator):
        yield {name: attributes_of(part) for name, part in module.named_modules()}
    for name, tensor in module.state_dict().items():
        yield name
        if isinstance(tensor, torch.Tensor) and not is_lazy(tensor):
            array = _as_array(tensor)
            yield from _of_array(array if weights else np.array(array.shape))


def attributes_of(module):
    """Class and attributes of a module, without those that all modules have."""
    own = vars(module).keys() - vars(nn.Module()).keys() - {"_compiled_call_impl"}
    kept = {name: vars(module)[name] for name in sorted(own)}
    kept = {n: v for n, v in kept.items() if not isinstance(v, RemovableHandle)}
    return [type(module), kept]
