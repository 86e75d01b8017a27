"""Row labels: the index of DataFrames and Series, on which all input must agree.

Arrays, tensors, lists and tables of other libraries have no row labels, and are joined
by position. Labels are compared, never used to reorder rows; `align` does that.
"""

from collections.abc import Mapping

import pandas as pd

from skmm._sklearn import output_config


def labels_of(value):
    """Return the row labels of input as a pandas Index, or None if it has none."""
    if isinstance(value, (pd.DataFrame, pd.Series)):
        return value.index
    index = getattr(value, "index", None)  # a list has a method of that name
    if isinstance(index, pd.Index):
        return index
    if type(value) is dict:
        return agreed([(f"modality {name!r}", v) for name, v in value.items()])
    return None


def agreed(parts, known=("X", None)):
    """Return the row labels that all parts share, or None if no part has labels.

    Parameters
    ----------
    parts : list of (str, object)
        What each is, for errors, and the data.
    known : (str, Index or None)
        What has labels already, and these.

    Raises
    ------
    ValueError
        If the labels of two parts differ, or are in another order.
    """
    first, labels = known
    for what, value in parts:
        own = labels_of(value)
        if own is None:
            continue
        if labels is None:
            first, labels = what, own
        elif not _equal(labels, own):
            raise ValueError(_message(first, labels, what, own))
    return labels


def check_row_labels(X, **others):
    """Check that y, weights or groups do not have other row labels than X.

    Parameters
    ----------
    X : ModalityDict, dict, DataFrame or array-like of n_samples
        Without labels, the others must only agree among themselves.
    **others : array-like of n_samples, or None
        By name.

    Raises
    ------
    ValueError
        If the labels differ, or are in another order.
    """
    agreed(list(others.items()), ("X", labels_of(X)))


def check_masks(present, index):
    """Check that masks that are Series do not have other row labels than `index`."""
    if present is not None and index is not None:
        named = [(f"present[{name!r}]", mask) for name, mask in present.items()]
        agreed(named, ("X", index))


def _equal(a, b):
    """Whether labels are equal; other numbers of rows are found by later checks."""
    if a is b or len(a) != len(b) or a.equals(b):
        return True
    return a.dtype != b.dtype and a.tolist() == b.tolist()


def _message(first, labels, what, own):
    same = not labels.has_duplicates and labels.isin(own).all()
    order = f"the row labels of {first} in another order"
    pairs = enumerate(zip(labels.tolist(), own.tolist(), strict=True))
    row, (label, got) = next((i, pair) for i, pair in pairs if pair[0] != pair[1])
    name = what.removeprefix("modality ")
    value = f"X[{name}]" if name != what else name
    source = first if first.isidentifier() else "X"
    by_label = f"{value}.loc[{source}.index]"
    by_label = "ModalityDict.align({...})" if name != what else by_label
    needs = ", as permutation_test_score needs, which permutes y" if what == "y" else ""
    return (
        f"{what} has {order if same else f'other row labels than {first}'}: row {row} "
        f"is {got!r}, not {label!r}. To join by label, use {by_label}; to join by "
        f"position, remove the labels: {value}.to_numpy(){needs}."
    )


def relabelled(leaf, index):
    """Return a DataFrame with the row labels `index`; other leaves are unchanged.

    Parameters
    ----------
    leaf : leaf
    index : Index or None
        None changes nothing.
    """
    if index is None or not isinstance(leaf, pd.DataFrame) or leaf.index is index:
        return leaf
    return leaf if leaf.index.equals(index) else leaf.set_axis(index)


def with_labels_of(X, out, estimator):
    """Return the output of ``transform``, with the row labels of X if it is for pandas.

    scikit-learn does the same, but only if X is a DataFrame.

    Parameters
    ----------
    X : ModalityDict, dict, DataFrame or array-like of n_samples
    out : ndarray of shape (n_samples, n_features)
    estimator : estimator
        See its ``set_output``.
    """
    if output_config("transform", estimator)["dense"] != "pandas":
        return out
    labels = labels_of(X) if isinstance(X, Mapping) else None
    return out if labels is None else pd.DataFrame(out, index=labels)
