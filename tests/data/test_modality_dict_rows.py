import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skmm.data.leaves import common_length
from skmm.data.modality_dict import (
    _equal_masks,
    _read_only,
    as_masks,
    as_rows,
    is_integer,
    is_names,
    n_selected,
)
from tests.data.strategies import plain_key, quick, row_keys


@quick
@given(st.integers(0, 9), st.data())
def test_as_rows_selects_what_numpy_selects(n, data):
    key = data.draw(row_keys(n))
    index = as_rows(key, n)
    expected = np.arange(n)[plain_key(key)]
    np.testing.assert_array_equal(np.arange(n)[index], expected)
    assert n_selected(index, n) == len(expected)
    assert isinstance(index, slice) or index.dtype == np.intp


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint64, np.int32, "Int64"])
def test_the_type_of_the_positions_does_not_matter(dtype):
    key = pd.Series([1, 100], dtype=dtype)
    assert as_rows(key, 300).tolist() == [1, 100]


def test_the_key_is_not_changed_and_may_be_read_only():
    key = np.array([-1, 0])
    key.flags.writeable = False
    index = as_rows(key, 3)
    assert key.tolist() == [-1, 0] and index.tolist() == [2, 0]
    assert index.flags.writeable  # torch warns about others


@pytest.mark.parametrize("key", [[0, 7], [-8, 0]])
def test_position_out_of_range_is_named(key):
    wrong = next(i for i in key if i)
    with pytest.raises(IndexError, match=rf"row {wrong} .*for 7 rows"):
        as_rows(key, 7)


@pytest.mark.parametrize("key", [[True], np.ones(3, dtype=bool)])
def test_mask_of_another_length_is_named(key):
    with pytest.raises(IndexError, match=f"mask has {len(key)} entries for 2 rows"):
        as_rows(key, 2)


@pytest.mark.parametrize("key", [1, "a", ["a"], [[0]], None, 1.5, [0.5], True])
def test_other_keys_say_how_rows_are_chosen(key):
    with pytest.raises(IndexError, match="slice, a boolean mask or integer positions"):
        as_rows(key, 2)


INTEGERS = [0, -1, np.int8(1), np.array(1), torch.tensor(1)]
NAMES = [["a"], ("a", "b"), np.array(["a"]), pd.Index(["a"]), {"a": 1}.keys(), {"a"}]
NEITHER = [True, np.True_, "a", [], [0], ["a", 0], slice(None), ..., None, 1.0]
NEITHER += [np.array(True), torch.tensor(1.5), np.array([["a"]]), np.array([1])]


@pytest.mark.parametrize("key", INTEGERS + NAMES + NEITHER, ids=repr)
def test_integers_and_names_are_told_apart(key):
    assert is_integer(key) is any(key is k for k in INTEGERS)
    assert is_names(key) is any(key is k for k in NAMES)


def test_common_length_names_every_modality():
    parts = {"a": np.zeros(2), "b": np.zeros((3, 2))}
    with pytest.raises(ValueError, match=r"'a' has 2, 'b' has 3"):
        common_length(parts)
    assert common_length({"b": parts["b"]}) == 3
    assert common_length({}) == 0


def test_masks_that_hide_nothing_are_left_out():
    masks = as_masks({"a": [True, True], "b": [True, False]}, {"a", "b"}, 2)
    assert list(masks) == ["b"]


@pytest.mark.parametrize(
    ("present", "match"),
    [
        ({"b": [True, True]}, r"present: unknown modality 'b'.*\['a'\]"),
        ({"a": [1, 0]}, r"present\['a'\].*boolean.*int"),
        ({"a": [True]}, r"present\['a'\].*shape \(2,\).*shape \(1,\)"),
        ({"a": [[True], [True]]}, r"present\['a'\].*shape \(2, 1\)"),
    ],
)
def test_masks_that_do_not_fit_are_named(present, match):
    with pytest.raises(ValueError, match=match):
        as_masks(present, ["a"], 2)


def test_read_only_leaves_the_mask_itself_alone():
    mask = np.array([True, False])
    view = _read_only(mask)
    mask[1] = True
    assert view.all() and not view.flags.writeable


def test_equal_masks():
    a, b = {"a": np.array([True, False])}, {"a": np.array([False, True])}
    assert _equal_masks(a, dict(a)) and _equal_masks({}, {})
    assert not _equal_masks(a, b) and not _equal_masks(a, {})
