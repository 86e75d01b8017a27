"""Rows of one shape are stacked where they enter; what was ragged stays ragged."""

import numpy as np
import pandas as pd
import pytest

from skmm import FusionClassifier, ModalityDict
from skmm.data import check_modalities, leaves
from skmm.preprocessing import ModalityTransformer
from tests.data.learner import Learner


def objects(*rows):
    return leaves.object_array([np.asarray(row, dtype=float) for row in rows])


EQUAL = objects([1, 2, 3], [4, 5, 6])
RAGGED = objects([1, 2], [3, 4], [5])


@pytest.mark.parametrize("form", [EQUAL, pd.Series(list(EQUAL)), EQUAL[:, None]])
def test_objects_of_one_shape_are_stacked(form):
    X = ModalityDict(a=form)
    assert leaves.kind(X["a"]) == "dense"
    np.testing.assert_array_equal(X["a"], [[1, 2, 3], [4, 5, 6]])


def test_grids_of_one_shape_are_stacked_and_can_be_learnt():
    grids = leaves.object_array([np.full((2, 3), float(i)) for i in range(8)])
    model = FusionClassifier(max_epochs=1, random_state=0).fit({"a": grids}, [0, 1] * 4)
    assert model.shapes_in_ == {"a": (2, 3)}


@pytest.mark.parametrize(
    "use",
    [
        lambda X: X,
        ModalityDict,
        lambda X: X.assign(b=np.ones((2, 1))),
        lambda X: ModalityDict(X, b=np.ones((2, 1))),
        lambda X: check_modalities(X),
        lambda X: ModalityTransformer().fit_transform(X),
        lambda X: Learner().fit(ModalityDict(a=RAGGED)).again(X),
        lambda X: Learner().fit(ModalityDict(a=RAGGED)).again({"a": EQUAL}),
    ],
)
def test_equally_long_rows_of_a_ragged_modality_stay_ragged(use):
    X = ModalityDict(a=RAGGED)[:2]
    assert leaves.kind(use(X)["a"]) == "ragged"


@pytest.mark.parametrize(
    "empty", [np.zeros((2, 0)), pd.DataFrame(index=range(2)), np.zeros((2, 1, 0))]
)
def test_a_modality_without_columns_is_rejected_by_name(empty):
    X = {"full": np.ones((2, 1)), "empty": empty}
    for estimator in (None, Learner()):
        with pytest.raises(ValueError, match=r"modality 'empty' has 0 feature\(s\)"):
            check_modalities(X, estimator)


@pytest.mark.parametrize("to", [np.asarray, list, np.ndarray.tolist, pd.DataFrame])
def test_a_list_of_views_is_told_to_name_them(to):
    views = [to(np.ones((4, 2))), to(np.ones((4, 3)))]
    for estimator in (None, Learner()):
        with pytest.raises(TypeError, match=r"could be views or rows. Name the modal"):
            check_modalities(views, estimator)


def test_repeated_columns_of_a_frame_are_named():
    frame = pd.DataFrame(np.ones((3, 2)), columns=["a", "a"])
    for estimator in (None, Learner()):
        with pytest.raises(ValueError, match=r"columns are repeated: \['a'\]; each"):
            check_modalities(frame, estimator)
