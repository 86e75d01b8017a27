"""Fingerprints of parameters, used as the key of a checkpoint.

``repr`` does not suffice: it omits weights, shortens long lists in scikit-learn, and is
an address for many objects. Instead, an object is described by its class and the state
that pickle would write. For classes outside the libraries below, the code of their
methods is included, but not the functions that these call.
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
    """Describe a value by bytes that are the same in every process.

    Parameters
    ----------
    value : object
        Such as parameters of an estimator.
    weights : bool, default=True
        Include the weights of modules, and raise an error for objects whose state
        cannot be read.

    Yields
    ------
    bytes

    Raises
    ------
    TypeError
        If the state of an object, such as a lock, cannot be read.
    """
    yield _Digests(weights).of(value)[0]


def digest(parts):
    """Hexadecimal digest of an iterable of bytes."""
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def digests(params, without=()):
    """Digest of every parameter by name, whatever the weights in it.

    Parameters
    ----------
    params : dict
        From ``get_params``.
    without : collection of str
        Parameters to leave out, with those nested in them.
    """
    return {
        key: digest(describe(value, weights=False))
        for key, value in params.items()
        if key.split("__")[0] not in without
    }


def same_but_for_weights(one, other):
    """Whether two objects have the same class, parameters and shapes of weights."""
    first, second = (digest(describe(value, weights=False)) for value in (one, other))
    return first == second


class _Digests:
    """Digests of values. Each object is described only once.

    Equal values have equal digests, whether or not they share objects.

    Parameters
    ----------
    weights : bool
        See `describe`.
    """

    def __init__(self, weights):
        self.weights = weights
        self.known = {}  # keeps the objects alive, so that their ids stay unique

    def of(self, value, above=()):
        """Digest of a value, and whether it refers to an object that contains it.

        Parameters
        ----------
        value : object
        above : tuple of int, default=()
            Ids of the objects that contain the value, from the outermost on.
        """
        if type(value) is bytes:  # of weights; repr would need four times the memory
            return _joined([b"bytes", value]), False
        name = type(value).__qualname__.encode()
        if type(value) in PLAIN or isinstance(value, np.generic):
            return _joined([name, repr(value).encode()]), False
        if id(value) in above:  # relative, so that it is the same at any depth
            distance = len(above) - above.index(id(value))
            return _joined([b"above", name, str(distance).encode()]), True
        for key in (id(value), (id(value), above)):
            if key in self.known:
                return self.known[key][1]
        return self._add(value, name, above)

    def _add(self, value, name, above):
        inner = (*above, id(value))
        found = [self.of(part, inner) for part in _parts(value, self.weights)]
        digests, cyclic = [part for part, _ in found], any(cycle for _, cycle in found)
        if isinstance(value, Set):  # the order differs between processes
            digests.sort()
        key = (
            (id(value), above) if cyclic else id(value)
        )  # a cycle depends on its start
        self.known[key] = value, (_joined([name, *digests]), cyclic)
        return self.known[key][1]


def _joined(parts):
    """Digest of a sequence of bytes."""
    digest = blake2b(digest_size=32)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _parts(value, weights):
    """Parts of a value that describe it."""
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
    """Name of a class, function or Python module, and code of functions."""
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
    except ValueError:  # not assigned yet
        return None


def _of_object(value, weights):
    """Class and state that pickle would write."""
    try:
        made = value.__reduce_ex__(2)
    except Exception as error:
        if weights:
            raise TypeError(
                f"the state of a {type(value).__name__} cannot be compared ({error})"
            ) from error
        return
    if isinstance(made, str):
        yield from (getattr(value, "__module__", None), made)
        return
    made = made[:5]  # function, arguments, state, items of lists, items of dicts
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
    """Parameters or attributes of a module, and its weights."""
    if isinstance(module, BaseEstimator):
        yield from (type(module), module.get_params(deep=False))
    if "_modules" not in vars(module):  # no super().__init__(); `build` raises
        return
    if not isinstance(module, BaseEstimator):
        yield {
            name: [type(part), attributes_of(part)]
            for name, part in module.named_modules()
        }
    for name, tensor in module.state_dict().items():
        yield name
        if isinstance(tensor, torch.Tensor) and not is_lazy(tensor):
            array = _as_array(tensor)
            yield from _of_array(array if weights else np.array(array.shape))


OF_ALL_MODULES = {*vars(nn.Module()), "_compiled_call_impl"}


def attributes_of(module):
    """Attributes of a module by name, without those that all modules have."""
    own = {n: v for n, v in vars(module).items() if n not in OF_ALL_MODULES}
    return {n: own[n] for n in sorted(own) if not isinstance(own[n], RemovableHandle)}
