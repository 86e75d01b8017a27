"""The rows of several training sets, padded to one length and stacked."""

from dataclasses import dataclass

import torch

from skmm.data.tensors import map_tensors
from skmm.training.batches import batch_bounds


@dataclass
class StackedRows:
    """Rows of B replicas.

    Attributes
    ----------
    x : dict of str to Tensor (B, n, ...)
    present : Tensor (B, n, M) or None
    weight : Tensor (B, n)
        Zero for rows that only pad.
    target : Tensor (B, n, ...), or dict of such
    sizes : Tensor (B,)
        Number of real rows.
    """

    x: dict
    present: torch.Tensor | None
    weight: torch.Tensor
    target: torch.Tensor
    sizes: torch.Tensor

    @classmethod
    def of(cls, problems):
        """Stack (rows, target) pairs."""
        rows = [pair[0] for pair in problems]
        sizes = [len(part) for part in rows]
        n_rows = max(sizes)
        x = {
            name: _pad([part.x[name][:] for part in rows], n_rows) for name in rows[0].x
        }
        masked = rows[0].present is not None
        some = next(iter(x.values()))
        weights = [
            part.weight if part.weight is not None else some.new_ones(len(part))
            for part in rows
        ]
        return cls(
            x,
            _pad([part.present for part in rows], n_rows) if masked else None,
            _pad(weights, n_rows),
            map_tensors(
                lambda *targets: _pad(targets, n_rows),
                *(target for _, target in problems),
            ),
            torch.tensor(sizes, device=some.device),
        )

    @property
    def n_rows(self):
        """Rows of the longest replica."""
        return self.weight.shape[1]

    @property
    def real(self):
        """(B, n), one for real rows and zero for padding; None if all are real."""
        if int(self.sizes.min()) == self.n_rows:
            return None
        place = torch.arange(self.n_rows, device=self.sizes.device)
        return (place < self.sizes[:, None]).to(self.weight.dtype)

    def shuffled(self, generators):
        """Return each replica's rows in a new order, padding last."""
        orders = [
            torch.cat(
                [torch.randperm(size, generator=g), torch.arange(size, self.n_rows)]
            )
            for size, g in zip(self.sizes.tolist(), generators, strict=True)
        ]
        order = torch.stack(orders).to(self.weight.device)
        pick = (torch.arange(len(order), device=order.device)[:, None], order)
        return StackedRows(
            {name: values[pick] for name, values in self.x.items()},
            None if self.present is None else self.present[pick],
            self.weight[pick],
            map_tensors(lambda values: values[pick], self.target),
            self.sizes,
        )

    def bounds(self, batch_size):
        """(start, stop) of the batches of the longest replica."""
        starts = [start for start, _ in batch_bounds(int(self.sizes.max()), batch_size)]
        return list(zip(starts, [*starts[1:], self.n_rows], strict=True))

    def batch(self, start, stop):
        """Slice of all replicas; views, nothing is copied."""
        part = slice(start, stop)
        return StackedRows(
            {name: values[:, part] for name, values in self.x.items()},
            None if self.present is None else self.present[:, part],
            self.weight[:, part],
            map_tensors(lambda values: values[:, part], self.target),
            (self.sizes - start).clamp(0, stop - start),
        )


def _pad(tensors, n_rows):
    """Stack tensors (n_b, ...) to (B, n_rows, ...), zeros below."""
    if all(len(tensor) == n_rows for tensor in tensors):
        return torch.stack(tensors)
    out = tensors[0].new_zeros(len(tensors), n_rows, *tensors[0].shape[1:])
    for row, tensor in zip(out, tensors, strict=True):
        row[: len(tensor)] = tensor
    return out
