"""Weak and complementary modalities, the setting of MulMix."""

from numbers import Integral, Real

import numpy as np
from scipy.special import logsumexp, softmax
from sklearn.utils import Bunch, check_random_state

from skmm._sklearn import Interval, validate_parameter_constraints
from skmm.data import ModalityDict

COUNT = [Interval(Integral, 1, None, closed="left")]
SHARE = [Interval(Real, 0, 1, closed="both")]
CONSTRAINTS = {
    "n_samples": COUNT,
    "n_modalities": COUNT,
    "n_classes": [Interval(Integral, 2, None, closed="left")],
    "n_features": COUNT,
    "weak_probability": SHARE,
    "noise": [Interval(Real, 0, None, closed="neither")],
    "random_state": ["random_state"],
    "return_info": ["boolean"],
}


def make_weak_modality(
    n_samples=800,
    *,
    n_modalities=3,
    n_classes=6,
    n_features=8,
    weak_probability=0.4,
    noise=0.6,
    random_state=None,
    return_info=False,
):
    r"""Make modalities that are uninformative for random samples.

    Each modality is a noisy prototype of the class; with probability
    `weak_probability`, independently for each sample and modality, it is noise of the
    same scale instead. All modalities are useful, none is reliable, and the reliable
    ones differ between samples.

    .. math:: x_m \sim (1 - \rho)\, N(\mu_{m, y}, \sigma^2 I) + \rho\, N(0, (1 +
        \sigma^2) I)

    Parameters
    ----------
    n_samples : int, default=800
    n_modalities : int, default=3
        Named "view0", "view1", ...
    n_classes : int, default=6
        Equally probable.
    n_features : int, default=8
        Number of features of each modality.
    weak_probability : float in [0, 1], default=0.4
        :math:`\rho`; 0 makes all modalities reliable.
    noise : float > 0, default=0.6
        :math:`\sigma`; prototypes are standard normal.
    random_state : int, RandomState instance or None, default=None
        Controls the prototypes and the samples: draw training and test samples in one
        call.
    return_info : bool, default=False
        Return `info` as well.

    Returns
    -------
    X : ModalityDict
        `n_modalities` arrays of shape (n_samples, n_features).
    y : ndarray of int of shape (n_samples,)
    info : Bunch, if `return_info`
        - posterior : ndarray (n_samples, n_classes), exact probabilities of the classes
          given all modalities
        - bayes_accuracy : float, expected accuracy of the best possible rule on these
          samples
        - bayes_accuracy_single : list of float, the same for each modality alone
        - weak : bool ndarray (n_samples, n_modalities), whether a modality is noise

    References
    ----------
    Liu et al., "Learn to Combine Modalities in Multimodal Deep Learning", 2018: sample
    by sample, some modalities are weak.

    Examples
    --------
    >>> from skmm.datasets import make_weak_modality
    >>> X, y, info = make_weak_modality(random_state=0, return_info=True)
    >>> X.shape, info.bayes_accuracy > max(info.bayes_accuracy_single)
    ((800, 3), True)
    """
    validate_parameter_constraints(CONSTRAINTS, locals(), "make_weak_modality")
    rng = check_random_state(random_state)
    y = rng.randint(n_classes, size=n_samples)
    codes = [y] * n_modalities
    views = _Views(rng, codes, n_classes, n_features, [weak_probability], noise)
    return _packed(views, y, n_classes, lambda view: np.arange(n_classes), return_info)


def make_complementary_modalities(
    n_samples=800,
    *,
    n_groups=3,
    n_features=8,
    weak_probability=0.5,
    noise=0.6,
    random_state=None,
    return_info=False,
):
    """Make modalities that each determine only a part of the class.

    There are ``n_groups ** 2`` classes. Modality "first" depends on ``y // n_groups``,
    "second" on ``y % n_groups``, and "whole" on y itself, but "whole" is noise with
    probability `weak_probability`: neither of the first two is sufficient, and the
    third is not reliable.

    Parameters
    ----------
    n_samples : int, default=800
    n_groups : int, default=3
    n_features : int, default=8
        Number of features of each modality.
    weak_probability : float in [0, 1], default=0.5
        Probability that "whole" is noise.
    noise : float > 0, default=0.6
        See `make_weak_modality`.
    random_state : int, RandomState instance or None, default=None
    return_info : bool, default=False
        Return `info` as well.

    Returns
    -------
    X : ModalityDict
        "first", "second" and "whole", each of shape (n_samples, n_features).
    y : ndarray of int of shape (n_samples,)
    info : Bunch, if `return_info`
        See `make_weak_modality`.

    Examples
    --------
    >>> from skmm.datasets import make_complementary_modalities
    >>> X, y, info = make_complementary_modalities(random_state=0, return_info=True)
    >>> list(X), len(set(y)), max(info.bayes_accuracy_single) < info.bayes_accuracy
    (['first', 'second', 'whole'], 9, True)
    """
    constraints = {**CONSTRAINTS, "n_groups": CONSTRAINTS["n_classes"]}
    validate_parameter_constraints(
        constraints, locals(), "make_complementary_modalities"
    )
    rng = check_random_state(random_state)
    n_classes = n_groups**2
    y = rng.randint(n_classes, size=n_samples)
    codes = [y // n_groups, y % n_groups, y]
    weak = [0.0, 0.0, weak_probability]
    views = _Views(rng, codes, n_classes, n_features, weak, noise)
    classes = np.arange(n_classes)
    shown = [classes // n_groups, classes % n_groups, classes]
    names = ["first", "second", "whole"]
    return _packed(views, y, n_classes, shown.__getitem__, return_info, names)


class _Views:
    """Noisy prototypes of codes, and the likelihoods of codes given a modality."""

    def __init__(self, rng, codes, n_codes, n_features, weak, noise):
        shape = (len(codes), n_codes, n_features)
        self.prototypes = rng.standard_normal(shape)
        self.share = np.broadcast_to(weak, len(codes))
        self.noise, self.spread = noise, np.sqrt(1 + noise**2)
        n_samples = len(codes[0])
        self.weak = rng.random_sample((n_samples, len(codes))) < self.share
        self.arrays = [self._show(rng, m, code) for m, code in enumerate(codes)]

    def _show(self, rng, m, code):
        clear = self.prototypes[m, code]
        drawn = rng.standard_normal(clear.shape)
        weak = self.weak[:, [m]]
        return np.where(weak, self.spread * drawn, clear + self.noise * drawn)

    def log_likelihood(self, m, shown):
        """Log density of modality m for each class, whose code is ``shown[class]``."""
        x, share = self.arrays[m], self.share[m]
        near = _log_normal(x[:, None], self.prototypes[m][shown], self.noise)
        far = _log_normal(x[:, None], 0.0, self.spread)
        with np.errstate(divide="ignore"):
            return np.logaddexp(np.log1p(-share) + near, np.log(share) + far)


def _log_normal(x, mean, scale):
    """Log density of independent normal features, summed over the last axis."""
    terms = -0.5 * ((x - mean) / scale) ** 2 - np.log(scale)
    return terms.sum(-1)


def _packed(views, y, n_classes, shown, return_info, names=None):
    names = names or [f"view{m}" for m in range(len(views.arrays))]
    X = ModalityDict(dict(zip(names, views.arrays, strict=True)))
    if not return_info:
        return X, y
    singles = [views.log_likelihood(m, shown(m)) for m in range(len(names))]
    posterior = softmax(sum(singles), axis=1)
    return (
        X,
        y,
        Bunch(
            posterior=posterior,
            bayes_accuracy=float(posterior.max(1).mean()),
            bayes_accuracy_single=[_best(single) for single in singles],
            weak=views.weak,
        ),
    )


def _best(log_likelihood):
    """Return the mean probability of the most probable class."""
    total = logsumexp(log_likelihood, axis=1)
    return float(np.exp(log_likelihood.max(1) - total).mean())
