"""Cache of the embeddings of frozen encoders, so as not to encode every epoch."""

import copy
import random

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from skmm._random import restored_generators
from skmm.data.sources import LazyRows
from skmm.data.tensors import tensors_in
from skmm.training.batches import batch_bounds, slice_rows
from skmm.training.optimizers import ENCODERS, parts_of


class EmbeddingCache:
    """Embeddings of frozen, deterministic encoders.

    Parameters
    ----------
    module : MultimodalModule
    """

    def __init__(self, module):
        self.module = module
        self.known = {}  # (modality, index of the data): embeddings
        self.varying = {}  # modality: whether the encoder cannot be cached

    def forget(self, parts):
        """Delete embeddings of parts whose weights change.

        Parameters
        ----------
        parts : list of str
        """
        kept = [key for key in self.known if ENCODERS + key[0] not in parts]
        self.known = {key: self.known[key] for key in kept}

    def replace(self, frozen, *pairs):
        """Replace modalities of frozen encoders by their embeddings.

        Parameters
        ----------
        frozen : list of Module
            Parts that are not trained, in evaluation mode.
        *pairs : (TensorRows, Tensor) or None
            Samples and target.

        Returns
        -------
        list of (TensorRows, Tensor) or None
        """
        names = [
            name.removeprefix(ENCODERS)
            for name, part in parts_of(self.module).items()
            if name.startswith(ENCODERS) and any(part is other for other in frozen)
        ]
        return [pair and self._with(names, i, *pair) for i, pair in enumerate(pairs)]

    def _with(self, names, number, rows, target):
        device = tensors_in(target)[0].device
        found = {name: self._embeddings(name, number, rows, device) for name in names}
        found = {name: values for name, values in found.items() if values is not None}
        return (rows.with_embeddings(found) if found else rows), target

    def _embeddings(self, name, number, rows, device):
        """Embeddings of all samples, or None if they cannot be cached."""
        key = (name, number)
        if name not in self.varying:
            self.varying[name] = _varies(self.module, name, rows, device)
        if self.varying[name]:
            return None
        if key not in self.known:
            self.known[key] = _encode(self.module, name, rows)
        return self.known[key]


def _varies(module, name, rows, device):
    """Whether a frozen encoder is not deterministic, or caching would waste memory.

    Two samples are encoded twice by a copy. Random generators are restored.
    """
    parts = list(module.encoders[name].modules())
    if any(part.training or _mixes_samples(part) for part in parts):
        return True
    source = rows.x[name]
    sample, copied = source[:2], copy.deepcopy(module.encoders[name])
    for part in copied.modules():
        part._forward_hooks.clear()
        part._forward_pre_hooks.clear()
    with restored_generators(device), torch.no_grad():
        before = _random_states(device)
        first = copied(sample)
        state = copy.deepcopy(copied.state_dict())
        second = copied(sample)
        drew = before != _random_states(device)
    same = torch.equal(first, second) and _equal(state, copied.state_dict())
    return drew or not same or _wastes_memory(source, sample, first)


def _mixes_samples(part):
    return isinstance(part, _BatchNorm) and part.running_mean is None


def _equal(state, other):
    return all(torch.equal(value, other[key]) for key, value in state.items())


def _wastes_memory(source, sample, embedding):
    """Whether lazy samples are hardly larger than their embeddings."""
    return isinstance(source, LazyRows) and 2 * embedding.numel() > sample.numel()


@torch.no_grad()
def _encode(module, name, rows):
    """Embeddings of all samples, computed in slices."""
    source, mask = rows.x[name], None
    if rows.present is not None:
        mask = rows.present[:, list(module.encoders).index(name)]
    bounds = [slice(*b) for b in batch_bounds(len(rows), slice_rows(rows))]
    masks = [None if mask is None else mask[part] for part in bounds]
    parts = zip(bounds, masks, strict=True)
    return torch.cat([module.encode_one(name, source[b], mask) for b, mask in parts])


def _random_states(device):
    """States of the generators that a forward pass may draw from."""
    states = [torch.get_rng_state(), random.getstate(), np.random.get_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return [_comparable(state) for state in states]


def _comparable(state):
    """State of a generator in a form that can be compared."""
    if isinstance(state, torch.Tensor):
        return state.numpy().tobytes()
    if isinstance(state, tuple) and isinstance(state[1], np.ndarray):
        return (state[1].tobytes(), state[2:])
    return state
