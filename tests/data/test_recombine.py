"""Containers whose modalities come from other rows, or are changed."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from skmm import ModalityDict
from skmm.data import leaves
from skmm.data.recombine import recombined, with_changed

N = 6
NUMBERS = np.arange(2.0 * N).reshape(N, 2)
ORDER = np.array([3, 1, 5, 0, 2, 4])
LEAVES = {
    "dense": NUMBERS,
    "column": NUMBERS[:, 0],
    "image": np.arange(4.0 * N).reshape(N, 1, 2, 2),
    "tensor": torch.from_numpy(NUMBERS),
    "sparse": sparse.csr_array(NUMBERS),
    "frame": pd.DataFrame(
        {"size": NUMBERS[:, 0], "kind": pd.Categorical(list("aabbab"))}
    ),
    "text": ["CCO", "C", "CC", "O", "N", "CN"],
    "ragged": [np.arange(i + 1) for i in range(N)],
}


@pytest.mark.parametrize("kind", LEAVES)
def test_rows_come_with_their_masks_and_others_stay(kind):
    X = ModalityDict({"other": NUMBERS, "own": LEAVES[kind]}).with_missing("own", [3])
    mixed = recombined(X, {"own": ORDER})
    assert leaves.equal(mixed["own"], X[ORDER]["own"])
    assert mixed.present["own"].tolist() == (ORDER != 3).tolist()
    assert mixed["other"] is X["other"] and list(mixed) == list(X)
    again = recombined(mixed, {"own": np.argsort(ORDER)})
    assert again == X


def test_all_modalities_from_other_rows_are_rows_of_x():
    X = ModalityDict(LEAVES).with_missing("text", [0])
    some = ORDER[:4]
    assert recombined(X, dict.fromkeys(X, some)) == X[some]
    with pytest.raises(ValueError, match="different numbers of rows"):
        recombined(X, {"dense": some})


@pytest.mark.parametrize("kind", ["dense", "column", "image", "tensor"])
def test_numbers_are_changed_where_they_are_present(kind):
    X = ModalityDict({"own": LEAVES[kind]}).with_missing("own", [1, 2])
    before = X.copy()
    changed = with_changed(X, "own", lambda rows: rows + 100)
    assert X == before and leaves.kind(changed["own"]) == leaves.kind(X["own"])
    lift = np.asarray(changed["own"]) - np.asarray(X["own"])
    expected = np.where(X.present["own"], 100.0, 0.0)
    np.testing.assert_array_equal(lift.reshape(N, -1)[:, 0], expected)
    assert changed.present["own"].tolist() == X.present["own"].tolist()


def test_frames_keep_columns_and_index():
    frame = pd.DataFrame({"u": [1, 2], "v": [True, False]}, index=[7, 9])
    changed = with_changed(ModalityDict(t=frame), "t", lambda rows: rows * 0.5)["t"]
    assert changed.index.tolist() == [7, 9] and changed.columns.tolist() == ["u", "v"]
    assert changed.to_numpy().tolist() == [[0.5, 0.5], [1.0, 0.0]]


def test_float32_stays():
    X = ModalityDict(a=NUMBERS.astype(np.float32))
    assert with_changed(X, "a", lambda rows: rows + 1.0)["a"].dtype == np.float32


@pytest.mark.parametrize("kind", ["text", "sparse", "ragged", "frame"])
def test_modalities_that_are_not_numeric_are_rejected(kind):
    X = ModalityDict({"own": LEAVES[kind]})
    with pytest.raises(TypeError, match=r"modality 'own' is .*array.*of numbers"):
        with_changed(X, "own", np.negative)
