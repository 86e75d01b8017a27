"""Map-style datasets of PyTorch, read into a ModalityDict and a target.

Each sample is ``(modalities, target)``, or the modalities alone. They are read once;
leaves keep the dtype of the samples.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from skmm.data import leaves
from skmm.data.modality_dict import ModalityDict

RULE = (
    "pass a dict of arrays, or a map-style torch Dataset, with __len__ and "
    "__getitem__, whose samples are ({modality: array, tensor, number or str}, target)"
)


def is_dataset(X):
    """Whether X is a dataset, a list of its samples, or one of what cannot be read."""
    if isinstance(X, (list, tuple)):
        return bool(X) and _has_target(X[0])
    return isinstance(X, (Dataset, DataLoader, Iterator))


def _has_target(sample):
    pair = isinstance(sample, tuple) and len(sample) == 2
    return pair and isinstance(sample[0], Mapping)


def with_target(X):
    """Return the modalities and target of a dataset; other input, and None."""
    return read_dataset(X) if is_dataset(X) else (X, None)


def read_dataset(dataset):
    """Read all samples of a map-style dataset.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset, or list of samples
        Samples are (modalities, target), or modalities: a dict of arrays, tensors,
        numbers or str.

    Returns
    -------
    X : ModalityDict
    y : ndarray of shape (n_samples, ...) or None

    Raises
    ------
    TypeError, ValueError
        If it has no length, or a sample is not of this form; the message says which.
    """
    _check_kind(dataset)
    columns, targets = None, []
    for i in range(len(dataset)):
        parts, target = _sample(dataset[i], i)
        if columns is None:
            columns = {
                name: _Column(name, v, len(dataset)) for name, v in parts.items()
            }
        if parts.keys() != columns.keys():
            raise ValueError(
                f"sample {i} of the dataset has the modalities {list(parts)}; sample 0 "
                f"has {list(columns)}."
            )
        for name, value in parts.items():
            columns[name].put(i, value)
        targets.append(target)
    if columns is None:
        raise ValueError("Found array with 0 sample(s): the dataset is empty.")
    return ModalityDict({n: c.values for n, c in columns.items()}), _target(targets)


def _check_kind(dataset):
    if isinstance(dataset, (list, tuple)):
        return
    if isinstance(dataset, DataLoader):
        raise TypeError(
            "X is a DataLoader, whose mini-batches are fixed: pass its dataset, "
            "X.dataset, and set batch_size of the estimator."
        )
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        raise TypeError(
            f"X, a {type(dataset).__name__}, can only be iterated over: {RULE}. "
            "To train on parts of the data in turn, use partial_fit."
        )


def _sample(sample, i):
    parts, target = sample, None
    if isinstance(sample, (tuple, list)) and len(sample) == 2:
        parts, target = sample
    if isinstance(parts, Mapping) and parts:
        return parts, target
    raise TypeError(
        f"sample {i} of the dataset is {_kind(sample)}, not (modalities, target): "
        f"{RULE}."
    )


def _kind(sample):
    if isinstance(sample, (tuple, list)):
        kinds = ", ".join(type(part).__name__ for part in sample)
        return f"a {type(sample).__name__} of ({kinds})"
    return f"of type {type(sample).__name__}"


class _Column:
    """Values of one modality, in memory that is allocated once."""

    def __init__(self, name, first, n_samples):
        self.name = name
        first = _value(first)
        shape, dtype = getattr(first, "shape", ()), getattr(first, "dtype", object)
        self.values = np.empty((n_samples, *shape), dtype)

    def put(self, i, value):
        """Store the value of sample i."""
        value = _value(value)
        shape, dtype = getattr(value, "shape", ()), getattr(value, "dtype", object)
        if shape != self.values.shape[1:]:
            raise ValueError(
                f"modality {self.name!r} has shape {shape} in sample {i} of the "
                f"dataset, but {self.values.shape[1:]} in sample 0; give all samples "
                "one shape."
            )
        if dtype != self.values.dtype:
            self.values = self.values.astype(np.promote_types(dtype, self.values.dtype))
        self.values[i] = value


def _value(value):
    """A str or None as it is; others as an array."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value
    return np.asarray(value)


def _target(targets):
    missing = [i for i, target in enumerate(targets) if target is None]
    if len(missing) == len(targets):
        return None
    if missing:
        raise ValueError(f"sample {missing[0]} of the dataset has no target.")
    return leaves.as_leaf([_value(target) for target in targets], "y")
