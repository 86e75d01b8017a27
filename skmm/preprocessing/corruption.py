"""Noise that replaces a modality, or is added to one to test robustness."""

import hashlib
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skmm._sklearn import Interval, Options

PROBABILITY = [Interval(Real, 0, 1, closed="both")]


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


class NoiseModality(Corruption):
    """Replace a modality by standard normal noise of the same shape.

    A control for the gain from an additional modality: the net has as many inputs, but
    nothing to learn from them.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Source of the seed, which is drawn in `fit`.

    Attributes
    ----------
    seed_ : int
    n_features_in_ : int
        Length of the second axis.

    Notes
    -----
    The noise depends on `seed_` and on X as a whole: a fitted transformer gives the
    same noise for the same X at every call, and independent noise for any other X.
    Hence training and test sets get different noise, and so do equal samples; the noise
    of a sample carries no information about its values. On the other hand,
    ``transform(X)[:5]`` differs from ``transform(X[:5])``.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.preprocessing import NoiseModality
    >>> X = np.zeros((3, 1, 8, 8))
    >>> noise = NoiseModality(random_state=0).fit(X)
    >>> noise.transform(X).shape, bool((noise.transform(X) == noise.transform(X)).all())
    ((3, 1, 8, 8), True)
    """

    _finite = False
    _parameter_constraints = {"random_state": ["random_state"]}

    def __init__(self, random_state=None):
        self.random_state = random_state

    def _corrupt(self, X, rng):
        return rng.standard_normal(X.shape, dtype=X.dtype)


class GaussianCorruption(Corruption):
    r"""Add Gaussian noise, :math:`x + \sigma \epsilon`.

    Parameters
    ----------
    sigma : float, default=0.1
        Standard deviation, in the unit of X; 0 changes nothing.
    random_state : int, RandomState instance or None, default=None
        Source of the seed, which is drawn in `fit`.

    Attributes
    ----------
    seed_ : int
    n_features_in_ : int
        Length of the second axis.

    See Also
    --------
    NoiseModality : See its notes for what the noise depends on; `sigma` only scales
        it.

    References
    ----------
    P. P. Liang et al. MultiBench: Multiscale Benchmarks for Multimodal Representation
    Learning. NeurIPS 2021. arXiv:2107.07502

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.preprocessing import GaussianCorruption
    >>> X = np.ones((1000, 2))
    >>> out = GaussianCorruption(0.5, random_state=0).fit_transform(X)
    >>> round(float(out.std()), 1), float(X.std())
    (0.5, 0.0)
    """

    _parameter_constraints = {
        "sigma": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(self, sigma=0.1, random_state=None):
        self.sigma = sigma
        self.random_state = random_state

    def _corrupt(self, X, rng):
        return X + X.dtype.type(self.sigma) * rng.standard_normal(X.shape, X.dtype)


class DropCorruption(Corruption):
    """Set entries to zero, each with the same probability.

    Parameters
    ----------
    probability : float in [0, 1], default=0.1
        Probability that an entry is dropped; 0 changes nothing, 1 gives zeros.
    random_state : int, RandomState instance or None, default=None
        Source of the seed, which is drawn in `fit`.

    Attributes
    ----------
    seed_ : int
    n_features_in_ : int
        Length of the second axis.

    See Also
    --------
    NoiseModality : See its notes for what the draw depends on. Entries dropped with
        one probability are dropped with any larger one.
    StructuredDropCorruption : Drops time steps of all channels.

    References
    ----------
    P. P. Liang et al. MultiBench: Multiscale Benchmarks for Multimodal Representation
    Learning. NeurIPS 2021. arXiv:2107.07502

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.preprocessing import DropCorruption
    >>> DropCorruption(1.0).fit_transform(np.ones((2, 3))).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """

    _parameter_constraints = {
        "probability": PROBABILITY,
        "random_state": ["random_state"],
    }

    def __init__(self, probability=0.1, random_state=None):
        self.probability = probability
        self.random_state = random_state

    def _corrupt(self, X, rng):
        return np.where(rng.random(X.shape) < self.probability, X.dtype.type(0), X)


class SwapCorruption(Corruption):
    """Swap neighbouring entries of a table.

    In each sample, columns are paired with their right neighbours, starting at random
    at the first or the second column; each pair is swapped with the given probability.
    A sample keeps its values: each moves by at most one column.

    Parameters
    ----------
    probability : float in [0, 1], default=0.1
        Probability that a pair is swapped; 0 changes nothing.
    random_state : int, RandomState instance or None, default=None
        Source of the seed, which is drawn in `fit`.

    Attributes
    ----------
    seed_ : int
    n_features_in_ : int
        Number of columns.

    See Also
    --------
    NoiseModality : See its notes for what the draw depends on.

    References
    ----------
    P. P. Liang et al. MultiBench: Multiscale Benchmarks for Multimodal Representation
    Learning. NeurIPS 2021. arXiv:2107.07502. Its code writes one value into both
    entries; here they are swapped.

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.preprocessing import SwapCorruption
    >>> out = SwapCorruption(1.0, random_state=0).fit_transform([[1, 2, 3, 4]] * 9)
    >>> np.unique(out, axis=0)
    array([[1., 3., 2., 4.],
           [2., 1., 4., 3.]])
    """

    _parameter_constraints = {
        "probability": PROBABILITY,
        "random_state": ["random_state"],
    }

    def __init__(self, probability=0.1, random_state=None):
        self.probability = probability
        self.random_state = random_state

    def _checked(self, X, reset):
        X = super()._checked(X, reset)
        if X.ndim != 2:
            raise ValueError(
                f"X has shape {X.shape}; SwapCorruption expects a table of shape "
                "(n_samples, n_features)."
            )
        return X

    def _corrupt(self, X, rng):
        n_samples, n_features = X.shape
        start = rng.integers(2, size=(n_samples, 1))
        is_left = np.arange(n_features) % 2 == start
        is_left[:, -1] = False  # without a right neighbour
        left = is_left & (rng.random(X.shape) < self.probability)
        right = np.zeros_like(left)
        right[:, 1:] = left[:, :-1]
        source = np.arange(n_features) + left - right
        return np.take_along_axis(X, source, axis=1)


class StructuredDropCorruption(Corruption):
    """Set time steps to zero, the same ones in all channels of a sample.

    Parameters
    ----------
    probability : float in [0, 1], default=0.1
        Probability that a time step is dropped; 0 changes nothing, 1 gives zeros.
    time_axis : {-1, 1}, default=-1
        Axis of time: the last for X of shape (n_samples, n_channels, n_steps), or the
        second for X of shape (n_samples, n_steps, n_channels).
    random_state : int, RandomState instance or None, default=None
        Source of the seed, which is drawn in `fit`.

    Attributes
    ----------
    seed_ : int
    n_features_in_ : int
        Length of the second axis.

    See Also
    --------
    DropCorruption : Drops single entries.
    NoiseModality : See its notes for what the draw depends on.

    References
    ----------
    P. P. Liang et al. MultiBench: Multiscale Benchmarks for Multimodal Representation
    Learning. NeurIPS 2021. arXiv:2107.07502

    Examples
    --------
    >>> import numpy as np
    >>> from skmm.preprocessing import StructuredDropCorruption
    >>> drop = StructuredDropCorruption(0.5, random_state=0)
    >>> out = drop.fit_transform(np.ones((1, 2, 8)))  # two channels
    >>> bool((out[0, 0] == out[0, 1]).all())
    True
    """

    _parameter_constraints = {
        "probability": PROBABILITY,
        "time_axis": [Options(Integral, {-1, 1})],
        "random_state": ["random_state"],
    }

    def __init__(self, probability=0.1, time_axis=-1, random_state=None):
        self.probability = probability
        self.time_axis = time_axis
        self.random_state = random_state

    def _corrupt(self, X, rng):
        shape = [X.shape[0]] + [1] * (X.ndim - 1)
        shape[self.time_axis] = X.shape[self.time_axis]
        return np.where(rng.random(shape) < self.probability, X.dtype.type(0), X)


def generator_for(X, seed):
    """Return a generator that depends on the seed and on every value of X."""
    X = np.ascontiguousarray(X)
    digest = hashlib.blake2b(X.data.cast("B"), digest_size=16)
    digest.update(repr((X.shape, X.dtype.str)).encode())
    return np.random.default_rng([seed, int.from_bytes(digest.digest(), "little")])
