import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from skmm import ModalityDict
from skmm.data import check_modalities
from tests.data.learner import TABLE, Learner, both
from tests.data.strategies import MAKE, assert_rows, containers, quick

WHOLE = [kind for kind in MAKE if kind not in ("holed text", "string column")]
WHOLE.remove("integer column")


# -- what is accepted ------------------------------------------------------------------

PLAIN = {
    "array": TABLE,
    "list of rows": TABLE.tolist(),
    "tuple of rows": tuple(map(tuple, TABLE)),
    "list of vectors": list(TABLE),
    "tensor": torch.tensor(TABLE),
    "tensor with gradient": torch.tensor(TABLE, requires_grad=True),
    "frame without names": pd.DataFrame(TABLE),
    "csr": sparse.csr_array(TABLE),
    "csc": sparse.csc_matrix(TABLE),
    "coo": sparse.coo_array(TABLE),
    "dok, which is a mapping": sparse.dok_array(TABLE),
    "objects": TABLE.astype(object),
}


@pytest.mark.parametrize("form", PLAIN)
def test_a_plain_table_is_one_modality_called_x(form):
    model = Learner().fit(PLAIN[form])
    for X in (model.fitted_, model.again(PLAIN[form]), check_modalities(PLAIN[form])):
        assert list(X) == ["X"]
        leaf = X["X"].toarray() if sparse.issparse(X["X"]) else X["X"]
        np.testing.assert_array_equal(leaf, TABLE)
    assert model.n_features_in_ == 2 and model.modalities_in_ == ["X"]
    assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize("lib", [np, torch])
def test_an_array_of_more_dimensions_is_one_modality_called_x(lib):
    image = lib.ones((3, 1, 4, 4))
    model = Learner().fit(image)
    assert model.again(image)["X"] is not None and model.n_features_in_ == 1
    assert model.shapes_in_ == {"X": (1, 4, 4)}
    with pytest.raises(ValueError, match=r"\(1, 4, 5\).*Learner.*\(1, 4, 4\)"):
        model.again(lib.ones((3, 1, 4, 5)))


NAMED = {
    "container": both(),
    "dict": dict(both()),
    "cells": np.asarray(both()),
    "cells in a frame": pd.DataFrame(np.asarray(both()), columns=["x0", "x1"]),
}


@pytest.mark.parametrize("fit", NAMED)
@pytest.mark.parametrize("again", NAMED)
def test_named_forms_are_the_same_container(fit, again):
    model = Learner().fit(NAMED[fit])
    assert model.fitted_ == model.again(NAMED[again]) == both()
    assert model.modalities_in_ == list(model.feature_names_in_) == ["image", "text"]
    assert model.shapes_in_ == {"image": (1, 2), "text": ()}
    assert model.n_features_in_ == 2 and model.optional_modalities_ == []


@quick
@given(containers(min_rows=1, kinds=tuple(WHOLE)), st.data())
def test_the_door_changes_no_row_and_gives_back_the_order_of_the_fit(drawn, data):
    X, masks = drawn
    model = Learner().fit(X)
    assert model.fitted_ == X
    shuffled = X[data.draw(st.permutations(list(X)))]
    checked = model.again(shuffled)
    assert list(checked) == list(X)
    assert_rows(checked, np.arange(len(X)), masks)
    assert set(model.optional_modalities_) == {n for n in X if not masks[n].all()}


@pytest.mark.parametrize("X", [TABLE, both(), pd.DataFrame(TABLE, columns=["u", "v"])])
def test_without_an_estimator_nothing_is_remembered(X):
    checked = check_modalities(X)
    assert (
        checked == check_modalities(checked) == check_modalities(checked, reset=False)
    )


def test_a_second_fit_forgets_the_first():
    model = Learner().fit(both())
    for X in (TABLE, np.ones((3, 2, 2)), torch.ones(3, 2, 2), sparse.csr_array(TABLE)):
        model.fit(both())
        model.fit(X)
        assert model.modalities_in_ == ["X"] == list(model.again(X))
        assert not hasattr(model, "feature_names_in_")


# -- frames ----------------------------------------------------------------------------


def test_each_column_of_a_frame_is_a_modality():
    frame = pd.DataFrame({"u": [1.0, 2.0], "word": ["x", "y"]})
    model = Learner().fit(frame)
    assert model.again(frame) == ModalityDict(u=[1.0, 2.0], word=["x", "y"])
    assert model.again(dict(u=[1.0], word=["z"])).shape == (1, 2)


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        (["v", "u"], "must be in the same order"),
        (["u", "w"], "unseen at fit time:\n- w"),
        (["u"], "seen at fit time, yet now missing:\n- v"),
    ],
)
def test_names_of_columns_follow_the_rules_of_scikit_learn(columns, match):
    model = Learner().fit(pd.DataFrame(TABLE, columns=["u", "v"]))
    with pytest.raises(ValueError, match=match):
        model.again(pd.DataFrame(TABLE[:, : len(columns)], columns=columns))


def test_names_of_another_type_are_rejected_as_scikit_learn_does():
    with pytest.raises(TypeError, match=r"only supported if all.*string"):
        Learner().fit(pd.DataFrame(TABLE, columns=["u", 1]))


def test_a_table_after_a_frame_and_a_frame_after_a_table_warn():
    frame = pd.DataFrame(TABLE, columns=["u", "v"])
    for table in (TABLE, sparse.csr_array(TABLE)):
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            assert Learner().fit(frame).again(table) == check_modalities(frame)
    with pytest.warns(UserWarning, match="was fitted without feature names"):
        assert Learner().fit(TABLE).again(frame) == check_modalities(TABLE)


@pytest.mark.parametrize("column", [TABLE[:, 0], np.array(["a", "b", "c"])])
def test_a_column_called_x_is_a_modality_like_others(column):
    for X in (pd.DataFrame({"X": column}), {"X": column}):
        model = Learner().fit(X)
        assert model.again(X) == ModalityDict(X=column)
        assert model.n_features_in_ == 1 and list(model.feature_names_in_) == ["X"]


def test_first_levels_of_columns_are_frames_whose_columns_are_compared():
    columns = pd.MultiIndex.from_tuples([("a", "u"), ("a", "v"), ("b", "u")])
    frame = pd.DataFrame(np.ones((2, 3)), columns=columns)
    model = Learner().fit(frame)
    assert model.again(frame) == ModalityDict(a=frame["a"], b=frame["b"])
    turned = frame["a"][["v", "u"]]
    with pytest.raises(ValueError, match=r"'a' has columns \['v', 'u'\].*\['u', 'v'\]"):
        model.again({"a": turned, "b": frame["b"]})
    assert model.again({"a": turned.to_numpy(), "b": frame["b"]}).shape == (2, 2)


# -- what is refused -------------------------------------------------------------------


@pytest.mark.parametrize(
    "X",
    [
        [TABLE, TABLE],
        (TABLE, np.ones((3, 4))),
        [torch.ones(3, 2)],
        [pd.DataFrame(TABLE), TABLE],
        [sparse.csr_array(TABLE)],
        [both(), both()],
    ],
    ids=lambda X: type(X[0]).__name__,
)
def test_a_list_of_views_is_rejected_and_told_to_use_names(X):
    with pytest.raises(TypeError, match=r"views or rows.*X = \{'image'"):
        check_modalities(X)


@pytest.mark.parametrize("X", [{}, ModalityDict(), both()[:0], both().select([])])
def test_no_rows_or_no_modalities(X):
    with pytest.raises(ValueError, match="at least one row and one modality"):
        check_modalities(X)


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (np.ones(3), "Expected 2D array, got 1D array"),
        (["a", "b"], "Expected 2D array, got 1D array"),
        (None, "Expected 2D array, got scalar array"),
        (np.ones((0, 2)), "Found array with 0 sample"),
        (np.ones((2, 0)), "Found array with 0 feature"),
        ([["a"], ["b"]], "could not convert|dtype='numeric' is not compatible"),
        (np.ones((2, 2)) * 1j, "Complex data not supported"),
        ({"a": [1], "b": [1, 2]}, r"'a' has 1, 'b' has 2"),
        ({"a": [np.nan], "b": [1]}, r"modality 'a' has NaN.*present=\{'a': mask\}"),
        ({"a": ["x"], "b": [None, "y"]}, "'b' has 2"),
        ({"b": [None, "y"]}, r"modality 'b' has None instead of text.*\(0\)"),
        (np.array([[1, np.nan]]), "contains NaN.*modality 'X'"),
    ],
)
def test_values_that_are_no_data_are_rejected(X, match):
    for estimator in (None, Learner()):
        with pytest.raises(ValueError, match=match):
            check_modalities(X, estimator)


def test_what_is_not_finite_passes_where_it_is_allowed_or_missing():
    X = ModalityDict(a=[np.nan, 1.0], b=["x", None])
    assert check_modalities(X, finite=False) == X
    missing = X.with_missing("a", [0]).with_missing("b", [1])
    assert check_modalities(missing) == missing
