"""Mini-batches as slices of tensors, for one net or a stack of nets."""

from dataclasses import dataclass
from functools import partial
from math import isfinite

import torch

from skmm._views import quantity
from skmm.data.sources import row_nbytes
from skmm.data.tensors import map_tensors, rows_at, tensors_in
from skmm.objectives.base import counted_by
from skmm.training.threads import threads_of


class Batches:
    """Iterate over mini-batches (inputs, target).

    Parameters
    ----------
    rows : TensorRows
    target : Tensor, shape (n_samples, ...), or dict of such
    batch_size : int
    generator : torch.Generator, optional
        Draws a new order of the samples in every epoch; None keeps the order.
    least : int, default=2
        A smaller trailing mini-batch is merged into the previous one: BatchNorm needs
        two samples, and an objective that compares samples needs more.
    objective : callable, optional
        How often a sample with a masked target counts in its mean.

    Attributes
    ----------
    sizes : list
        How much each mini-batch of the last epoch counts in the mean loss: its number
        of samples, or of observed entries.
    """

    def __init__(
        self, rows, target, batch_size, generator=None, least=2, objective=None
    ):
        self.rows = rows
        self.target = target
        self.bounds = batch_bounds(len(rows), batch_size, least)
        self.generator = generator
        self.objective = objective
        self.sizes = []

    def __len__(self):
        return len(self.bounds)

    def __iter__(self):
        self.sizes = []
        if self.generator is None:
            for start, stop in self.bounds:
                yield self._batch(slice(start, stop))
            return
        order = torch.randperm(len(self.rows), generator=self.generator)
        order = order.to(tensors_in(self.target)[0].device)
        for start, stop in self.bounds:
            yield self._batch(order[start:stop])

    def _batch(self, index):
        rows, target = self.rows.take(index), rows_at(self.target, index)
        counted = None
        if isinstance(target, dict):
            counted = counted_by(self.objective, target)
        self.sizes.append(len(rows) if counted is None else counted.sum())
        return rows, target


def batch_bounds(n_rows, batch_size, least=2):
    """(start, stop) of each mini-batch; one of less than `least` samples is merged."""
    starts = list(range(0, n_rows, batch_size))
    if len(starts) > 1 and n_rows - starts[-1] < min(least, batch_size):
        starts.pop()
    return list(zip(starts, [*starts[1:], n_rows], strict=True))


def least_samples(objective, batch_size):
    """Least number of samples of a trailing mini-batch: half if they are compared."""
    compared = getattr(objective, "compares_samples", False)
    return max(2, batch_size // 2) if compared else 2


SLICE_BYTES = {"cpu": 2**22}  # inputs; activations take many times more
SLICE_BYTES_ELSEWHERE = 2**24
SLICE_ROWS = 2**14  # activations of samples with few features


def slice_rows(rows, least=1):
    """Return the number of samples per slice in prediction.

    Parameters
    ----------
    rows : TensorRows
    least : int, default=1
        Minimum.
    """
    bytes_each = sum(row_nbytes(source) for source in rows.x.values())
    device = next(iter(rows.x.values())).device.type
    fitting = SLICE_BYTES.get(device, SLICE_BYTES_ELSEWHERE) // max(1, bytes_each)
    return max(least, min(fitting, SLICE_ROWS))


def predict_outputs(module, rows, batch_size=None, method="forward"):
    """Compute the outputs of a module in slices, without gradients.

    Parameters
    ----------
    module : MultimodalModule
    rows : TensorRows
        May hold embeddings in place of some modalities.
    batch_size : int, optional
        Samples per slice; None depends on their size.
    method : str, default="forward"
        "forward", "fuse" or "encode".

    Returns
    -------
    Tensor (n_samples, ...), or dict of str to such, on the CPU

    Raises
    ------
    FloatingPointError
        If an output is NaN or infinite.
    """
    if module.training:  # walks over all parts, which is slow for small predictions
        module.eval()
    # calls the module itself, which may be compiled
    call = module if method == "forward" else getattr(module, method)
    size = batch_size or slice_rows(rows)
    with threads_of(module, rows, size), torch.inference_mode():
        if len(rows) <= size:
            return _finite(_outputs(call, rows.read()), module)
        whole = None
        for start, stop in batch_bounds(len(rows), size):
            outputs = _outputs(call, rows.take(slice(start, stop)))
            # into one tensor: many small ones would keep the freed memory in pieces
            whole = _room(outputs, len(rows)) if whole is None else whole
            map_tensors(partial(_put, start), whole, outputs)
    return _finite(whole, module)


def _outputs(call, rows):
    known = {"encoded": rows.encoded} if rows.encoded else {}
    return call(rows.x, rows.present, **known)


def _finite(outputs, module):
    """Outputs on the CPU, after checking that they are finite."""
    outputs = map_tensors(torch.Tensor.cpu, outputs)
    for values in tensors_in(outputs):
        if values.is_floating_point() and not isfinite(values.sum()):
            _check_finite(values, module)
    return outputs


def _check_finite(values, module):
    finite = torch.isfinite(values).reshape(len(values), -1).all(1)
    if finite.all():  # only their sum is infinite
        return
    bad = (~finite).nonzero()[:, 0].tolist()
    check_weights(module)
    raise FloatingPointError(
        f"the outputs are NaN or infinite for {len(bad)} of "
        f"{quantity(len(values), 'sample')}, the first in row {bad[0]}: their values "
        "are too large for the net. Scale them, for example with a StandardScaler in a "
        "ModalityTransformer."
    )


def check_weights(module):
    """Raise a FloatingPointError if a weight of a module is NaN or infinite."""
    weights = [p.detach() for p in module.parameters() if p.is_floating_point()]
    for part, weight in zip(weights, torch._foreach_norm(weights), strict=True):
        if not torch.isfinite(weight) and not torch.isfinite(part).all():
            raise FloatingPointError(
                "the weights of the net are NaN or infinite: training diverged. Fit "
                "again with a smaller lr, with gradient_clip, or with scaled inputs "
                "(put a StandardScaler into a ModalityTransformer)."
            )


def _room(outputs, n_rows):
    return map_tensors(lambda one: one.new_empty(n_rows, *one.shape[1:]), outputs)


def _put(start, out, one):
    out[start : start + len(one)] = one


@dataclass
class StackedRows:
    """Samples of B replicas.

    Attributes
    ----------
    x : dict of str to Tensor (B, n_samples, ...)
    present : Tensor (B, n_samples, M) or None
    weight : Tensor (B, n_samples) or, of ensembles, (B, n_samples, n_members)
        Zero for padding.
    target : Tensor (B, n_samples, ...), or dict of such
    sizes : Tensor (B,)
        Number of samples without padding.
    """

    x: dict
    present: torch.Tensor | None
    weight: torch.Tensor
    target: torch.Tensor
    sizes: torch.Tensor

    @classmethod
    def of(cls, problems):
        """Stack pairs (inputs, target)."""
        rows = [pair[0] for pair in problems]
        sizes = [len(part) for part in rows]
        n_rows = max(sizes)
        x = {
            name: _pad([part.x[name][:] for part in rows], n_rows) for name in rows[0].x
        }
        masked = rows[0].present is not None
        some = next(iter(x.values()))
        dtype = some.dtype if some.is_floating_point() else torch.float32
        weights = [
            part.weight
            if part.weight is not None
            else torch.ones(len(part), dtype=dtype, device=some.device)
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
        """Number of samples of the longest replica."""
        return self.weight.shape[1]

    @property
    def real(self):
        """(B, n_samples), one for samples, zero for padding; None without padding."""
        if int(self.sizes.min()) == self.n_rows:
            return None
        place = torch.arange(self.n_rows, device=self.sizes.device)
        return (place < self.sizes[:, None]).to(self.weight.dtype)

    def shuffled(self, generators):
        """Shuffle the samples of each replica, with the padding last."""
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

    def repeated(self, size):
        """Repeat each replica so many times; for losses, without inputs."""
        copied = partial(torch.repeat_interleave, repeats=size, dim=0)
        target = map_tensors(copied, self.target)
        if self.weight.ndim == 3:
            weight = self.weight.transpose(1, 2).flatten(0, 1)
        else:
            weight = copied(self.weight)
        return StackedRows({}, None, weight, target, copied(self.sizes))

    def bounds(self, batch_size):
        """(start, stop) of the mini-batches of the longest replica."""
        starts = [start for start, _ in batch_bounds(int(self.sizes.max()), batch_size)]
        return list(zip(starts, [*starts[1:], self.n_rows], strict=True))

    def batch(self, start, stop):
        """Slice of all replicas, as views."""
        part = slice(start, stop)
        return StackedRows(
            {name: values[:, part] for name, values in self.x.items()},
            None if self.present is None else self.present[:, part],
            self.weight[:, part],
            map_tensors(lambda values: values[:, part], self.target),
            (self.sizes - start).clamp(0, stop - start),
        )


def _pad(tensors, n_rows):
    """Stack tensors (n_b, ...) to (B, n_rows, ...), padded with zeros.

    Texts may have other lengths in other replicas.
    """
    shape = [n_rows, *map(max, zip(*(t.shape[1:] for t in tensors), strict=True))]
    if all(list(tensor.shape) == shape for tensor in tensors):
        return torch.stack(tensors)
    out = tensors[0].new_zeros(len(tensors), *shape)
    for row, tensor in zip(out, tensors, strict=True):
        row[tuple(map(slice, tensor.shape))] = tensor
    return out


def mean_loss(losses, sizes):
    """Mean of the mean losses of mini-batches, weighted by their sizes."""
    sizes = torch.tensor([int(size) for size in sizes])
    return float((losses.double() * sizes).sum() / sizes.sum())
