"""Folds of rows that belong together."""

import warnings

import numpy as np

from skmm._sklearn import GroupsConsumerMixin

IGNORED = "The groups parameter is ignored by"  # the pairs are checked instead


def pairs_of(splitter, y, groups):
    """Pairs of rows to train on and rows held out, of a splitter.

    Parameters
    ----------
    splitter : splitter
    y : ndarray (n,)
    groups : ndarray (n,) or None

    Raises
    ------
    ValueError
        If the splitter needs groups, and there are none.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", IGNORED, UserWarning)
            return list(splitter.split(np.empty((len(y), 1)), y, groups))
    except ValueError as error:
        if groups is None and isinstance(splitter, GroupsConsumerMixin):
            raise ValueError(
                f"cv={splitter!r} needs groups: give them to fit, as fit(X, y, "
                "groups=groups)."
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


def refuse_split_groups(cv, pairs, groups):
    """Refuse folds that separate rows of a group: who saw some, judges no others."""
    for train, test in pairs if groups is not None else ():
        both = np.intersect1d(groups[train], groups[test]).tolist()
        if both:
            raise ValueError(
                f"cv={cv!r} separates rows of one group: {both[0]!r} is trained on and "
                "held out. Give a number of folds, which keeps groups together, a "
                "splitter such as GroupKFold, or leave groups out."
            )
