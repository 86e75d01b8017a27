"""Outputs and weights that are NaN or infinite are errors, never results."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

import skmm
from skmm.model_selection import fit_replicas
from skmm.nn import MLPEncoder
from skmm.training.batches import predict_outputs

RAW = MLPEncoder(scale=None)  # scaling would limit the values
FAST = {"encoders": RAW, "max_epochs": 2, "random_state": 0}
MODELS = [
    skmm.CoordinatedEncoder(**FAST),
    skmm.DynamicFusionClassifier(**FAST),
    skmm.FusionClassifier(**FAST),
    skmm.FusionRegressor(**FAST),
    skmm.GradientBlendingClassifier(**FAST),
    skmm.LateFusionClassifier(skmm.FusionClassifier(**FAST)),
    skmm.LateFusionRegressor(skmm.FusionRegressor(**FAST)),
    skmm.MulMixClassifier(**FAST),
    skmm.NoHarmFusionClassifier(cv=2, **FAST),
    skmm.ResidualFusionClassifier(**FAST),
    skmm.ResidualFusionRegressor(**FAST),
]
METHODS = ["predict", "predict_proba", "decision_function", "transform", "embed"]
rng = np.random.default_rng(0)
X = {name: rng.normal(size=(40, 3)).astype(np.float32) for name in "ab"}
y = (X["a"][:, 0] + X["b"][:, 0] > 0).astype(int)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_outputs_that_are_not_finite_are_an_error(model):
    model.fit(X, y)
    huge = {name: values.copy() for name, values in X.items()}
    for values in huge.values():
        values[7] = 3e38 * np.sign(values[7])
    for method in METHODS:
        if hasattr(model, method):
            with pytest.raises(FloatingPointError, match=r"first in row 7.*Scale"):
                getattr(model, method)(huge)


def test_a_net_that_diverged_is_named_when_it_predicts():
    model = skmm.FusionClassifier(**FAST).fit(X, y)
    with torch.no_grad():
        next(model.net_.module_.head.parameters()).fill_(torch.nan)
    with pytest.raises(FloatingPointError, match=r"weights of the net.*lr"):
        model.predict_proba(X)


class Diverging(torch.optim.SGD):
    """The last of three steps makes the weights infinite, after a finite loss."""

    steps = 0

    def step(self, closure=None):
        super().step(closure)
        self.steps += 1
        if self.steps == 3:
            with torch.no_grad():
                self.param_groups[0]["params"][0].mul_(torch.inf)


LAST = {"optimizer": Diverging, "batch_size": 40, "max_epochs": 3}


@pytest.mark.parametrize(
    "model",
    [m for m in MODELS[:11] if hasattr(m, "optimizer")],
    ids=lambda m: type(m).__name__,
)
def test_a_fit_whose_last_step_diverges_is_an_error(model):
    model = clone(model)
    model.set_params(**LAST)
    with pytest.raises(FloatingPointError, match=r"NaN or infinite|loss is"):
        model.fit(X, y)
    assert not hasattr(model, "net_")


def test_replicas_whose_last_step_diverges_are_an_error():
    """One full batch at a huge rate: the loss of the only step is finite."""
    one = skmm.FusionRegressor(optimizer="sgd", lr=1e40, batch_size=40, max_epochs=1)
    rows = [np.arange(40), np.arange(40)[::-1]]
    for fit in (lambda: one.fit(X, 1e3 * y), lambda: fit_replicas(one, X, y, rows)):
        with pytest.raises(FloatingPointError, match="weights of the net"):
            fit()


@pytest.mark.parametrize("size", [None, 2])
def test_large_finite_outputs_are_fine(size):
    class Huge(torch.nn.Module):
        def forward(self, x, present=None):
            return torch.full((len(x["a"]), 2), 3e38)

    rows = skmm.data.tensors.TensorRows({"a": torch.zeros(5, 1)})
    assert (predict_outputs(Huge(), rows, size) == 3e38).all()


def test_a_reconstruction_is_finite_or_an_error():
    model = skmm.EncoderDecoderReconstructor(output_activation=None, **FAST).fit(X, y)
    with torch.no_grad():
        for weights in model.net_.module_.parameters():
            weights.fill_(torch.inf)
    for method in ("predict", "transform"):
        with pytest.raises(FloatingPointError, match="weights of the net"):
            getattr(model, method)(X)
