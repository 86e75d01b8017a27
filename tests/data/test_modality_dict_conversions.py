import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skmm import ModalityDict
from skmm.data import leaves
from skmm.data.leaves import as_ragged
from tests.data.strategies import (
    MAKE,
    assert_rows,
    container,
    containers,
    quick,
)

ALL = list(MAKE)
PLAIN = ["vector", "table", "image", "text", "ragged"]  # what a flat frame preserves


def masked(n=6):
    """Container of all kinds whose modalities miss different rows."""
    masks = {k: np.arange(n) % (i % 3 + 2) > 0 for i, k in enumerate(ALL)}
    return container(ALL, range(n), masks), masks


# -- joining, converting, pickling -----------------------------------------------------


@quick
@given(containers(), st.data())
def test_concat_of_a_split_is_the_identity(drawn, data):
    X, masks = drawn
    cuts = sorted(data.draw(st.lists(st.integers(0, len(X)), max_size=3)))
    edges = zip([0, *cuts], [*cuts, len(X)], strict=True)
    parts = [X[start:stop] for start, stop in edges]
    order = data.draw(st.permutations(list(X)))
    parts[1:] = [part[order] for part in parts[1:]]
    joined = ModalityDict.concat(parts)
    assert joined == X and list(joined) == list(X)
    assert_rows(joined, np.arange(len(X)), masks)


def test_concat_errors():
    X = container(["table", "text"], range(2))
    for parts in ([], [X, X.drop("text")], [X, X.assign(new=[1, 2])]):
        with pytest.raises(ValueError, match="same modalities"):
            ModalityDict.concat(parts)
    for other in (np.zeros((2, 3)), torch.zeros(2, 2), ["x", "y"]):
        with pytest.raises(ValueError, match="'table' cannot be concatenated"):
            ModalityDict.concat([X, X.assign(table=other)])
    assert ModalityDict.concat([X, dict(X)]) == X[[0, 1, 0, 1]]


@quick
@given(containers(kinds=tuple(PLAIN)))
def test_a_flat_frame_and_back_is_the_identity_where_present(drawn):
    X, masks = drawn
    Y = ModalityDict.from_frame(X.to_frame())
    assert list(Y) == list(X) and len(Y) == len(X)
    for name in X:
        np.testing.assert_array_equal(Y.present[name], masks[name])
        if masks[name].any():
            there, back = X[masks[name], name], Y[masks[name], name]
            assert leaves.equal(as_ragged(back), as_ragged(there))


ROUND = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "method": lambda X: X.copy(),
    "pickle": lambda X: pickle.loads(pickle.dumps(X)),
}


@pytest.mark.parametrize("way", ROUND)
def test_copies_and_pickles_are_equal(way):
    X, masks = masked()
    for part in (X, X[1:4], X[[]], X.select([])):
        assert ROUND[way](part) == part
    assert_rows(ROUND[way](X), np.arange(len(X)), masks)


def test_joblib_dumps_and_hashes_the_container(tmp_path):
    X, _ = masked()
    joblib.dump(X, tmp_path / "X.joblib")
    assert joblib.load(tmp_path / "X.joblib") == X
    hashed = X.drop("tensor", "bfloat")  # joblib has no stable hash for torch tensors
    assert joblib.hash(hashed) == joblib.hash(hashed.copy())
    assert joblib.hash(hashed) != joblib.hash(hashed.with_missing("table"))


def test_pickling_a_slice_leaves_the_other_rows_behind():
    X = ModalityDict(a=np.zeros((10_000, 10)))
    assert 100 * len(pickle.dumps(X[:10])) < len(pickle.dumps(X))


# -- comparing and showing -------------------------------------------------------------


@quick
@given(containers(min_rows=2, min_kinds=2), st.data())
def test_equality_sees_every_leaf_mask_and_row_but_not_the_order_of_names(drawn, data):
    X, _ = drawn
    name = data.draw(st.sampled_from(list(X)))
    assert X == X.select(list(X)[::-1]) and not X != X.copy()
    assert X != X[:-1] and X != X[::-1] and X != X.drop(name)
    one = np.flatnonzero(X.present[name])[:1]
    assert (X == X.with_missing(name, one)) is (len(one) == 0)
    other = X[name][[1, 0]] if not isinstance(X[name], pd.DataFrame) else None
    if other is not None:
        swapped = X[:2].assign({name: other}, present=X[:2].select([name]).present)
        assert swapped != X[:2]


def test_equality_with_other_things():
    X = container(["table"], range(2))
    assert X != dict(X) and X != 1 and X is not None
    assert ModalityDict(a=[np.nan]) == ModalityDict(a=[np.nan])
    assert ModalityDict(a=[1.0]) != ModalityDict(a=torch.tensor([1.0]))
    with pytest.raises(TypeError, match="unhashable"):
        hash(X)


def test_repr_has_a_line_per_modality_and_counts_missing_rows():
    X, masks = masked()
    head, *lines = repr(X).splitlines()
    assert str(len(X)) in head and str(len(ALL)) in head
    for line, name in zip(lines, X, strict=True):
        assert line.strip().startswith(name)
        assert f"{int((~masks[name]).sum())} missing" in line
    assert "missing" not in repr(container(ALL, range(3)))
    assert max(map(len, repr(ModalityDict(a=["x" * 9999])).splitlines())) < 88


def test_html_repr_escapes_names_and_contents():
    X = ModalityDict({"<b>": ["<script>&"]})
    html = X._repr_html_()
    assert "<b>" not in html and "<script>" not in html
    assert "&lt;b&gt;" in html and "&lt;script&gt;&amp;" in html
    assert html.count("<tr>") == X.shape[1]


def test_tables_of_an_empty_container():
    X = ModalityDict()
    assert repr(X) == "ModalityDict: 0 rows, 0 modalities"
    assert "<tr>" not in X._repr_html_()
