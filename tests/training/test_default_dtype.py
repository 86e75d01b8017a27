"""Nets are float32, whatever torch's default dtype is."""

from threading import Barrier, Thread

import numpy as np
import pytest
import torch
from sklearn.base import clone

import skmm
from skmm._random import float32_default
from skmm.model_selection import fit_replicas
from skmm.nn import (
    LpNormFusion,
    LSTMEncoder,
    MLPEncoder,
    SequenceTokens,
    TransformerFusion,
)

FAST = {"max_epochs": 2, "random_state": 0}
MODELS = [
    skmm.CoordinatedEncoder(**FAST),
    skmm.DynamicFusionClassifier(**FAST),
    skmm.EncoderDecoderReconstructor(**FAST),
    skmm.FusionClassifier(early_stopping=True, **FAST),
    skmm.FusionClassifier(fusion=LpNormFusion(), **FAST),
    skmm.FusionClassifier(class_weight="balanced", **FAST),
    skmm.FusionClassifier(SequenceTokens(8), fusion=TransformerFusion(), **FAST),
    skmm.FusionClassifier({"a": LSTMEncoder(4)}, **FAST),
    skmm.FusionRegressor(objective="huber_error", **FAST),
    skmm.GradientBlendingClassifier(**FAST),
    skmm.LateFusionClassifier(skmm.FusionClassifier(**FAST)),
    skmm.MulMixClassifier(**FAST),
    skmm.NoHarmFusionClassifier(cv=2, **FAST),
    skmm.ResidualFusionRegressor(**FAST),
]
rng = np.random.default_rng(0)
X = {"a": rng.normal(size=(24, 3)), "b": rng.normal(size=(24, 2))}
X = skmm.ModalityDict(X).with_missing("b", [3])
y = np.arange(24) % 2


@pytest.fixture
def float64():
    """Make float64 torch's default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def results(model):
    model = clone(model).fit(X, y)
    return (model.predict if hasattr(model, "predict") else model.cross_correlation)(X)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_the_default_dtype_has_no_effect(model, request):
    expected = results(model)
    request.getfixturevalue("float64")
    np.testing.assert_array_equal(results(model), expected)
    assert torch.get_default_dtype() == torch.float64


def test_modules_and_replicas_of_a_user_with_float64(float64, tmp_path):
    net = torch.nn.Linear(3, 4)
    model = skmm.FusionClassifier({"a": net}, **FAST)
    one, _ = fit_replicas(model, X, y, [np.arange(24), np.arange(20)])
    assert {p.dtype for p in one.net_.module_.parameters()} == {torch.float32}
    assert net.weight.dtype == torch.float64
    built = MLPEncoder((4,)).build((3,))
    one = skmm.FusionClassifier({"a": built}, **FAST).fit(X, y)
    one.save(tmp_path / "model")
    loaded = skmm.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(X), one.predict_proba(X))


def test_threads_restore_the_dtype_after_the_last(float64):
    inside, found = Barrier(2), []

    def enter(late):
        with float32_default():
            inside.wait()
            found.append(torch.get_default_dtype())
            if late:
                first.join()
                found.append(torch.get_default_dtype())

    first, second = (Thread(target=enter, args=[late]) for late in (False, True))
    first.start()
    second.start()
    second.join()
    assert found == [torch.float32] * 3
    assert torch.get_default_dtype() == torch.float64


def test_an_error_restores_the_dtype(float64):
    with pytest.raises(ValueError, match="optimizer"):
        skmm.FusionClassifier(optimizer="typo").fit(X, y)
    assert torch.get_default_dtype() == torch.float64
