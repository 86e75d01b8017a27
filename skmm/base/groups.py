"""Cross-validation splits that keep the samples of a group together."""

import warnings

import numpy as np

from skmm._sklearn import GroupsConsumerMixin

IGNORED = "The groups parameter is ignored by"  # see check_groups_together


def split_pairs(splitter, y, groups, X=None, name="cv"):
    """All pairs of training and test indices of a splitter.

    Parameters
    ----------
    splitter : splitter
    y : ndarray of shape (n_samples,)
    groups : ndarray of shape (n_samples,) or None
    X : ModalityDict, optional
        For splitters that use it; y may then be None.
    name : str, default="cv"
        Name of the parameter that holds the splitter, for errors.

    Returns
    -------
    list of (ndarray, ndarray)

    Raises
    ------
    ValueError
        If the splitter needs groups and there are none.
    """
    X = np.empty((len(y), 1)) if X is None else X
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", IGNORED, UserWarning)
            return list(splitter.split(X, y, groups))
    except ValueError as error:
        if groups is None and isinstance(splitter, GroupsConsumerMixin):
            raise ValueError(
                f"{name}={splitter!r} needs groups; pass groups=groups along with X "
                "and y."
            ) from error
        raise


def check_several_groups(groups, purpose):
    """Check that there are at least two groups, if any; errors name the purpose."""
    found = [] if groups is None else np.unique(groups).tolist()
    if len(found) == 1:
        raise ValueError(
            f"groups must contain at least two groups {purpose}; got only "
            f"{found[0]!r}. Omit groups if the samples are independent."
        )


def check_groups_together(cv, pairs, groups, name="cv"):
    """Check that no group has samples in both the training and the test set.

    Parameters
    ----------
    cv : int or splitter
    pairs : list of (ndarray, ndarray)
        Training and test indices.
    groups : ndarray of shape (n_samples,) or None
    name : str, default="cv"
        Name of the parameter that holds `cv`, for errors.
    """
    for train, test in pairs if groups is not None else ():
        both = np.intersect1d(groups[train], groups[test]).tolist()
        if both:
            raise ValueError(
                f"{name}={cv!r} splits group {both[0]!r} between training and test "
                "samples. Pass a number of folds, which keeps groups together, or a "
                "splitter such as GroupKFold, or omit groups."
            )
