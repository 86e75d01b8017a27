"""Embeddings of frozen encoders, computed once per stage and not once per epoch."""

import random

import numpy as np
import torch

from skmm.training.batches import batch_bounds, slice_rows
from skmm.training.parts import parts_of

PREFIX = "encoders__"
GENERATORS = (
    torch.Generator,
    np.random.Generator,
    np.random.RandomState,
    random.Random,
)


class EmbeddingCache:
    """Embeddings of encoders that neither learn nor draw random numbers.

    Parameters
    ----------
    module : MultimodalModule
    """

    def __init__(self, module):
        self.module = module
        self.known = {}  # (modality, number of the rows): embeddings
        self.random = set()

    def forget(self, parts):
        """Drop embeddings of parts whose weights change.

        Parameters
        ----------
        parts : list of str
        """
        self.known = {k: v for k, v in self.known.items() if PREFIX + k[0] not in parts}

    def replace(self, frozen, *pairs):
        """Return (rows, target) pairs in which rows of frozen encoders are embeddings.

        Parameters
        ----------
        frozen : list of Module
            Parts that do not learn, in evaluation mode.
        *pairs : (TensorRows, Tensor) or None
        """
        names = [
            name.removeprefix(PREFIX)
            for name, part in parts_of(self.module).items()
            if name.startswith(PREFIX) and any(part is other for other in frozen)
        ]
        return [pair and self._with(names, i, *pair) for i, pair in enumerate(pairs)]

    def _with(self, names, number, rows, target):
        device = target.device
        found = {name: self._embeddings(name, number, rows, device) for name in names}
        found = {name: values for name, values in found.items() if values is not None}
        return (rows.with_embeddings(found) if found else rows), target

    def _embeddings(self, name, number, rows, device):
        """Embeddings of all rows, or None if they are not always the same."""
        key = (name, number)
        if name in self.random or _may_vary(self.module.encoders[name]):
            return None
        if key not in self.known:
            before = _random_states(device)
            embeddings = _encode(self.module, name, rows)
            if before != _random_states(device):
                self.random.add(name)
                return None
            self.known[key] = embeddings
        return self.known[key]


def _may_vary(encoder):
    """Whether a part is in training mode or has a generator of its own."""
    parts = list(encoder.modules())
    held = [value for part in parts for value in vars(part).values()]
    return any(part.training for part in parts) or any(
        isinstance(value, GENERATORS) for value in held
    )


@torch.no_grad()
def _encode(module, name, rows):
    """Embeddings of all rows, slice by slice."""
    source, mask = rows.x[name], None
    if rows.present is not None:
        mask = rows.present[:, list(module.encoders).index(name)]
    bounds = [slice(*b) for b in batch_bounds(len(rows), slice_rows(rows))]
    masks = [None if mask is None else mask[part] for part in bounds]
    parts = zip(bounds, masks, strict=True)
    return torch.cat([module.encode_one(name, source[b], mask) for b, mask in parts])


def _random_states(device):
    """What the generators are at that a forward pass may draw from."""
    numpy_state = np.random.get_state()
    states = [torch.get_rng_state(), random.getstate(), numpy_state]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return [_comparable(state) for state in states]


def _comparable(state):
    """Bytes or text that differ when a state does."""
    if isinstance(state, torch.Tensor):
        return state.numpy().tobytes()
    if isinstance(state, tuple) and isinstance(state[1], np.ndarray):
        return (state[1].tobytes(), state[2:])
    return state
