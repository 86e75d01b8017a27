"""Bootstrap resampling as a scikit-learn splitter."""

import numpy as np
from sklearn.model_selection import BaseShuffleSplit
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import type_of_target

from skmm._sklearn import GroupsConsumerMixin

MAX_DRAWS = 1000  # attempts at a split whose test rows can be scored


class BootstrapOutOfBag(GroupsConsumerMixin, BaseShuffleSplit):
    """Train on rows drawn with replacement, test on those that were not drawn.

    Parameters
    ----------
    n_splits : int, default=100
    stratify : bool, default=True
        Draw within each class, so that every split has the classes of the whole. Has
        no effect on targets that are not classes, or with groups.
    random_state : int, RandomState or None, default=None

    Notes
    -----
    A row is out of bag with probability (1 - 1/n)^n, about 0.368. No test set is empty
    or, where y has classes, of one class: such draws are made again. With groups,
    groups are drawn, and all rows of a group stay together.

    References
    ----------
    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993; Liu, "Multi-modal
    deep learning", thesis, 2022, section 4.2: 100 bootstraps of 72 rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.model_selection import BootstrapOutOfBag
    >>> y = np.repeat(["a", "b"], 36)
    >>> splits = list(BootstrapOutOfBag(10, random_state=0).split(y, y))
    >>> train, test = splits[0]
    >>> len(train), bool(np.isin(test, train).any())
    (72, False)
    """

    def __init__(self, n_splits=100, *, stratify=True, random_state=None):
        self.n_splits = n_splits
        self.stratify = stratify
        self.random_state = random_state

    def split(self, X, y=None, groups=None):
        """Yield (train, test) row numbers; those of train repeat.

        Parameters
        ----------
        X : array-like, ModalityDict or anything of n rows
        y : array-like of shape (n,), optional
        groups : array-like of shape (n,), optional

        Raises
        ------
        ValueError
            If no split can be scored, as with a class of one row only.
        """
        y = self._classes(X, y, groups)
        rng = check_random_state(self.random_state)
        for _ in range(self.n_splits):
            yield self._draw_until_scorable(rng, len(X), y, groups)

    def _classes(self, X, y, groups):
        """Classes or None; None too for values."""
        for name, values in (("y", y), ("groups", groups)):
            if values is not None and len(values) != len(X):
                raise ValueError(f"{name} has {len(values)} rows, X has {len(X)}.")
        has_classes = y is not None and type_of_target(y) in ("binary", "multiclass")
        return np.asarray(y) if has_classes else None

    def _draw_until_scorable(self, rng, n_rows, y, groups):
        for _ in range(MAX_DRAWS):
            train = self._draw(rng, n_rows, y, groups)
            test = np.setdiff1d(np.arange(n_rows), train)
            if len(test) and (y is None or len(np.unique(y[test])) > 1):
                return train, test
        raise ValueError(
            f"no bootstrap of {n_rows} rows left test rows of two classes in "
            f"{MAX_DRAWS} draws; there are too few rows, groups or members of a class."
        )

    def _draw(self, rng, n_rows, y, groups):
        if groups is not None:
            return _draw_groups(rng, np.asarray(groups))
        if y is None or not self.stratify:
            return rng.randint(n_rows, size=n_rows)
        _, members = np.unique(y, return_inverse=True)
        parts = [np.flatnonzero(members == k) for k in range(members.max() + 1)]
        return np.concatenate([rng.choice(part, len(part)) for part in parts])


def _draw_groups(rng, groups):
    names, members = np.unique(groups, return_inverse=True)
    drawn = rng.randint(len(names), size=len(names))
    return np.concatenate([np.flatnonzero(members == group) for group in drawn])
