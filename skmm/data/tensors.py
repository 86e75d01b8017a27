"""Conversion of a ModalityDict to tensors.

=========  ==================================================================
leaf       becomes
=========  ==================================================================
dense      tensor of the encoder's `in_dtype`; a memmap stays on disk
tensor     cast to this dtype
sparse     stays sparse; mini-batches become dense
frame      tensor; columns that are not numeric are codes of categories, if
           the encoder reads them
text       int64 tensor (n_rows, longest): tokens plus one, padded with 0
ragged     an error: a transformer must give all rows the same length
=========  ==================================================================

Large leaves keep their dtype, on the device too, and mini-batches are cast. Missing
rows become zeros, so that their values have no influence.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from skmm.data import leaves, texts
from skmm.data.categories import categories_of, codes
from skmm.data.sources import (
    SMALL,
    LazyRows,
    PickedRows,
    check_cast,
    check_range,
    in_memory,
    narrows,
    rows_at,
    subset_of,
    two_d,
)


@dataclass(frozen=True)
class TensorRows:
    """Rows of all modalities, on one device.

    Attributes
    ----------
    x : dict of str to Tensor or a source of ``skmm.data.sources``
        Each of shape (n_rows, ...).
    present : bool Tensor of shape (n_rows, n_modalities), or None
        None if nothing is missing.
    weight : Tensor of shape (n_rows,) or (n_rows, n_members), or None
        None for equal weights; one column per net of an ensemble whose nets are trained
        on other rows.
    encoded : collection of str
        Modalities whose `x` are embeddings, which need no encoder.
    """

    x: dict
    present: torch.Tensor | None = None
    weight: torch.Tensor | None = None
    encoded: Collection = ()

    def __len__(self):
        return len(next(iter(self.x.values())))

    @property
    def by_member(self):
        """Whether every net of an ensemble has its own weights."""
        return self.weight is not None and self.weight.ndim == 2

    def subset(self, index):
        """Select rows by an integer tensor, without copying any modality."""
        return self._map(index, lambda source: subset_of(source, index))

    def take(self, index):
        """Select rows by a slice or an integer tensor, as tensors."""
        return self._map(index, lambda source: rows_at(source, index))

    def read(self):
        """Return all rows as tensors; those that are tensors are not copied."""
        if all(isinstance(source, torch.Tensor) for source in self.x.values()):
            return self
        return self.take(slice(None))

    def _map(self, index, pick):
        present = None if self.present is None else rows_at(self.present, index)
        weight = None if self.weight is None else rows_at(self.weight, index)
        x = {name: pick(source) for name, source in self.x.items()}
        return TensorRows(x, present, weight, self.encoded)

    def with_weight(self, weight):
        """Return the same rows with other weights."""
        return replace(self, weight=weight)

    def with_missing(self, names):
        """Return the same rows with modalities missing in all."""
        if self.present is None:
            shape, device = (len(self), len(self.x)), tensors_in(self.x)[0].device
            present = torch.ones(shape, dtype=torch.bool, device=device)
        else:
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
        x = {name: _moved(self.x[name], index) for name, index in rows.items()}
        present = self.present
        if present is not None:
            columns = zip(self.x, present.unbind(1), strict=True)
            masks = [mask[rows[n]] if n in rows else mask for n, mask in columns]
            present = torch.stack(masks, dim=1)
        return replace(self, x={**self.x, **x}, present=present)


def _moved(source, index):
    """Rows of a tensor, or a source of these rows."""
    return (rows_at if isinstance(source, torch.Tensor) else subset_of)(source, index)


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


def to_rows(X, module, device, weight=None):
    """Convert a validated ModalityDict to tensors for the encoders of `module`."""
    dtypes = {n: d or _default_dtype(X[n]) for n, d in module.in_dtypes.items()}
    try:
        rows = to_tensors(X, dtypes, device, module.readers)
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


def to_tensors(X, dtypes, device, readers=None):
    """Convert a checked ModalityDict to TensorRows.

    Parameters
    ----------
    X : ModalityDict
    dtypes : dict of str to torch.dtype
        Input dtype of the encoder of each modality.
    device : torch.device
    readers : dict of str to Block, optional
        Encoders of text, which ``skmm.data.texts.read`` uses, and of tables with
        categories, which are those of their `in_shape_`.

    Raises
    ------
    TypeError
        If a modality cannot be converted; the message explains what to do.
    """
    masks, device, readers = X.present, torch.device(device), readers or {}
    x = {
        n: _source(leaf, n, masks[n], dtypes[n], device, readers.get(n))
        for n, leaf in X.items()
    }
    if not X.has_missing:
        return TensorRows(x)
    present = np.stack([masks[name] for name in X], axis=1)
    return TensorRows(x, torch.from_numpy(present).to(device))


def _source(leaf, name, mask, dtype, device, reader=None):
    kind = leaves.kind(leaf)
    if kind == "text" and dtype == torch.int64:
        return texts.read(np.where(mask, leaf, None), name, reader, device)
    if kind in UNREADABLE or kind == "text":
        raise TypeError(UNREADABLE[kind].format(name=name))
    shape = getattr(reader, "in_shape_", None)
    if categories_of(shape):
        leaf, kind = _coded(leaf, kind, mask, shape, name), "dense"
    if kind == "frame":
        _check_columns(leaf, name)
    if _is_lazy(leaf, kind, dtype, device):
        return LazyRows(leaf, mask, dtype, device, name=name)
    tensor = two_d(leaf) if kind == "tensor" else _as_tensor(leaf)
    if tensor.numel() * dtype.itemsize <= SMALL or _is_ready(tensor, dtype, mask):
        return _cast(tensor, mask, name, dtype).to(device)
    check_range(tensor, mask, name, dtype)
    gaps = None if mask.all() else torch.from_numpy(~mask).to(device)
    return PickedRows(tensor.to(device), dtype=dtype, gaps=gaps)


def _coded(leaf, kind, mask, shape, name):
    """Categories of a table as codes."""
    if kind == "frame":
        return codes(leaf, shape, name)
    if mask.any():
        raise TypeError(
            f"modality {name!r} was a DataFrame with categories in fit; got "
            f"{leaves.describe(leaf)}. Pass a DataFrame with the same columns."
        )
    return np.zeros((len(mask), *shape))


def _is_lazy(leaf, kind, dtype, device):
    """Whether a leaf is read one mini-batch at a time, so that no copy is made."""
    if kind == "sparse" or isinstance(leaf, np.memmap):
        return True
    if kind == "tensor" or math.prod(leaf.shape) * dtype.itemsize <= SMALL:
        return False
    return kind == "frame" or not _is_native(leaf) or _stays(leaf.dtype, device)


def _stays(dtype, device):
    """Whether values stay in memory, as a GPU cannot select rows of this dtype."""
    return device.type != "cpu" and dtype.kind == "u" and dtype.itemsize > 1


def _is_ready(tensor, dtype, mask):
    return tensor.dtype == dtype and mask.all()


def _is_native(leaf):
    """Whether torch can share the memory of an array."""
    return (
        leaf.flags.writeable
        and leaf.dtype.isnative
        and leaf.dtype != np.longdouble
        and all(stride >= 0 for stride in leaf.strides)
    )


def _as_tensor(leaf):
    is_frame = isinstance(leaf, pd.DataFrame)
    shared = not is_frame and _is_native(leaf)
    return torch.from_numpy(two_d(leaf if shared else in_memory(leaf)))


def _cast(tensor, mask, name, dtype):
    """Cast, zero the missing rows, and raise if a present value becomes infinite."""
    cast = tensor.to(dtype)
    if not mask.all():
        cast = cast.clone() if cast is tensor else cast
        cast[torch.from_numpy(~mask).to(cast.device)] = 0
    if narrows(tensor.dtype, dtype):
        check_cast(cast, name)
    return cast


def _check_columns(leaf, name):
    others = leaf.columns.difference(leaf.select_dtypes(["number", "bool"]).columns)
    if len(others):
        raise TypeError(
            f"modality {name!r} has columns that are not numeric: {list(others)[:5]}. "
            "Use CategoricalEmbedding(), or encode them first, for example with "
            f"ModalityTransformer({{{name!r}: make_column_transformer(...)}})."
        )


UNREADABLE = {
    "text": (
        "modality {name!r} is text, but its encoder expects numbers. Use an encoder of "
        "tokens (in_dtype torch.int64), or convert the text to numbers with a "
        "ModalityTransformer."
    ),
    "ragged": (
        "modality {name!r} has samples of different lengths; give them one length "
        "first, for example with ModalityTransformer({{{name!r}: ...}})."
    ),
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
    if isinstance(device, str) and device == "auto":
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
