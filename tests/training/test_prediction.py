import pytest
import torch

from skmm.data.tensors import TensorRows
from skmm.training import predict_outputs

N = 23
ROWS = TensorRows({"a": torch.arange(3.0 * N).view(N, 3)})


class Counting(torch.nn.Module):
    """Doubles its rows and notes how many came at once."""

    def forward(self, x, present=None):
        self.sizes = [*getattr(self, "sizes", []), len(x["a"])]
        return 2 * x["a"]

    def encode(self, x, present=None):
        return {"a": self(x), "sum": self(x).sum(1)}


@pytest.mark.parametrize(
    "size, sizes", [(10, [10, 10, 3]), (11, [11, 12]), (23, [23]), (None, [23])]
)
def test_slices_are_as_large_as_asked_and_give_every_row(size, sizes):
    module = Counting()
    assert torch.equal(predict_outputs(module, ROWS, size), 2 * ROWS.x["a"])
    assert module.sizes == sizes


@pytest.mark.parametrize("size", [1, 10, 100])
def test_outputs_by_name_keep_names_and_shapes(size):
    outputs = predict_outputs(Counting(), ROWS, size, "encode")
    assert torch.equal(outputs["a"], 2 * ROWS.x["a"])
    assert torch.equal(outputs["sum"], 2 * ROWS.x["a"].sum(1))


def test_rows_picked_by_number_need_no_gradient():
    outputs = predict_outputs(Counting(), ROWS.subset(torch.arange(5)), 2)
    assert outputs.dtype == torch.float32 and not outputs.requires_grad
