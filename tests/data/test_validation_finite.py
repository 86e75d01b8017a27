import re

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from skmm import ModalityDict
from skmm.data.validation import check_finite
from tests.data.strategies import containers, quick

HOLED = {"holed text", "string column", "integer column"}


def objects(*rows):
    out = np.empty(len(rows), dtype=object)
    out[:] = rows
    return out


def with_bad_row(bad):
    """Leaves of three rows, the second of which is not finite."""
    table = np.array([[1.0, 2.0], [bad, 3.0], [4.0, 5.0]])
    return {
        "dense": table,
        "vector": table[:, 0],
        "image": table.reshape(3, 1, 2, 1),
        "half": table.astype(np.float16),
        "tensor": torch.tensor(table),
        "bfloat": torch.tensor(table).to(torch.bfloat16),
        "csr": sparse.csr_array(table),
        "coo": sparse.coo_matrix(table),
        "frame": pd.DataFrame(table, columns=["u", "v"]).assign(w=["x", "y", "z"]),
        "ragged": objects(np.ones(1), np.array([bad, 1.0]), np.ones(3)),
    }


CASES = [(k, bad) for bad in (np.nan, np.inf, -np.inf) for k in with_bad_row(bad)]


@pytest.mark.parametrize(("kind", "bad"), CASES)
def test_bad_row_is_rejected_by_name_and_number_unless_missing(kind, bad):
    X = ModalityDict({"fine": ["a", "b", "c"], kind: with_bad_row(bad)[kind]})
    with pytest.raises(ValueError, match=rf"'{kind}' has NaN or inf.* 1 row \(1\)"):
        check_finite(X)
    with pytest.raises(ValueError, match=re.escape(f"present={{'{kind}': mask}}")):
        check_finite(X.with_missing(kind, [0]))
    check_finite(X.with_missing(kind, [1]))
    check_finite(X[[0, 2]])


@pytest.mark.parametrize(
    "leaf",
    [
        ["a", None, "c"],
        pd.Series(["a", None, "c"], dtype="str"),
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series([True, None, False], dtype="boolean"),
        pd.DataFrame({"u": pd.Series([1, None, 3], dtype="Int64")}),
    ],
    ids=lambda leaf: f"{type(leaf).__name__} {getattr(leaf, 'dtype', '')}",
)
def test_nothing_instead_of_a_value_is_rejected_unless_missing(leaf):
    X = ModalityDict(a=leaf)
    with pytest.raises(ValueError, match=r"'a' has N.* in 1 row \(1\)"):
        check_finite(X)
    check_finite(X.with_missing("a", [1]))


@pytest.mark.parametrize("dtype", [object, "category", "string"])
def test_categories_of_a_table_may_be_missing(dtype):
    words = pd.Series(["a", None, "c"], dtype=dtype)
    check_finite(ModalityDict(a=pd.DataFrame({"u": words, "v": [1.0, 2.0, 3.0]})))
    bad = pd.DataFrame({"u": words, "v": [1.0, 2.0, np.nan]})
    with pytest.raises(ValueError, match=r"'a' has NaN.* in 1 row \(2\)"):
        check_finite(ModalityDict(a=bad))


@quick
@given(containers(min_rows=1), st.data())
def test_exactly_the_containers_without_holes_pass(drawn, data):
    X, masks = drawn
    numbers = np.arange(len(X))
    bad = [k for k in X if k in HOLED and (masks[k] & (numbers % 5 == 4)).any()]
    if bad:
        with pytest.raises(ValueError, match=f"modality '{bad[0]}'"):
            check_finite(X)
    else:
        check_finite(X)


def test_values_whose_sum_overflows_are_finite():
    top = np.finfo(np.float64).max
    check_finite(ModalityDict(a=np.full((4, 3), top), b=np.full(4, top)))
    half = np.full(999, np.finfo(np.float16).max, dtype=np.float16)
    check_finite(ModalityDict(a=half, b=torch.tensor(half)))


@pytest.mark.parametrize("leaf", [np.array([1j]), torch.tensor([1j])])
def test_complex_numbers_are_rejected(leaf):
    with pytest.raises(ValueError, match="Complex data not supported"):
        check_finite(ModalityDict(a=leaf))


def test_many_bad_rows_are_counted_and_not_all_listed():
    X = ModalityDict(a=np.full(50, np.nan))
    with pytest.raises(ValueError, match=r"50 rows \(0, 1, 2, 3, 4, …\)"):
        check_finite(X)
