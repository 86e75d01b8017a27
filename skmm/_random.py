"""Seeds by name, and a guard around torch's global generators."""

import random
import threading
from contextlib import contextmanager
from hashlib import blake2b

import numpy as np
import torch

_GUARD = threading.RLock()


def base_seed(random_state):
    """Turn scikit-learn's `random_state` into an int.

    None draws from the operating system, so that no global generator moves.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint32)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(np.iinfo(np.int32).max))
    return int(random_state)


def derive(seed, *names):
    """Seed of a part, from its names alone.

    It depends on no call order and on no other part: adding a modality does not
    change how the encoder of another one starts.

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
    """Seed torch's global generators, and put them back afterwards.

    Weight initialisation and dropout draw from them. Threads share them, so one
    thread at a time is let in.

    Parameters
    ----------
    seed : int
    device : torch.device or str, default="cpu"
        A CUDA device's generator is guarded as well.
    """
    with _GUARD:
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


@contextmanager
def generators_put_back(device="cpu"):
    """Put the global generators of torch, numpy and Python back afterwards.

    Parameters
    ----------
    device : torch.device or str, default="cpu"
        A CUDA device's generator is put back as well.
    """
    numpy_state, python_state = np.random.get_state(), random.getstate()
    device = torch.device(device)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)
