"""Outputs of a net, slice by slice."""

from functools import partial

import torch

from skmm.training.batches import batch_bounds, slice_rows


def predict_outputs(module, rows, batch_size=None, method="forward"):
    """Outputs of a module in slices, without gradients.

    Parameters
    ----------
    module : MultimodalModule
    rows : TensorRows
        May hold embeddings in place of some modalities.
    batch_size : int, optional
        Rows per slice; None chooses by their size.
    method : str, default="forward"
        "forward", "fuse" or "encode".

    Returns
    -------
    Tensor (n, ...), or dict of them, on the CPU
    """
    if module.training:  # a walk over all parts, which small predictions would feel
        module.eval()
    # a call of the module itself, for it may be compiled
    ask, whole = module if method == "forward" else getattr(module, method), None
    with torch.inference_mode():
        for start, stop in batch_bounds(len(rows), batch_size or slice_rows(rows)):
            part = rows.take(slice(start, stop))
            known = {"encoded": part.encoded} if part.encoded else {}
            outputs = ask(part.x, part.present, **known)
            if stop - start == len(rows):
                return _mapped(torch.Tensor.cpu, outputs)
            # into one tensor: many small ones would keep the freed memory in pieces
            whole = _room(outputs, len(rows)) if whole is None else whole
            _mapped(partial(_put, start), whole, outputs)
    return _mapped(torch.Tensor.cpu, whole)


def _room(outputs, n_rows):
    return _mapped(lambda one: one.new_empty(n_rows, *one.shape[1:]), outputs)


def _put(start, out, one):
    out[start : start + len(one)] = one


def _mapped(function, first, *others):
    """Call a function on tensors, or on those of the same name in dicts."""
    if isinstance(first, dict):
        return {n: function(first[n], *(other[n] for other in others)) for n in first}
    return function(first, *others)
