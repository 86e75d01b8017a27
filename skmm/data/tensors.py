"""From a ModalityDict to what a module reads.

=========  ==================================================================
leaf       becomes
=========  ==================================================================
dense      tensor of the encoder's `in_dtype`; a memmap stays on disk
tensor     the same, cast
sparse     stays sparse; batches become dense
frame      tensor, if every column is numeric
text       (n, longest) int64: UTF-8 bytes plus one, 0 is padding
ragged     refused: a transformer must give the rows one length
=========  ==================================================================

Rows in which a modality is missing become zeros, so that what stood there has no
influence.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import sparse

from skmm.data import leaves
from skmm.data.text import utf8


@dataclass(frozen=True)
class TensorRows:
    """Rows of all modalities, on one device.

    Attributes
    ----------
    x : dict of str to Tensor, PickedRows or LazyRows, each (n, ...)
    present : Tensor (n, M) of bool, or None if nothing is missing
    weight : Tensor (n,), or None for equal weights
    encoded : collection of str
        Modalities whose `x` holds embeddings, which need no encoder.
    """

    x: dict
    present: torch.Tensor | None = None
    weight: torch.Tensor | None = None
    encoded: Collection = ()

    def __len__(self):
        return len(next(iter(self.x.values())))

    def subset(self, index):
        """Return the rows of an integer tensor, by number: no modality is copied."""
        return self._map(index, lambda source: subset_of(source, index))

    def take(self, index):
        """Return the rows of a slice or of an integer tensor, as tensors."""
        return self._map(index, lambda source: rows_at(source, index))

    def _map(self, index, pick):
        present = None if self.present is None else rows_at(self.present, index)
        weight = None if self.weight is None else rows_at(self.weight, index)
        x = {name: pick(source) for name, source in self.x.items()}
        return TensorRows(x, present, weight, self.encoded)

    def with_weight(self, weight):
        """Return the same rows with weights."""
        return replace(self, weight=weight)

    def with_embeddings(self, embeddings):
        """Return the same rows with embeddings (n, width) of some modalities."""
        return replace(self, x={**self.x, **embeddings}, encoded=frozenset(embeddings))

    def recombined(self, rows):
        """Return rows in which modalities, and who lacks them, come from other ones.

        Parameters
        ----------
        rows : dict of str to Tensor (n,) of int
            Modalities not named keep theirs; names that are not in `x` do not matter.
        """
        rows = {name: index for name, index in rows.items() if name in self.x}
        x = {name: rows_at(self.x[name], index) for name, index in rows.items()}
        present = self.present
        if present is not None:
            columns = zip(self.x, present.unbind(1), strict=True)
            masks = [mask[rows[n]] if n in rows else mask for n, mask in columns]
            present = torch.stack(masks, dim=1)
        return replace(self, x={**self.x, **x}, present=present)


class LazyRows:
    """Rows of a memory-mapped or sparse leaf, made dense batch by batch.

    Parameters
    ----------
    leaf : memmap, or sparse matrix in CSR
    mask : ndarray (n,) of bool
        False rows become zeros.
    dtype : torch.dtype
    device : torch.device
    rows : ndarray of int, optional
        Only these rows of the leaf.
    """

    def __init__(self, leaf, mask, dtype, device, rows=None):
        self.leaf = leaf
        self.mask = None if mask is None or mask.all() else mask
        self.dtype = dtype
        self.device = device
        self.rows = rows

    def __len__(self):
        return self.leaf.shape[0] if self.rows is None else len(self.rows)

    def __getitem__(self, index):
        index = index.cpu().numpy() if isinstance(index, torch.Tensor) else index
        index = index if self.rows is None else self.rows[index]
        part = _in_memory(leaves.take(self.leaf, index), isinstance(index, slice))
        if self.mask is not None:
            part[~self.mask[index]] = 0
        return torch.from_numpy(_two_d(part)).to(self.device, self.dtype)


def _in_memory(part, is_view):
    """Rows of a leaf as an array of their own, copied only where they are not yet."""
    if sparse.issparse(part):
        return part.toarray()
    return np.array(part, part.dtype.newbyteorder("="), copy=is_view or None)


class PickedRows:
    """Some rows of a tensor, which stays whole: they are copied batch by batch.

    Parameters
    ----------
    tensor : Tensor (n, ...)
    rows : Tensor of int
    """

    def __init__(self, tensor, rows):
        self.tensor = tensor
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return rows_at(self.tensor, self.rows[index])


def map_tensors(function, first, *others):
    """Call a function on tensors, or on those of the same name in nested dicts.

    Parameters
    ----------
    function : callable
    first, *others : Tensor, or dict of str to such
        The dicts have the same names.

    Returns
    -------
    What the function returns, in dicts as `first`.
    """
    if isinstance(first, dict):
        dicts = (first, *others)
        return {n: map_tensors(function, *(part[n] for part in dicts)) for n in first}
    return function(first, *others)


def tensors_in(named):
    """List of the tensors in nested dicts; of a tensor, itself."""
    if isinstance(named, dict):
        return [tensor for part in named.values() for tensor in tensors_in(part)]
    return [named]


def to_device(named, device):
    """Move a tensor, or all tensors in nested dicts, to a device."""
    return map_tensors(lambda tensor: tensor.to(device), named)


def rows_at(source, index):
    """Rows of a slice or an integer tensor; on a CPU faster than ``source[index]``.

    `source` may be a dict of tensors too.
    """
    if isinstance(source, dict):
        return {name: rows_at(part, index) for name, part in source.items()}
    if isinstance(source, torch.Tensor) and isinstance(index, torch.Tensor):
        return source.index_select(0, index)
    return source[index]


def subset_of(source, index):
    """Rows of an integer tensor, of which only the numbers are kept."""
    if isinstance(source, torch.Tensor):
        return PickedRows(source, index)
    if isinstance(source, PickedRows):
        return PickedRows(source.tensor, source.rows[index])
    rows = index.cpu().numpy()
    rows = rows if source.rows is None else source.rows[rows]
    return LazyRows(source.leaf, source.mask, source.dtype, source.device, rows)


def to_tensors(X, dtypes, device):
    """Turn a checked ModalityDict into TensorRows.

    Parameters
    ----------
    X : ModalityDict
    dtypes : dict of str to torch.dtype
        What each modality's encoder reads.
    device : torch.device

    Raises
    ------
    TypeError
        If a modality cannot become numbers; the message says what to do.
    """
    masks = X.present
    x = {n: _source(leaf, n, masks[n], dtypes[n], device) for n, leaf in X.items()}
    if not X.has_missing:
        return TensorRows(x)
    present = np.stack([masks[name] for name in X], axis=1)
    return TensorRows(x, torch.from_numpy(present).to(device))


def _source(leaf, name, mask, dtype, device):
    kind = leaves.kind(leaf)
    if kind == "sparse" or isinstance(leaf, np.memmap):
        return LazyRows(leaf, mask, dtype, device)
    if kind == "text" and not mask.all():
        leaf = np.where(mask, leaf, None)  # whatever stands there, however long
    return _cast(_READ[kind](leaf, name, dtype), mask, name, dtype).to(device)


def _cast(tensor, mask, name, dtype):
    """Change the dtype, refusing values that become infinite in rows of `mask`."""
    cast = tensor.to(dtype)
    if not mask.all():
        cast = cast.clone() if cast is tensor else cast
        cast[torch.from_numpy(~mask).to(cast.device)] = 0
    if tensor.dtype == torch.float64 and not torch.isfinite(cast.sum()):
        bad = (~torch.isfinite(cast)).reshape(len(cast), -1).any(1).nonzero()[:, 0]
        if len(bad):
            raise ValueError(
                f"modality {name!r} has values too large for {dtype} in {len(bad)} "
                f"row(s), the first in row {int(bad[0])}; scale it first, as "
                "ModalityTransformer({" + f"{name!r}: StandardScaler()}})."
            )
    return cast


def _read_dense(leaf, name, dtype):
    if not (leaf.flags.writeable and leaf.dtype.isnative and _positive_strides(leaf)):
        leaf = np.array(leaf, dtype=leaf.dtype.newbyteorder("="))
    return torch.from_numpy(_two_d(leaf))


def _positive_strides(array):
    return all(stride >= 0 for stride in array.strides)


def _two_d(array):
    return array[:, None] if array.ndim == 1 else array


def _read_tensor(leaf, name, dtype):
    return _two_d(leaf)


def _read_frame(leaf, name, dtype):
    others = leaf.columns.difference(leaf.select_dtypes(["number", "bool"]).columns)
    if len(others):
        raise TypeError(
            f"modality {name!r} has columns that are not numeric: {list(others)[:5]}. "
            "Encode them first, as ModalityTransformer({"
            f"{name!r}: make_column_transformer(...)}})."
        )
    return torch.from_numpy(
        leaf.to_numpy(np.float64).copy()
    )  # pandas shares, read-only


def _read_text(leaf, name, dtype):
    if dtype != torch.int64:
        raise TypeError(
            f"modality {name!r} is text, but its encoder reads numbers. Give one that "
            "reads tokens (in_dtype torch.int64), or turn the text into numbers with a "
            "ModalityTransformer."
        )
    encoded = [utf8(value or "", i, name) for i, value in enumerate(leaf)]
    out = torch.zeros(len(leaf), max(1, *map(len, encoded)), dtype=torch.int64)
    for row, code in enumerate(encoded):
        out[row, : len(code)] = torch.tensor(list(code), dtype=torch.int64) + 1
    return out


def _refuse_ragged(leaf, name, dtype):
    raise TypeError(
        f"modality {name!r} has rows of several lengths; a transformer must give them "
        "one length first, as ModalityTransformer({" + f"{name!r}: ...}})."
    )


_READ = {
    "dense": _read_dense,
    "tensor": _read_tensor,
    "frame": _read_frame,
    "text": _read_text,
    "ragged": _refuse_ragged,
}
