"""Estimators with `n_estimators` nets."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import log_loss

import skmm.nn.composite.ensemble as ensemble_module
from skmm import FusionClassifier, FusionRegressor, ModalityDict, load
from skmm.base.nets import members_of
from skmm.model_selection import fit_replicas
from skmm.nn import Conv1dEncoder, LpNormFusion, MLPEncoder
from skmm.nn.composite.ensemble import Ensemble, with_gradient_of_sum
from skmm.training.replicas import train_stacked

RNG = np.random.default_rng(0)
N, SIZE = 60, 3
X = ModalityDict(a=3 + 40 * RNG.normal(size=(N, 4)), b=RNG.normal(size=(N, 1, 8)))
HOLES = X.with_missing("b", np.arange(0, N, 3))
SIGNAL = X["a"][:, 0] / 40 + X["b"][:, 0, 0] + 0.3 * RNG.normal(size=N)
CLASSES = np.digitize(SIGNAL, [-0.5, 0.5])
LABELS = np.stack([SIGNAL > 0, X["a"][:, 1] > 3], axis=1).astype(int)
WEIGHT = RNG.uniform(0.5, 2, size=N)
SETTINGS = {"max_epochs": 4, "lr": 0.01, "random_state": 0}
DENSE = {"a": MLPEncoder((6,)), "b": MLPEncoder((5,))}
MIXED = {"a": MLPEncoder((6,)), "b": Conv1dEncoder((4,), kernel_size=3)}
SCHEMES = {
    "plain": {},
    "decay and clipping": {"weight_decay": 0.1, "gradient_clip": 0.05},
    "sgd": {"optimizer": "sgd", "lr": 0.05},
    "cosine": {"lr_schedule": "cosine"},
}


def classifier(encoders=DENSE, size=SIZE, **settings):
    return FusionClassifier(encoders, n_estimators=size, **{**SETTINGS, **settings})


def weights_of(module):
    return {name: value for name, value in module.state_dict().items()}


def assert_same(module, other, tolerance=1e-5):
    weights, others = weights_of(module), weights_of(other)
    assert weights.keys() == others.keys()
    for name, value in weights.items():
        torch.testing.assert_close(value, others[name], atol=tolerance, rtol=1e-4)


@pytest.mark.parametrize("encoders", [DENSE, MIXED], ids=["packed", "in turn"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_members_train_as_if_alone(encoders, scheme):
    """The first member starts and trains like the only net of an estimator."""
    alone = classifier(encoders, 1, **SCHEMES[scheme]).fit(HOLES, CLASSES, WEIGHT)
    several = classifier(encoders, **SCHEMES[scheme]).fit(HOLES, CLASSES, WEIGHT)
    first, second, _ = members_of(several.net_.module_)
    assert_same(first, alone.net_.module_)
    assert not torch.equal(first.head.layers[0].weight, second.head.layers[0].weight)


@pytest.mark.parametrize("y", [CLASSES, LABELS], ids=["classes", "labels"])
def test_packed_nets_equal_nets_in_turn(y, monkeypatch):
    packed = classifier().fit(HOLES, y, WEIGHT)
    monkeypatch.setattr(ensemble_module, "can_stack", lambda module: False)
    in_turn = classifier().fit(HOLES, y, WEIGHT)
    assert packed.net_.module_.packed is not None
    assert in_turn.net_.module_.packed is None
    for one, other in zip(
        members_of(packed.net_.module_), members_of(in_turn.net_.module_), strict=True
    ):
        assert_same(one, other)
    proba = packed.predict_proba(HOLES)
    np.testing.assert_allclose(proba, in_turn.predict_proba(HOLES), atol=1e-5)
    for method in ("transform", "decision_function"):
        found, wanted = getattr(packed, method)(X), getattr(in_turn, method)(X)
        np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("encoders", [DENSE, MIXED], ids=["packed", "in turn"])
@pytest.mark.parametrize("y", [CLASSES, LABELS], ids=["classes", "labels"])
def test_probabilities_are_means(encoders, y):
    model = classifier(encoders).fit(X, y)
    each = model.member_predict_proba(X)
    assert each.shape == (SIZE, N, 3 if y is CLASSES else 2)
    np.testing.assert_allclose(each.mean(axis=0), model.predict_proba(X), atol=1e-6)
    nets = [net.eval() for net in members_of(model.net_.module_)]
    x = {name: torch.from_numpy(X[name]).float() for name in X}
    with torch.no_grad():
        outputs = [net(x).double() for net in nets]
    wanted = [model._target.proba(output) for output in outputs]
    np.testing.assert_allclose(each, wanted, atol=1e-6)


def test_values_are_means_with_a_spread():
    model = FusionRegressor(DENSE, n_estimators=SIZE, **SETTINGS).fit(X, SIGNAL)
    mean, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(mean, model.predict(X), atol=1e-6)
    assert std.shape == (N,) and (std > 0).all()
    alone = clone(model).set_params(n_estimators=1).fit(X, SIGNAL)
    mean, std = alone.predict(X, return_std=True)
    assert (std == 0).all() and np.array_equal(mean, alone.predict(X))


def test_the_spread_grows_outside_of_the_data():
    near = {"a": RNG.normal(size=(200, 2))}
    settings = {"n_estimators": 5, "max_epochs": 60, "random_state": 0}
    model = FusionRegressor(**settings).fit(near, near["a"][:, 0] ** 2)
    far = {"a": near["a"] * 8}
    assert model.predict(far, True)[1].mean() > 3 * model.predict(near, True)[1].mean()


def test_early_stopping_follows_the_mean_prediction():
    held = X[40:], CLASSES[40:]
    model = classifier(early_stopping=True, max_epochs=8)
    model.fit(X[:40], CLASSES[:40], validation_data=held)
    best = model.history_["valid_loss"].min()
    assert log_loss(held[1], model.predict_proba(held[0])) == pytest.approx(
        best, abs=1e-5
    )
    assert model.best_epoch_ == model.history_["valid_loss"].argmin() + 1


@pytest.mark.parametrize("stopping", [False, True])
def test_replicas_of_ensembles_equal_single_fits(stopping, monkeypatch):
    rows = [RNG.integers(0, N, N) for _ in range(3)]
    model = classifier(early_stopping=stopping, gradient_clip=0.5, weight_decay=0.01)
    with monkeypatch.context() as patch:
        patch.delattr(train_stacked, "_one_by_one")  # all are trained in a stack
        found = fit_replicas(model, X, CLASSES, rows)
    for one, index in zip(found, rows, strict=True):
        alone = clone(one).fit(X[index], CLASSES[index])
        np.testing.assert_allclose(
            one.predict_proba(X), alone.predict_proba(X), atol=1e-4
        )
        np.testing.assert_allclose(
            one.history_["train_loss"], alone.history_["train_loss"], atol=1e-4
        )


@pytest.mark.parametrize("encoders", [DENSE, MIXED], ids=["packed", "in turn"])
def test_saving_and_pickling(encoders, tmp_path):
    model = classifier(encoders).fit(X, CLASSES)
    model.save(tmp_path / "model")
    for copied in (load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(copied.predict_proba(X), model.predict_proba(X))
        assert isinstance(copied.net_.module_, Ensemble)
    again = load(tmp_path / "model").set_params(warm_start=True, max_epochs=2)
    wanted = model.set_params(warm_start=True, max_epochs=2).fit(X, CLASSES)
    again.fit(X, CLASSES)
    np.testing.assert_allclose(
        again.predict_proba(X), wanted.predict_proba(X), atol=1e-6
    )


def test_partial_fit_goes_on():
    model = classifier()
    for _ in range(4):
        model.partial_fit(X, CLASSES)
    np.testing.assert_allclose(
        model.predict_proba(X), classifier().fit(X, CLASSES).predict_proba(X), atol=1e-5
    )


def test_embeddings_predict_the_same():
    model = classifier().fit(HOLES, CLASSES)
    wanted = model.predict_proba(HOLES)
    np.testing.assert_allclose(
        model.predict_proba(model._encoded(HOLES)), wanted, atol=1e-6
    )


def test_encoders_are_those_of_the_first_net():
    model = classifier().fit(X, CLASSES)
    first = members_of(model.net_.module_)[0]
    assert_same(model.encoders_["a"], first.encoders["a"])
    again = FusionClassifier(model.encoders_, max_epochs=1, lr=1e-12).fit(X, CLASSES)
    np.testing.assert_allclose(
        again.embed(X)["a"], model.embed(X)["a"][:, :6], atol=1e-5
    )


def test_modality_weights_are_means():
    model = classifier(None, fusion=LpNormFusion()).fit(X, CLASSES)
    tables = [net.head.modality_weights() for net in members_of(model.net_.module_)]
    wanted = np.mean([list(dict(table).values()) for table in tables], axis=0)
    np.testing.assert_allclose(model.modality_weights_["weight"], wanted, rtol=1e-6)


def test_batch_norm_ignores_missing_samples():
    """Nets with a BatchNorm are computed in turn."""
    norm = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.BatchNorm1d(5))
    model = classifier({"a": norm, "b": DENSE["b"]})
    model.fit(X.with_missing("a", [0, 1]), CLASSES)
    assert model.net_.module_.packed is None


def test_gradient_of_a_sum():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    value = with_gradient_of_sum(x.mean(), 2)
    value.backward()
    assert value == 1.5 and x.grad.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("size", [0, -1, 2.5, "two", None])
def test_number_of_nets(size):
    with pytest.raises(ValueError, match="n_estimators"):
        classifier(size=size).fit(X, CLASSES)
