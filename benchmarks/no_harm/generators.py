"""Drawn problems for the no-harm table: what each modality knows is known.

A *structure* is ``(rng, rows) -> latents, score``: a list of what each modality shows,
one array (rows, k) each, and what the target is made of. `planted` turns a structure
into a problem, for classification or regression. A problem is ``(rng, rows) -> X, y``;
training and test rows are drawn by one call, so they have one distribution.
"""

import numpy as np

WIDTH = 10  # columns of a modality


def planted(structure, task, *, widths=None, noise=0.1, strength=2.0, offset=0.0):
    """Make a problem of a structure.

    Parameters
    ----------
    structure : callable
    task : {"classification", "regression"}
    widths : tuple of int, optional
        Columns of each modality; those that show no latent value are noise.
    noise : float, default=0.1
        Standard deviation of noise that all columns have.
    strength : float, default=2.0
        Of the score in the logit; for regression, its ratio to the noise of y.
    offset : float, default=0.0
        Added to the logit.

    Returns
    -------
    callable
    """

    def draw(rng, rows):
        latents, score = structure(rng, rows)
        sizes = widths or (WIDTH,) * len(latents)
        X = {
            f"m{m}": _show(rng, values, size, noise)
            for m, (values, size) in enumerate(zip(latents, sizes, strict=True))
        }
        if task == "regression":
            return X, score + rng.normal(size=rows) / strength
        logit = strength * score + offset
        return X, (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)

    return draw


def _show(rng, values, width, noise):
    """Latent values and columns of noise, rotated."""
    rows, known = values.shape
    columns = np.hstack([values, rng.normal(size=(rows, width - known))])
    rotation = np.linalg.qr(rng.normal(size=(width, width)))[0]
    return columns @ rotation + noise * rng.normal(size=columns.shape)


# -- structures ------------------------------------------------------------------------


def complementary(n_modalities=2):
    """Every modality has a part of its own."""

    def structure(rng, rows):
        own = rng.normal(size=(rows, n_modalities))
        return list(own.T[:, :, None]), own.sum(1) / np.sqrt(n_modalities)

    return structure


def curved(rng, rows):
    """As `complementary`, but the score is no linear function of the parts."""
    own = rng.normal(size=(rows, 2))
    return list(own.T[:, :, None]), 1.2 * (np.abs(own) - 0.8).sum(1)


def unequal(rng, rows):
    """The first modality has most of it."""
    own = rng.normal(size=(rows, 2))
    return list(own.T[:, :, None]), own @ [0.9, 0.3]


def redundant(n_modalities=2):
    """All modalities show the same."""

    def structure(rng, rows):
        shared = rng.normal(size=(rows, 1))
        return [shared] * n_modalities, shared[:, 0]

    return structure


def degraded(rng, rows):
    """The second modality is a noisy copy of the first."""
    shared = rng.normal(size=(rows, 2))
    return [shared, shared + 1.5 * rng.normal(size=(rows, 2))], shared.sum(1)


def noise(n_modalities=2):
    """Only the first modality knows anything."""

    def structure(rng, rows):
        own = rng.normal(size=(rows, 2))
        nothing = np.empty((rows, 0))
        return [own] + [nothing] * (n_modalities - 1), own.sum(1) / np.sqrt(2)

    return structure


def nothing(rng, rows):
    """No modality knows anything."""
    return [np.empty((rows, 0))] * 2, np.zeros(rows)


def xor(rng, rows):
    """Neither modality knows anything alone."""
    signs = rng.normal(size=(rows, 2))
    return list(signs.T[:, :, None]), np.sign(signs).prod(1)


def own_and_xor(rng, rows):
    """Each modality has a part of its own, and both together a third."""
    own, signs = rng.normal(size=(2, rows, 2))
    latents = [np.column_stack(pair) for pair in zip(own.T, signs.T, strict=True)]
    return latents, (own.sum(1) + np.sign(signs).prod(1)) / np.sqrt(3)


# -- problems of several classes -------------------------------------------------------


def half_codes(rng, rows):
    """Four classes; each modality tells one half of them from the other."""
    y = rng.integers(4, size=rows)
    X = {"m0": _prototypes(rng, y // 2, 0.8), "m1": _prototypes(rng, y % 2, 0.8)}
    return X, y


def unreliable(n_modalities=3, weak=0.4):
    """Four classes; every row has modalities that show noise, others in each row."""

    def draw(rng, rows):
        y = rng.integers(4, size=rows)
        X = {}
        for m in range(n_modalities):
            clear = _prototypes(rng, y, 0.6)
            drawn = np.sqrt(1 + 0.6**2) * rng.normal(size=clear.shape)
            X[f"m{m}"] = np.where(rng.random((rows, 1)) < weak, drawn, clear)
        return X, y

    return draw


def _prototypes(rng, codes, noise):
    """A random point per code, and noise."""
    points = rng.normal(size=(codes.max() + 1, WIDTH))
    return points[codes] + noise * rng.normal(size=(len(codes), WIDTH))
