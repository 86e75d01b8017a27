import numpy as np
import pytest
import torch
from scipy import sparse

from skmm import ModalityDict
from skmm.data.recombine import recombined
from skmm.data.tensors import LazyRows, PickedRows, rows_at, to_tensors

CPU = torch.device("cpu")
TABLE = np.arange(24.0).reshape(8, 3)


def leaf_of(kind, folder):
    if kind == "dense":
        return TABLE.astype(np.float32)
    if kind == "sparse":
        return sparse.csr_array(TABLE)
    dtype = ">f8" if kind == "foreign memmap" else "f4"
    np.memmap(folder / "table", dtype, "w+", shape=(8, 3))[:] = TABLE
    return np.memmap(folder / "table", dtype, "r", shape=(8, 3))


def rows_of(leaf, dtype=torch.float32, **present):
    X = ModalityDict(a=leaf, present=present)
    return to_tensors(X, {"a": dtype}, CPU)


@pytest.mark.parametrize("kind", ["dense", "sparse", "memmap", "foreign memmap"])
def test_rows_of_rows_are_those_rows(kind, tmp_path):
    rows = rows_of(leaf_of(kind, tmp_path), a=np.arange(8) != 6)
    expected = torch.from_numpy(TABLE).float()
    expected[6] = 0
    numbers = torch.tensor([7, 6, 1, 4])
    part = rows.subset(numbers)
    again = part.subset(torch.tensor([3, 1]))
    assert (len(rows), len(part), len(again)) == (8, 4, 2)
    for index in (slice(None), slice(1, 3), torch.tensor([2, 0, 2])):
        assert torch.equal(rows.take(index).x["a"], expected[index])
        assert torch.equal(part.take(index).x["a"], expected[numbers][index])
    assert torch.equal(again.x["a"][:], expected[[4, 6]])
    assert again.present[:, 0].tolist() == [True, False]


def test_float32_shares_its_memory_also_with_its_subsets():
    leaf = TABLE.astype(np.float32)
    part = rows_of(leaf).subset(torch.tensor([1, 2])).subset(torch.tensor([1]))
    assert isinstance(part.x["a"], PickedRows)
    assert np.shares_memory(part.x["a"].tensor.numpy(), leaf)


@pytest.mark.parametrize("index", [slice(2, 5), torch.tensor([4, 2])])
def test_rows_from_disk_are_copies_and_leave_the_file_alone(index, tmp_path):
    leaf = leaf_of("memmap", tmp_path)
    source = rows_of(leaf, a=np.arange(8) != 2).x["a"]
    assert isinstance(source, LazyRows)
    assert not np.shares_memory(source[index].numpy(), leaf)
    np.testing.assert_array_equal(leaf, TABLE)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_missing_rows_become_zeros_and_the_leaf_stays(dtype):
    leaf = TABLE.astype(dtype)
    leaf[3] = np.nan
    tensor = rows_of(leaf, a=np.arange(8) != 3).x["a"]
    assert torch.equal(tensor[3], torch.zeros(3))
    assert np.isnan(leaf[3]).all()
    assert torch.equal(tensor[4], torch.from_numpy(TABLE[4]).float())


def test_values_too_large_are_rejected_only_where_present():
    leaf = TABLE.copy()
    leaf[5] = 1e300
    assert rows_of(leaf, a=np.arange(8) != 5).x["a"][5].tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match=r"too large .* in row 5"):
        rows_of(leaf)


@pytest.mark.parametrize("index", [slice(2, 5), torch.tensor([4, 2, 4])])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
@pytest.mark.parametrize("shape", [(6,), (6, 2), (6, 2, 3)])
def test_rows_at_is_indexing(shape, dtype, index):
    values = torch.arange(float(np.prod(shape))).view(shape).to(dtype)
    assert torch.equal(rows_at(values, index), values[index])


def test_invalid_unicode_is_an_error_unless_the_row_is_missing():
    texts = ["fine", "caf\udce9", "x" * 50]
    with pytest.raises(ValueError, match=r"'a' has invalid Unicode in row 1.*'rep"):
        rows_of(texts, torch.int64)
    there = rows_of(texts, torch.int64, a=[True, False, False]).x["a"]
    assert there.shape == (3, 4) and (there[1:] == 0).all()
    rows_of([text.encode("utf-8", "replace").decode() for text in texts], torch.int64)


def test_rows_recombined_as_the_container_is():
    X = ModalityDict(a=np.arange(8.0).reshape(4, 2), b=np.arange(4.0))
    order, dtypes = np.array([2, 0, 3, 1]), dict.fromkeys("ab", torch.float32)
    for rows in (X, X.with_missing("b", [0]).with_missing("a", [1])):
        ours = to_tensors(rows, dtypes, "cpu").recombined(
            {"b": torch.from_numpy(order), "unused": torch.from_numpy(order)}
        )
        theirs = to_tensors(recombined(rows, {"b": order}), dtypes, "cpu")
        assert all(torch.equal(ours.x[name], theirs.x[name]) for name in "ab")
        if rows.has_missing:
            assert torch.equal(ours.present, theirs.present)
