"""Regression on three modalities that contribute known shares of the variance."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch, check_random_state

from skmm._sklearn import Interval, validate_parameter_constraints
from skmm.data import ModalityDict

WIDTHS = {"text": 30, "audio": 10, "video": 20}
CONSTRAINTS = {
    "n_samples": [Interval(Integral, 1, None, closed="left")],
    "shares": [tuple, list],
    "noise": [Interval(Real, 0, None, closed="left")],
    "random_state": ["random_state"],
    "return_info": ["boolean"],
}


def make_sentiment_like(
    n_samples=1000,
    shares=(0.6, 0.3, 0.1),
    *,
    noise=0.5,
    random_state=None,
    return_info=False,
):
    r"""Make a regression problem to which text, audio and video contribute.

    .. math:: y = \textstyle\sum_m \sqrt{q_m}\, s_m + \mathrm{noise},
        \qquad s_m \sim N(0, 1)

    The columns of a modality are its latent value and noise of the same scale, mixed by
    a random rotation.

    Parameters
    ----------
    n_samples : int, default=1000
    shares : sequence of three floats, default=(0.6, 0.3, 0.1)
        Shares q of text, audio and video in the variance of the signal; they are scaled
        to sum to one.
    noise : float, default=0.5
        Standard deviation of the noise in y.
    random_state : int, RandomState instance or None, default=None
    return_info : bool, default=False
        Return `info` as well.

    Returns
    -------
    X : ModalityDict
        "text" (n_samples, 30), "audio" (n_samples, 10), "video" (n_samples, 20).
    y : ndarray of shape (n_samples,)
        Clipped to [-3, 3].
    info : Bunch, if `return_info`
        - shares : dict of str to float
        - latents : dict of str to ndarray (n_samples,)

    Raises
    ------
    ValueError
        If there are not three shares, or they are negative, infinite or all zero.

    Examples
    --------
    >>> from skmm.datasets import make_sentiment_like
    >>> X, y = make_sentiment_like(50, random_state=0)
    >>> {name: leaf.shape for name, leaf in X.items()}
    {'text': (50, 30), 'audio': (50, 10), 'video': (50, 20)}
    """
    validate_parameter_constraints(CONSTRAINTS, locals(), "make_sentiment_like")
    rng, q = check_random_state(random_state), _scaled(shares)
    latents = {name: rng.normal(size=n_samples) for name in WIDTHS}
    X = ModalityDict({n: _shown(rng, s, WIDTHS[n]) for n, s in latents.items()})
    known = sum(np.sqrt(w) * s for w, s in zip(q, latents.values(), strict=True))
    y = np.clip(known + noise * rng.normal(size=n_samples), -3, 3)
    if not return_info:
        return X, y
    return (
        X,
        y,
        Bunch(shares=dict(zip(WIDTHS, q.tolist(), strict=True)), latents=latents),
    )


def _scaled(shares):
    """Return the shares scaled to sum to one."""
    numbers = all(isinstance(q, Real) and 0 <= q < np.inf for q in shares)
    if len(shares) != 3 or not numbers or not 0 < sum(shares) < np.inf:
        raise ValueError(
            "shares must be three finite non-negative numbers with a positive sum, for "
            f"{list(WIDTHS)}; got {shares!r}."
        )
    return np.asarray(shares, float) / sum(shares)


def _shown(rng, latent, width):
    """Return columns (n_samples, width): the latent value and noise, rotated."""
    columns = np.column_stack([latent, rng.normal(size=(len(latent), width - 1))])
    rotation, _ = np.linalg.qr(rng.normal(size=(width, width)))
    return columns @ rotation
