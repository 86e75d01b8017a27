import json
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skmm.persistence.json_codec import JsonCodec


def round_trip(value):
    text = json.dumps(JsonCodec().pack(value, "value"), allow_nan=False)
    return JsonCodec().unpack(json.loads(text))


def same(a, b):
    """Equal in type and value, NaN included, all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a), list(b)) and same(list(a.values()), list(b.values()))
    if isinstance(a, np.ndarray) and a.dtype == object:
        return a.shape == b.shape and same(list(a.flat), list(b.flat))
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float) and math.isnan(a):
        return math.isnan(b)
    return a == b and repr(a) == repr(b)  # -0.0 is not 0.0


dtypes = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="?")
    | hnp.floating_dtypes(endianness="?")
    | hnp.complex_number_dtypes()
    | hnp.unicode_string_dtypes()
    | hnp.byte_string_dtypes()
    | hnp.datetime64_dtypes()
)
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, min_side=0, max_side=3))
scalars = (hnp.integer_dtypes() | hnp.floating_dtypes() | hnp.boolean_dtypes()).flatmap(
    hnp.from_dtype
)
texts = st.text() | st.just("$")
keys = st.none() | st.booleans() | st.integers() | texts | st.tuples(st.integers())
plain = (
    st.none() | st.booleans() | st.integers() | st.floats() | texts | scalars | arrays
)
values = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(texts, inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=8,
)


@given(values)
@example({"$": "array", "value": {"dtype": "<f8"}})
@example({"$": 1, 2: {"$": "tuple", "value": []}})
@example((float("nan"), [-0.0, (), {}, {True: 1, None: 2}], np.str_("ü"), np.str_("")))
@example(np.array([["a", None], [1, 2.5]], dtype=object))
@example(np.array([(1, 2), (3, 4), None], dtype=object)[:2])
@example(np.array(7))
@example(np.zeros((3, 0)))
@example(np.asfortranarray(np.arange(6).reshape(2, 3)))
@example(np.empty(0, dtype=object))
def test_round_trip(value):
    assert same(round_trip(value), value)


def test_arrays_are_writable():
    array = round_trip(np.arange(3.0))
    array += 1
    assert array.tolist() == [1, 2, 3]


STRANGE = {
    "set": {1},
    "complex": 1j,
    "function": len,
    "lambda": lambda: 0,
    "class": int,
    "object": object(),
    "subclass": type("Own", (dict,), {})(),
    "structured": np.zeros(2, dtype=[("a", int)]),
    "array subclass": np.ma.masked_array([1, 2]),
    "array of functions": np.array([len], dtype=object),
}


@pytest.mark.parametrize("value", STRANGE.values(), ids=STRANGE)
def test_error_names_an_unsupported_value(value):
    with pytest.raises(TypeError, match=r"^here\.deep\.1.* cannot be saved"):
        JsonCodec().pack({"deep": [0, value]}, "here")


def test_error_for_an_unsupported_key():
    with pytest.raises(TypeError, match="a key of here cannot be saved"):
        JsonCodec().pack({len: 1}, "here")


WRONG = {
    "unknown kind": {"$": "code", "value": "1 + 1"},
    "unhashable kind": {"$": [], "value": 0},
    "objects as bytes": {"dtype": "|O", "shape": [1], "base64": "AAAAAAAAAAA="},
    "structured": {"dtype": "i4,f8", "shape": [1], "base64": "AAAAAAAAAAAAAAAA"},
    "too few bytes": {"dtype": "<f8", "shape": [2], "base64": "AAAAAAAAAAA="},
    "too many bytes": {"dtype": "<f4", "shape": [1], "base64": "AAAAAAAAAAA="},
    "no base64": {"dtype": "<f8", "shape": [1], "base64": "?"},
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG)
def test_wrong_data_raise(data):
    data = data if "$" in data else {"$": "array", "value": data}
    with pytest.raises((ValueError, TypeError, KeyError)):
        JsonCodec().unpack(data)
