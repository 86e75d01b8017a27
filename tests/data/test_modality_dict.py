import inspect
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from skmm import ModalityDict
from skmm.data import leaves
from tests.data.strategies import (
    MAKE,
    assert_rows,
    container,
    containers,
    plain_key,
    quick,
    row_keys,
)

ALL = list(MAKE)
PLAIN = ["vector", "table", "image", "text", "ragged"]  # what a flat frame preserves


def masked(n=6):
    """Container of all kinds whose modalities miss different rows."""
    masks = {k: np.arange(n) % (i % 3 + 2) > 0 for i, k in enumerate(ALL)}
    return container(ALL, range(n), masks), masks


# -- rows ------------------------------------------------------------------------------


@quick
@given(containers(), st.data())
def test_any_sequence_of_row_selections_is_the_same_on_every_leaf(drawn, data):
    X, masks = drawn
    numbers = np.arange(len(X))
    for _ in range(data.draw(st.integers(1, 4))):
        key = data.draw(row_keys(len(X)))
        X, numbers = X[key], numbers[plain_key(key)]
        assert_rows(X, numbers, masks)


@quick
@given(containers(min_rows=1), st.data())
def test_rows_and_modalities_at_once_are_rows_then_modalities(drawn, data):
    X, _ = drawn
    rows = data.draw(row_keys(len(X)))
    names = data.draw(st.permutations(list(X)))
    names = names[: data.draw(st.integers(0, len(names)))]
    positions = [list(X).index(name) for name in names]
    expected = X[rows].select(names)
    assert X[rows, names] == expected
    assert X[rows, positions] == expected
    assert X.select(names)[rows] == expected
    assert list(X[rows, names]) == names
    for name in names:
        one = X[rows].select([name])
        assert leaves.equal(X[rows, name], one[name])


@pytest.mark.parametrize("column", [slice(1, 3), [False, True, True], [1, 2], [-2, -1]])
def test_columns_by_position(column):
    X = container(["table", "text", "ragged"], range(4))
    assert X[:, column] == X.select(["text", "ragged"]) == X[["text", "ragged"]]
    assert X[:, np.asarray(column) if isinstance(column, list) else column] == X.drop(
        "table"
    )


@pytest.mark.parametrize("one", [1, np.int64(1), np.array(1), torch.tensor(1), -3])
def test_one_row_is_a_dict_of_the_rows_of_the_leaves(one):
    X, masks = masked(4)
    row = X[one]
    assert list(row) == ALL
    numbers = np.array([1])
    assert (
        row["vector"] == 1 and row["text"] == "row 1" and row["holed text"] == "row 1"
    )
    np.testing.assert_array_equal(row["image"], MAKE["image"](numbers)[0])
    assert isinstance(row["frame"], pd.Series) and row["frame"]["number"] == 1
    assert row["csr_array"].shape == (1, 4)
    assert X[one, "text"] == X[one, ALL.index("text")] == "row 1"
    assert X[one, ["text"]] == {"text": "row 1"}
    assert_rows(X[[one]], numbers, masks)


def test_column_of_one_modality_is_its_leaf():
    X = container(["table", "text"], range(3))
    assert X[:, 1] is not X and X[:, "text"].tolist() == X["text"].tolist()
    assert X[..., "text"].tolist() == X[:, -1].tolist() == X["text"].tolist()
    assert X[()] == X[...] == X[:, :] == X


@pytest.mark.parametrize(
    "key",
    [
        *(3, -4, [3], [-4], np.array([0, 3], dtype=np.uint8), (3, "table")),
        *([True], [True] * 4, True, np.True_, np.ones((3, 1), bool)),
        *(None, 1.5, [0.0, 1.0], [[0, 1]]),
    ],
    ids=repr,
)
def test_what_selects_no_rows_raises_an_index_error(key):
    with pytest.raises(IndexError):
        container(["table", "text"], range(3))[key]


def test_no_rows_and_no_modalities():
    X = container(["table", "text", "frame", "csr_array", "ragged"], range(3))
    assert X[[]].shape == X[:0].shape == (0, 5)
    assert X.select([]).shape == X[:, []].shape == X.drop(*X).shape == (3, 0)
    assert X.select([])[[0, 2]].shape == (2, 0)
    assert X.select([]).assign() == X.select([])
    assert ModalityDict().shape == (0, 0) and ModalityDict() == ModalityDict({})
    assert ModalityDict.concat([X[:0], X, X[:0]]) == X


# -- a mapping that is a table ---------------------------------------------------------


@quick
@given(containers())
def test_mapping_methods_speak_of_modalities_and_len_of_rows(drawn):
    X, _ = drawn
    names = list(X)
    assert names == list(X.keys()) == [name for name, _ in X.items()]
    assert len(X.keys()) == len(X.values()) == len(X.items()) == X.shape[1]
    assert len(X) == X.shape[0] and X.ndim == len(X.shape)
    assert all(name in X and X.get(name) is X[name] for name in names)
    assert "zz" not in X and 0 not in X and X.get("zz") is None


def test_odd_names():
    names = ["", "a.b", "keys", "0", "shape", "self", "data", "present"]
    X = ModalityDict({name: [i] for i, name in enumerate(names)})
    assert [X[name][0] for name in X] == list(range(len(names)))
    assert ModalityDict({0: [1.0]}).select(["0"]).shape == (1, 1)


@pytest.mark.parametrize("call", [lambda X: X["tabel"], lambda X: X[["tabel"]]])
def test_unknown_name_is_a_key_error_that_lists_the_names(call):
    with pytest.raises(KeyError, match=r"tabel.*table.*text"):
        call(container(["table", "text"], range(2)))


# -- constructor -----------------------------------------------------------------------


def test_constructor_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match=r"rows.*'a' has 2.*'b' has 3"):
        ModalityDict(a=[1, 2], b=[1, 2, 3])
    with pytest.raises(ValueError, match=r"given twice.*'a'"):
        ModalityDict({"a": [1]}, a=[2])
    with pytest.raises(ValueError, match="equal as strings"):
        ModalityDict({1: [1], "1": [2]})
    for data in [np.ones((2, 2)), sparse.dok_array(np.eye(2)), [("a", [1])]]:
        with pytest.raises(TypeError, match="check_modalities"):
            ModalityDict(data)


def test_a_container_of_a_container_keeps_its_masks():
    X, _ = masked()
    assert ModalityDict(X) == X
    everywhere = {name: np.ones(len(X), bool) for name in X}
    assert not ModalityDict(X, present=everywhere).has_missing
    assert ModalityDict(extra=range(6)).assign(X).select(ALL) == X


# -- changing a copy -------------------------------------------------------------------


@quick
@given(containers(min_kinds=2), st.data())
def test_drop_and_assign_undo_each_other(drawn, data):
    X, _ = drawn
    name = data.draw(st.sampled_from(list(X)))
    rest = X.drop(name)
    assert list(rest) == [n for n in X if n != name]
    assert rest == X.select(list(rest))
    again = rest.assign({name: X[name]}, present={name: X.present[name]})
    assert again == X and list(again)[-1] == name
    assert X.assign() == X
    replaced = X.assign({name: X[name]})
    assert list(replaced) == list(X) and replaced.present[name].all()
    assert replaced.drop(name) == rest


@quick
@given(containers(min_rows=1), st.data())
def test_with_missing_marks_these_rows_and_no_others(drawn, data):
    X, masks = drawn
    name = data.draw(st.sampled_from(list(X)))
    rows = data.draw(row_keys(len(X)))
    Y = X.with_missing(name, rows)
    expected = masks[name].copy()
    expected[plain_key(rows)] = False
    assert_rows(Y, np.arange(len(X)), masks | {name: expected})
    assert Y.has_missing == any(not mask.all() for mask in Y.present.values())
    assert not X.with_missing(name).present[name].any()


def test_select_rejects_a_modality_twice():
    X = container(["table", "text"], range(2))
    for again in (["text", "text"], [0, 0]):
        with pytest.raises(ValueError, match="twice"):
            X.select(again)
    assert X.select("text") == X.select(["text"])


OPERATIONS = {
    "rows": lambda X: X[[0, 0, -1]],
    "slice": lambda X: X[::-1],
    "mask": lambda X: X[np.arange(len(X)) > 1],
    "row": lambda X: X[0],
    "select": lambda X: X.select(list(X)[::-1]),
    "drop": lambda X: X.drop("table"),
    "assign": lambda X: X.assign(table=np.zeros(len(X)), new=np.zeros(len(X))),
    "with_missing": lambda X: X.with_missing("table"),
    "with_index": lambda X: X.with_index(range(len(X))),
    "copy": lambda X: X.copy(),
    "concat": lambda X: ModalityDict.concat([X, X]),
    "to_frame": lambda X: X.to_frame(),
    "cells": lambda X: ModalityDict.from_cells(np.asarray(X)[::-1]),
    "repr": repr,
    "html": lambda X: X._repr_html_(),
    "pickle": pickle.dumps,
    "equality": lambda X: X == X.drop("table"),
}
UNCHANGING = {"keys", "values", "items", "get"}  # what Mapping itself provides
BUILDERS = {"from_frame", "from_cells", "align"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_operation_changes_the_container(name):
    X, masks = masked()
    before = X.copy()
    OPERATIONS[name](X)
    assert X == before
    assert_rows(X, np.arange(len(X)), masks)


def test_every_public_method_is_among_the_operations():
    public = {n for n, _ in inspect.getmembers(ModalityDict, callable) if n[0] != "_"}
    assert public - UNCHANGING - BUILDERS <= set(OPERATIONS)


def test_masks_cannot_be_changed_from_outside():
    mask = np.array([True, False])
    X = ModalityDict(a=[1, 2], b=[3, 4], present={"a": mask})
    mask[:] = True
    for name in X:
        with pytest.raises(ValueError, match="read-only"):
            X.present[name][:] = True
    with pytest.raises(TypeError):
        X["a"] = [1, 2]
    assert X.present["a"].tolist() == [True, False]


@pytest.mark.parametrize("kind", ["table", "tensor", "frame", "text", "ragged"])
def test_copy_shares_no_memory(kind):
    X = container([kind], range(4), {kind: np.array([True, False, True, True])})
    Y = X.copy()
    assert Y == X
    if kind == "frame":
        Y[kind].iloc[0, 0] = 99
    else:
        Y[kind][0] = Y[kind][1]
    assert Y != X and X == container([kind], range(4), X.present)
