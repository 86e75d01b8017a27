"""Outputs of a net, slice by slice."""

import torch

from skmm.training.batches import batch_bounds, slice_rows


def predict_outputs(module, rows, batch_size=None, method="forward"):
    """Outputs of a module in slices, without gradients.

    Parameters
    ----------
    module : MultimodalModule
    rows : TensorRows
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
    with torch.inference_mode():
        bounds = batch_bounds(len(rows), batch_size or slice_rows(rows))
        parts = (rows.take(slice(*b)) for b in bounds)
        # a call of the module itself, for it may be compiled
        function = module if method == "forward" else getattr(module, method)
        outputs = [function(part.x, part.present) for part in parts]
    if isinstance(outputs[0], dict):
        return {n: torch.cat([out[n] for out in outputs]).cpu() for n in outputs[0]}
    return torch.cat(outputs).cpu()
