"""Seeds derived from names; the global generators and default dtype of torch."""

import random
import threading
from contextlib import contextmanager
from hashlib import blake2b

import numpy as np
import torch

_LOCK = threading.RLock()


def base_seed(random_state):
    """Turn scikit-learn's `random_state` into an int.

    For None, the seed comes from the operating system and not from a global generator.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint32)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(np.iinfo(np.int32).max))
    return int(random_state)


def derive(seed, *names):
    """Derive the seed of a part from a base seed and names.

    It does not depend on the order of calls or on other parts: adding a modality does
    not change the initial weights of the encoders of others.

    Examples
    --------
    >>> from skmm._random import derive
    >>> derive(0, "encoder", "image") == derive(0, "encoder", "image")
    True
    >>> derive(0, "encoder", "image") == derive(0, "encoder", "table")
    False
    """
    digest = blake2b(repr((int(seed), *names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


@contextmanager
def seeded(seed, device="cpu"):
    """Seed torch's global generators, and restore their states on exit.

    Weight initialisation and dropout draw from them. Since threads share them, only one
    thread can enter at a time.

    Parameters
    ----------
    seed : int
    device : torch.device or str, default="cpu"
        For a CUDA device, its generator is seeded as well.
    """
    with _LOCK:
        generators = _generators(torch.device(device))
        states = [generator.get_state() for generator in generators]
        try:
            for generator in generators:
                generator.manual_seed(seed)
            yield
        finally:
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)


def _generators(device):
    if device.type != "cuda":
        return [torch.default_generator]
    torch.cuda.init()
    index = torch.cuda.current_device() if device.index is None else device.index
    return [torch.default_generator, torch.cuda.default_generators[index]]


def derangement(rng, n):
    """Draw a permutation that moves every index, if there are two or more.

    It is one cycle through all indices, in random order: every index goes to each of
    the others with the same probability.

    Parameters
    ----------
    rng : Generator
    n : int

    Returns
    -------
    ndarray of int of shape (n,)
    """
    order, out = rng.permutation(n), np.empty(n, dtype=np.intp)
    out[order] = np.roll(order, 1)
    return out


@contextmanager
def restored_generators(device="cpu"):
    """Restore the global generators of torch, numpy and Python on exit.

    As in `seeded`, only one thread can enter at a time.

    Parameters
    ----------
    device : torch.device or str, default="cpu"
        For a CUDA device, its generator is restored as well.
    """
    device = torch.device(device)
    cuda = [device] if device.type == "cuda" else []
    with _LOCK, torch.random.fork_rng(cuda):
        numpy_state, python_state = np.random.get_state(), random.getstate()
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)


# -- default dtype ---------------------------------------------------------------------

_DTYPE_LOCK = threading.Lock()
_dtype = {"entered": 0, "outer": torch.float32}


@contextmanager
def float32_default():
    """Set torch's default dtype to float32, and restore it when the last call exits.

    Threads share the dtype: it is restored when none of them needs it any more.
    """
    changed = _enter()
    try:
        yield
    finally:
        if changed:
            _leave()


def _enter():
    """Whether the dtype was not float32 before the first call that is still active."""
    with _DTYPE_LOCK:
        if not _dtype["entered"]:
            _dtype["outer"] = torch.get_default_dtype()
            if _dtype["outer"] == torch.float32:
                return False
            torch.set_default_dtype(torch.float32)
        _dtype["entered"] += 1
        return True


def _leave():
    with _DTYPE_LOCK:
        _dtype["entered"] -= 1
        if not _dtype["entered"]:
            torch.set_default_dtype(_dtype["outer"])
