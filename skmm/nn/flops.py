"""Number of operations of a net for one sample."""

from math import prod

import torch
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from skmm.nn.shape_inference import zero_rows


@torch.enable_grad()
def operations(module, shapes):
    """Count the multiply-add operations of a net for one sample.

    Parameters
    ----------
    module : MultimodalModule
    shapes : dict of str to tuple
        Shape of one sample of each modality.

    Returns
    -------
    float
        Operations of matrix products, convolutions, attention, and bilinear and
        recurrent layers.
    """
    rows = {n: zero_rows(e, shapes[n]) for n, e in module.encoders.items()}
    rows = {n: r if r.is_floating_point() else r + 1 for n, r in rows.items()}
    recurrent, hooks = [], []
    for part in module.modules():
        if isinstance(part, torch.nn.RNNBase):
            hooks.append(part.register_forward_hook(_counting(recurrent)))
    mode = module.training
    try:
        with FlopCounterMode(display=False, custom_mapping=UNCOUNTED) as counter:
            functional_call(module.eval(), _learning(module), (rows,))
    finally:
        module.train(mode)
        for hook in hooks:
            hook.remove()
    return (counter.get_total_flops() + sum(recurrent)) / 2  # two samples


def _learning(module):
    """Weights that require gradients: disables torch's fast path, which hides work."""
    return {n: p.detach().requires_grad_() for n, p in module.named_parameters()}


def _counting(found):
    """Hook that counts the operations of a recurrent layer, as the counter does not."""

    def count(part, inputs, outputs):
        tokens = inputs[0]
        steps = tokens.data if hasattr(tokens, "batch_sizes") else tokens.flatten(0, 1)
        matrices = [p for p in part.parameters() if p.ndim == 2]
        found.append(2 * len(steps) * sum(p.numel() for p in matrices))

    return count


def _bilinear(left, weight, *sizes, out_shape=None, **options):
    return 2 * left[0] * prod(weight)


def _attention(query, key, value, *options, out_shape=None, **named):
    return sdpa_flop_count(query, key, value)


UNCOUNTED = {
    torch.ops.aten._trilinear: _bilinear,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
}
