"""What a parameter is, as bytes that differ when it does: the key of a checkpoint.

``repr`` would not do: it leaves out weights, and scikit-learn's shortens long lists.
"""

import functools
from collections.abc import Mapping

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import nn
from torch.nn.parameter import is_lazy


def describe(value, weights=True):
    """Parts of bytes that say what a value is.

    Parameters
    ----------
    value : object
        Of parameters of an estimator: numbers, names, containers, Blocks, modules …
    weights : bool, default=True
        Whether the weights of modules count.

    Yields
    ------
    bytes
    """
    yield type(value).__qualname__.encode()
    if isinstance(value, Mapping):
        yield str(len(value)).encode()
        for key, item in value.items():
            yield repr(key).encode()
            yield from describe(item, weights)
    elif isinstance(value, (list, tuple)):
        yield str(len(value)).encode()
        for item in value:
            yield from describe(item, weights)
    else:
        yield from _of_one(value, weights)


def _of_one(value, weights):
    if isinstance(value, BaseEstimator):
        yield from describe(value.get_params(deep=False), weights)
    if isinstance(value, nn.Module):
        yield from _of_module(value, weights)
    elif isinstance(value, (np.ndarray, torch.Tensor)):
        yield from _of_array(_as_array(value))
    elif isinstance(value, functools.partial):
        yield from describe([value.func, value.args, value.keywords], weights)
    elif hasattr(value, "__qualname__"):  # a class or function, wherever it lies
        yield f"{value.__module__}.{value.__qualname__}".encode()
        code = getattr(value, "__code__", None)
        yield b"" if code is None else code.co_code + repr(code.co_consts).encode()
    elif not isinstance(value, BaseEstimator):
        yield repr(value).encode()


def _as_array(value):
    if not isinstance(value, torch.Tensor):
        return value
    value = value.detach().cpu()
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy()


def _of_array(array):
    yield f"{array.dtype} {array.shape}".encode()
    is_objects = array.dtype == object
    yield repr(array.tolist()).encode() if is_objects else array.tobytes()


def _of_module(module, weights):
    if not isinstance(module, BaseEstimator):
        yield repr(module).encode()
    if "_modules" not in vars(module):  # its constructor forgot, which `build` refuses
        return
    for name, tensor in module.state_dict().items():
        yield name.encode()
        if isinstance(tensor, torch.Tensor) and not is_lazy(tensor):
            array = _as_array(tensor)
            yield from _of_array(array if weights else np.array(array.shape))
