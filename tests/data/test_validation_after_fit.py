import re

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from skmm import ModalityDict
from skmm.data import check_modalities, leaves
from tests.data.learner import TABLE, Learner, both
from tests.data.strategies import MAKE, container

WHOLE = [kind for kind in MAKE if kind not in ("holed text", "string column")]
WHOLE.remove("integer column")


# -- after the fit ---------------------------------------------------------------------


def test_tables_of_another_width_get_the_words_of_scikit_learn():
    model = Learner().fit(TABLE)
    with pytest.raises(
        ValueError, match="X has 1 features, but Learner is expecting 2"
    ):
        model.again(TABLE[:, :1])
    model.fit(pd.DataFrame(TABLE))
    with pytest.raises(
        ValueError, match="X has 3 features, but Learner is expecting 2"
    ):
        model.again(np.ones((4, 3)))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"image": np.ones((4, 2, 2))}, r"'image' .*\(2, 2\).*Learner.*\(1, 2\)"),
        ({"image": np.ones(4)}, r"'image' has samples of shape \(1,\)"),
        ({"image": ["x"] * 4}, r"'image' has samples of shape \(\)"),
        ({"text": np.ones(4)}, r"'text' has samples of shape \(1,\)"),
        ({"text": [[1], [2, 3], [4], [5]]}, "'text' has samples of shape None"),
        ({"txt": ["x"] * 4}, "unknown modality 'txt'.*Did you mean 'text' for 'txt'"),
    ],
)
def test_what_does_not_fit_the_fit_is_named(change, match):
    with pytest.raises(ValueError, match=match):
        Learner().fit(both()).again(both().assign(change))


@pytest.mark.parametrize(
    ("fit", "again"),
    [
        (np.ones(3), np.ones((3, 1))),
        (np.ones((3, 2)), torch.ones(3, 2)),
        (np.ones((3, 2), int), sparse.csr_array(TABLE)),
        (["x", "y", "z"], np.array(["u", "v", "w"])),
    ],
)
def test_other_storage_of_the_same_rows_fits(fit, again):
    assert Learner().fit({"a": fit}).again({"a": again}) == ModalityDict(a=again)


def test_ragged_rows_that_happen_to_be_equally_long_fit():
    model = Learner().fit({"a": [[1], [2, 3]]})
    X = model.again(ModalityDict(a=[[1, 2]], present={"a": [False]}))
    assert leaves.kind(X["a"]) == "ragged" and not X.present["a"].any()
    assert X["a"][0].tolist() == [1, 2]


# -- a selection of modalities ---------------------------------------------------------


def test_modalities_are_selected_in_this_order_and_the_others_stay_known():
    X = both().assign(table=np.ones((4, 3)))
    model = Learner().fit(X, modalities=["table", "image"])
    for again in (X, X.drop("text"), X.select(["image", "table"])):
        assert model.again(again) == X.select(["table", "image"])
        assert list(model.again(again)) == ["table", "image"]
    assert list(model.feature_names_in_) == list(X) and model.n_features_in_ == 3
    assert check_modalities(X, modalities=("text",)) == X.select(["text"])


def test_a_frame_may_lack_columns_that_were_not_selected():
    frame = pd.DataFrame(TABLE, columns=["u", "v"])
    model = Learner().fit(frame, modalities=["v"])
    assert (
        model.again(frame) == model.again(frame[["v"]]) == ModalityDict(v=TABLE[:, 1])
    )
    with pytest.warns(UserWarning, match="valid feature names"):
        assert model.again(TABLE) == ModalityDict(v=TABLE[:, 1])


@pytest.mark.parametrize("names", ["image", [], ()])
def test_a_selection_is_a_list_of_names(names):
    with pytest.raises(ValueError, match="modalities must be a list of names"):
        check_modalities(both(), modalities=names)


def test_a_misspelt_selection_is_named():
    with pytest.raises(ValueError, match=r"modalities: unknown.*'imge'.*mean 'image'"):
        check_modalities(both(), modalities=["imge"])


# -- modalities that are absent --------------------------------------------------------


def test_an_absent_modality_is_rejected_by_name_with_the_ways_out():
    model = Learner().fit(both())
    with pytest.raises(ValueError) as error:
        model.again(both().drop("text"))
    for words in (
        "modality 'text' is missing from X",
        "Learner",
        "with_missing",
        "fit on samples",
    ):
        assert words in str(error.value)


@pytest.mark.parametrize("kind", [*WHOLE])
def test_an_absent_modality_met_as_missing_is_missing_everywhere(kind):
    X = container([kind], range(3)).assign(other=[1, 2, 3])
    model = Learner().fit(X.with_missing(kind, [0]))
    assert model.optional_modalities_ == [kind]
    checked = model.again(X.select(["other"]))
    assert list(checked) == [kind, "other"] and checked["other"] is X["other"]
    assert not checked.present[kind].any() and checked.present["other"].all()
    assert leaves.shape_of_row(checked[kind]) == leaves.shape_of_row(X[kind])


def test_absent_modalities_may_be_left_out():
    model = Learner().fit(both())
    assert model.again(both().drop("text"), absent="drop") == both().drop("text")
    assert model.again(both(), absent="drop") == both()
    with pytest.raises(ValueError, match="unknown modality 'other'"):
        model.again({"other": [1]}, absent="drop")
    model.fit(both(), modalities=["text"])
    with pytest.raises(ValueError, match=r"at least one of the modalities.*\['text'\]"):
        model.again(both().drop("text"), absent="drop")
    with pytest.raises(ValueError, match=re.escape('"refuse" or "drop"; got \'keep\'')):
        model.again(both(), absent="keep")


def test_a_frame_may_lack_the_columns_that_a_container_may():
    frame = pd.DataFrame({"u": [1.0, 2.0], "word": ["x", None]})
    model = Learner().fit(frame)
    checked = model.again(frame[["u"]])
    assert not checked.present["word"].any() and checked.present["u"].all()
    assert list(model.again(frame[["u"]], absent="drop")) == ["u"]
    with pytest.raises(ValueError, match="yet now missing:\n- u"):
        model.again(frame[["word"]])
    with pytest.raises(ValueError, match="unknown modality 'w'"):
        model.again(frame.rename(columns={"word": "w"}))
