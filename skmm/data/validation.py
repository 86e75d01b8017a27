"""Validation of the input of every transformer and estimator."""

from collections.abc import Mapping
from difflib import get_close_matches

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skmm import _sklearn
from skmm._views import prepending
from skmm.data import categories, frames, leaves, tables
from skmm.data.cells import Cell, is_cells
from skmm.data.finite import (
    check_finite,
    complex_message,
    first_rows,
    is_complex,
    with_nan,
)
from skmm.data.labels import check_row_labels, labels_of
from skmm.data.modality_dict import ModalityDict
from skmm.data.torch_datasets import is_dataset, with_target
from skmm.data.unseen import without_unseen

SINGLE = "X"  # name of the only modality if X is a plain array


def check_modalities(
    X,
    estimator=None,
    *,
    reset=True,
    modalities=None,
    finite=True,
    absent="refuse",
    unseen="missing",
):
    """Convert the input to a ModalityDict and validate it.

    Parameters
    ----------
    X : ModalityDict, mapping, list of dicts, DataFrame, or array-like
        A list has one dict per sample. A DataFrame, also of Polars or PyArrow, has one
        modality per column, or per entry of the first level of MultiIndex columns. An
        array of two or more dimensions, a sparse matrix, or a DataFrame without column
        names is one modality called "X". A map-style torch Dataset of (modalities,
        target), or a list of such samples, is read once.
        ``np.asarray(ModalityDict)`` is converted back.
    estimator : object, optional
        Estimator on which the attributes `modalities_in_` (the modalities used),
        their `shapes_in_` and `columns_in_`, `optional_modalities_` (those with
        missing rows), `n_features_in_` and, unless X is a plain array,
        `feature_names_in_` (all modalities of X) are set, or compared with X.
    reset : bool, default=True
        Whether to set these attributes (in `fit`) or to compare X with them.
    modalities : sequence of str, optional
        Modalities to keep, in this order; by default all.
    finite : bool, default=True
        Whether to raise an error on NaN, infinity and None in present rows.
    absent : {"refuse", "drop"}, default="refuse"
        How to handle a modality that was present in `fit` but is not in X: "refuse"
        raises an error, unless it was missing in some rows of `fit`, in which case it
        is marked as missing everywhere; "drop" leaves it out.
    unseen : {"missing", "keep"}, default="missing"
        How to handle a modality that was missing in every training sample, which is
        not in `modalities_seen_` of the estimator: "missing" marks it as missing, since
        its encoder is untrained; "keep" is for further training.

    Returns
    -------
    ModalityDict
        With the modalities in the order of `modalities`, or of `fit`.

    Raises
    ------
    ValueError
        If the numbers or the labels of rows differ, modalities are unknown or absent,
        shapes differ from those in `fit`, X is empty, or values are not finite.
    TypeError
        If the data have an unsupported type, or X is a list of views without names.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.data import check_modalities
    >>> check_modalities({"a": np.ones((2, 3)), "b": ["x", "y"]})
    ModalityDict: 2 rows, 2 modalities
      a  dense (2, 3) float64
      b  text (2,), first 'x'
    """
    if absent not in ("refuse", "drop"):
        raise ValueError(f'absent must be "refuse" or "drop"; got {absent!r}.')
    if unseen not in ("missing", "keep"):
        raise ValueError(f'unseen must be "missing" or "keep"; got {unseen!r}.')
    X = _as_modality_dict(X, estimator, reset, absent)
    _check_not_empty(X)
    if estimator is not None and not reset:
        X = _compare(X, estimator, absent)
        X = without_unseen(X, estimator) if unseen == "missing" else X
    else:
        X = _select(everything := X, modalities)
    if estimator is not None and reset:
        _remember(X, everything, estimator)
    if finite:
        check_finite(X)
    return X


def _as_modality_dict(X, estimator, reset, absent):
    if isinstance(X, ModalityDict):
        return X
    if isinstance(X, pd.DataFrame) and X.size and isinstance(X.iat[0, 0], Cell):
        X = X.to_numpy()  # output of a step with set_output(transform="pandas")
    if isinstance(X, pd.DataFrame) and any(isinstance(c, str) for c in _tops(X)):
        return _from_frame(X, estimator, reset, absent)
    if is_cells(X):
        return ModalityDict.from_cells(X)
    if isinstance(X, Mapping) and not sparse.issparse(X):
        return ModalityDict(X)
    if tables.is_rows(X):
        return ModalityDict(tables.columns_of(X))
    if is_dataset(X):
        return with_target(X)[0]
    if (table := tables.read(X, "X")) is not X:
        return _as_modality_dict(table, estimator, reset, absent).with_index(None)
    return _from_array(X, estimator, reset).with_index(labels_of(X))


def _tops(frame):
    return frame.columns.get_level_values(0)


def _from_frame(X, estimator, reset, absent):
    frames.named(_tops(X) if X.columns.nlevels == 1 else _tops(X).unique())
    if X.columns.nlevels > 1 or estimator is None:
        return ModalityDict.from_frame(X)
    if reset or not _may_lack(X, estimator, absent):
        _sklearn.check_feature_names(estimator, X, reset=reset)
    if not reset and _is_plain(estimator):
        return ModalityDict({SINGLE: X.to_numpy()}).with_index(X.index)
    return ModalityDict.from_frame(X)


def _may_lack(X, estimator, absent):
    """Whether columns are absent from X that the estimator does not need."""
    missing = {*getattr(estimator, "feature_names_in_", ())} - {*X.columns}
    needed = {*estimator.modalities_in_} - {*estimator.optional_modalities_}
    return bool(missing) and (absent == "drop" or not missing & needed)


def _is_plain(estimator):
    """Whether the estimator was fitted on a plain array."""
    return not hasattr(estimator, "feature_names_in_")


def _from_array(X, estimator, reset):
    if isinstance(X, (list, tuple)) and any(_is_view(v) for v in X):
        raise TypeError(
            "X is a list of tables, which could be views or rows. Name the modalities: "
            "X = {'image': ..., 'table': ...}."
        )
    leaves.check_not_masked(X, SINGLE)
    if is_complex(X):
        raise ValueError(complex_message(SINGLE))
    tables.check_indexable(X)
    if getattr(X, "ndim", 2) > 2:
        return ModalityDict({SINGLE: X})
    if isinstance(X, torch.Tensor) and X.ndim:
        X = leaves.as_leaf(X, SINGLE)  # which reads or refuses every kind of tensor
    if isinstance(X, torch.Tensor):  # NumPy does not have the dtype bfloat16
        X = (X.float() if X.dtype == torch.bfloat16 else X).cpu()
    checks = {"accept_sparse": "csr", "ensure_all_finite": False}
    if estimator is None:
        with prepending("X"):
            return ModalityDict({SINGLE: check_array(X, **checks)})
    with prepending("X"):
        X = validate_data(estimator, X, reset=reset, **checks)
    if reset or _is_plain(estimator):
        return ModalityDict({SINGLE: X})
    X = X.toarray() if sparse.issparse(X) else X
    return ModalityDict(dict(zip(estimator.feature_names_in_, X.T, strict=True)))


def _is_view(value):
    """Whether an entry of a list is a table."""
    if isinstance(value, (list, tuple)):
        return any(isinstance(row, (list, tuple, np.ndarray)) for row in value[:1])
    return getattr(value, "ndim", 0) > 1


def _check_not_empty(X):
    if X.shape[1] == 0 or len(X) == 0:
        raise ValueError(
            f"Found array with {len(X)} sample(s) (shape={X.shape}) while a minimum of "
            "1 is required: X needs at least one row and one modality."
        )
    for name, leaf in X.items():
        if 0 in leaf.shape[1:]:
            raise ValueError(
                f"modality {name!r} has 0 feature(s) (shape={tuple(leaf.shape)}) while "
                "a minimum of 1 is required; leave it out."
            )


def _select(X, modalities):
    if modalities is None:
        return X
    if isinstance(modalities, str) or len(modalities) == 0:
        raise ValueError(f"modalities must be a list of names; got {modalities!r}.")
    check_names(modalities, X, "modalities")
    return X.select(list(modalities))


def _remember(X, everything, estimator):
    """Set the attributes that describe X on the estimator."""
    present = X.present
    estimator.modalities_in_ = list(X)
    estimator.shapes_in_ = categories.shapes_of(X)
    estimator.columns_in_ = {
        n: list(v.columns) for n, v in X.items() if isinstance(v, pd.DataFrame)
    }
    estimator.optional_modalities_ = [n for n in X if not present[n].all()]
    if list(everything) == [SINGLE] and everything[SINGLE].ndim > 1:
        estimator.n_features_in_ = everything[SINGLE].shape[1]
        vars(estimator).pop("feature_names_in_", None)  # of an earlier fit
    else:
        estimator.n_features_in_ = everything.shape[1]
        estimator.feature_names_in_ = np.array(list(everything), dtype=object)


def _compare(X, estimator, absent):
    known = estimator.modalities_in_
    check_names(X, list(getattr(estimator, "feature_names_in_", known)), "X")
    missing = [name for name in known if name not in X]
    if absent == "refuse":
        X = _fill_in(X, missing, estimator)
        missing = []
    if len(missing) == len(known):
        raise ValueError(
            f"X must have at least one of the modalities seen in fit: {known}."
        )
    X = X.select([name for name in known if name not in missing])
    X = _with_ragged(X, estimator)
    for name, leaf in X.items():
        _check_shape(name, leaf, estimator)
        _check_columns(name, leaf, estimator)
    return X


def _with_ragged(X, estimator):
    """Treat samples of equal lengths as ragged if they were ragged in `fit`."""
    names = [n for n in X if estimator.shapes_in_[n] is None]
    parts = {n: leaves.as_ragged(X[n]) for n in names}
    masks = {name: X.present[name] for name in names}
    return X.assign(ModalityDict._kept(parts, masks)) if names else X


def _fill_in(X, missing, estimator):
    unmet = [name for name in missing if name not in estimator.optional_modalities_]
    if unmet:
        raise ValueError(
            f"modality {_listed(unmet)} is missing from X but was present in every "
            f"training sample of this {type(estimator).__name__}. Add it to X; to "
            "predict without it, fit on samples in which it is missing "
            "(X.with_missing), or fit skmm.restrict(estimator, other_modalities)."
        )
    parts = {n: _blank(len(X), estimator.shapes_in_[n]) for n in missing}
    masks = {name: np.zeros(len(X), dtype=bool) for name in missing}
    return X.assign(ModalityDict._kept(parts, masks)) if missing else X


def _blank(n_rows, shape):
    if shape == ():
        return [""] * n_rows
    if shape is None:
        return leaves.object_array([np.empty(0)] * n_rows)
    return np.zeros((n_rows, *shape), dtype=np.float32)


def _check_shape(name, leaf, estimator):
    shape, known = leaves.shape_of_row(leaf), estimator.shapes_in_[name]
    if shape != known:
        raise ValueError(
            f"modality {name!r} has samples of shape {shape}, but this "
            f"{type(estimator).__name__} was fitted with samples of shape {known}."
        )


def _check_columns(name, leaf, estimator):
    known = estimator.columns_in_.get(name)
    if known is None or not isinstance(leaf, pd.DataFrame):
        return
    if list(leaf.columns) != known:
        raise ValueError(
            f"modality {name!r} has columns {list(leaf.columns)}, but this "
            f"{type(estimator).__name__} was fitted with columns {known}, in this "
            "order."
        )


# -- names -----------------------------------------------------------------------------


def check_names(names, known, what):
    """Raise a ValueError if any of `names` is not among `known`.

    Parameters
    ----------
    names, known : iterable of str
    what : str
        Where the names come from, such as "encoders" or "X"; starts the message.
    """
    known, names = list(known), list(names)
    if bad := [name for name in names if np.ndim(name)]:
        raise ValueError(f"{what} must be names of modalities; got {bad[0]!r}.")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"{what}: unknown modality {_listed(unknown)}; the modalities are "
            f"{_listed(known)}.{_meant(unknown, known)}"
        )


def parts_in_use(parts, estimator, what):
    """Select the entries of a dict whose modality the fitted estimator uses.

    Parameters
    ----------
    parts : dict
        Keys are names of modalities.
    estimator : estimator
        Fitted. If its parameter `modalities` selects all modalities of X, an earlier
        step may have removed others: unknown names are then ignored.
    what : str
        See `check_names`.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    parts = {str(name): part for name, part in parts.items()}
    used = list(estimator.modalities_in_)
    known = list(getattr(estimator, "feature_names_in_", used))
    if estimator.modalities is None or set(known) != set(used):
        check_names(parts, known, what)
    return {name: part for name, part in parts.items() if name in used}


def check_labels(labels, what):
    """Raise a ValueError if labels are repeated, as one result would hide another.

    Parameters
    ----------
    labels : list of str
        Built from the names of modalities.
    what : str
        What is labelled; starts the message.
    """
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(
            f"{what}: the label {_listed(twice)}, built from the names of the "
            "modalities, is ambiguous. Rename a modality."
        )


def _listed(names):
    return ", ".join(repr(name) for name in names)


def _meant(unknown, known):
    pairs = [(name, get_close_matches(str(name), known, 1)) for name in unknown]
    meant = [f"{close[0]!r} for {name!r}" for name, close in pairs if close]
    return f" Did you mean {', '.join(meant)}?" if meant else ""


def note_missing(estimator, X):
    """Add modalities that are missing from a sample to `optional_modalities_`.

    Chunks of ``partial_fit`` may differ in them.
    """
    known, present = estimator.optional_modalities_, X.present
    new = [name for name in X if name not in known and not present[name].all()]
    estimator.optional_modalities_ = [*known, *new]


def check_target(estimator, y, n_samples, X=None, **others):
    """Check that y is given and fits X, sample by sample.

    Parameters
    ----------
    estimator : estimator
    y : array-like of shape (n_samples, ...), or dict of such
    n_samples : int
    X : ModalityDict, dict, DataFrame or array-like of n_samples, optional
        y must not have other row labels; see `check_row_labels`.
    **others : array-like of shape (n_samples,), or None
        Such as sample_weight and groups, checked in the same way.

    Returns
    -------
    array-like
        y; tensors and columns of other libraries than pandas as ndarray.

    Raises
    ------
    ValueError
        If y is None, has another number of samples or other row labels, or has NaN
        and a single output.
    """
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but "
            "the target y is None."
        )
    check_row_labels(X, y=y, **others)
    y = plain_target(y)
    sized = any(hasattr(y, name) for name in ("__len__", "shape", "__array__"))
    if isinstance(y, (str, bytes)) or not sized or getattr(y, "ndim", 1) == 0:
        raise ValueError(
            f"y must have one entry per sample of X, {n_samples}; got {y!r}."
        )
    if (n_targets := _sklearn.num_samples(y)) != n_samples:
        raise ValueError(
            f"X and y have inconsistent numbers of samples: {n_samples} and "
            f"{n_targets}."
        )
    _check_no_missing(y)
    return y


def plain_target(y):
    """Return y without a library of its own: tensors and Arrow columns as ndarray.

    Entries of several outputs that are missing are NaN; see `with_nan`.
    """
    if isinstance(y, torch.Tensor):
        y = y.detach().cpu()
        return (y.float() if y.dtype == torch.bfloat16 else y).numpy()
    is_ours = isinstance(y, (np.ndarray, list, tuple, pd.Series, pd.DataFrame, Mapping))
    return with_nan(y if is_ours else tables.read(y, "y"))


def _check_no_missing(y):
    """Raise a ValueError that counts the samples without a target, for one output."""
    if isinstance(y, (list, tuple)):
        y = leaves.object_array(y)  # samples that are lists are never missing
    values = None if isinstance(y, Mapping) or sparse.issparse(y) else np.asarray(y)
    if values is None or (values.ndim != 1 and values.shape[1:] != (1,)):
        return
    missing = np.flatnonzero(pd.isna(values.reshape(-1)))
    if len(missing):
        raise ValueError(
            f"Input y contains NaN in {len(missing)} of {len(y)} samples: "
            f"{first_rows(missing)}. Leave them out, or fill them in."
        )
