"""After any fit that fails, an estimator is as it was before."""

import inspect

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

import skmm
from skmm import ModalityDict
from skmm.nn import MLPEncoder
from skmm.training import TensorNet
from skmm.training.replicas.stacked_training import StackedTraining

RNG = np.random.default_rng(0)
X = ModalityDict(a=RNG.normal(size=(60, 4)), b=RNG.normal(size=(60, 3)))
Y = (X["a"][:, 0] > 0).astype(int)
FAST = {"max_epochs": 3, "random_state": 0}
QUICK = {
    "fusion": skmm.FusionClassifier(**FAST),
    "regressor": skmm.FusionRegressor(**FAST),
    "mulmix": skmm.MulMixClassifier(**FAST),
    "residual": skmm.ResidualFusionClassifier(**FAST),
    "blending": skmm.GradientBlendingClassifier(super_epoch=1, **FAST),
    "dynamic": skmm.DynamicFusionClassifier(**FAST),
    "reconstructor": skmm.EncoderDecoderReconstructor((4,), **FAST),
    "coordinated": skmm.CoordinatedEncoder(**FAST),
    "no harm": skmm.NoHarmFusionClassifier(cv=3, **FAST),
    "late": skmm.LateFusionClassifier(skmm.FusionClassifier(**FAST)),
}
TRAINED_FURTHER = {n: m for n, m in QUICK.items() if hasattr(m, "partial_fit")}


def state_of(model):
    """All attributes; arrays, frames and weights as bytes."""
    found = {k: repr(v) for k, v in vars(model).items() if k not in ("net_", "_target")}
    if hasattr(model, "net_"):
        weights = model.net_.module_.state_dict().items()
        found |= {k: v.numpy().tobytes() for k, v in weights}
        found["net"] = repr(model.net_.progress())
    return found


def predict(model):
    return model.transform(X)["a"] if "Coord" in repr(model) else model.predict(X)


@pytest.mark.parametrize("model", QUICK.values(), ids=QUICK)
def test_a_first_fit_that_fails_leaves_no_attributes(model):
    model = skmm.restrict(model, ["a", "b"])
    with pytest.raises((ValueError, TypeError)):
        model.fit({"a": X["a"], "b": X["b"][:10]}, Y)
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(X, Y, np.ones(7))
    assert not {name for name in vars(model) if name.endswith("_")}
    assert {*vars(model)} - {"_metadata_request"} == {*model.get_params(deep=False)}


@pytest.mark.parametrize("model", QUICK.values(), ids=QUICK)
def test_a_refit_that_fails_changes_nothing(model):
    model = skmm.restrict(model, ["a", "b"]).fit(X, Y)
    before, predicted = state_of(model), predict(model)
    for other in ({"c": X["a"]}, {"a": X["a"] * np.inf, "b": X["b"]}):
        with pytest.raises((ValueError, KeyError)):
            model.fit(other, Y)
    with pytest.raises(ValueError):
        model.set_params(modalities=["a", "unknown"]).fit(X, Y)
    model.set_params(modalities=["a", "b"])
    assert state_of(model) == before
    np.testing.assert_array_equal(predict(model), predicted)


@pytest.mark.parametrize("model", QUICK.values(), ids=QUICK)
def test_an_interrupt_before_training_leaves_no_attributes(model, monkeypatch):
    def interrupt(self, *args, **kwargs):
        raise KeyboardInterrupt

    for trains in (TensorNet, StackedTraining):
        monkeypatch.setattr(trains, "run", interrupt)
    model = skmm.restrict(model, ["a", "b"])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert {*vars(model)} - {"_metadata_request"} == {*model.get_params(deep=False)}


class Fails(Callback):
    """Raise an error after an epoch, when the weights have changed."""

    def on_epoch_end(self, net, **kwargs):
        raise RuntimeError("after an epoch")


@pytest.mark.parametrize("model", TRAINED_FURTHER.values(), ids=TRAINED_FURTHER)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_further_training_that_fails_is_undone(model, method):
    model = skmm.restrict(model, ["a", "b"]).set_params(warm_start=method == "fit")
    model.fit(X, Y)
    before, predicted = state_of(model), predict(model)
    model.set_params(callbacks=[Fails()])
    with pytest.raises(RuntimeError, match="after an epoch"):
        getattr(model, method)(X, Y)
    model.set_params(callbacks=None)
    assert state_of(model) == before
    np.testing.assert_array_equal(predict(model), predicted)


@pytest.mark.parametrize("estimator", [skmm.FusionClassifier, skmm.FusionRegressor])
def test_a_warm_start_that_diverges_is_undone(estimator):
    model = estimator(**FAST, warm_start=True).fit(X, Y)
    before = state_of(model)
    model.set_params(lr=1e30, optimizer="sgd")
    with pytest.raises(FloatingPointError):
        model.fit(X, Y)
    after = state_of(model.set_params(lr=1e-3, optimizer="adam"))
    assert after == before


def test_a_corrupt_chunk_is_undone():
    """Also the location and scale of y, and the state of the optimizer."""
    y = X["a"][:, 0]
    unscaled = MLPEncoder(scale=None)
    model = skmm.FusionRegressor(unscaled, random_state=0).partial_fit(X, y)
    alone = skmm.FusionRegressor(unscaled, random_state=0).partial_fit(X, y)
    with pytest.raises(FloatingPointError):
        model.partial_fit({"a": X["a"] * 1e30, "b": X["b"]}, y)
    assert len(model.history_) == 1
    after = [m.partial_fit(X, y).predict(X) for m in (model, alone)]
    np.testing.assert_array_equal(*after)
    assert np.isfinite(model.predict(X)).all()


def test_new_classes_of_a_failed_refit_are_not_kept():
    three = np.array(["p", "q", "r"])[np.arange(60) % 3]
    model = skmm.FusionClassifier(**FAST).fit(X, np.where(Y, "yes", "no"))
    with pytest.raises(ValueError, match="typo"):
        model.set_params(fusion="typo").fit(X, three)
    assert set(model.predict(X)) <= {"yes", "no"}


def test_an_interrupted_training_is_kept():
    class Interrupt(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.calls = torch.nn.Linear(4, 3), 0

        def forward(self, x):
            self.calls += 1
            if self.calls > 20:
                raise KeyboardInterrupt
            return self.linear(x)

    model = skmm.FusionClassifier({"a": Interrupt()}, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert hasattr(model, "net_") and model.n_iter_ < 100


UNKNOWN = [  # late fusion routes them to its models
    (name, method, argument)
    for name, model in QUICK.items()
    for method in ("fit", "partial_fit")
    for argument in ("validation_data", "early_stopping", "eval_set")
    if hasattr(model, method) and name != "late"
    if argument not in inspect.signature(getattr(model, method)).parameters
]


@pytest.mark.parametrize(("name", "method", "argument"), UNKNOWN)
def test_unknown_arguments_are_named_with_the_class_and_a_fix(name, method, argument):
    model = QUICK[name]
    call = getattr(model, method)
    with pytest.raises(TypeError) as caught:
        call(X, Y, **{argument: (X, Y)})
    message = str(caught.value)
    assert message.startswith(f"{type(model).__name__}.{call.__name__}: got an unex")
    if argument in model.get_params():
        assert message.endswith(f"Use {type(model).__name__}({argument}=...).")
    elif name == "no harm" and argument == "validation_data":
        assert "held-out samples of X" in message
    else:
        assert "The arguments are X, y, " in message


def test_missing_arguments_are_named_with_the_class():
    with pytest.raises(TypeError, match=r"FusionClassifier\.fit: missing .* 'X'"):
        skmm.FusionClassifier().fit()
