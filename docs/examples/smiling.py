"""Does the meaning of a smile depend on who smiles? An interaction, made visible.

How likeable a speaker is found, from how much they smile and whether they are a
professional: the regression of a lecture on multimodal learning, whose data are not
public, simulated here with its coefficients. A linear model with a product finds the
interaction; so do nets, of which one has a fusion that adds and one that multiplies.

    python docs/examples/smiling.py [picture.png]
"""

import sys

import numpy as np
from scipy import stats

from skmm import FusionRegressor, ModalityDict
from skmm.inspection import InteractionDisplay, emap
from skmm.nn import BilinearFusion, MLPEncoder, MLPHead, SumFusion

COEFFICIENTS = {"1": 5.79, "smile": 0.68, "professional": -2.94, "product": 1.29}
NOISE = 1.0


def draw(n, seed):
    """Smiles from 0 to 3, status 0 or 1, and ratings."""
    rng = np.random.default_rng(seed)
    smile, status = rng.uniform(0, 3, n), rng.integers(0, 2, n)
    columns = design(smile, status)
    y = columns @ list(COEFFICIENTS.values()) + NOISE * rng.normal(size=n)
    return ModalityDict(smile=smile[:, None], professional=status[:, None]), y


def design(smile, status):
    return np.column_stack([np.ones_like(smile), smile, status, smile * status])


def least_squares(columns, y):
    """Coefficients, their 95 % intervals, and R²."""
    estimate, *_ = np.linalg.lstsq(columns, y, rcond=None)
    residuals, degrees = y - columns @ estimate, len(y) - columns.shape[1]
    variance = residuals @ residuals / degrees
    errors = np.sqrt(variance * np.diag(np.linalg.inv(columns.T @ columns)))
    half = stats.t.ppf(0.975, degrees) * errors
    return estimate, half, 1 - residuals.var() / y.var()


def show_regressions(X, y):
    """Print models of one, two and three terms, as the lecture builds them up."""
    columns = design(X["smile"][:, 0], X["professional"][:, 0])
    for terms in (2, 3, 4):
        estimate, half, share = least_squares(columns[:, :terms], y)
        shown = ", ".join(
            f"{name} {b:.2f} [{b - h:.2f}, {b + h:.2f}]"
            for name, b, h in zip(COEFFICIENTS, estimate, half, strict=False)
        )
        print(f"R² {share:.2f}: {shown}")


def main(picture=None):
    """Fit, print, draw."""
    (X, y), (X_new, y_new) = draw(400, 0), draw(400, 1)
    show_regressions(X, y)
    models = {}
    for fusion in (SumFusion(), BilinearFusion()):
        models[type(fusion).__name__] = FusionRegressor(
            MLPEncoder((16,)),
            fusion=fusion,
            head=MLPHead(()),
            lr=0.01,
            max_epochs=100,
            random_state=0,
        ).fit(X, y)
    for name, model in models.items():
        found = emap(model, X_new, y_new)
        print(
            f"{name}: R² {found.score:.2f}, of its additive part "
            f"{found.projected_score:.2f}, share of interactions "
            f"{found.interaction_share:.2f}"
        )
    if picture:
        display = InteractionDisplay.from_estimator(models["BilinearFusion"], X_new)
        display.plot()
        display.figure_.savefig(picture, dpi=120, bbox_inches="tight")


if __name__ == "__main__":
    main(*sys.argv[1:])
