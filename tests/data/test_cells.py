import copy
import operator
import pickle

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skmm import LateFusionRegressor, ModalityDict
from skmm.data.cells import Cell, is_cells
from tests.data.strategies import (
    MAKE,
    assert_rows,
    container,
    containers,
    quick,
)
from tests.toys import two_tables

ALL = list(MAKE)


def masked(n):
    masks = {k: np.arange(n) % (i % 3 + 2) > 0 for i, k in enumerate(ALL)}
    return container(ALL, range(n), masks), masks


@quick
@given(containers(min_rows=1))
def test_an_array_of_cells_turns_back_into_the_container(drawn):
    X, masks = drawn
    array = np.asarray(X)
    assert array.shape == X.shape and array.dtype == object and is_cells(array)
    back = ModalityDict.from_cells(array)
    assert back == X and list(back) == list(X)
    assert_rows(back, np.arange(len(X)), masks)


@quick
@given(containers(min_rows=1, min_kinds=2), st.data())
def test_any_rows_and_columns_of_the_array_are_those_of_the_container(drawn, data):
    X, _ = drawn
    rows = data.draw(st.lists(st.integers(-len(X), len(X) - 1), min_size=1))
    columns = data.draw(st.permutations(range(X.shape[1])))
    columns = columns[: data.draw(st.integers(1, len(columns)))]
    part = ModalityDict.from_cells(np.asarray(X)[rows][:, columns])
    assert part == X[rows, columns]
    assert list(part) == [list(X)[column] for column in columns]


@quick
@given(containers(min_rows=1, min_kinds=2), st.data())
def test_rows_shuffled_together_never_come_apart(drawn, data):
    X, masks = drawn
    numbers, array = np.arange(len(X)), np.asarray(X)
    for _ in range(data.draw(st.integers(1, 3))):
        rows = data.draw(st.permutations(range(len(array))))
        rows = rows + rows[: data.draw(st.integers(0, 2))]
        array, numbers = array[rows], numbers[rows]
        if data.draw(st.booleans()):
            array = np.asarray(ModalityDict.from_cells(array))
        if data.draw(st.booleans()):
            array = pickle.loads(pickle.dumps(array))
    assert_rows(ModalityDict.from_cells(array), numbers, masks)


@quick
@given(containers(min_rows=1), st.data())
def test_shuffling_one_column_moves_this_modality_and_its_mask_only(drawn, data):
    X, masks = drawn
    column = data.draw(st.integers(0, X.shape[1] - 1))
    name, rows = list(X)[column], data.draw(st.permutations(range(len(X))))
    array = np.asarray(X)
    array[:, column] = array[rows, column]
    shuffled = ModalityDict.from_cells(array)
    assert_rows(shuffled.select([name]), np.array(rows), masks)
    assert shuffled.drop(name) == X.drop(name)


@quick
@given(st.sets(st.sampled_from(ALL), min_size=1, max_size=4), st.data())
def test_cells_of_several_containers_may_be_mixed(kinds, data):
    n = data.draw(st.integers(2, 8))
    mask = st.lists(st.booleans(), min_size=n, max_size=n)
    masks = {k: np.array(data.draw(mask)) for k in sorted(kinds)}
    X = container(sorted(kinds), range(n), masks)
    copied = X.copy()
    cut = data.draw(st.integers(1, n - 1))
    owners = [X[:cut], X[cut:], copied[::-1]]
    array = np.concatenate([np.asarray(owner) for owner in owners])
    order = data.draw(st.permutations(range(2 * n)))
    numbers = np.concatenate([np.arange(n), np.arange(n)[::-1]])[order]
    mixed = ModalityDict.from_cells(array[order])
    assert_rows(mixed, numbers, masks)
    assert mixed == X[numbers]


# -- pickling --------------------------------------------------------------------------

WAYS = {
    "pickle": lambda array: pickle.loads(pickle.dumps(array)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "array copy": np.copy,
}


@pytest.mark.parametrize("way", WAYS)
def test_copied_and_pickled_cells_turn_back_into_the_container(way):
    X, masks = masked(7)
    array = WAYS[way](np.asarray(X)[[5, 2, 5]])
    assert_rows(ModalityDict.from_cells(array), np.array([5, 2, 5]), masks)


def test_pickled_cells_ship_their_rows_and_not_their_owner():
    X = ModalityDict(a=np.zeros((5000, 20)), b=["word"] * 5000)
    array, owner = np.asarray(X), len(pickle.dumps(X))
    few, twice = (len(pickle.dumps(array[:rows])) for rows in (10, 20))
    assert 50 * few < owner and twice < 2.1 * few
    one = pickle.loads(pickle.dumps(array[77:78]))[0, 0]
    assert len(one.owner) == 1 and list(one.owner) == ["a"]


def test_cells_are_dumped_by_joblib(tmp_path):
    X, masks = masked(5)
    joblib.dump(np.asarray(X), tmp_path / "cells")
    array = joblib.load(tmp_path / "cells")
    assert_rows(ModalityDict.from_cells(array), np.arange(5), masks)


# -- one cell --------------------------------------------------------------------------


def test_a_cell_points_to_its_row():
    X = container(["vector", "text"], range(4))
    array = np.asarray(X)
    assert [[cell.value for cell in row] for row in array] == [
        [i, f"row {i}"] for i in range(4)
    ]
    assert repr(array[2, 1]) == "<text[2]>"


def test_a_cell_is_no_number_and_says_what_to_do():
    array = np.asarray(container(["vector", "text"], range(2)))
    for convert in (float, lambda cell: np.asarray([cell]).astype(float)):
        with pytest.raises(TypeError, match=r"'vector'.*X\['vector'\].*LateFusion"):
            convert(array[0, 0])
    with pytest.raises(TypeError, match=r"dtype float64.*X\['vector'\]"):
        np.asarray(container(["vector"], range(2)), dtype=float)
    assert np.asarray(container(["vector"], range(2)), dtype=object).shape == (2, 1)


def test_the_advice_of_the_error_works():
    X, y = two_tables()
    for model in (
        make_pipeline(FunctionTransformer(operator.itemgetter("a")), Ridge()),
        LateFusionRegressor(Ridge()),
    ):
        assert model.fit(X, y).predict(X).shape == (len(X),)


# -- arrays that are no container ------------------------------------------------------


@pytest.mark.parametrize("array", [np.zeros((2, 2)), np.empty((0, 2), object)])
def test_other_arrays_are_no_cells(array):
    assert not is_cells(array)


def test_lists_and_single_columns_are_no_cells():
    array = np.asarray(container(["vector"], range(2)))
    assert not is_cells(array.tolist()) and not is_cells(array[:, 0])
    assert isinstance(array[0, 0], Cell)


def test_columns_that_are_mixed_or_repeated_are_rejected():
    X = container(["vector", "text"], range(2))
    array = np.asarray(X)
    with pytest.raises(ValueError, match=r"repeated.*'text', 'text'"):
        ModalityDict.from_cells(array[:, [1, 1]])
    array[0] = array[0, ::-1]
    with pytest.raises(ValueError, match=r"column 0 mixes.*text.*vector"):
        ModalityDict.from_cells(array)
    array = np.asarray(X)
    array[1, 1] = 3.5
    with pytest.raises(ValueError, match="column 1 mixes modalities or other values"):
        ModalityDict.from_cells(array)
