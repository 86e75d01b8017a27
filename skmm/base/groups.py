"""Folds of rows that belong together."""

import warnings

import numpy as np

from skmm._sklearn import GroupsConsumerMixin

IGNORED = "The groups parameter is ignored by"  # the pairs are checked instead


def pairs_of(splitter, y, groups, X=None, name="cv"):
    """Pairs of rows to train on and rows held out, of a splitter.

    Parameters
    ----------
    splitter : splitter
    y : ndarray (n,)
    groups : ndarray (n,) or None
    X : ModalityDict, optional
        For splitters that look at it; then y may be None.
    name : str, default="cv"
        What the caller calls the splitter.

    Raises
    ------
    ValueError
        If the splitter needs groups, and there are none.
    """
    X = np.empty((len(y), 1)) if X is None else X
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", IGNORED, UserWarning)
            return list(splitter.split(X, y, groups))
    except ValueError as error:
        if groups is None and isinstance(splitter, GroupsConsumerMixin):
            raise ValueError(
                f"{name}={splitter!r} needs groups: give them with X and y, as "
                "groups=groups."
            ) from error
        raise


def refuse_one_group(groups, why):
    """Refuse groups that are all the same; `why` says what two are needed for."""
    found = [] if groups is None else np.unique(groups).tolist()
    if len(found) == 1:
        raise ValueError(
            f"groups: at least two are needed {why}; these rows are all of the group "
            f"{found[0]!r}. Leave groups out if the rows are independent."
        )


def refuse_split_groups(cv, pairs, groups, name="cv"):
    """Refuse folds that separate rows of a group: who saw some, judges no others.

    Parameters
    ----------
    cv : int or splitter
    pairs : list of (ndarray, ndarray)
    groups : ndarray (n,) or None
    name : str, default="cv"
        What the caller calls the first parameter.
    """
    for train, test in pairs if groups is not None else ():
        both = np.intersect1d(groups[train], groups[test]).tolist()
        if both:
            raise ValueError(
                f"{name}={cv!r} separates rows of one group: {both[0]!r} is trained on "
                "and held out. Give a number of folds, which keeps groups together, a "
                "splitter such as GroupKFold, or leave groups out."
            )
