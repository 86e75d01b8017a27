"""Lossless conversion of Python values to JSON data."""

import base64
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skmm.data import leaves
from skmm.data.categories import TableShape

TAG = "$"  # key of a dict that stands for a value of another type
UNCHANGED = {type(None), bool, int, str}
SIMPLE = "biufcmMSU"  # kinds of dtypes that are stored as bytes


@dataclass(frozen=True)
class Kind:
    """A kind of value that JSON does not support.

    Attributes
    ----------
    matches : callable
        ``matches(codec, value)`` returns whether a value is of this kind.
    pack : callable
        ``pack(codec, value, where)`` returns JSON data.
    unpack : callable
        ``unpack(codec, data)`` returns the value.
    """

    matches: Callable
    pack: Callable
    unpack: Callable


class JsonCodec:
    """Conversion of values to JSON data, and back.

    Supports None, bool, int, float including NaN and infinity, str, list, tuple, dict
    with keys of these types, numpy scalars and arrays, and object arrays of all these.
    Subclasses add to `kinds`.

    Examples
    --------
    >>> from skmm.persistence.json_codec import JsonCodec
    >>> data = JsonCodec().pack({"hidden": (64, 32)}, "encoder")
    >>> data
    {'hidden': {'$': 'tuple', 'value': [64, 32]}}
    >>> JsonCodec().unpack(data)
    {'hidden': (64, 32)}
    """

    def __init__(self):
        self.kinds = dict(KINDS)

    def pack(self, value, where):
        """Convert a value to JSON data.

        Parameters
        ----------
        value : object
        where : str
            Name of the value for errors, such as "encoders.a.hidden".

        Raises
        ------
        TypeError
            If the value or a part of it is not supported.
        """
        if type(value) in UNCHANGED or _is_finite(value):
            return value
        if type(value) is list:
            return _pack_all(self, value, where)
        if type(value) is dict and TAG not in value and {*map(type, value)} <= {str}:
            return {k: self.pack(v, f"{where}.{k}") for k, v in value.items()}
        for tag, kind in self.kinds.items():
            if kind.matches(self, value):
                return {TAG: tag, "value": kind.pack(self, value, where)}
        raise TypeError(self.unsupported(value, where))

    def unpack(self, data):
        """Convert JSON data to a value.

        Raises
        ------
        ValueError
            If the data contain an unknown kind.
        """
        if type(data) is list:
            return [self.unpack(item) for item in data]
        if type(data) is not dict:
            return data
        if TAG not in data:
            return {key: self.unpack(item) for key, item in data.items()}
        if data[TAG] not in self.kinds:
            raise ValueError(f"it contains a value of the unknown kind {data[TAG]!r}")
        return self.kinds[data[TAG]].unpack(self, data["value"])

    def unsupported(self, value, where):
        """Error message for a value that cannot be saved."""
        kind = type(value)
        return (
            f"{where} cannot be saved: objects of class {kind.__module__}."
            f"{kind.__qualname__} cannot be stored as data. Replace it, or pickle the "
            "estimator."
        )


def _is_finite(value):
    return type(value) is float and math.isfinite(value)


def _pack_all(codec, values, where):
    return [codec.pack(value, f"{where}.{i}") for i, value in enumerate(values)]


def _pack_pairs(codec, pairs, where):
    packed = [(codec.pack(k, f"a key of {where}"), k, v) for k, v in pairs.items()]
    return [[key, codec.pack(v, f"{where}.{k}")] for key, k, v in packed]


def _unpack_pairs(codec, data):
    return {codec.unpack(key): codec.unpack(value) for key, value in data}


def _pack_array(codec, array, where):
    head = {"dtype": array.dtype.str, "shape": list(array.shape)}
    if array.dtype.kind == "O":
        return {**head, "items": _pack_all(codec, list(array.flat), where)}
    if array.flags.fnc:  # matrix products depend on the order by rounding errors
        head["order"] = "F"
    return {**head, "base64": base64.b64encode(array.tobytes()).decode("ascii")}


def _unpack_array(codec, data):
    dtype, shape = np.dtype(data["dtype"]), tuple(data["shape"])
    if dtype.kind == "O":
        items = [codec.unpack(item) for item in data["items"]]
        return leaves.object_array(items).reshape(shape)
    if dtype.kind not in SIMPLE:
        raise ValueError(f"it contains an array of dtype {dtype}")
    content = base64.b64decode(data["base64"], validate=True)
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"an array of shape {shape} has {len(content)} bytes")
    return np.ndarray(shape, dtype, buffer=content).copy(data.get("order", "C"))


KINDS = {
    "float": Kind(
        lambda codec, value: type(value) is float,
        lambda codec, value, where: repr(value),  # nan, inf, -inf
        lambda codec, data: float(data),
    ),
    "tuple": Kind(
        lambda codec, value: type(value) is tuple,
        _pack_all,
        lambda codec, data: tuple(codec.unpack(item) for item in data),
    ),
    "table_shape": Kind(
        lambda codec, value: type(value) is TableShape,
        lambda codec, value, where: codec.pack(value.__reduce__()[1], where),
        lambda codec, data: TableShape(*codec.unpack(data)),
    ),
    "dict": Kind(lambda codec, value: type(value) is dict, _pack_pairs, _unpack_pairs),
    "array": Kind(
        lambda codec, value: (
            type(value) is np.ndarray and value.dtype.kind in SIMPLE + "O"
        ),
        _pack_array,
        _unpack_array,
    ),
    "scalar": Kind(
        lambda codec, value: (
            isinstance(value, np.generic) and value.dtype.kind in SIMPLE
        ),
        lambda codec, value, where: _pack_array(codec, np.asarray(value), where),
        lambda codec, data: _unpack_array(codec, data)[()],
    ),
}
