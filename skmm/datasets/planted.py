"""Problems with known redundant, unique and synergistic information."""

from itertools import combinations
from numbers import Integral, Real

import numpy as np
from scipy.stats import norm
from sklearn.utils import Bunch, check_random_state

from skmm._sklearn import Interval, validate_parameter_constraints
from skmm.data import ModalityDict

KINDS = ("redundant", "unique", "synergistic")
CONSTRAINTS = {
    "n_samples": [Interval(Integral, 1, None, closed="left")],
    "kinds": [dict, list, tuple],
    "n_modalities": [Interval(Integral, 2, 6, closed="both")],
    "n_features": [Interval(Integral, 3, None, closed="left")],
    "noise": [Interval(Real, 0, None, closed="left")],
    "flip_y": [Interval(Real, 0, 1, closed="both")],
    "target_noise": [Interval(Real, 0, None, closed="left")],
    "random_state": ["random_state"],
    "return_info": ["boolean"],
}


def make_multimodal_classification(
    n_samples=500,
    kinds=("redundant", "unique"),
    *,
    n_modalities=2,
    n_features=10,
    noise=0.0,
    flip_y=0.0,
    random_state=None,
    return_info=False,
):
    r"""Make a binary problem with redundant, unique and synergistic information.

    .. math:: t = w_r\, r + w_u \textstyle\sum_m u_m + w_s\, \mathrm{sign}(s_0 s_1),
        \qquad y = [t > 0]

    All latent values are standard normal. Each modality contains r, its own
    :math:`u_m`, in the first two modalities :math:`s_0` or :math:`s_1`, and noise,
    mixed by a random rotation into `n_features` columns.

    Parameters
    ----------
    n_samples : int, default=500
    kinds : sequence of str, or dict of str to float, default=("redundant", "unique")
        Parts of the target, among "redundant" (in every modality), "unique" (each
        modality has its own) and "synergistic" (only the first two together are
        informative). A dict has their weights w; with () the target is pure noise.
    n_modalities : int from 2 to 6, default=2
        Named "m0", "m1", ...
    n_features : int >= 3, default=10
        Number of features of each modality.
    noise : float, default=0.0
        Standard deviation of the noise added to every column.
    flip_y : float in [0, 1], default=0.0
        Share of the labels that are drawn at random.
    random_state : int, RandomState instance or None, default=None
    return_info : bool, default=False
        Return `info` as well.

    Returns
    -------
    X : ModalityDict
        `n_modalities` arrays of shape (n_samples, n_features).
    y : ndarray of shape (n_samples,)
        0 or 1.
    info : Bunch, if `return_info`
        - latents : dict of the latent values
        - bayes_accuracy : dict from a tuple of modalities to the expected accuracy of
          the best possible rule on these; None if `noise` > 0

    Examples
    --------
    >>> from skmm.datasets import make_multimodal_classification
    >>> X, y, info = make_multimodal_classification(
    ...     kinds=["synergistic"], random_state=0, return_info=True
    ... )
    >>> info.bayes_accuracy
    {('m0',): 0.5, ('m1',): 0.5, ('m0', 'm1'): 1.0}
    """
    validate_parameter_constraints(
        CONSTRAINTS, locals(), "make_multimodal_classification"
    )
    parts = _Parts(check_random_state(random_state), n_samples, kinds, n_modalities)
    X = parts.mixed(n_features, noise)
    flip_y = flip_y if any(parts.weights.values()) else 1.0
    y = (parts.score() > 0).astype(int)
    redrawn = parts.rng.random_sample(n_samples) < flip_y
    y = np.where(redrawn, parts.rng.randint(2, size=n_samples), y)
    if not return_info:
        return X, y
    accuracy = None if noise else _bayes_accuracies(parts, flip_y)
    return X, y, Bunch(latents=parts.latents, bayes_accuracy=accuracy)


def make_multimodal_regression(
    n_samples=500,
    kinds=("redundant", "unique"),
    *,
    n_modalities=2,
    n_features=10,
    noise=0.0,
    target_noise=0.0,
    random_state=None,
    return_info=False,
):
    """Make a regression problem with redundant, unique and synergistic information.

    The target is t of `make_multimodal_classification`, plus noise.

    Parameters
    ----------
    n_samples : int, default=500
    kinds : sequence of str, or dict of str to float, default=("redundant", "unique")
        Parts of the target; see `make_multimodal_classification`.
    n_modalities : int from 2 to 6, default=2
    n_features : int >= 3, default=10
        Number of features of each modality.
    noise : float, default=0.0
        Standard deviation of the noise added to every column.
    target_noise : float, default=0.0
        Standard deviation of the noise added to the target.
    random_state : int, RandomState instance or None, default=None
    return_info : bool, default=False
        Return `info` as well.

    Returns
    -------
    X : ModalityDict
        `n_modalities` arrays of shape (n_samples, n_features).
    y : ndarray of shape (n_samples,)
    info : Bunch, if `return_info`
        - latents : dict of the latent values
        - bayes_error : dict from a tuple of modalities to the mean squared error of the
          best possible rule on these; None if `noise` > 0

    Examples
    --------
    >>> from skmm.datasets import make_multimodal_regression
    >>> X, y, info = make_multimodal_regression(
    ...     kinds=["unique"], target_noise=0.5, random_state=0, return_info=True
    ... )
    >>> info.bayes_error
    {('m0',): 1.25, ('m1',): 1.25, ('m0', 'm1'): 0.25}
    """
    validate_parameter_constraints(CONSTRAINTS, locals(), "make_multimodal_regression")
    parts = _Parts(check_random_state(random_state), n_samples, kinds, n_modalities)
    X = parts.mixed(n_features, noise)
    y = parts.score() + target_noise * parts.rng.standard_normal(n_samples)
    if not return_info:
        return X, y
    error = {
        names: parts.hidden_variance(names) + target_noise**2
        for names in parts.subsets()
    }
    return X, y, Bunch(latents=parts.latents, bayes_error=None if noise else error)


class _Parts:
    """Latent values, the modalities that contain them, and the score."""

    def __init__(self, rng, n_samples, kinds, n_modalities):
        self.rng, self.weights = rng, _weights(kinds)
        self.names = [f"m{m}" for m in range(n_modalities)]
        self.latents = {"redundant": rng.standard_normal(n_samples)}
        for kind, count in (("unique", n_modalities), ("synergistic", 2)):
            self.latents[kind] = rng.standard_normal((n_samples, count))

    def score(self):
        """Return t, shape (n_samples,)."""
        shared = self.weights["redundant"] * self.latents["redundant"]
        own = self.weights["unique"] * self.latents["unique"].sum(1)
        return shared + own + self.weights["synergistic"] * self._product()

    def _product(self):
        return np.sign(self.latents["synergistic"]).prod(1)

    def mixed(self, n_features, noise):
        """Return the modalities: latent values and noise, rotated."""
        arrays = {name: self._mix(m, n_features) for m, name in enumerate(self.names)}
        drawn = {n: self.rng.standard_normal(a.shape) for n, a in arrays.items()}
        return ModalityDict({n: a + noise * drawn[n] for n, a in arrays.items()})

    def _mix(self, m, n_features):
        seen = [self.latents["redundant"], self.latents["unique"][:, m]]
        seen += [self.latents["synergistic"][:, m]] if m < 2 else []
        rest = self.rng.standard_normal((len(seen[0]), n_features - len(seen)))
        rotation = np.linalg.qr(self.rng.standard_normal((n_features, n_features)))[0]
        return np.column_stack([*seen, rest]) @ rotation

    def subsets(self):
        """All non-empty tuples of modality names."""
        sizes = range(1, len(self.names) + 1)
        return [names for size in sizes for names in combinations(self.names, size)]

    def known(self, names):
        """Return the score known from some modalities, and whether both s are known."""
        shown = [self.names.index(name) for name in names]
        score = self.weights["redundant"] * self.latents["redundant"]
        score = score + self.weights["unique"] * self.latents["unique"][:, shown].sum(1)
        both = {0, 1} <= set(shown)
        return score + both * self.weights["synergistic"] * self._product(), both

    def hidden_variance(self, names):
        """Return the variance of the score given these modalities."""
        others = len(self.names) - len(names)
        product_hidden = not {"m0", "m1"} <= set(names)
        squares = {kind: weight**2 for kind, weight in self.weights.items()}
        return others * squares["unique"] + product_hidden * squares["synergistic"]


def _weights(kinds):
    if any(kind not in KINDS for kind in kinds) or len(set(kinds)) < len(kinds):
        raise ValueError(f"kinds must be distinct values of {KINDS}; got {kinds!r}.")
    weights = kinds if isinstance(kinds, dict) else dict.fromkeys(kinds, 1.0)
    if not all(isinstance(w, Real) and np.isfinite(w) for w in weights.values()):
        raise ValueError(f"the weights of kinds must be finite numbers; got {kinds!r}.")
    return {kind: float(weights.get(kind, 0.0)) for kind in KINDS}


def _bayes_accuracies(parts, flip_y):
    """Return the accuracy of the best rule on every subset of modalities."""
    return {names: _bayes_accuracy(parts, names, flip_y) for names in parts.subsets()}


def _bayes_accuracy(parts, names, flip_y):
    """Return the mean probability of the more probable class given some modalities."""
    score, product_known = parts.known(names)
    hidden = (len(parts.names) - len(names)) * parts.weights["unique"] ** 2
    signs = (0,) if product_known else (-1, 1)
    positive = [
        _above_zero(score + sign * parts.weights["synergistic"], np.sqrt(hidden))
        for sign in signs
    ]
    p = (1 - flip_y) * np.mean(positive, axis=0) + flip_y / 2
    return float(np.maximum(p, 1 - p).mean())


def _above_zero(mean, scale):
    """Return the probability that a normal value is positive; `scale` may be 0."""
    return norm.cdf(mean / scale) if scale > 0 else (mean > 0).astype(float)
