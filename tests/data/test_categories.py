import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skmm import ModalityDict
from skmm.data.categories import TableShape, category_columns, codes, shapes_of
from skmm.persistence.json_codec import JsonCodec

FRAME = pd.DataFrame(
    {
        "size": [1.5, 2.5, 3.5, 4.5],
        "colour": ["red", None, "blue", "red"],
        "grade": pd.Categorical(["b", "a", "b", None], categories=["c", "b", "a"]),
        "code": pd.Categorical([30, 4, 30, 4]),
        "is_new": [True, False, True, False],
        "text": pd.Series(["u", "v", pd.NA, "u"], dtype="string"),
    }
)


def shape_of(frame, **masks):
    return shapes_of(ModalityDict({"t": frame}, present=masks))["t"]


def test_columns_of_strings_and_of_dtype_category_are_categories():
    assert category_columns(FRAME) == [1, 2, 3, 5]
    assert shape_of(FRAME[["size", "is_new"]]) == (2,)
    assert type(shape_of(FRAME[["size"]])) is tuple


def test_categories_are_those_that_occur_in_their_order():
    shape = shape_of(FRAME)
    assert shape == (6,)
    assert shape.names == tuple(FRAME.columns)
    found = {1: ("blue", "red"), 2: ("b", "a"), 3: (4, 30), 5: ("u", "v")}
    assert shape.categories == found
    assert shape_of(FRAME[:1]).categories[1] == ("red",)


def test_samples_in_which_the_table_is_missing_do_not_count():
    shape = shape_of(FRAME, t=np.array([True, True, False, True]))
    assert shape.categories[1] == ("red",)


def test_codes_number_the_categories_then_missing_then_new_ones():
    table = codes(FRAME, shape_of(FRAME), "t")
    assert table[:, 1].tolist() == [1, 2, 0, 1]
    assert table[:, 2].tolist() == [0, 1, 0, 2]
    assert table[:, 3].tolist() == [1, 0, 1, 0]
    assert table[:, 5].tolist() == [0, 1, 2, 0]
    assert table[:, 0].tolist() == FRAME["size"].tolist()
    assert table[:, 4].tolist() == [1, 0, 1, 0]
    assert table.dtype == np.float64
    new = FRAME.assign(colour=["green", "red", None, "blue"])
    assert codes(new, shape_of(FRAME), "t")[:, 1].tolist() == [3, 1, 2, 0]


@pytest.mark.parametrize("dtype", [object, "category", "string", "str"])
def test_the_dtype_of_strings_and_their_order_have_no_influence(dtype):
    shape, rows = shape_of(FRAME), [3, 0, 2, 1]
    other = FRAME.iloc[rows].astype({"colour": dtype, "text": dtype})
    assert np.array_equal(codes(other, shape, "t"), codes(FRAME, shape, "t")[rows])


def test_tables_of_polars_have_the_same_categories():
    grade = pl.Series(["b", "a", "b", None], dtype=pl.Categorical)
    colour = ["red", None, "blue", "red"]
    table = pl.DataFrame({"size": [1.0] * 4, "colour": colour, "grade": grade})
    X = ModalityDict({"t": table})
    shape = shapes_of(X)["t"]
    assert shape.categories == {1: ("blue", "red"), 2: ("b", "a")}
    assert codes(X["t"], shape, "t")[:, 1:].T.tolist() == [[1, 2, 0, 1], [0, 1, 0, 2]]


def test_categories_that_are_numbers_are_found_as_numbers_of_any_dtype():
    shape = shape_of(FRAME)
    for dtype in (int, float, "Int64"):
        other = FRAME.astype({"code": dtype})
        assert codes(other, shape, "t")[:, 3].tolist() == [1, 0, 1, 0]


def test_one_shape_is_a_tuple_that_is_copied_and_stored_with_its_categories():
    shape, codec = shape_of(FRAME), JsonCodec()
    copies = [copy.copy(shape), copy.deepcopy(shape), pickle.loads(pickle.dumps(shape))]
    copies.append(codec.unpack(codec.pack(shape, "shape")))
    for again in copies:
        assert type(again) is TableShape
        assert again == shape == (6,)
        assert again.categories == shape.categories
        assert again.names == shape.names


def test_objects_of_other_kinds_are_no_categories():
    for values in ([[1], [2]], [object(), None], [1j, 2j]):
        column = pd.Series(values, dtype=object)
        assert shape_of(pd.DataFrame({"u": column})).categories == {0: ()}


def test_intervals_become_strings():
    binned = pd.DataFrame({"age": pd.cut([1, 5, 9, 1], [0, 3, 6, 10])})
    shape = shape_of(binned)
    assert shape.categories == {0: ("(0, 3]", "(3, 6]", "(6, 10]")}
    assert codes(binned, shape, "t")[:, 0].tolist() == [0, 1, 2, 0]


BAD = {
    "numbers in place of names": (
        FRAME.assign(colour=[1, 2, 3, 4]),
        r"'t' has numbers in column 'colour'.*such as 'blue'.*astype",
    ),
    "names in place of numbers": (
        FRAME.assign(size=list("abcd")),
        r"'t' has categories in column 'size', which was numeric.*astype",
    ),
    "numbers of dtype object": (
        FRAME.assign(code=pd.Series([4, 30, 4, 30], dtype=object)),
        r"'t' has numbers of dtype object in column 'code'.*\"category\"",
    ),
    "lists": (
        FRAME.assign(colour=[[1], [2], [3], [4]]),
        r"'t' has values in column 'colour' that are neither text",
    ),
    "objects": (
        FRAME.assign(colour=[object() for _ in range(4)]),
        r"'t' has values in column 'colour' that are neither text",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_columns_of_another_kind_than_in_fit_are_refused(case):
    frame, message = BAD[case]
    with pytest.raises(TypeError, match=message):
        codes(frame, shape_of(FRAME), "t")
