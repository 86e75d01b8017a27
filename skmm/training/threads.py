"""Number of torch threads that the mini-batches of a net can feed.

Threads that have too little to do wait for each other: they need more processor time
than one, and much more if other processes are busy. torch's number of threads is of the
whole process, so that fits in several threads must agree on what to put back.
"""

import threading
from contextlib import nullcontext
from math import prod
from weakref import WeakKeyDictionary

import torch

WORK_PER_THREAD = 1e8  # operations of a mini-batch, measured on CPU
BACKWARD = 3  # times the operations of a forward pass
UNLIMITED = float("inf")

_lock = threading.Lock()
_operations = WeakKeyDictionary()  # of one sample, by module


class _Shared:
    """What all threads share: how many limits are in use, and the user's number."""

    active, user = 0, 1


class _Mine(threading.local):
    """Of one thread: its limits in use, its number, and whether that is known."""

    depth, number, known = 0, 1, False


_mine = _Mine()


def work_of(module, rows, size):
    """Estimate the operations of a forward pass of a mini-batch.

    Parameters
    ----------
    module : Module
    rows : TensorRows
        All samples.
    size : int
        Size of the mini-batch, if there are as many samples.

    Returns
    -------
    float
        Infinite on other devices than the CPU, where threads do not compute.
    """
    if module not in _operations:
        first = {name: source[:1] for name, source in rows.x.items()}
        found = estimated_operations(module, {n: _shape(x) for n, x in first.items()})
        elsewhere = any(x.device.type != "cpu" for x in first.values())
        _operations[module] = UNLIMITED if elsewhere else found
    return _operations[module] * min(size, len(rows))


def _shape(sample):
    """Shape of a sample; the characters of a text are positions."""
    shape = tuple(sample.shape[1:])
    return shape if sample.is_floating_point() else (1, *shape)


def threads_for(work):
    """Limit the number of threads by the work of a mini-batch, and put it back.

    Parameters
    ----------
    work : float
        Multiply-add operations. The number of threads is at least one, and never more
        than the user's.

    Returns
    -------
    context manager
    """
    if _is_one():
        return nullcontext()
    return _Limit(work)


def threads_of(module, rows, size):
    """Do the same as `threads_for` for the forward pass of `work_of`."""
    if _is_one():
        return nullcontext()
    return _Limit(work_of(module, rows, size))


def _is_one():
    """Whether there is one thread, so that nothing can be limited."""
    return not _Shared.active and torch.get_num_threads() == 1


class _Limit:
    def __init__(self, work):
        self.work = work

    def __enter__(self):
        self.before = _enter(self.work)

    def __exit__(self, *error):
        _leave(self.before)


def _enter(work):
    with _lock:
        before = torch.get_num_threads()
        if not _mine.depth:
            if not _Shared.active:
                _Shared.user = before
            # a thread that starts during a fit of another one gets the number of that
            inherited = _Shared.active and not _mine.known
            before = max(before, _Shared.user) if inherited else before
            _mine.number, _mine.known = before, True
        _Shared.active, _mine.depth = _Shared.active + 1, _mine.depth + 1
        fed = max(1, int(min(work / WORK_PER_THREAD, _mine.number)))
        _set(min(fed, _mine.number))
    return before


def _leave(before):
    with _lock:
        _Shared.active, _mine.depth = _Shared.active - 1, _mine.depth - 1
        _set(before)


def _set(number):
    if number != torch.get_num_threads():
        torch.set_num_threads(number)


REPEATED = (torch.nn.RNNBase, torch.nn.MultiheadAttention)


def estimated_operations(module, shapes):
    """Estimate the result of ``skmm.nn.flops.operations`` without a forward pass.

    Weights of linear layers are used once per sample. Those of convolutions and of
    recurrent and attention layers are used at every position, if there is no stride.

    Parameters
    ----------
    module : Module
    shapes : dict of str to tuple
        Shape of one sample of each modality as the net reads it.

    Returns
    -------
    int
    """
    positions = max((_positions(shape) for shape in shapes.values()), default=1)
    total = 2 * sum(p.numel() for p in module.parameters())
    if positions == 1:
        return total
    if any(getattr(part, "gives_tokens", False) for part in module.modules()):
        return total * positions
    repeated = {id(p): p.numel() for p in module.parameters() if p.ndim > 2}
    for part in module.modules():
        if isinstance(part, REPEATED):
            repeated |= {id(p): p.numel() for p in part.parameters()}
    return total + 2 * sum(repeated.values()) * (positions - 1)


def _positions(shape):
    """Pixels of an image, entries of a sequence, characters of a text."""
    return prod(shape[1:]) if len(shape) > 1 else 1
