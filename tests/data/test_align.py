"""ModalityDict.align against the joins of pandas."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skmm import FusionClassifier, ModalityDict
from tests.data.strategies import quick

HOW = ["inner", "outer", "left"]
LABELS = st.one_of(
    st.lists(st.integers(0, 9), min_size=1, unique=True),
    st.lists(st.sampled_from("abcdefg"), min_size=1, unique=True),
)


def frame_of(index, name):
    numbers = np.arange(len(index))
    columns = {"n": numbers, "x": numbers / 2, "s": [f"{name}{i}" for i in numbers]}
    return pd.DataFrame(columns, index=index).add_prefix(name)


def assert_joined(X, frames, how):
    """X has the rows of the pandas join, and missing rows where this has NaN."""
    first, *rest = frames.values()
    joined = first.join(rest[0], how=how) if len(rest) == 1 else first
    if len(rest) > 1:
        for frame in rest:
            joined = joined.join(frame, how=how)
    assert X.index.tolist() == joined.index.tolist()
    for name, frame in frames.items():
        there = joined.index.isin(frame.index)
        np.testing.assert_array_equal(X.present[name], there)
        known = joined[frame.columns][there].astype(frame.dtypes)
        pd.testing.assert_frame_equal(X[name][there], known, check_names=False)
        assert (X[name].dtypes == frame.dtypes).all()


@pytest.mark.filterwarnings("ignore:modality .* has no row label:UserWarning")
@quick
@given(st.data(), st.sampled_from(HOW))
def test_align_is_the_join_of_pandas(data, how):
    kind = data.draw(st.sampled_from([st.integers(0, 9), st.sampled_from("abcdefg")]))
    drawn = data.draw(
        st.lists(st.lists(kind, min_size=1, unique=True), min_size=2, max_size=3)
    )
    frames = {f"m{k}": frame_of(index, f"m{k}") for k, index in enumerate(drawn)}
    assert_joined(ModalityDict.align(frames, how=how), frames, how)


@quick
@given(LABELS, st.randoms(use_true_random=False), st.sampled_from(HOW))
def test_the_order_of_the_rows_of_one_table_does_not_matter(labels, random, how):
    a, b = frame_of(labels, "a"), frame_of(labels[: len(labels) // 2 + 1], "b")
    order = list(range(len(b)))
    random.shuffle(order)
    known = ModalityDict.align({"a": a, "b": b}, how=how)
    found = ModalityDict.align({"a": a, "b": b.iloc[order]}, how=how)
    assert found == known
    assert found.index.equals(known.index)


@pytest.mark.parametrize("how", HOW)
def test_every_kind_of_column_is_joined(how):
    table = pd.DataFrame(
        {
            "huge": [2**60 + 1, 2],
            "flag": [True, False],
            "when": pd.to_datetime(["2020-01-01", "2021-01-01"]),
            "kind": pd.Categorical(["u", "v"]),
            "maybe": pd.array([1, pd.NA], dtype="Int64"),
            "word": ["a", "b"],
        },
        index=["p", "q"],
    )
    others = {
        "text": pd.Series(["hello", "world"], ["q", "r"]),
        "number": pd.Series([3, 4], ["q", "r"]),
        "category": pd.Series(["u", "w"], ["q", "r"], dtype="category"),
        "arrays": pd.Series([np.ones(1), np.ones(2)], ["q", "r"]),
    }
    X = ModalityDict.align({"table": table, **others}, how=how)
    at = X.index.get_loc("q")
    assert (X["table"].dtypes == table.dtypes).all()
    assert X["table"].loc["q"].equals(table.loc["q"])
    assert (X["text"][at], X["number"][at]) == ("hello", 3)
    assert X["category"].iat[at, 0] == "u"
    assert X["number"].dtype == np.int64
    for name in others:
        assert X.present[name].tolist() == [label in "qr" for label in X.index]


@pytest.mark.filterwarnings("ignore:modality .* has no row label:UserWarning")
def test_a_modality_without_any_of_the_rows_is_missing():
    X = ModalityDict.align({"a": frame_of([1], "a"), "b": frame_of([2], "b")}, "left")
    assert X.present["b"].tolist() == [False]
    assert ModalityDict.align({"a": X["a"], "b": frame_of([2], "b")}).shape == (0, 2)


@pytest.mark.parametrize("how", HOW)
def test_aligned_modalities_are_learnt(how):
    """The silent error: tables of the same patients in another order."""
    rng = np.random.default_rng(0)
    blood = pd.DataFrame(rng.normal(size=(150, 4)), [f"p{i}" for i in range(150)])
    gait = pd.DataFrame(rng.normal(size=(150, 3)), blood.index)
    y = (blood[0] + gait[0] > 0).sample(frac=1, random_state=0)
    X = ModalityDict.align(
        {"blood": blood, "gait": gait.sample(frac=1, random_state=1)}, how=how
    )
    model = FusionClassifier(max_epochs=30, lr=0.01, random_state=0)
    assert model.fit(X, y.loc[X.index]).score(X, y.loc[X.index]) > 0.95


@pytest.mark.parametrize(
    "value",
    [np.zeros((2, 2)), torch.zeros(2), ["a", "b"], pd.Index(["a", "b"])],
    ids=lambda value: type(value).__name__,
)
def test_data_without_labels_is_refused_by_name(value):
    with pytest.raises(TypeError, match=r"'b' is a .* no row labels"):
        ModalityDict.align({"a": frame_of([0, 1], "a"), "b": value})


def test_repeated_labels_are_refused_by_name():
    with pytest.raises(ValueError, match="'b' has the row label 7 more than once"):
        ModalityDict.align({"a": frame_of([0, 7], "a"), "b": frame_of([7, 7], "b")})


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="how must be"):
        ModalityDict.align({"a": frame_of([0], "a")}, how="right")
    for data in ({}, frame_of([0], "a").to_numpy()):
        with pytest.raises(TypeError, match="dict of at least one"):
            ModalityDict.align(data)


@pytest.mark.parametrize("how", ["inner", "outer", "left"])
def test_labels_without_anything_in_common_are_a_warning(how):
    a, b = pd.DataFrame({"x": [1.0, 2.0]}), pd.DataFrame({"z": [1.0, 2.0]}, ["0", "1"])
    with pytest.warns(UserWarning, match="no row label in common"):
        ModalityDict.align({"a": a, "b": b}, how=how)
    levels = pd.MultiIndex.from_tuples([("s", 1), ("t", 2)], names=["site", "id"])
    a, b = a.set_axis(levels), b.set_axis(levels).reorder_levels(["id", "site"])
    with pytest.warns(UserWarning, match="no row label in common"):
        ModalityDict.align({"a": a, "b": b}, how=how)
