"""Views of modalities for scikit-learn (``skmm/_views.py``)."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from skmm._views import as_table, naming


@pytest.mark.parametrize("leaf", [np.arange(3), torch.arange(3)])
def test_one_number_per_row_is_a_column(leaf):
    assert tuple(as_table(leaf).shape) == (3, 1)
    assert as_table(leaf)[:, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "leaf",
    [
        np.zeros((3, 2)),
        np.zeros((3, 1, 2)),
        np.array(["a", "b"], dtype=object),
        sparse.csr_array(np.eye(3)),
        pd.DataFrame({"x": [1, 2]}),
    ],
    ids=["table", "image", "text", "sparse", "frame"],
)
def test_other_leaves_are_unchanged(leaf):
    assert as_table(leaf) is leaf


@pytest.mark.parametrize(
    "error, kind",
    [
        (ValueError("bad"), ValueError),
        (TypeError("bad"), TypeError),
        (UnicodeDecodeError("utf-8", b"bad", 0, 1, "bad"), ValueError),
    ],
)
def test_errors_name_the_modality(error, kind):
    with pytest.raises(kind, match=r"modality 'a': .*bad") as caught, naming("a"):
        raise error
    assert caught.value.__cause__ is error


def test_other_errors_pass():
    with pytest.raises(KeyError, match="x"), naming("a"):
        raise KeyError("x")
