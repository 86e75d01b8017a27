"""Conversion of a ModalityDict to tensors.

=========  ==================================================================
leaf       becomes
=========  ==================================================================
dense      tensor of the encoder's `in_dtype`; a memmap stays on disk
tensor     cast to this dtype
sparse     stays sparse; mini-batches become dense
frame      tensor, if every column is numeric
text       int64 tensor (n_rows, longest): UTF-8 bytes plus one, padded with 0
ragged     an error: a transformer must give all rows the same length
=========  ==================================================================

Missing rows become zeros, so that their values have no influence.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import sparse

from skmm.data import leaves


@dataclass(frozen=True)
class TensorRows:
    """Rows of all modalities, on one device.

    Attributes
    ----------
    x : dict of str to Tensor, PickedRows or LazyRows, each of shape (n_rows, ...)
    present : bool Tensor of shape (n_rows, n_modalities), or None
        None if nothing is missing.
    weight : Tensor of shape (n_rows,), or None
        None for equal weights.
    encoded : collection of str
        Modalities whose `x` are embeddings, which need no encoder.
    """

    x: dict
    present: torch.Tensor | None = None
    weight: torch.Tensor | None = None
    encoded: Collection = ()

    def __len__(self):
        return len(next(iter(self.x.values())))

    def subset(self, index):
        """Select rows by an integer tensor, without copying any modality."""
        return self._map(index, lambda source: subset_of(source, index))

    def take(self, index):
        """Select rows by a slice or an integer tensor, as tensors."""
        return self._map(index, lambda source: rows_at(source, index))

    def _map(self, index, pick):
        present = None if self.present is None else rows_at(self.present, index)
        weight = None if self.weight is None else rows_at(self.weight, index)
        x = {name: pick(source) for name, source in self.x.items()}
        return TensorRows(x, present, weight, self.encoded)

    def with_weight(self, weight):
        """Return the same rows with other weights."""
        return replace(self, weight=weight)

    def with_missing(self, names):
        """Return the same rows, which have a mask, with modalities missing in all."""
        present = self.present.clone()
        present[:, [n in names for n in self.x]] = False
        return replace(self, present=present)

    def with_embeddings(self, embeddings):
        """Return the same rows with embeddings in place of some modalities."""
        return replace(self, x={**self.x, **embeddings}, encoded=frozenset(embeddings))

    def recombined(self, rows):
        """Return rows in which each modality has its own selection of rows.

        The presence mask is permuted with the values.

        Parameters
        ----------
        rows : dict of str to integer Tensor of shape (n_rows,)
            Other modalities keep their rows; names that are not in `x` are ignored.
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
    """Rows of a memory-mapped or sparse leaf, converted one mini-batch at a time.

    Parameters
    ----------
    leaf : memmap, or sparse matrix in CSR
    mask : bool ndarray of shape (n_rows,) or None
        Rows where it is False become zeros.
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
    """Return rows of a leaf as an array that owns its memory, copying if needed."""
    if sparse.issparse(part):
        return part.toarray()
    return np.array(part, part.dtype.newbyteorder("="), copy=is_view or None)


class PickedRows:
    """Some rows of a tensor, copied one mini-batch at a time.

    Parameters
    ----------
    tensor : Tensor
    rows : integer Tensor
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


def names_in(names):
    """Names of outputs as a tuple: one may be a string; None is unknown."""
    if names is None:
        return None
    return (names,) if isinstance(names, str) else tuple(names)


def one_tensor(outputs, fix="override `_outputs` of the estimator to return one"):
    """Check that outputs of a net are one tensor, not a dict of named tensors.

    Parameters
    ----------
    outputs : Tensor or dict of str to Tensor
    fix : str
        Advice, for errors.

    Returns
    -------
    Tensor
    """
    if isinstance(outputs, dict):
        raise TypeError(
            f"one tensor is needed, but the net gives the named outputs "
            f"{list(outputs)}: {fix}."
        )
    return outputs


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
    """Select rows by an integer tensor, keeping only their numbers."""
    if isinstance(source, torch.Tensor):
        return PickedRows(source, index)
    if isinstance(source, PickedRows):
        return PickedRows(source.tensor, source.rows[index])
    rows = index.cpu().numpy()
    rows = rows if source.rows is None else source.rows[rows]
    return LazyRows(source.leaf, source.mask, source.dtype, source.device, rows)


def to_rows(X, module, device, weight=None):
    """Convert a validated ModalityDict to tensors for the encoders of `module`."""
    dtypes = {n: d or _default_dtype(X[n]) for n, d in module.in_dtypes.items()}
    try:
        rows = to_tensors(X, dtypes, device)
    except torch.OutOfMemoryError as error:
        raise MemoryError(
            f"the data do not fit on {device}. Give fewer samples, or memory-map the "
            "largest modality (np.memmap, or np.load(..., mmap_mode='r')): it is then "
            "read one mini-batch at a time."
        ) from error
    if weight is None:
        return rows
    return rows.with_weight(torch.from_numpy(weight).float().to(device))


def _default_dtype(leaf):
    """Of modules that do not declare one: text becomes tokens."""
    return torch.int64 if leaves.kind(leaf) == "text" else torch.float32


def to_tensors(X, dtypes, device):
    """Convert a checked ModalityDict to TensorRows.

    Parameters
    ----------
    X : ModalityDict
    dtypes : dict of str to torch.dtype
        Input dtype of the encoder of each modality.
    device : torch.device

    Raises
    ------
    TypeError
        If a modality cannot be converted; the message explains what to do.
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
        leaf = np.where(mask, leaf, None)  # missing text must not widen the tensor
    return _cast(_READ[kind](leaf, name, dtype), mask, name, dtype).to(device)


def _cast(tensor, mask, name, dtype):
    """Cast, zero the missing rows, and raise if a present value becomes infinite."""
    cast = tensor.to(dtype)
    if not mask.all():
        cast = cast.clone() if cast is tensor else cast
        cast[torch.from_numpy(~mask).to(cast.device)] = 0
    if tensor.dtype == torch.float64 and not torch.isfinite(cast.sum()):
        bad = (~torch.isfinite(cast)).reshape(len(cast), -1).any(1).nonzero()[:, 0]
        if len(bad):
            raise ValueError(
                f"modality {name!r} has values too large for {dtype} in {len(bad)} "
                f"row(s), the first in row {int(bad[0])}; scale it first, for example "
                "with ModalityTransformer({" + f"{name!r}: StandardScaler()}})."
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
            "Encode them first, for example with ModalityTransformer({"
            f"{name!r}: make_column_transformer(...)}})."
        )
    values = leaf.to_numpy(np.float64).copy()  # pandas may return a read-only view
    return torch.from_numpy(values)


def _read_text(leaf, name, dtype):
    if dtype != torch.int64:
        raise TypeError(
            f"modality {name!r} is text, but its encoder expects numbers. Use an "
            "encoder of tokens (in_dtype torch.int64), or convert the text to numbers "
            "with a ModalityTransformer."
        )
    encoded = [leaves.utf8(value or "", i, name) for i, value in enumerate(leaf)]
    out = torch.zeros(len(leaf), max(1, *map(len, encoded)), dtype=torch.int64)
    for row, code in enumerate(encoded):
        out[row, : len(code)] = torch.tensor(list(code), dtype=torch.int64) + 1
    return out


def _check_not_ragged(leaf, name, dtype):
    raise TypeError(
        f"modality {name!r} has samples of different lengths; give them one "
        "length first, for example with ModalityTransformer({" + f"{name!r}: ...}})."
    )


_READ = {
    "dense": _read_dense,
    "tensor": _read_tensor,
    "frame": _read_frame,
    "text": _read_text,
    "ragged": _check_not_ragged,
}


def resolve_device(device):
    """Return the torch.device for "auto", a name or a torch.device.

    Parameters
    ----------
    device : str or torch.device

    Raises
    ------
    ValueError
        If the device does not exist.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(device)
        torch.zeros(1, device=device).cpu()  # the device "meta" has no values
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        count = torch.cuda.device_count()
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device={device!r} does not exist here ({reason}); use 'auto', 'cpu'"
            + (f" or 'cuda:0' … 'cuda:{count - 1}'." if count else ".")
        ) from error
    return device
