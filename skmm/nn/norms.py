"""Batch normalisation of embeddings and of products of modalities."""

from contextlib import contextmanager
from itertools import combinations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["FeatureBatchNorm", "IterativeBatchNorm", "VectorBatchNorm"]


class FeatureBatchNorm(nn.BatchNorm1d):
    """BatchNorm without weights over some of the samples; the others become zero.

    Parameters
    ----------
    n_features : int
    momentum : float or None, default=0.1
        Momentum of the running statistics; None averages over all mini-batches.
    eps : float, default=1e-5
        Added to the variance.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import FeatureBatchNorm
    >>> x, mask = torch.tensor([[1.0], [3.0], [9.0]]), torch.tensor([True, True, False])
    >>> FeatureBatchNorm(1)(x, mask).round().tolist()
    [[-1.0], [1.0], [0.0]]
    """

    def __init__(self, n_features, momentum=0.1, eps=1e-5):
        super().__init__(n_features, eps, momentum, affine=False)

    def forward(self, x, there=None):
        """(batch, d) and a mask (batch,) or None to (batch, d)."""
        if self.training and len(x) < 2:  # one sample has no variance
            mean, variance = self.running_mean, self.running_var
            x = (x - mean) / (variance + self.eps).sqrt()
            return x if there is None else x.masked_fill(~there[:, None], 0.0)
        if there is None or there.all():
            return super().forward(x)
        out = x.masked_fill(~there[:, None], 0.0)
        if there.sum() > self.training:
            out = out.index_copy(0, there.nonzero()[:, 0], super().forward(x[there]))
        return out


class VectorBatchNorm(nn.Module):
    r"""Subtract the mean and divide by the root of the total variance.

    .. math:: (x - \mathrm{E}\,x) / \sqrt{\textstyle\sum_j \mathrm{Var}\,x_j + \epsilon}

    Blocks of any width therefore have the same scale, and relative lengths and angles
    within a block are preserved.

    Parameters
    ----------
    n_features : int
    momentum : float or None, default=0.1
        Momentum of the running statistics, which predictions use; None averages over
        all mini-batches.
    eps : float, default=1e-5
        Added to the variance.

    References
    ----------
    Varshneya et al., "InTense", IJCAI 2024.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import VectorBatchNorm
    >>> x = VectorBatchNorm(3)(torch.randn(100, 3))
    >>> round(x.var(0, correction=0).sum().item(), 3)
    1.0
    """

    def __init__(self, n_features, momentum=0.1, eps=1e-5):
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("variance", torch.ones(()))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, x, there=None):
        """(batch, d) and a mask (batch,) or None to (batch, d)."""
        mean, variance = self.mean, self.variance
        rows = x if there is None else x[there]
        if self.training and len(rows) > 1:
            mean = rows.mean(0)
            variance = (rows - mean).square().mean(0).sum()
            self._update(mean.detach(), variance.detach() * len(rows) / (len(rows) - 1))
        out = (x - mean) / (variance + self.eps).sqrt()
        return out if there is None else out.masked_fill(~there[:, None], 0.0)

    def _update(self, mean, variance):
        self.batches += 1
        share = 1 / int(self.batches) if self.momentum is None else self.momentum
        self.mean.lerp_(mean, share)
        self.variance.lerp_(variance, share)


class IterativeBatchNorm(nn.Module):
    r"""Outer product of several modalities without the effects of subsets of them.

    .. math:: c(I) = \bigotimes_{m \in I} z_m
        - \sum_{\emptyset \ne S \subseteq I} \mathrm{E}\Bigl[\bigotimes_{m \in S}
        z_m\Bigr] \otimes c(I \setminus S), \qquad c(\emptyset) = 1

    followed by `VectorBatchNorm`. The axes of every term are those of the modalities in
    I, in order.

    Parameters
    ----------
    widths : tuple of int
        Width of each modality.
    momentum : float or None, default=0.1
        Momentum of the running means; None averages over all mini-batches.
    eps : float, default=1e-5
        Added to the variance.

    References
    ----------
    Varshneya et al., "InTense", IJCAI 2024, for three modalities; in general it is the
    recursion of Wick products.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import IterativeBatchNorm
    >>> parts = [torch.randn(50, 2), torch.ones(50, 3)]  # one is constant
    >>> IterativeBatchNorm((2, 3))(parts).abs().max().item() < 1e-3
    True
    """

    def __init__(self, widths, momentum=0.1, eps=1e-5):
        super().__init__()
        self.momentum, self.order = momentum, range(len(widths))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        for subset in self._subsets(self.order):
            sizes = [widths[m] for m in subset]
            self.register_buffer(_key(subset), torch.zeros(sizes))
        self.block = VectorBatchNorm(torch.Size(widths).numel(), momentum, eps)

    @staticmethod
    def _subsets(order):
        """All non-empty subsets."""
        sizes = range(1, len(order) + 1)
        return [subset for size in sizes for subset in combinations(order, size)]

    def forward(self, parts, there=None):
        """Parts (batch, d_m) and a mask (batch,) or None to (batch, product of d_m)."""
        means = self._means(parts, there)
        centred = {(): parts[0].new_ones(len(parts[0]))}
        for subset in self._subsets(self.order):
            product = _outer(parts, subset)
            for inner in self._subsets(subset):
                others = tuple(m for m in subset if m not in inner)
                mean, rest = means[inner], centred[others]
                product = product - _joined(mean, inner, rest, others, subset)
            centred[subset] = product
        return self.block(centred[tuple(self.order)].flatten(1), there)

    def _means(self, parts, there):
        """Mean of the product of each subset, of the mini-batch or running."""
        subsets = self._subsets(self.order)
        rows = parts if there is None else [part[there] for part in parts]
        if not self.training or len(rows[0]) < 2:
            return {subset: getattr(self, _key(subset)) for subset in subsets}
        means = {subset: _outer(rows, subset).mean(0) for subset in subsets}
        self.batches += 1
        share = 1 / int(self.batches) if self.momentum is None else self.momentum
        for subset, mean in means.items():
            getattr(self, _key(subset)).lerp_(mean.detach(), share)
        return means


def _key(subset):
    return "mean_" + "_".join(map(str, subset))


def _letters(subset):
    return "".join(chr(ord("a") + m) for m in subset)


def _outer(parts, subset):
    """Product (batch, d_1, ..., d_k) of the parts of a subset."""
    axes = ",".join("z" + letter for letter in _letters(subset))
    return torch.einsum(f"{axes}->z{_letters(subset)}", *(parts[m] for m in subset))


def _joined(mean, inner, rest, others, subset):
    """Product of `mean` and `rest`, with axes in the order of `subset`."""
    axes = f"{_letters(inner)},z{_letters(others)}->z{_letters(subset)}"
    return torch.einsum(axes, mean, rest)


@contextmanager
def running_statistics(module):
    """Let BatchNorm use running statistics where it gets one value per channel.

    Parameters
    ----------
    module : Module
        In training mode, about to be called with one sample, which has no variance.
        The statistics are not updated.
    """
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    norms = [norm for norm in norms if norm.training]
    hooks = [norm.register_forward_pre_hook(_freeze_single) for norm in norms]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for norm in norms:
            norm.train()


def _freeze_single(norm, inputs):
    values = inputs[0]
    if values.ndim < 2 or values.numel() > values.shape[1]:
        return
    if norm.running_mean is None:
        raise ValueError(
            f"{type(norm).__name__} without running statistics cannot be trained on a "
            "mini-batch of one sample, which has no variance. Use a larger batch_size, "
            "give partial_fit more samples, or set track_running_stats=True."
        )
    norm.eval()
