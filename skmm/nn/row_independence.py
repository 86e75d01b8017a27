"""Check that outputs do not depend on the other samples of a mini-batch."""

from contextlib import contextmanager

import torch

from skmm._random import restored_generators
from skmm.data.tensors import map_tensors, rows_at, tensors_in
from skmm.nn.shape_inference import random_rows

SAMPLES = 4
SOME = torch.tensor([2, 0, 3])  # fewer, in another order


def check_rows_independent(module, shapes):
    """Check that a module has the same outputs for samples in another batch.

    Modules that are not deterministic, or that cannot read random numbers, are not
    checked.

    Parameters
    ----------
    module : MultimodalModule
    shapes : dict of str to tuple
        Shape of one sample of each modality.

    Raises
    ------
    ValueError
        If a part mixes the samples of a batch.
    """
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    x = {
        name: random_rows(encoder, shapes[name], SAMPLES, generator).to(device)
        for name, encoder in module.encoders.items()
    }
    with restored_generators(device), _evaluating(module), torch.no_grad():
        try:
            where = _mixing(module, x)
        except Exception:  # random numbers may be outside its domain
            return
    if where is not None:
        raise ValueError(
            f"{where}: the outputs for a sample depend on the other samples of the "
            "batch, and so would predictions. Compute along the other axes only, or "
            "use running statistics in prediction, like BatchNorm1d, of which "
            "track_running_stats=True is the default."
        )


def _mixing(module, x):
    """The part that mixes samples, or None."""

    def whole(x):
        fused = module.fuse(x)
        return {"fused": fused, "outputs": module.head(fused)}

    if not _mixes(whole, x):
        return None
    parts = module.encode(x)
    calls = {f"encoders[{n!r}]": (e, x[n]) for n, e in module.encoders.items()}
    calls["fusion"] = module.fusion, parts
    calls["head"] = module.head, module.fusion(parts)
    mixing = (where for where, (part, inputs) in calls.items() if _mixes(part, inputs))
    return next((f"{w} ({type(calls[w][0]).__name__})" for w in mixing), None)


def _mixes(call, inputs):
    """Whether outputs change with the batch, but not between equal calls."""
    all_samples = call(inputs)
    some = call(_some(inputs))
    return not _alike(_some(all_samples), some) and _alike(all_samples, call(inputs))


def _some(tensors):
    index = SOME.to(tensors_in(tensors)[0].device)
    return map_tensors(lambda tensor: rows_at(tensor, index), tensors)


def _alike(one, other):
    pairs = zip(tensors_in(one), tensors_in(other), strict=True)
    return all(_close(a, b) for a, b in pairs)


def _close(a, b):
    if a.shape != b.shape or not a.is_floating_point():
        return torch.equal(a, b)
    a, b = a.double(), b.double()
    scale = float(a.abs().max()) if a.numel() else 0.0
    return scale - scale != 0 or torch.allclose(a, b, rtol=1e-3, atol=1e-4 * scale)


@contextmanager
def _evaluating(module):
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
