import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from skmm import ModalityDict
from skmm.data import leaves
from tests.data.strategies import MAKE, READ, numbers_told, quick

cells = st.one_of(st.none(), st.text(max_size=3))


@quick
@given(st.lists(cells), st.sampled_from(["str", object]))
def test_a_none_in_a_text_column_marks_the_row_missing(words, dtype):
    frame = pd.DataFrame({"a": pd.Series(words, dtype=dtype)})
    X = ModalityDict.from_frame(frame)
    assert X.present["a"].tolist() == [word is not None for word in words]
    for word, found in zip(words, X["a"], strict=True):
        assert word is None or found == word
    again = ModalityDict.from_frame(X.to_frame())
    assert again.present["a"].tolist() == X.present["a"].tolist()


@quick
@given(st.lists(st.floats(allow_infinity=False), min_size=1))
def test_a_nan_in_a_numeric_column_stays(numbers):
    X = ModalityDict.from_frame(pd.DataFrame({"a": numbers}))
    np.testing.assert_array_equal(X["a"], np.array(numbers, dtype=float))
    assert not X.has_missing


KINDS = ["table", "image", "bits", "tensor", "csr_array", "csr_matrix"]
KINDS += ["text", "ragged", "vector", "huge"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [[], [0], [1, 3]])
def test_rows_and_masks_survive_a_frame(kind, missing):
    X = ModalityDict(a=MAKE[kind](np.arange(4))).with_missing("a", missing)
    frame = X.to_frame()
    assert frame.shape == X.shape and list(frame) == ["a"]
    assert frame["a"].isna().to_numpy().tolist() == (~X.present["a"]).tolist()
    back = ModalityDict.from_frame(frame)
    there = np.flatnonzero(X.present["a"])
    assert back.present["a"].tolist() == X.present["a"].tolist()
    assert READ[kind](back[there, "a"]) == numbers_told(kind, there)


def test_a_frame_leaf_comes_back_as_a_frame():
    table = pd.DataFrame({"u": [1, 2, 3], "v": [0.5, 1.5, 2.5], "w": ["x", "y", "z"]})
    X = ModalityDict(a=table)
    assert ModalityDict.from_frame(X.to_frame()) == X
    Y = ModalityDict.from_frame(X.with_missing("a", [0]).to_frame())
    assert Y[1:] == X[1:] and Y.present["a"].tolist() == [False, True, True]


def test_first_level_of_the_columns_names_the_modality():
    frame = pd.DataFrame(
        {("a", "u"): [1, 2], ("b", "u"): ["x", "y"], ("a", "v"): [3.0, 4.0]},
        index=[7, 7],
    )
    X = ModalityDict.from_frame(frame)
    assert list(X) == ["a", "b"]
    assert X["a"].equals(frame["a"]) and X["b"].equals(frame["b"])
    assert leaves.kind(X["a"]) == "frame"


def test_columns_of_every_type():
    frame = pd.DataFrame({"n": [1, 2], "b": [True, False], "s": ["x", "y"]})
    frame["c"] = pd.Categorical(["p", "q"])
    frame["i"] = pd.array([2**62 + 1, 3], dtype="Int64")
    frame["l"] = [[1], [2, 3]]
    frame["t"] = [[1, 2], [3, 4]]
    frame[5] = [np.ones((2, 2)), np.zeros((2, 2))]
    X = ModalityDict.from_frame(frame)
    kinds = {name: leaves.kind(leaf) for name, leaf in X.items()}
    assert kinds == dict.fromkeys("nbit5", "dense") | {
        "s": "text",
        "c": "frame",
        "l": "ragged",
    }
    assert X["i"][0] == 2**62 + 1 and X["b"].dtype == bool
    assert X["t"].shape == (2, 2) and X["5"].shape == (2, 2, 2)


@pytest.mark.parametrize("labels", [["a", "a"], [1, "1"], [("a", "u"), ("a", "u")]])
def test_repeated_columns_are_rejected(labels):
    frame = pd.DataFrame([[1, 2]], columns=pd.Index(labels, tupleize_cols=False))
    with pytest.raises(ValueError, match="repeated"):
        ModalityDict.from_frame(frame)


def test_repeated_first_levels_are_rejected():
    columns = pd.MultiIndex.from_tuples([(1, "u"), ("1", "u")])
    with pytest.raises(ValueError, match="repeated"):
        ModalityDict.from_frame(pd.DataFrame([[1, 2]], columns=columns))


def test_a_frame_of_no_rows_or_no_columns():
    X = ModalityDict(a=np.zeros((3, 2)), b=["x", "y", "z"])
    assert X[:0].to_frame().shape == (0, 2)
    assert X.select([]).to_frame().shape == (3, 0)
    assert ModalityDict.from_frame(X[:0].to_frame()).shape == (0, 2)


def test_the_frame_does_not_share_memory_with_the_container():
    X = ModalityDict(a=np.zeros(3))
    frame = X.to_frame()
    frame.loc[0, "a"] = 9.0
    assert X == ModalityDict(a=np.zeros(3))


@pytest.mark.parametrize(
    "value",
    [
        *(np.array(3.5), np.ones((2, 2)), torch.ones(2), "word"),
        *(sparse.csr_array([[1, 2]]), pd.Series([1, 2])),
    ],
    ids=lambda value: type(value).__name__,
)
def test_stand_in_joins_with_the_cells_that_are_there(value):
    column = pd.Series([None, value, value], dtype=object)
    X = ModalityDict.from_frame(pd.DataFrame({"a": column}))
    whole = ModalityDict.from_frame(pd.DataFrame({"a": column[1:]}))
    assert X[1:] == whole
    assert X.present["a"].tolist() == [False, True, True]
