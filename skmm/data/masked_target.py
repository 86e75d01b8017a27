"""Targets of several outputs of which some entries were not measured.

Missing entries of y (NaN, None or pd.NA) are NaN in an array of float64.
"""

import numpy as np
import pandas as pd


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
