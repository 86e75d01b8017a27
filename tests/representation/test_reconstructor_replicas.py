"""Many reconstructors at once equal those one by one."""

import numpy as np
import pytest

from skmm import EncoderDecoderReconstructor, ModalityDict
from skmm.model_selection import cross_validate_replicas, fit_replicas
from skmm.nn import ConvDecoder
from skmm.training.replicas import can_be_stacked

RNG = np.random.default_rng(0)
X = ModalityDict(a=RNG.normal(size=(60, 3, 2)), b=RNG.normal(size=(60, 4)))
IMAGES, TABLE = RNG.random((60, 3, 3)), RNG.normal(5, 3, (60, 2))
SAMPLES = [RNG.integers(0, 60, 50) for _ in range(3)]


def model(**params):
    base = {"hidden": (8, 4, 8), "max_epochs": 4, "lr": 0.01, "random_state": 0}
    return EncoderDecoderReconstructor(**{**base, "batch_size": 16, **params})


def stacks(estimator, y):
    problem = estimator.prepare(X, y)
    return can_be_stacked(estimator.make_net(problem.module), problem)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("loss", ["mse", "rmse", "bce"])
@pytest.mark.parametrize("weighted", [False, True])
def test_replicas_equal_single_fits(loss, early_stopping, weighted):
    estimator = model(loss=loss, early_stopping=early_stopping)
    assert stacks(model(loss=loss, early_stopping=early_stopping), IMAGES)
    weight = np.linspace(0.5, 2, 60) if weighted else None
    fitted = fit_replicas(estimator, X, IMAGES, SAMPLES, sample_weight=weight)
    for one, rows in zip(fitted, SAMPLES, strict=True):
        w = weight[rows] if weighted else None
        alone = model(loss=loss, early_stopping=early_stopping)
        alone.fit(X[rows], IMAGES[rows], sample_weight=w)
        np.testing.assert_allclose(one.predict(X), alone.predict(X), atol=1e-5)
        columns = alone.history_.columns.drop("dur")
        np.testing.assert_allclose(
            one.history_[columns].to_numpy(float),
            alone.history_[columns].to_numpy(float),
            rtol=1e-4,
        )


@pytest.mark.parametrize(
    "y", [TABLE, {"image": IMAGES, "table": TABLE}], ids=["table", "two"]
)
def test_replicas_of_other_targets(y):
    for one, rows in zip(fit_replicas(model(), X, y, SAMPLES), SAMPLES, strict=True):
        part = ModalityDict(y)[rows] if isinstance(y, dict) else y[rows]
        alone = model().fit(X[rows], part)
        assert one.score(X, y) == pytest.approx(alone.score(X, y), rel=1e-4)


def test_replicas_with_the_target_in_X():
    full = X.assign(image=IMAGES)
    fitted = fit_replicas(model(target="image"), full, None, SAMPLES)
    for one, other in zip(
        fitted, fit_replicas(model(), X, IMAGES, SAMPLES), strict=True
    ):
        np.testing.assert_array_equal(one.predict(X), other.predict(X))
    scores = cross_validate_replicas(model(target="image"), full, None, cv=3)
    assert (scores["test_score"] < 0).all()


def test_what_cannot_be_stacked_is_fitted_alone():
    assert not stacks(model(decoder=ConvDecoder((2,))), IMAGES)
    many = X[np.zeros(8000, int)], IMAGES[np.zeros(8000, int)]
    for loss, together in (("mse", True), ("rmse", False)):
        estimator = model(loss=loss, early_stopping=True)
        problem = estimator.prepare(*many)  # 1,200 rows for early stopping
        net = estimator.make_net(problem.module)
        assert can_be_stacked(net, problem) == together
