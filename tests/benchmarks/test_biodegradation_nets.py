"""The rows of the biodegradation benchmark are what the estimator would do."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.biodegradation import nets
from skmm.nn import ConvEncoder, MLPEncoder, NoHarmFusion

SETTING = SimpleNamespace(
    encoders={
        "image": ConvEncoder((4,), kernel_size=3, hidden=()),
        "descriptors": MLPEncoder((4,), dropout=0.5),
    },
    image={"lr": 1e-2, "batch_size": 16, "max_epochs": 2},
    descriptors={"lr": 2e-2, "batch_size": 8, "max_epochs": 3},
    fused={"lr": 3e-3, "batch_size": 32, "max_epochs": 3},
)
TRAININGS = {
    "freeze both": "freeze_all",
    "freeze descriptors": "freeze_descriptors",
    "freeze image": "freeze_image",
    "end to end": "end_to_end",
}


@pytest.fixture(scope="module")
def task():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(120, 1, 6, 6)).astype(np.float32)
    descriptors = 5 + 3 * rng.normal(size=(120, 2))
    y = np.where(descriptors[:, 0] + images[:, 0, 0, 0] > 5, "RB", "NRB")
    return nets.Task(SETTING, ({"image": images, "descriptors": descriptors}, y), 0)


def test_parts_are_disjoint_and_of_the_shares(task):
    assert len(task.test) == round(120 * nets.TEST)
    assert not set(task.train) & set(task.test)
    assert set(task.validation) <= set(task.train)
    assert len(task.validation) == round(len(task.train) * nets.VALIDATION)


def test_descriptors_are_standardised_by_the_training_rows(task):
    X, _ = task.view(task.train)
    np.testing.assert_allclose(X["descriptors"].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(X["descriptors"].std(0), 1, atol=1e-5)


def test_the_validation_rows_are_those_of_the_nets(task):
    X, y = task.view(task.validation)
    for name, model in task.thesis.unimodal_.items():
        proba = model.predict_proba(X.select([name]))
        loss = -np.log(proba[np.arange(len(y)), (y == "RB").astype(int)]).mean()
        kept = model.net_.history[model.best_epoch_ - 1]["valid_loss"]
        assert loss == pytest.approx(kept, rel=1e-4)


@pytest.mark.parametrize("training", TRAININGS)
def test_rows_are_those_of_the_estimator(task, training):
    wanted = task.no_harm(guarantee=None, factor="vector", training=TRAININGS[training])
    fused = task.fuse(NoHarmFusion("vector"), training)
    X, _ = task.view(task.test)
    np.testing.assert_array_equal(fused.predict_proba(X), wanted.predict_proba(X))
    assert nets.learnt(fused) == pytest.approx(nets.learnt(wanted))
