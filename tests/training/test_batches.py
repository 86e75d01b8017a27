import pytest
import torch

from skmm.data.tensors import TensorRows
from skmm.training.batches import SLICE_ROWS, Batches, batch_bounds, slice_rows


def rows_of(n):
    x = {"a": torch.arange(n)[:, None], "b": torch.arange(n)[:, None] * 10}
    present = (torch.arange(n)[:, None] % 2 == 0).expand(n, 2)
    return TensorRows(x, present, torch.arange(n) / 2), torch.arange(n)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("n", [*range(1, 12), 64, 65, 66])
@pytest.mark.parametrize("size", [1, 2, 3, 32, 100])
def test_bounds_cover_every_row_once(n, size):
    bounds = batch_bounds(n, size)
    assert [row for start, stop in bounds for row in range(start, stop)] == list(
        range(n)
    )
    assert all(stop - start == size for start, stop in bounds[:-1])
    assert bounds[-1][1] - bounds[-1][0] <= size + 1


@pytest.mark.parametrize("n, size", [(9, 4), (33, 32), (65, 32), (3, 2)])
def test_a_single_last_row_joins_the_batch_before(n, size):
    bounds = batch_bounds(n, size)
    assert bounds[-1][1] - bounds[-1][0] == size + 1
    assert len(bounds) == n // size


def test_a_single_row_is_a_batch():
    assert batch_bounds(1, 32) == [(0, 1)]


def test_without_a_generator_the_order_is_kept():
    batches = Batches(*rows_of(10), 4)
    assert len(batches) == 3
    assert torch.cat([target for _, target in batches]).tolist() == list(range(10))


def test_everything_of_a_row_stays_together():
    for rows, target in Batches(*rows_of(10), 4, generator()):
        assert torch.equal(rows.x["a"][:, 0], target)
        assert torch.equal(rows.x["b"][:, 0], target * 10)
        assert torch.equal(rows.present[:, 0], target % 2 == 0)
        assert torch.equal(rows.weight, target / 2)


def test_every_epoch_has_all_rows_in_a_new_order():
    batches = Batches(*rows_of(50), 8, generator())
    epochs = [torch.cat([target for _, target in batches]) for _ in range(2)]
    assert all(sorted(e.tolist()) == list(range(50)) for e in epochs)
    assert not torch.equal(*epochs)


def test_the_order_depends_on_the_seed_alone():
    orders = [
        torch.cat(
            [target for _, target in Batches(*rows_of(50), size, generator(seed))]
        )
        for size, seed in [(8, 0), (16, 0), (8, 1)]
    ]
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])


@pytest.mark.parametrize("width", [1, 10, 1000, 10**6])
def test_slices_are_bounded_in_bytes_and_rows(width):
    rows = TensorRows({"a": torch.zeros(1, 1).expand(10**6, width)})
    size = slice_rows(rows)
    assert 1 <= size <= SLICE_ROWS
    assert size == 1 or size * width * 4 <= 2**22
    assert slice_rows(rows, size + 1) == size + 1
