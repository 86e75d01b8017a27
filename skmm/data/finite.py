"""Values that are not finite: refused in X, not measured in y of several outputs."""

from math import prod

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from sklearn.metrics import get_scorer

from skmm._views import quantity
from skmm.data import leaves
from skmm.data.categories import category_columns
from skmm.data.sources import PIECE, slices

SMALLEST = np.finfo(np.float64).eps  # probability in a logarithm


def check_finite(X):
    """Raise a ValueError if a present row of any modality is not finite."""
    for name, leaf in X.items():
        _check_dtypes(name, leaf)
        bad = _bad_rows_in_slices(leaf)
        if bad is not None and (bad := bad & X.present[name]).any():
            raise ValueError(_not_finite(name, leaf, np.flatnonzero(bad)))


def _not_finite(name, leaf, rows):
    is_text = leaves.kind(leaf) == "text"
    what = "None instead of text" if is_text else "NaN or infinity"
    return (
        f"Input X contains NaN or infinity: modality {name!r} has {what} in "
        f"{quantity(len(rows), 'row')} ({first_rows(rows)}). Impute them, or mark "
        f"these rows as missing: ModalityDict(..., present={{{name!r}: mask}})."
    )


def _check_dtypes(name, leaf):
    """Check that there are no complex numbers, nor times in a DataFrame."""
    if isinstance(leaf, pd.DataFrame):
        kinds = [getattr(dtype, "kind", "O") for dtype in leaf.dtypes]
        for column, kind in zip(leaf.columns, kinds, strict=True):
            if kind in "mM":
                raise TypeError(
                    f"modality {name!r} has times in column {column!r}; convert them "
                    "to numbers, such as days since a date."
                )
        found = "c" in kinds
    elif leaves.kind(leaf) == "ragged":
        found = any(row.dtype.kind == "c" for row in leaf)
    else:
        found = is_complex(leaf)
    if found:
        raise ValueError(complex_message(f"modality {name!r}"))


def is_complex(array):
    """Whether an array, tensor or sparse matrix has complex numbers."""
    dtype = getattr(array, "dtype", None)
    is_tensor = isinstance(dtype, torch.dtype)
    return dtype.is_complex if is_tensor else getattr(dtype, "kind", "") == "c"


def complex_message(what):
    """Error message for complex numbers in a part of the input."""
    return (
        f"{what} has complex numbers. Complex data not supported: pass real and "
        "imaginary parts, or absolute values and angles, as features."
    )


def first_rows(rows):
    """Return the first five row numbers as text."""
    return ", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else "")


def _bad_rows_in_slices(leaf):
    """Do the same as `_bad_rows`, without a mask or copy of all values of the leaf."""
    n_rows, n_values = leaf.shape[0], prod(leaf.shape)
    if n_values <= PIECE or leaves.kind(leaf) in ("text", "ragged"):
        return _bad_rows(leaf)
    bad = np.zeros(n_rows, dtype=bool)
    for part in slices(n_rows, n_values):
        found = _bad_rows(leaves.take(leaf, part))
        if found is not None:
            bad[part] = found
    return bad


def _bad_rows(leaf):
    """Return a boolean array of the rows that are not finite, or None if all are."""
    leaf_kind = leaves.kind(leaf)
    if leaf_kind == "text":
        return np.array([value is None for value in leaf])
    if leaf_kind == "ragged":
        return np.array([not np.isfinite(value).all() for value in leaf])
    if leaf_kind == "frame":
        return _bad_frame_rows(leaf)
    if leaf_kind == "sparse":
        return _bad_sparse_rows(leaf)
    return _bad_dense_rows(leaf)


def _bad_dense_rows(leaf):
    lib = torch if isinstance(leaf, torch.Tensor) else np
    is_float = leaf.is_floating_point() if lib is torch else leaf.dtype.kind == "f"
    if not is_float:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        if lib.isfinite(leaf.sum()):  # one pass without a copy, like scikit-learn
            return None
    good = lib.isfinite(leaf).reshape(leaf.shape[0], -1).all(1)
    return ~np.asarray(good.cpu() if lib is torch else good)


def _bad_sparse_rows(leaf):
    if np.isfinite(leaf.data).all():
        return None
    coo = sparse.coo_array(leaf)
    bad = np.zeros(leaf.shape[0], dtype=bool)
    bad[coo.coords[0][~np.isfinite(coo.data)]] = True
    return bad


def _bad_frame_rows(leaf):
    """Rows without a number; categories may be missing."""
    known = category_columns(leaf)
    leaf = leaf.iloc[:, [i for i in range(leaf.shape[1]) if i not in known]]
    bad = leaf.isna().to_numpy().any(axis=1)
    numeric = leaf.select_dtypes("number").to_numpy(float, na_value=np.nan)
    return bad | ~np.isfinite(numeric).all(axis=1) if numeric.size else bad


# -- targets of several outputs, NaN where an entry was not measured ------------------


def with_nan(y):
    """Return y of several outputs as float64 if entries are missing; else unchanged.

    Parameters
    ----------
    y : ndarray, DataFrame, list, or other
        A masked array is not measured where its mask is True.

    Returns
    -------
    ndarray of shape (n_samples, n_outputs), or y
        Object arrays of numbers become float64, even if no entry is missing.

    Raises
    ------
    ValueError
        If entries are missing and others are not numbers.
    """
    if isinstance(y, np.ma.MaskedArray):
        y = np.where(np.ma.getmaskarray(y), None, y.data) if y.mask.any() else y.data
    table = _as_table(y)
    if table is None:
        return y
    missing = pd.isna(table)
    if not missing.any() and not _is_object(table):
        return y
    try:
        return np.where(missing, np.nan, table).astype(np.float64)
    except (TypeError, ValueError) as error:
        if not missing.any():
            return y  # text, which the target refuses
        raise ValueError(
            f"y has several outputs, of which {int(missing.sum())} entries are missing "
            "and others are not numbers. Missing entries are supported in 0/1 labels "
            "and in values: encode the classes, or fit one estimator per column."
        ) from error


def _as_table(y):
    """Array of two dimensions that may have missing entries, or None."""
    if isinstance(y, pd.DataFrame):
        missing = y.isna().to_numpy().any()
        return y.to_numpy(dtype=object) if missing else None
    if isinstance(y, (list, tuple)):
        y = _array_of(y)
    may = isinstance(y, np.ndarray) and y.ndim == 2 and _is_object(y)
    return y if may else None


def _array_of(y):
    """A list as an array of objects if entries may be missing, else None."""
    try:
        y = np.asarray(y)
    except ValueError:  # its samples differ in shape
        return None
    may = y.dtype.kind == "f" and y.ndim == 2 and np.isnan(y).any()
    return y.astype(object) if may else y


def _is_object(y):
    return y.dtype == np.dtype("O")


def measured_entries(y):
    """Which entries of a target are measured.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)

    Returns
    -------
    ndarray of bool of the shape of y, or None if all are measured
    """
    if y.ndim != 2 or y.dtype.kind != "f":
        return None
    measured = ~np.isnan(y)
    return None if measured.all() else measured


def measured_samples(y):
    """Which samples have a measured entry; None is all.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs), or other
    """
    measured = measured_entries(y) if isinstance(y, np.ndarray) else None
    some = None if measured is None else measured.any(axis=1)
    return None if some is None or some.all() else some


def check_measured(y, weight=None):
    """Check that every output of a target is measured in a sample that counts.

    Parameters
    ----------
    y : ndarray of shape (n_samples, n_outputs)
    weight : ndarray of shape (n_samples,), optional
        Samples of weight zero do not count.

    Raises
    ------
    ValueError
        If an output is measured in no sample.
    """
    measured = measured_entries(y)
    if measured is None:
        return
    counts = measured if weight is None else measured[weight > 0]
    never = np.flatnonzero(~counts.any(axis=0)).tolist()
    if never:
        raise ValueError(
            f"y has no measured value of output {str(never).strip('[]')} in the "
            "training samples: all are NaN, or of weight zero. Leave out these columns "
            "of y, or add samples that measure them."
        )


def check_scorer_of_masked(scoring, y, name="scoring"):
    """Check that a scorer can score y if some entries are not measured.

    Parameters
    ----------
    scoring : str, callable, list, dict or None
        As in ``cross_validate`` of scikit-learn.
    y : ndarray of shape (n_samples, ...), or other
    name : str, default="scoring"
        Name of the parameter, for errors.

    Raises
    ------
    ValueError
        If it is a scorer of a metric of scikit-learn, which rejects NaN.
    """
    if not isinstance(y, np.ndarray) or measured_entries(y) is None:
        return
    several = isinstance(scoring, (list, tuple, set, dict))
    scorers = scoring.values() if isinstance(scoring, dict) else scoring
    for one in scorers if several else [scoring]:
        scorer = get_scorer(one) if isinstance(one, str) else one
        metric = getattr(scorer, "_score_func", None)
        if getattr(metric, "__module__", "").startswith(("sklearn.", "skmm.")):
            shown = repr(one) if isinstance(one, str) else metric.__name__
            own = repr(one) if isinstance(one, str) else "scorer"
            raise ValueError(
                f"{name}={shown} cannot score y with NaN, entries that were not "
                f"measured. Use {name}=skmm.metrics.masked_scorer({own}), which "
                "scores each output where it was measured."
            )


def by_output(y, values, weight=None):
    """Yield each output with the samples in which it is measured.

    Parameters
    ----------
    y, values : ndarray of shape (n_samples, n_outputs)
        Target and predictions.
    weight : ndarray of shape (n_samples,), optional

    Yields
    ------
    (ndarray, ndarray, ndarray or None)
        Target, predictions and weights of these samples.
    """
    for true, value in zip(y.T, values.T, strict=True):
        rows = np.flatnonzero(~np.isnan(true))
        yield true[rows], value[rows], None if weight is None else weight[rows]


def negative_log(probabilities):
    """Return -log(p), the log-loss; finite, since p is at least the epsilon of float64.

    Parameters
    ----------
    probabilities : ndarray
        Probabilities of what is true.
    """
    return -np.log(np.clip(probabilities, SMALLEST, 1.0))


def label_probabilities(proba, estimator):
    """Probability of each label, of an array or of scikit-learn's list of arrays.

    Parameters
    ----------
    proba : ndarray of shape (n_samples, n_labels), or list of (n_samples, n_classes)
        Result of ``predict_proba`` of a multilabel classifier.
    estimator : estimator
        Its `classes_` are those of the columns of a list.

    Returns
    -------
    ndarray of shape (n_samples, n_labels)
    """
    if not isinstance(proba, list):
        return np.asarray(proba, np.float64)
    pairs = zip(proba, estimator.classes_, strict=True)
    return np.stack(
        [(one * (np.asarray(classes) == 1)).sum(axis=1) for one, classes in pairs], 1
    )
