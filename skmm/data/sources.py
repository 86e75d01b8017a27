"""Modalities whose samples become tensors one mini-batch at a time.

===========  ==========================================  ==========================
source       samples are stored in                       used for
===========  ==========================================  ==========================
LazyRows     a leaf, in memory or in a file              memory-mapped and sparse
                                                         leaves, large DataFrames
PickedRows   a tensor of any dtype on the device         large leaves, subsets
TokenRows    the tokens of all texts, one after another  long texts
===========  ==========================================  ==========================

All keep the dtype in which they are stored, and cast the samples of a mini-batch.
"""

from math import isfinite

import numpy as np
import pandas as pd
import torch
from scipy import sparse

from skmm.data import leaves

SMALL = 2**24  # bytes of a tensor that is made at once
PIECE = 2**22  # values that are checked at once


class LazyRows:
    """Samples of a leaf, converted one mini-batch at a time.

    Parameters
    ----------
    leaf : array, memmap, DataFrame of numbers, or sparse matrix in CSR
    mask : bool ndarray of shape (n_samples,) or None
        Samples where it is False become zeros.
    dtype : torch.dtype
    device : torch.device
    rows : ndarray of int, optional
        Only these samples of the leaf.
    name : str, optional
        Modality, of which values that are too large for `dtype` raise an error; None
        if they have been checked.
    """

    def __init__(self, leaf, mask, dtype, device, rows=None, name=None):
        self.leaf = leaf
        self.mask = None if mask is None or mask.all() else mask
        self.dtype = dtype
        self.device = device
        self.rows = rows
        self.name = name

    def __len__(self):
        return self.leaf.shape[0] if self.rows is None else len(self.rows)

    def __getitem__(self, index):
        index = index.cpu().numpy() if isinstance(index, torch.Tensor) else index
        index = index if self.rows is None else self.rows[index]
        part = in_memory(leaves.take(self.leaf, index), isinstance(index, slice))
        if self.mask is not None:
            part[~self.mask[index]] = 0
        stored = torch.from_numpy(two_d(part)).to(self.device)
        cast = stored.to(self.dtype)
        if self.name is not None and narrows(stored.dtype, self.dtype):
            check_cast(cast, self.name, index)
        return cast

    def subset(self, index):
        """Select samples by an integer tensor, without reading them."""
        rows = index.cpu().numpy()
        rows = rows if self.rows is None else self.rows[rows]
        return LazyRows(
            self.leaf, self.mask, self.dtype, self.device, rows, name=self.name
        )


def in_memory(part, is_view=True):
    """Return samples of a leaf as an array that owns its memory, copying if needed."""
    if sparse.issparse(part):
        part, is_view = part.toarray(), False
    if isinstance(part, pd.DataFrame):
        return part.to_numpy(np.float64).copy()  # pandas may return a read-only view
    dtype = part.dtype.newbyteorder("=")
    dtype = np.float64 if dtype == np.longdouble else dtype
    return np.array(part, dtype, copy=is_view or None)


def two_d(array):
    """Return an array with an axis of features."""
    return array[:, None] if array.ndim == 1 else array


class PickedRows:
    """Some or all samples of a tensor, copied and cast one mini-batch at a time.

    Parameters
    ----------
    tensor : Tensor
    rows : integer Tensor or None, default=None
        None is all samples.
    dtype : torch.dtype or None, default=None
        None is that of the tensor.
    gaps : bool Tensor of shape (len(tensor),) or None, default=None
        Samples that become zeros.
    """

    def __init__(self, tensor, rows=None, dtype=None, gaps=None):
        self.tensor = tensor
        self.rows = rows
        self.dtype = dtype
        self.gaps = gaps

    def __len__(self):
        return len(self.tensor) if self.rows is None else len(self.rows)

    def __getitem__(self, index):
        index = index if self.rows is None else self.rows[index]
        part = rows_at(self.tensor, index)
        part = part if self.dtype is None else part.to(self.dtype)
        if self.gaps is None:
            return part
        gaps = rows_at(self.gaps, index).view(-1, *[1] * (part.ndim - 1))
        return part.masked_fill(gaps, 0)

    @property
    def device(self):
        """Device of the tensor."""
        return self.tensor.device

    def subset(self, index):
        """Select samples by an integer tensor, without copying them."""
        rows = index if self.rows is None else self.rows[index]
        return PickedRows(self.tensor, rows, self.dtype, self.gaps)


class TokenRows:
    """Texts of different lengths as padded tokens, one mini-batch at a time.

    Parameters
    ----------
    tokens : integer Tensor of shape (n_tokens,)
        Those of all texts, one after another, counted from 0; 1 is added, and 0 is
        padding.
    lengths : integer Tensor of shape (n_samples,)
    starts, longest
        Position of the first token of each text, and the length of the rows; found
        from `lengths` by default.
    """

    def __init__(self, tokens, lengths, starts=None, longest=None):
        self.tokens = tokens
        self.lengths = lengths
        self.starts = lengths.cumsum(0) - lengths if starts is None else starts
        self.longest = max(1, int(lengths.max())) if longest is None else longest

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, index):
        starts, lengths = rows_at(self.starts, index), rows_at(self.lengths, index)
        steps = torch.arange(self.longest, device=starts.device)
        inside = steps < lengths[:, None]
        out = torch.zeros(inside.shape, dtype=torch.int64, device=starts.device)
        out[inside] = self.tokens[(starts[:, None] + steps)[inside]].long() + 1
        return out

    @property
    def device(self):
        """Device of the tokens."""
        return self.tokens.device

    @property
    def nbytes(self):
        """Size of all samples as padded tokens, in bytes."""
        return 8 * self.longest * len(self)

    def subset(self, index):
        """Select samples by an integer tensor, without copying their tokens."""
        chosen = self.lengths[index], self.starts[index]
        return TokenRows(self.tokens, *chosen, self.longest)


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
    return source.subset(index)


def row_nbytes(source):
    """Size of one sample as the net reads it, in bytes."""
    if isinstance(source, (torch.Tensor, TokenRows)):
        return source.nbytes // max(1, len(source))
    return source[:1].nbytes  # others have to be read


# -- values that a narrower dtype cannot hold ------------------------------------------


def narrows(stored, dtype):
    """Whether values of one floating-point dtype may be too large for another."""
    if not (stored.is_floating_point and dtype.is_floating_point):
        return False
    return torch.finfo(stored).max > torch.finfo(dtype).max


def check_cast(cast, name, index=slice(None)):
    """Raise a ValueError if a value became infinite when it was cast.

    Parameters
    ----------
    cast : Tensor of shape (n, ...)
    name : str
        Modality.
    index : ndarray of int, shape (n,), or slice
        Number of each row, for the message.
    """
    bad = _infinite_rows(cast)
    if len(bad):
        start = (index.start or 0) if isinstance(index, slice) else 0
        rows = start + bad if isinstance(index, slice) else index[bad]
        _raise_too_large(name, cast.dtype, rows)


def check_range(tensor, mask, name, dtype):
    """Raise a ValueError if a present sample is too large for a dtype, in pieces."""
    if not narrows(tensor.dtype, dtype):
        return
    parts = slices(len(tensor), tensor.numel())
    bad = [p.start + _infinite_rows(tensor[p].to(dtype)) for p in parts]
    bad = np.concatenate(bad)
    if len(bad := bad[mask[bad]]):
        _raise_too_large(name, dtype, bad)


def slices(n_rows, n_values):
    """Slices of rows that have about `PIECE` of all values each."""
    step = max(1, PIECE * n_rows // max(1, n_values))
    return [slice(start, start + step) for start in range(0, n_rows, step)]


def _infinite_rows(cast):
    if isfinite(cast.sum()):  # one pass without a copy
        return np.empty(0, dtype=int)
    finite = torch.isfinite(cast).reshape(len(cast), -1).all(1)
    return np.flatnonzero(~finite.cpu().numpy())


def _raise_too_large(name, dtype, rows):
    raise ValueError(
        f"modality {name!r} has values too large for {dtype}, for example in row "
        f"{rows[0]}; scale it first, for example with "
        "ModalityTransformer({" + f"{name!r}: StandardScaler()}})."
    )
