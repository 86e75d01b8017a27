"""Bootstrap resampling as a scikit-learn splitter."""

from numbers import Integral

import numpy as np
from sklearn.model_selection import BaseShuffleSplit
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import type_of_target

from skmm._sklearn import (
    GroupsConsumerMixin,
    Interval,
    validate_parameter_constraints,
)
from skmm.data.labels import check_row_labels
from skmm.data.validation import plain_target

MAX_DRAWS = 1000  # attempts at a split that can be fitted and scored
CONSTRAINTS = {
    "n_splits": [Interval(Integral, 1, None, closed="left")],
    "stratify": ["boolean"],
    "random_state": ["random_state"],
}


class BootstrapOutOfBag(GroupsConsumerMixin, BaseShuffleSplit):
    """Train on samples drawn with replacement, test on those that were not drawn.

    Parameters
    ----------
    n_splits : int, default=100
    stratify : bool, default=True
        Draw within each class, so that every split has the class sizes of y. Has no
        effect if y has no classes, or with groups.
    random_state : int, RandomState or None, default=None

    Notes
    -----
    A sample is out of bag with probability (1 - 1/n)^n, about 0.368. Test sets are
    never empty and, where y has classes, training and test sets have at least two of
    them: other draws are repeated, up to 1000 times. With groups, groups are drawn, and
    all samples of a group stay together.

    References
    ----------
    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993; Liu, "Multi-modal
    deep learning", thesis, 2022, section 4.2: 100 bootstraps of 72 samples.

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
        """Yield (train, test) indices; training indices may repeat.

        Parameters
        ----------
        X : array-like, ModalityDict or other container of n_samples
        y : array-like of shape (n_samples,), optional
        groups : array-like of shape (n_samples,), optional

        Raises
        ------
        ValueError
            If a parameter is invalid, or no split can be fitted and scored, such as
            because a class has only one sample.
        """
        self._check_params()
        check_row_labels(X, y=y, groups=groups)
        y = self._classes(X, y, groups)
        rng = check_random_state(self.random_state)
        for _ in range(self.n_splits):
            yield self._draw_until_scorable(rng, len(X), y, groups)

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of splits.

        Parameters
        ----------
        X, y, groups : ignored

        Returns
        -------
        int
        """
        self._check_params()
        return self.n_splits

    def _check_params(self):
        names = {name: getattr(self, name) for name in CONSTRAINTS}
        validate_parameter_constraints(CONSTRAINTS, names, type(self).__name__)

    def _classes(self, X, y, groups):
        """Return y if it has classes, else None."""
        for name, values in (("y", y), ("groups", groups)):
            if values is not None and len(values) != len(X):
                raise ValueError(
                    f"{name} must have one entry per sample of X, {len(X)}; got "
                    f"{len(values)}."
                )
        if y is None or np.ndim(y := plain_target(y)) != 1:
            return None
        has_classes = type_of_target(y) in ("binary", "multiclass")
        return np.asarray(y) if has_classes else None

    def _draw_until_scorable(self, rng, n_samples, y, groups):
        for _ in range(MAX_DRAWS):
            train = self._draw(rng, n_samples, y, groups)
            test = np.setdiff1d(np.arange(n_samples), train)
            parts = () if y is None else (y[test], y[train])
            if len(test) and all(len(np.unique(part)) > 1 for part in parts):
                return train, test
        raise ValueError(
            f"none of {MAX_DRAWS} bootstraps of {n_samples} samples has training and "
            "test samples of two classes; more samples, groups or members of each "
            "class are needed."
        )

    def _draw(self, rng, n_samples, y, groups):
        if groups is not None:
            return _draw_groups(rng, np.asarray(groups))
        if y is None or not self.stratify:
            return rng.randint(n_samples, size=n_samples)
        _, members = np.unique(y, return_inverse=True)
        parts = [np.flatnonzero(members == k) for k in range(members.max() + 1)]
        return np.concatenate([rng.choice(part, len(part)) for part in parts])


def _draw_groups(rng, groups):
    names, members = np.unique(groups, return_inverse=True)
    drawn = rng.randint(len(names), size=len(names))
    return np.concatenate([np.flatnonzero(members == group) for group in drawn])
