"""Many modules of one structure as one module with stacked parameters.

Every tensor has an additional first axis: inputs are (B, batch, width), the weights of
a linear layer (B, width, out). Layers without parameters work on it unchanged; the
others have a stacked counterpart here.
"""

import copy

import torch
from torch import nn

from skmm.nn.block import Block


class StackedLinear(nn.Module):
    """B linear layers, or B stacks of them, as one product."""

    def __init__(self, peers):
        super().__init__()
        self.weight = _stacked([_map(peer)[0] for peer in peers])
        has_bias = peers[0].bias is not None
        self.bias = _stacked([_map(peer)[1] for peer in peers]) if has_bias else None

    def forward(self, x):
        """(B, ..., batch, in) to (B, ..., batch, out)."""
        if self.bias is None:
            return x @ self.weight
        if x.ndim == 3:
            return torch.baddbmm(self.bias, x, self.weight)
        return x @ self.weight + self.bias

    def write(self, peers):
        """Copy the weights back."""
        for i, peer in enumerate(peers):
            weight, bias = _map(peer)
            weight.copy_(self.weight[i])
            if bias is not None:
                bias.copy_(self.bias[i])


def _map(layer):
    """Weight (..., in, out) and bias (..., 1, out) of a layer, as views."""
    if isinstance(layer, StackedLinear):
        return layer.weight, layer.bias
    return layer.weight.T, None if layer.bias is None else layer.bias[None]


class StackedBatchNorm(nn.Module):
    """B BatchNorm1d layers; padding samples are left out of the statistics.

    `rows` is (B, batch) with one for samples and zero for padding, or None.
    """

    rows = None

    def __init__(self, peers):
        super().__init__()
        self.eps, self.momentum = peers[0].eps, peers[0].momentum
        self.affine = peers[0].affine
        if self.affine:
            self.weight = _stacked([peer.weight[None] for peer in peers])
            self.bias = _stacked([peer.bias[None] for peer in peers])
        for name in ("running_mean", "running_var"):
            values = torch.stack([getattr(peer, name)[None] for peer in peers])
            self.register_buffer(name, values)
        steps = torch.stack([peer.num_batches_tracked for peer in peers])
        self.register_buffer("steps", steps)

    def forward(self, x):
        """Keep the shape (B, batch, width)."""
        is_batch = self.training and x.shape[1] > 1  # one sample has no variance
        mean, var = self._moments(x) if is_batch else self._running()
        out = (x - mean) * torch.rsqrt(var + self.eps)
        return out * self.weight + self.bias if self.affine else out

    def _running(self):
        return self.running_mean, self.running_var

    def _moments(self, x):
        if self.rows is None:
            var, mean = torch.var_mean(x, 1, keepdim=True, correction=0)
            count = x.shape[1]
        else:
            rows = self.rows[..., None]
            count = rows.sum(1, keepdim=True)
            mean = (x * rows).sum(1, keepdim=True) / count
            var = ((x - mean).square() * rows).sum(1, keepdim=True) / count
        with torch.no_grad():
            self.steps += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * (count / (count - 1)), self.momentum)
        return mean, var

    def write(self, peers):
        """Copy weights and running statistics back."""
        names = ["running_mean", "running_var"] + ["weight", "bias"] * self.affine
        for name in names:
            for peer, value in zip(peers, getattr(self, name), strict=True):
                getattr(peer, name).copy_(value[0])
        for peer, steps in zip(peers, self.steps, strict=True):
            peer.num_batches_tracked.copy_(steps)


STACKED = {
    nn.Linear: StackedLinear,
    StackedLinear: StackedLinear,
    nn.BatchNorm1d: StackedBatchNorm,
}


def _stacked(tensors):
    return nn.Parameter(torch.stack([tensor.detach() for tensor in tensors]))


def can_stack(module):
    """Whether every part of a module can be stacked.

    A part or parameter that is used twice would have two copies in a stack.
    """
    return not _is_shared(module) and all(map(_can_stack_part, module.modules()))


def _is_shared(module):
    parts = [*module.named_modules(remove_duplicate=False)]
    parts += [*module.named_parameters(remove_duplicate=False)]
    return len({id(part) for _, part in parts}) < len(parts)


def _can_stack_part(part):
    kind = type(part)
    if part._forward_hooks or part._forward_pre_hooks:
        return False
    if kind is nn.BatchNorm1d:
        return bool(part.track_running_stats and part.momentum)
    if kind in STACKED or kind is nn.Sequential:
        return True
    if not vars(kind).get("stackable", False):  # of this very class, not inherited
        return _is_elementwise(part)
    buffers = {name for name, value in part._buffers.items() if value is not None}
    known = _replica_buffers(part) if isinstance(part, Block) else set()
    return not part._parameters and buffers <= known


def _replica_buffers(block):
    return {*block.per_replica.values(), *block.replica_buffers}


@torch.no_grad()
def _is_elementwise(part):
    """Whether a layer is an elementwise layer of torch without weights."""
    if not type(part).__module__.startswith("torch.nn."):
        return False
    if part._parameters or part._buffers or part._modules:
        return False
    numbers = torch.linspace(-2.0, 2.0, 12)
    layer = copy.copy(part).eval()
    try:
        alone, square = layer(numbers.clone()), layer(numbers.clone().view(3, 4))
    except (RuntimeError, ValueError, TypeError, IndexError):
        return False
    same_shape = alone.shape == numbers.shape and square.shape == (3, 4)
    return same_shape and torch.equal(alone, square.flatten())


def stack(peers):
    """Make one module from modules of one structure, which are not changed."""
    kind = type(peers[0])
    if kind in STACKED:
        return STACKED[kind](peers).train(peers[0].training)
    shell = copy.copy(peers[0])
    if hasattr(shell, "enter_stack"):
        shell.enter_stack()
    if isinstance(shell, Block):
        shell.__dict__["_buffers"] = {
            name: torch.stack([peer._buffers[name] for peer in peers])[:, None]
            for name in shell._buffers
        }
    shell.__dict__["_modules"] = {
        name: stack([peer._modules[name] for peer in peers])
        for name in peers[0]._modules
    }
    return shell


@torch.no_grad()
def unstack(stacked, peers):
    """Copy the weights of a stack back into its modules."""
    if type(peers[0]) in STACKED:
        stacked.write(peers)
        return
    for name, part in stacked._modules.items():
        unstack(part, [peer._modules[name] for peer in peers])
