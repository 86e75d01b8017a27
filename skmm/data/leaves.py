"""How one modality is stored, and how its rows are selected, joined and compared.

=========  ==============================================  =====================
kind       stored as                                       one row is
=========  ==============================================  =====================
dense      numeric ``numpy.ndarray``, or a memmap          array
tensor     ``torch.Tensor``                                tensor
sparse     SciPy sparse matrix or array, in CSR format     sparse row
frame      ``pandas.DataFrame``, categoricals included     ``pandas.Series``
text       1-D object array of ``str`` or None             ``str`` or None
ragged     1-D object array of arrays, lengths may differ  array
=========  ==============================================  =====================

The first axis is that of the rows. NaN and ``pandas.NA`` among strings become None.
"""

import reprlib
import sys
from numbers import Number

import numpy as np
import pandas as pd
import torch
from scipy import sparse

from skmm._views import quantity
from skmm.data import tables

HALF = (torch.bfloat16, torch.float16)
_MISSING = {"none", "nan"}


def as_leaf(value, name):
    """Convert what a user passes for modality `name` to a leaf of a known kind."""
    if sparse.issparse(value):  # before Mapping: a dok_array is one
        return _sparse_leaf(value, name)
    if isinstance(value, pd.DataFrame):
        return value
    if isinstance(value, (pd.Series, pd.Index, pd.api.extensions.ExtensionArray)):
        return _series_leaf(pd.Series(value), name)
    if isinstance(value, torch.Tensor):
        return _tensor_leaf(value.detach(), name)
    if isinstance(value, (list, tuple, range)):
        return _list_leaf(value, name)
    check_not_masked(value, f"modality {name!r}")
    if not isinstance(value, np.ndarray):
        value = tables.read(value, f"modality {name!r}")
    if isinstance(value, pd.DataFrame):  # of another library than pandas
        return value
    if hasattr(value, "__array__"):
        array = value if isinstance(value, np.memmap) else np.asarray(value)
        return _array_leaf(_with_rows(array, name), name)
    raise TypeError(
        f"modality {name!r} must be an array, tensor, sparse matrix, DataFrame or "
        f"list with one entry per row; got {type(value).__name__}."
    )


def from_user(value, name):
    """Do the same as `as_leaf`, but stack ragged rows that all have one shape.

    Only new input is stacked: a leaf that is ragged in a container stays ragged.
    """
    leaf = as_leaf(value, name)
    if kind(leaf) != "ragged" or not len(leaf):
        return leaf
    shapes = {row.shape for row in leaf}
    return np.stack(leaf) if len(shapes) == 1 and 0 not in shapes.pop() else leaf


def check_not_masked(value, what):
    """Raise a TypeError if an array is masked."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{what} is a masked array; fill it, and mark whole rows missing with "
            "ModalityDict(..., present=...)."
        )


def check_tensor(value, what):
    """Raise a TypeError if a tensor is quantised or nested, or has no values."""
    ways = {
        "quantised": (value.is_quantized, "pass X.dequantize()"),
        "nested": (value.is_nested, "pass the list of its tensors, X.unbind()"),
        "on the device 'meta'": (value.is_meta, "it has no values"),
    }
    for kind, (found, fix) in ways.items():
        if found:
            raise TypeError(f"{what} is a tensor {kind}: {fix}.")


def _with_rows(array, name):
    if array.ndim == 0:
        raise ValueError(
            f"modality {name!r} is a single value; pass one entry per row."
        )
    return array


def _sparse_leaf(value, name):
    if value.ndim != 2:
        raise ValueError(
            f"modality {name!r} is a sparse array of "
            f"{quantity(value.ndim, 'dimension')}; a sparse modality must be "
            "two-dimensional."
        )
    return value.tocsr()


def _tensor_leaf(value, name):
    check_tensor(value, f"modality {name!r}")
    if value.layout != torch.strided:
        return _sparse_tensor_leaf(value, name)
    return _with_rows(value, name)


def _sparse_tensor_leaf(value, name):
    """SciPy matrix of a sparse tensor of two dimensions."""
    value = value.cpu().to_sparse_coo().coalesce()
    if value.sparse_dim() != 2 or value.dense_dim():
        raise TypeError(
            f"modality {name!r} is a sparse tensor of shape {tuple(value.shape)}; a "
            "sparse modality must be two-dimensional. Use tensor.to_dense()."
        )
    numbers = value.values()
    numbers = numbers.float() if numbers.dtype in HALF else numbers  # unknown to SciPy
    indices = tuple(value.indices().numpy())
    return sparse.csr_array((numbers.numpy(), indices), shape=tuple(value.shape))


def _series_leaf(value, name):
    if isinstance(value.dtype, pd.CategoricalDtype):
        return value.to_frame(name)
    if getattr(value.dtype, "kind", "O") in "mM":
        raise TypeError(
            f"modality {name!r} has times, of dtype {value.dtype}; convert them to "
            "numbers, such as days since a date."
        )
    if pd.api.types.is_numeric_dtype(value.dtype):
        whole = isinstance(value.dtype, np.dtype) or not value.isna().any()
        array = value.to_numpy() if whole else value.to_numpy(float, na_value=np.nan)
        return _array_leaf(array, name)
    return _array_leaf(value.to_numpy(object, na_value=None), name)


def _list_leaf(value, name):
    if any(isinstance(v, str) or v is None for v in value):
        return _array_leaf(object_array(value), name)
    if value and all(sparse.issparse(v) for v in value):
        return sparse.vstack(value, format="csr")
    if value and all(isinstance(v, pd.Series) for v in value):
        return pd.DataFrame(list(value)).infer_objects()
    try:
        array = np.asarray(value)
    except ValueError:  # rows of several lengths
        array = object_array([_ragged_row(v, name) for v in value])
    return _array_leaf(array, name)


def _ragged_row(value, name):
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(
            f"modality {name!r} has a row that is itself a ragged list; each row must "
            "be one array of numbers."
        ) from None


def _array_leaf(array, name):
    if array.dtype.kind in "UST":
        array = _strings(array, name).astype(object)
    if array.dtype.kind in "biufc":
        return array
    if array.dtype.kind == "O":
        return _object_leaf(array, name)
    raise TypeError(
        f"modality {name!r} has dtype {array.dtype}; expected numbers, booleans, "
        "text, or one array per row."
    )


def _object_leaf(array, name):
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    kinds = {_content(v) for v in array.ravel()}
    if _holds(kinds, "text") or kinds <= {"none"}:
        return _text_leaf(array, name)
    if _holds(kinds, "bytes", "text"):
        raise TypeError(_bytes_message(name))
    if kinds <= {"list", "tuple"}:
        return _list_leaf(array.tolist(), name)
    if kinds == {"array"} and array.ndim == 1:
        return array
    if kinds <= {"number", "nan"}:
        return array.astype(np.float64)
    raise TypeError(
        f"modality {name!r} is an object array of mixed types "
        f"({', '.join(sorted(kinds))}); expected only text, only numbers, or one "
        "array per row. Split it into one modality per type."
    )


def _strings(array, name):
    """Convert an array of bytes, str or NumPy strings to str."""
    try:
        return array.astype(object if array.dtype.kind == "T" else str)
    except UnicodeDecodeError:
        raise TypeError(_bytes_message(name)) from None


def _text_leaf(array, name):
    """Return a 1-D object array of ``str``, with None in place of other values."""
    if array.ndim > 1:
        raise ValueError(
            f"modality {name!r} is text of shape {array.shape}; expected one string "
            "per row. Pass a DataFrame, or one modality per column."
        )
    holes = [value is not None and not isinstance(value, str) for value in array]
    return np.where(holes, None, array) if any(holes) else array


def _bytes_message(name):
    """Error message for bytes that cannot be converted to text."""
    return (
        f"modality {name!r} has bytes instead of text; decode them first: "
        f"[value.decode('utf-8') for value in X[{name!r}]]."
    )


def _holds(kinds, one, *others):
    """Whether `kinds` include `one`, and besides only `others` and missing values."""
    return one in kinds and kinds <= _MISSING | {one, *others}


def _content(value):
    if value is None or value is pd.NA:
        return "none"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (float, np.floating)) and value != value:
        return "nan"
    if isinstance(value, bytes):  # np.bytes_ too, which is an np.generic
        return "bytes"
    if isinstance(value, (complex, np.complexfloating)):
        return "complex number"
    if isinstance(value, (Number, np.generic)):
        return "number"
    if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind in "biufc":
        return "array"
    return type(value).__name__


def object_array(values):
    """1-D object array of `values`, never broadcast into more dimensions."""
    out = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        out[i] = value
    return out


def as_ragged(leaf):
    """Return a dense leaf as a ragged one."""
    if isinstance(leaf, np.ndarray) and leaf.dtype.kind != "O" and leaf.ndim > 1:
        return object_array(list(leaf))
    return leaf


def kind(leaf):
    """Return the kind of a leaf: a row of the table in this module's docstring."""
    if sparse.issparse(leaf):
        return "sparse"
    if isinstance(leaf, pd.DataFrame):
        return "frame"
    if isinstance(leaf, torch.Tensor):
        return "tensor"
    if leaf.dtype.kind != "O":
        return "dense"
    is_text = all(isinstance(v, str) or v is None for v in leaf[:100])
    return "text" if is_text else "ragged"


def n_rows(leaf):
    """Return the number of rows."""
    return leaf.shape[0]


def common_length(parts):
    """Return the number of rows, or raise a ValueError if the leaves differ in it."""
    lengths = {name: n_rows(leaf) for name, leaf in parts.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name!r} has {n}" for name, n in lengths.items())
        raise ValueError(f"modalities have different numbers of rows: {listed}.")
    return next(iter(lengths.values()), 0)


def take(leaf, rows):
    """Select rows of a leaf by a slice or an integer array."""
    if isinstance(leaf, pd.DataFrame):
        return leaf.iloc[rows]
    if isinstance(leaf, torch.Tensor):
        return leaf[_torch_rows(rows, leaf)]
    return leaf[rows]


def _torch_rows(rows, leaf):
    if isinstance(rows, slice):
        if (rows.step or 1) > 0:
            return rows
        rows = np.arange(leaf.shape[0])[rows].copy()  # torch has no negative steps
    return torch.as_tensor(rows, device=leaf.device)


def row(leaf, i):
    """Return one row; see the table in this module's docstring."""
    if isinstance(leaf, pd.DataFrame):
        return leaf.iloc[i]
    return leaf[[i]] if sparse.issparse(leaf) else leaf[i]


def stack(leaves, name):
    """Concatenate leaves of one modality along the rows."""
    kinds = {kind(leaf) for leaf in leaves}
    if kinds == {"text", "ragged"}:  # an empty leaf looks like text
        kinds = {"ragged"}
    shapes = {tuple(leaf.shape[1:]) for leaf in leaves}
    if len(kinds) > 1 or len(shapes) > 1:
        raise ValueError(
            f"modality {name!r} cannot be concatenated: kinds {sorted(kinds)}, row "
            f"shapes {sorted(shapes)}; all parts must have one kind and one row shape."
        )
    join = {"sparse": _stack_sparse, "frame": _stack_frames, "tensor": torch.cat}
    return join.get(kinds.pop(), np.concatenate)(leaves)


def _stack_sparse(leaves):
    return sparse.vstack(leaves, format="csr")


def _stack_frames(leaves):
    return pd.concat(leaves)


def equal(a, b):
    """Compare kind, shape and values; NaN equals NaN, indexes of frames are ignored."""
    if kind(a) != kind(b) or a.shape != b.shape:
        return False
    if isinstance(a, pd.DataFrame):
        return a.reset_index(drop=True).equals(b.reset_index(drop=True))
    if sparse.issparse(a):
        return equal(a.toarray(), b.toarray())
    if isinstance(a, torch.Tensor):
        return bool(((a == b) | ((a != a) & (b != b))).all())
    if a.dtype.kind == "O":
        return all(_same(u, v) for u, v in zip(a, b, strict=True))
    return np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")


def _same(u, v):
    if isinstance(u, np.ndarray) and isinstance(v, np.ndarray):
        return equal(u, v)
    return u is v if u is None or v is None else bool(np.all(u == v))


def shape_of_row(leaf):
    """Shape of one row: () for text, None for ragged.

    A one-dimensional numeric leaf is a single column: its rows have shape (1,).
    """
    leaf_kind = kind(leaf)
    if leaf_kind == "text":
        return ()
    if leaf_kind == "ragged":
        return None
    return tuple(leaf.shape[1:]) or (1,)


def describe(leaf):
    """Describe a leaf for a repr: kind, shape, dtype."""
    leaf_kind = kind(leaf)
    if leaf_kind == "text":
        return f"text ({leaf.shape[0]},)" + (
            f", first {reprlib.repr(leaf[0])}" if len(leaf) else ""
        )
    dtype = "mixed" if leaf_kind == "frame" else str(leaf.dtype).removeprefix("torch.")
    if leaf_kind == "frame" and leaf.dtypes.nunique() == 1:
        dtype = str(leaf.dtypes.iloc[0])
    return f"{leaf_kind} {tuple(leaf.shape)} {dtype}"


def utf8(text, row, name):
    """Encode the text of one row."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"modality {name!r} has invalid Unicode in row {row}: a lone surrogate, "
            f"{text[error.start]!r}, as left by a wrong decoding. Read the file with "
            "its own encoding, or replace the character: "
            "text.encode('utf-8', 'replace').decode()."
        ) from None


def size_of(leaf):
    """Number of bytes of the values, counted row by row for text and ragged leaves.

    Schedulers estimate by it what they would send.
    """
    if isinstance(leaf, pd.DataFrame):
        return int(leaf.memory_usage(deep=True).sum())
    if sparse.issparse(leaf):
        return leaf.data.nbytes + leaf.indices.nbytes + leaf.indptr.nbytes
    if leaf.dtype == object:
        return leaf.nbytes + sum(sys.getsizeof(row) for row in leaf)
    return leaf.nbytes
