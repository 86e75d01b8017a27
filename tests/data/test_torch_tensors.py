"""Torch tensors of every kind are read, or named in the error."""

import numpy as np
import pytest
import torch

import skmm
from skmm.data import check_modalities

VALUES = np.random.default_rng(0).integers(0, 3, (12, 4)).astype(np.float32)
Y = np.arange(12) % 2
KINDS = {
    "bfloat16": lambda t: t.bfloat16(),
    "float16": lambda t: t.half(),
    "requires grad": lambda t: t.requires_grad_(),
    "sparse": lambda t: t.to_sparse(),
    "sparse half": lambda t: t.half().to_sparse(),
    "csr": lambda t: t.to_sparse_csr(),
    "int8": lambda t: t.to(torch.int8),
}


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
def test_tensors_are_read_as_arrays(kind, plain):
    tensor = KINDS[kind](torch.from_numpy(VALUES.copy()))
    name = "X" if plain else "a"
    model = skmm.FusionClassifier(max_epochs=2, random_state=0)
    expected = model.fit({name: VALUES}, Y).predict_proba({name: VALUES})
    X = tensor if plain else {name: tensor}
    np.testing.assert_allclose(model.fit(X, Y).predict_proba(X), expected, atol=1e-6)


@pytest.mark.parametrize(
    "tensor, match",
    [
        (torch.zeros(3, 2, device="meta"), "on the device 'meta': it has no values"),
        (torch.zeros(3, 2, 2).to_sparse(), r"sparse tensor of shape .*to_dense\(\)"),
        (torch.zeros(3).to_sparse(), r"must be two-dimensional"),
    ],
)
def test_other_tensors_are_named(tensor, match):
    with pytest.raises(TypeError, match=match):
        check_modalities({"a": tensor})


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:UserWarning")
def test_quantized_tensors_are_named():
    tensor = torch.quantize_per_tensor(torch.zeros(3, 2), 0.1, 0, torch.qint8)
    with pytest.raises(TypeError, match=r"'a' is a tensor quantised.*dequantize\(\)"):
        check_modalities({"a": tensor})
