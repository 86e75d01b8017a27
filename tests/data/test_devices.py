import pytest
import torch

from skmm.data.tensors import resolve_device


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_what_is_there(device):
    assert resolve_device(device) == torch.device("cpu")


def test_auto_is_cuda_where_there_is_one():
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto").type == kind


@pytest.mark.parametrize("device", ["cuda:99", "rubbish", "meta", None, "cpu:0:1", [1]])
def test_what_is_not_there_is_named(device):
    with pytest.raises(
        ValueError, match=r"^device=.* does not exist here .*'auto', 'cpu'"
    ):
        resolve_device(device)
