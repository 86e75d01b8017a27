import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from skmm import ModalityDict
from skmm.data import check_modalities, leaves
from tests.data.strategies import MAKE, READ, numbers_told, quick

KIND = {
    **dict.fromkeys(["vector", "huge", "table", "image", "bits"], "dense"),
    **dict.fromkeys(["integer column"], "dense"),
    **dict.fromkeys(["tensor", "bfloat"], "tensor"),
    **{name: "sparse" for name in MAKE if name.endswith(("_array", "_matrix"))},
    **dict.fromkeys(["frame", "category"], "frame"),
    **dict.fromkeys(["text", "unicode", "holed text", "string column"], "text"),
    **dict.fromkeys(["ragged", "ragged grids"], "ragged"),
}


def leaf_of(name, numbers):
    return leaves.as_leaf(MAKE[name](np.asarray(numbers, dtype=int)), name)


@pytest.mark.parametrize("name", MAKE)
def test_every_form_becomes_a_leaf_of_its_kind_and_stays_one(name):
    leaf = leaf_of(name, range(6))
    assert leaves.kind(leaf) == KIND[name]
    assert leaves.n_rows(leaf) == 6
    assert READ[name](leaf) == numbers_told(name, range(6))
    assert leaves.equal(leaves.as_leaf(leaf, name), leaf)
    assert leaves.describe(leaf).startswith(KIND[name])


@pytest.mark.parametrize("name", MAKE)
def test_the_shape_of_a_row_does_not_depend_on_which_rows(name):
    leaf = leaf_of(name, range(6))
    shape = leaves.shape_of_row(leaf)
    for rows in (slice(0, 1), np.array([3, 3]), slice(None, None, -1)):
        assert leaves.shape_of_row(leaves.take(leaf, rows)) == shape
    if KIND[name] in ("dense", "tensor", "sparse", "frame"):
        assert shape == (tuple(leaf.shape[1:]) or (1,))
    else:
        assert shape == {"text": (), "ragged": None}[KIND[name]]


@quick
@given(st.sampled_from(list(MAKE)), st.data())
def test_one_row_is_the_row_that_take_gives(name, data):
    n = data.draw(st.integers(1, 7))
    leaf, i = leaf_of(name, range(n)), data.draw(st.integers(0, n - 1))
    part = leaves.take(leaf, np.array([i]))
    assert READ[name](part) == numbers_told(name, [i])
    row = leaves.row(leaf, i)
    if leaves.kind(leaf) == "sparse":
        assert leaves.equal(row, part)
    elif leaves.kind(leaf) == "frame":
        assert row.equals(part.iloc[0])
    elif leaves.kind(leaf) == "tensor":
        assert torch.equal(row, part[0])
    else:
        np.testing.assert_array_equal(row, part[0])


@quick
@given(st.sampled_from(list(MAKE)), st.data())
def test_stack_is_the_inverse_of_split_for_every_kind(name, data):
    n = data.draw(st.integers(0, 8))
    cuts = data.draw(st.lists(st.integers(0, n), min_size=1, max_size=3))
    edges = [0, *sorted(cuts), n]
    leaf = leaf_of(name, range(n))
    pairs = pairwise(edges)
    parts = [leaves.take(leaf, slice(i, j)) for i, j in pairs]
    joined = leaves.stack(parts, name)
    assert leaves.equal(joined, leaf)
    assert READ[name](joined) == numbers_told(name, range(n))
    for part in parts:
        assert type(part) is type(joined)


def test_stack_rejects_other_kinds_and_shapes_by_name():
    for other in (
        np.zeros((1, 3)),
        torch.zeros(1, 2),
        np.zeros(1),
        leaf_of("text", [0]),
    ):
        with pytest.raises(ValueError, match="'m' cannot be concatenated"):
            leaves.stack([np.zeros((1, 2)), other], "m")


@pytest.mark.parametrize("a", MAKE)
def test_leaves_are_equal_exactly_if_kind_and_content_are(a):
    leaf = leaf_of(a, range(4))
    for b in MAKE:
        other = leaf_of(b, range(4))
        if leaves.kind(other) != leaves.kind(leaf):
            assert not leaves.equal(leaf, other)
    assert leaves.equal(leaf, leaf_of(a, range(4)))
    assert not leaves.equal(leaf, leaf_of(a, [0, 1, 3, 2]))
    assert not leaves.equal(leaf, leaf_of(a, range(3)))


def test_nan_equals_nan_in_every_kind():
    table = np.array([[1.0, np.nan]])
    for value in (table, torch.tensor(table), sparse.csr_array(table)):
        leaf = leaves.as_leaf(value, "a")
        assert leaves.equal(leaf, leaf)
    frame = pd.DataFrame(table)
    assert leaves.equal(frame, frame.set_axis([5]))


# -- memory-mapped leaves --------------------------------------------------------------


@pytest.fixture
def memmap(tmp_path):
    table = np.memmap(tmp_path / "table", dtype=float, mode="w+", shape=(8, 3))
    table[:] = np.arange(24).reshape(8, 3)
    return table


def test_memmap_stays_on_disk_under_slices(memmap):
    X = ModalityDict(a=memmap, b=range(8))
    for part in (X, X[2:], X[::-2], X[1:][:3], X.select(["a"]), X[:, "a"]):
        leaf = part if isinstance(part, np.ndarray) else part["a"]
        assert isinstance(leaf, np.memmap) and np.shares_memory(leaf, memmap)
    assert X.with_missing("a")["a"] is memmap
    assert X.assign(c=range(8))["a"] is memmap


def test_memmap_rows_by_number_are_those_rows_in_memory(memmap):
    X = ModalityDict(a=memmap)
    part = X[[5, -8, 5]]["a"]
    assert not np.shares_memory(part, memmap)
    np.testing.assert_array_equal(part, np.asarray(memmap)[[5, 0, 5]])


def test_slices_of_arrays_and_tensors_are_views():
    array, tensor = np.zeros((6, 2)), torch.zeros(6, 2)
    X = ModalityDict(a=array, t=tensor)[2:5]
    assert np.shares_memory(X["a"], array)
    assert X["t"].untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()


# -- what users pass -------------------------------------------------------------------

SAME = {
    "tuple": ((1.0, 2.0), np.array([1.0, 2.0])),
    "range": (range(2), np.array([0, 1])),
    "nested list": ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]])),
    "numbers as objects": (np.array([1, 2.5], dtype=object), np.array([1.0, 2.5])),
    "beyond 64 bits": ([2**70, 1], np.array([2.0**70, 1.0])),
    "index": (pd.Index([3, 4]), np.array([3, 4])),
    "range index": (pd.RangeIndex(2), np.array([0, 1])),
    "nullable array": (pd.array([1, None], dtype="Int64"), np.array([1, np.nan])),
    "nullable bool": (
        pd.Series([True, False], dtype="boolean"),
        np.array([True, False]),
    ),
    "nullable, whole": (
        pd.Series([2**62 + 1, 0], dtype="Int64"),
        np.array([2**62 + 1, 0]),
    ),
    "string array": (pd.array(["x", None], dtype="str"), ["x", None]),
    "old missing text": (pd.Series(["x", np.nan], dtype=object), ["x", None]),
    "pandas nullable text": (pd.Series(["x", pd.NA], dtype="string"), ["x", None]),
    "numpy strings": (np.array(["x", "yy"], np.dtypes.StringDType()), ["x", "yy"]),
    "bytes": ([b"x", b"yy"], ["x", "yy"]),
    "one text column": (np.array([["x"], ["y"]]), ["x", "y"]),
    "lists in an array": (pd.Series([[1], [2, 3]]), [[1], [2, 3]]),
    "arrays": ([np.ones(1), np.ones(2)], [[1.0], [1.0, 1.0]]),
    "tensors": ([torch.ones(1), torch.ones(2)], [np.ones(1, "f"), np.ones(2, "f")]),
    "equal tensors": ([torch.ones(2)] * 2, np.ones((2, 2), np.float32)),
    "category": (pd.Categorical(["x", "y"]), pd.Series(["x", "y"], dtype="category")),
    "sparse rows": (
        [sparse.csr_array([[1, 2]]), sparse.coo_matrix([[0, 3]])],
        sparse.csr_array([[1, 2], [0, 3]]),
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_forms_that_say_the_same(case):
    given, plain = (leaves.as_leaf(value, "a") for value in SAME[case])
    assert leaves.equal(given, plain)
    assert leaves.describe(given) == leaves.describe(plain)


HOLES = [None, np.nan, float("nan"), np.float32("nan"), pd.NA]


@pytest.mark.parametrize("hole", HOLES, ids=repr)
@pytest.mark.parametrize(
    "store",
    [list, lambda v: np.array(v, object), lambda v: pd.Series(v, dtype=object)],
)
def test_holes_among_strings_are_none(hole, store):
    values = store([hole, "x", hole])
    leaf = leaves.as_leaf(values, "m")
    assert leaves.kind(leaf) == "text" and leaf.tolist() == [None, "x", None]
    assert values[0] is hole  # the user's stays
    with pytest.raises(ValueError, match=r"'m' has None .*2 row.*\(0, 2\).*present="):
        check_modalities({"m": values})
    masked = ModalityDict({"m": values}, present={"m": [False, True, False]})
    assert check_modalities(masked)["m"][1] == "x"


def test_nan_among_numbers_stays_nan():
    leaf = leaves.as_leaf(np.array([1, np.nan], object), "m")
    assert leaf.dtype == float and np.isnan(leaf[1])
    assert np.isnan(leaves.as_leaf(np.array([np.nan] * 2, object), "m")).all()


def test_gradients_are_cut():
    leaf = leaves.as_leaf(torch.ones(2, requires_grad=True), "a")
    assert not leaf.requires_grad
    assert not ModalityDict(a=torch.ones(2, requires_grad=True))["a"].requires_grad


def test_dense_leaf_is_not_copied():
    array = np.zeros((3, 2))
    assert ModalityDict(a=array)["a"] is array


WRONG = {
    "number": (
        5,
        TypeError,
        "array, tensor, sparse matrix, DataFrame or list.* got int",
    ),
    "word": ("abc", TypeError, "got str"),
    "set": ({1, 2}, TypeError, "got set"),
    "none": (None, TypeError, "got NoneType"),
    "dict": ({"u": [1]}, TypeError, "got dict"),
    "scalar": (np.float64(3), ValueError, "single value; pass one"),
    "scalar tensor": (torch.tensor(3), ValueError, "single value; pass one"),
    "dates": (np.array(["2020"], "M8[Y]"), TypeError, "datetime64.*expected numbers"),
    "date column": (pd.Series(pd.to_datetime(["2020"])), TypeError, "has times"),
    "masked": (np.ma.array([1.0], mask=[True]), TypeError, "masked array.*present"),
    "sparse vector": (
        sparse.coo_array([1, 2]),
        ValueError,
        "1 dim.*two-dimensional",
    ),
    "bytes": ([b"a", "\u00e9".encode()], TypeError, r"bytes .*decode\('utf-8'\)"),
    "bytes in objects": (
        np.array([np.bytes_(b"a"), None], object),
        TypeError,
        "bytes .*decode",
    ),
    "bytes and text": ([b"a", "b"], TypeError, "bytes .*decode"),
    "NA in numbers": ([1, pd.NA, None], TypeError, r"mixed types \(none, number\)"),
    "mixed": ([1, "x"], TypeError, r"mixed types \(number, text\).*one modality per"),
    "hole in numbers": ([1, None], TypeError, r"mixed types \(none, number\)"),
    "hole in arrays": ([np.ones(2), None], TypeError, r"\(array, none\)"),
    "text table": (np.array([["x", "y"]]), ValueError, "one string per row.*DataFrame"),
    "lists of text": ([["x", "y"], ["z"]], TypeError, "mixed types"),
    "ragged rows": ([[[1], [2, 3]], [1]], ValueError, "itself a ragged list"),
    "records": (np.array([(1, 2.0)], "i,f"), TypeError, "expected numbers"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_leaf_is_rejected_by_name(case):
    value, error, match = WRONG[case]
    with pytest.raises(error, match=rf"modality 'm' .*{match}"):
        ModalityDict(m=value)


def test_as_ragged_changes_only_tables_and_images():
    assert leaves.equal(
        leaves.as_ragged(np.arange(6).reshape(3, 2)),
        leaves.object_array([np.array([0, 1]), np.array([2, 3]), np.array([4, 5])]),
    )
    for name in ("vector", "text", "ragged", "tensor", "csr_array", "frame"):
        leaf = leaf_of(name, range(3))
        assert leaves.as_ragged(leaf) is leaf


@pytest.mark.parametrize("name", MAKE)
def test_leaves_of_no_rows(name):
    leaf = leaves.take(leaf_of(name, range(3)), slice(0))
    assert leaves.n_rows(leaf) == 0 and READ[name](leaf) == []
    assert leaves.equal(pickle.loads(pickle.dumps(leaf)), leaf)
