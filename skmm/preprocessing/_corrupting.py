"""Base class of the transformers in `corruption`."""

import hashlib

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data


class Corruption(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Validates X and creates the generator; subclasses define `_corrupt`."""

    _finite = True

    def fit(self, X, y=None):
        """Draw the seed.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...), of two or more dimensions
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X is not a numeric array of two or more dimensions.
        """
        self._validate_params()
        self._checked(X, reset=True)
        self.seed_ = int(check_random_state(self.random_state).randint(2**31 - 1))
        return self

    def transform(self, X):
        """Corrupt a copy of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        ndarray of the shape of X, dtype float32 if X is, else float64
            The same for the same X, an independent draw for any other X.

        Raises
        ------
        ValueError
            If X is not a numeric array, or its features differ from those in `fit`.
        """
        check_is_fitted(self)
        self._validate_params()
        X = self._checked(X, reset=False)
        return self._corrupt(X, generator_for(X, self.seed_))

    def _checked(self, X, reset):
        return validate_data(
            self,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            allow_nd=True,
            ensure_all_finite=self._finite,
        )

    def _corrupt(self, X, rng):
        """Return a new array without changing X."""
        raise NotImplementedError

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = not self._finite
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def generator_for(X, seed):
    """Return a generator that depends on the seed and on every value of X."""
    X = np.ascontiguousarray(X)
    digest = hashlib.blake2b(X.data.cast("B"), digest_size=16)
    digest.update(repr((X.shape, X.dtype.str)).encode())
    return np.random.default_rng([seed, int.from_bytes(digest.digest(), "little")])
