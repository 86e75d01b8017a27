"""Mini-batches as slices of whole tensors: nothing is fetched sample by sample."""

from functools import partial

import torch

from skmm.data.tensors import map_tensors, rows_at, tensors_in


class Batches:
    """Iterate over (rows, target) mini-batches.

    Parameters
    ----------
    rows : TensorRows
    target : Tensor, shape (n_samples, ...), or dict of such
    batch_size : int
        A trailing mini-batch of one sample is merged into the previous one: BatchNorm
        needs two.
    generator : torch.Generator, optional
        Draws a new order of the samples in every epoch; None keeps the order.
    """

    def __init__(self, rows, target, batch_size, generator=None):
        self.rows = rows
        self.target = target
        self.bounds = batch_bounds(len(rows), batch_size)
        self.generator = generator

    def __len__(self):
        return len(self.bounds)

    def __iter__(self):
        if self.generator is None:
            for start, stop in self.bounds:
                yield self._batch(slice(start, stop))
            return
        order = torch.randperm(len(self.rows), generator=self.generator)
        order = order.to(tensors_in(self.target)[0].device)
        for start, stop in self.bounds:
            yield self._batch(order[start:stop])

    def _batch(self, index):
        return self.rows.take(index), rows_at(self.target, index)


def batch_bounds(n_rows, batch_size):
    """(start, stop) of each batch; a last one of one sample joins the previous one."""
    starts = list(range(0, n_rows, batch_size))
    if len(starts) > 1 and n_rows - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], n_rows], strict=True))


SLICE_BYTES = {"cpu": 2**22}  # inputs; activations take many times more
SLICE_BYTES_ELSEWHERE = 2**24
SLICE_ROWS = 2**14  # samples with few features have activations too


def slice_rows(rows, least=1):
    """Return how many samples to pass through a net at once, without training.

    Parameters
    ----------
    rows : TensorRows
    least : int, default=1
        Minimum.
    """
    bytes_each = sum(_row_bytes(source) for source in rows.x.values())
    device = next(iter(rows.x.values()))[:1].device.type
    fitting = SLICE_BYTES.get(device, SLICE_BYTES_ELSEWHERE) // max(1, bytes_each)
    return max(least, min(fitting, SLICE_ROWS))


def _row_bytes(source):
    whole = isinstance(source, torch.Tensor)  # of others a row has to be read
    return source.nbytes // max(1, len(source)) if whole else source[:1].nbytes


def predict_outputs(module, rows, batch_size=None, method="forward"):
    """Outputs of a module in slices, without gradients.

    Parameters
    ----------
    module : MultimodalModule
    rows : TensorRows
        May hold embeddings in place of some modalities.
    batch_size : int, optional
        Samples per slice; None chooses by their size.
    method : str, default="forward"
        "forward", "fuse" or "encode".

    Returns
    -------
    Tensor (n_samples, ...), or dict of str to such, on the CPU
    """
    if module.training:  # a walk over all parts, which small predictions would feel
        module.eval()
    # a call of the module itself, for it may be compiled
    call, whole = module if method == "forward" else getattr(module, method), None
    with torch.inference_mode():
        for start, stop in batch_bounds(len(rows), batch_size or slice_rows(rows)):
            part = rows.take(slice(start, stop))
            known = {"encoded": part.encoded} if part.encoded else {}
            outputs = call(part.x, part.present, **known)
            if stop - start == len(rows):
                return map_tensors(torch.Tensor.cpu, outputs)
            # into one tensor: many small ones would keep the freed memory in pieces
            whole = _room(outputs, len(rows)) if whole is None else whole
            map_tensors(partial(_put, start), whole, outputs)
    return map_tensors(torch.Tensor.cpu, whole)


def _room(outputs, n_rows):
    return map_tensors(lambda one: one.new_empty(n_rows, *one.shape[1:]), outputs)


def _put(start, out, one):
    out[start : start + len(one)] = one
