"""Large leaves keep their dtype, and mini-batches are cast."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from skmm import FusionClassifier, FusionRegressor, ModalityDict, MulMixClassifier
from skmm.data import sources, tensors, texts
from skmm.data.tensors import to_tensors

CPU = torch.device("cpu")
N = 40


def leaf_of(kind, folder):
    values = np.random.default_rng(0).integers(0, 100, (N, 6))
    if kind == "sparse":
        return sparse.csr_array(values.astype(float))
    if kind == "frame":
        return pd.DataFrame(values).astype({0: "float32", 3: "int8"})
    if kind == "memmap":
        np.save(folder / "values.npy", values.astype(np.float64))
        return np.load(folder / "values.npy", mmap_mode="r")
    if kind == "read-only":
        values = values.astype(np.int16)
        values.flags.writeable = False
        return values
    if kind == "longdouble":
        return values.astype(np.longdouble)
    if kind.startswith("torch"):
        return torch.from_numpy(values).to(getattr(torch, kind.removeprefix("torch ")))
    return values.astype(kind)


KINDS = [
    "uint8", "int64", "uint16", "bool", "float16", "float64", ">f8", "longdouble",
    "read-only", "torch uint8", "torch float64", "torch bfloat16", "sparse", "frame",
    "memmap",
]  # fmt: skip


@pytest.fixture
def nothing_is_small(monkeypatch):
    """Treat every leaf as a large one."""
    for module in (sources, tensors, texts):
        monkeypatch.setattr(module, "SMALL", 0)
    monkeypatch.setattr(sources, "PIECE", 24)


def fitted(X, y, make=FusionClassifier):
    model = make(max_epochs=2, early_stopping=True, random_state=0).fit(X, y)
    outputs = model.transform(X), model.predict(X)
    return [*outputs, *(p.detach().numpy() for p in model.net_.module_.parameters())]


def same(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_large_leaves_are_fitted_like_small_ones(kind, missing, tmp_path, request):
    X = ModalityDict(a=leaf_of(kind, tmp_path), b=np.arange(float(N)))
    X = X.with_missing("a", [3, 7]) if missing else X
    y = np.arange(N) % 2
    expected = fitted(X, y)
    request.getfixturevalue("nothing_is_small")
    assert same(fitted(X, y), expected)


@pytest.mark.parametrize("kind", ["uint8", "float64", "torch bfloat16", "bool"])
def test_large_leaves_keep_dtype_and_memory(kind, tmp_path, nothing_is_small):
    leaf = leaf_of(kind, tmp_path)
    rows = to_tensors(ModalityDict(a=leaf), {"a": torch.float32}, CPU)
    stored = rows.x["a"].tensor
    assert stored.dtype == torch.as_tensor(leaf[:1]).dtype
    assert stored.data_ptr() == torch.as_tensor(leaf).data_ptr()
    assert rows.take(slice(2, 5)).x["a"].dtype == torch.float32


def test_values_reach_another_device_as_stored(nothing_is_small):
    leaf = np.zeros((8, 3), np.uint8)
    rows = to_tensors(ModalityDict(a=leaf), {"a": torch.float32}, torch.device("meta"))
    assert (rows.x["a"].tensor.dtype, rows.x["a"].device.type) == (torch.uint8, "meta")
    part = rows.take(slice(0, 4)).x["a"]
    assert (part.dtype, part.device.type) == (torch.float32, "meta")


def too_large(kind, folder):
    values = np.ones((N, 3))
    values[[5, 17], 1] = 1e39, -1e200
    if kind == "sparse":
        return sparse.csr_array(values)
    if kind == "frame":
        return pd.DataFrame(values)
    if kind == "torch":
        return torch.from_numpy(values)
    if kind == "longdouble":
        return values.astype(np.longdouble)
    if kind == "memmap":
        np.save(folder / "values.npy", values)
        return np.load(folder / "values.npy", mmap_mode="r")
    return values


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    "kind", ["dense", "sparse", "frame", "torch", "longdouble", "memmap"]
)
@pytest.mark.parametrize("make", [FusionClassifier, MulMixClassifier, FusionRegressor])
def test_values_beyond_float32_are_named(make, kind, large, tmp_path, request):
    if large:
        request.getfixturevalue("nothing_is_small")
    X, y = {"a": too_large(kind, tmp_path)}, np.arange(N) % 2
    with pytest.raises(ValueError, match="modality 'a' has values too large for torch"):
        make(max_epochs=1).fit(X, y)
    good = [i for i in range(N) if i not in (5, 17)]
    X = ModalityDict(X)
    model = make(max_epochs=1, random_state=0).fit(X[good], y[good])
    with pytest.raises(ValueError, match=r"for example in row 5; scale it"):
        model.predict(X)
    hidden = X.with_missing("a", [5])
    with pytest.raises(ValueError, match=r"for example in row 17; "):
        to_tensors(hidden, {"a": torch.float32}, CPU).take(slice(None))


def test_texts_of_other_lengths_are_padded_alike(nothing_is_small):
    leaf = ["ab", "", "é", "abcdef", None]
    X = ModalityDict(a=leaf, present={"a": [True] * 4 + [False]})
    rows = to_tensors(X, {"a": torch.int64}, CPU)
    assert isinstance(rows.x["a"], sources.TokenRows)
    expected = torch.zeros(5, 6, dtype=torch.int64)
    for i, text in enumerate(leaf[:4]):
        code = torch.tensor(list(text.encode()), dtype=torch.int64) + 1
        expected[i, : len(code)] = code
    index = torch.tensor([3, 0, 4])
    assert torch.equal(rows.x["a"][:], expected)
    assert torch.equal(rows.x["a"][1:4], expected[1:4])
    assert torch.equal(rows.subset(index).x["a"][:], expected[index])


MEMORY = """
import tracemalloc, numpy as np, torch
from skmm import FusionClassifier
leaf = {leaf}
y = np.arange(len(leaf)) % 2
net = torch.nn.Sequential(torch.nn.AvgPool2d(12), torch.nn.Flatten())
model = FusionClassifier({{"a": net}}, max_epochs=1, random_state=0)
model.fit({{"a": leaf[:64]}}, y[:64])
def peak():
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith("VmHWM")).split()[1])
before = peak()
model.{method}
print((peak() - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "leaf",
    [
        "np.ones((6000, 3, 48, 48), np.uint8)",
        "torch.ones((6000, 3, 48, 48), dtype=torch.float16)",
    ],
)
@pytest.mark.parametrize("method", ["fit({'a': leaf}, y)", "predict({'a': leaf})"])
def test_large_leaves_need_little_memory(leaf, method):
    """The leaf would be 158 MB of float32."""
    script = MEMORY.format(leaf=leaf, method=method)
    run = [sys.executable, "-c", script]
    found = subprocess.run(run, capture_output=True, text=True, check=True)
    assert int(found.stdout) < 80
