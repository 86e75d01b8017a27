"""monitor=: early stopping follows a score of the validation set."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import (
    f1_score,
    log_loss,
    make_scorer,
    mean_absolute_error,
    roc_auc_score,
)
from sklearn.model_selection import cross_val_score
from skorch.callbacks import Callback

import skmm
from skmm import (
    DynamicFusionClassifier,
    EncoderDecoderReconstructor,
    FusionClassifier,
    FusionRegressor,
    GradientBlendingClassifier,
    MulMixClassifier,
    ResidualFusionClassifier,
    ResidualFusionRegressor,
)
from skmm.model_selection import fit_replicas
from skmm.training import Stage

RNG = np.random.default_rng(0)
X = {"a": RNG.normal(size=(120, 4)), "b": RNG.normal(size=(120, 3))}
Y = (X["a"][:, 0] + RNG.normal(size=120) > 0).astype(int)
VALUES = 5 + 3 * X["a"][:, 0] + RNG.normal(size=120)
TRAIN = {name: values[:80] for name, values in X.items()}
VALID = {name: values[80:] for name, values in X.items()}
SETTINGS = {"max_epochs": 6, "lr": 0.02, "random_state": 0}
CLASSIFIERS = [
    DynamicFusionClassifier(**SETTINGS),
    FusionClassifier(**SETTINGS),
    FusionClassifier(stages=[Stage(epochs=3), Stage("head")], **SETTINGS),
    GradientBlendingClassifier(super_epoch=2, **SETTINGS),
    MulMixClassifier(temperature=2.0, **SETTINGS),
    ResidualFusionClassifier(mode="sequential", **SETTINGS),
]


def name(value):
    return type(value).__name__


@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=name)
@pytest.mark.parametrize(
    ("monitor", "score"),
    [
        ("roc_auc", lambda y, proba: roc_auc_score(y, proba[:, 1])),
        ("neg_log_loss", lambda y, proba: -log_loss(y, proba)),
    ],
)
def test_the_best_epoch_of_a_classifier_has_the_best_score(estimator, monitor, score):
    model = clone(estimator).set_params(early_stopping=True, monitor=monitor)
    model.fit(TRAIN, Y[:80], validation_data=(VALID, Y[80:]))
    recorded = model.history_[f"valid_{monitor}"]
    if "stage" in model.history_:
        recorded = recorded[model.history_["stage"] == model.history_["stage"].max()]
    assert model.best_epoch_ == recorded.idxmax() + 1
    found = score(Y[80:], model.predict_proba(VALID))
    np.testing.assert_allclose(found, recorded.max(), rtol=1e-6)


@pytest.mark.parametrize(
    "estimator",
    [
        FusionRegressor(**SETTINGS),
        ResidualFusionRegressor(**SETTINGS),
        EncoderDecoderReconstructor((4,), **SETTINGS),
    ],
    ids=name,
)
def test_errors_are_scores_of_which_less_is_better(estimator):
    y = VALUES
    if isinstance(estimator, EncoderDecoderReconstructor):
        y = np.c_[VALUES, VALUES**2]
    model = clone(estimator).set_params(
        early_stopping=True, monitor="neg_mean_absolute_error"
    )
    model.fit(TRAIN, y[:80], validation_data=(VALID, y[80:]))
    recorded = model.history_["valid_neg_mean_absolute_error"]
    assert (recorded < 0).all()
    assert model.best_epoch_ == recorded.idxmax() + 1
    found = -mean_absolute_error(y[80:], model.predict(VALID))
    np.testing.assert_allclose(found, recorded.max(), rtol=1e-5)


def accuracy(estimator, X, y, sample_weight=None):
    assert {*X} == {"a", "b"}
    return np.average(estimator.predict(X) == y, weights=sample_weight)


class Doubled(FusionClassifier):
    """Reads X in its own prediction method."""

    def predict(self, X):
        return super().predict({name: 1.0 * X[name] for name in ("a", "b")})


@pytest.mark.parametrize("monitor", [accuracy, make_scorer(f1_score), "accuracy"])
@pytest.mark.parametrize("cls", [FusionClassifier, Doubled])
def test_callables_and_scorers_are_monitored(monitor, cls):
    model = cls(early_stopping=True, monitor=monitor, **SETTINGS).fit(X, Y)
    column = "valid_accuracy" if monitor == "accuracy" else "valid_score"
    assert model.history_[column].between(0, 1).all()
    assert model.best_epoch_ == model.history_[column].idxmax() + 1


def test_scores_are_weighted():
    weight = RNG.uniform(0.1, 3, size=120)
    model = FusionClassifier(early_stopping=True, monitor="accuracy", **SETTINGS)
    model.fit(TRAIN, Y[:80], validation_data=(VALID, Y[80:], weight[80:]))
    found = model.score(VALID, Y[80:], weight[80:])
    np.testing.assert_allclose(found, model.history_["valid_accuracy"].max())
    model.fit(X, Y, sample_weight=weight)
    with pytest.raises(ValueError, match="does not accept sample_weight"):
        model.set_params(monitor="adjusted_rand_score").fit(X, Y, weight)
    assert model.set_params(monitor="adjusted_rand_score").fit(X, Y)


def test_the_initial_weights_may_have_the_best_score():
    first = FusionClassifier(**SETTINGS).fit(X, Y)
    model = FusionClassifier(
        first.encoders_,
        head=first.net_.module_.head,
        early_stopping="keep_start",
        monitor="accuracy",
        **{**SETTINGS, "lr": 10.0, "max_epochs": 2},
    )
    assert model.fit(X, Y).best_epoch_ == 0


def test_replicas_with_a_score_equal_single_fits():
    model = FusionClassifier(early_stopping=True, monitor="roc_auc", **SETTINGS)
    samples = [np.arange(0, 100), np.arange(20, 120)]
    found = fit_replicas(model, X, Y, samples)
    for rows, one in zip(samples, found, strict=True):
        part = {name: values[rows] for name, values in X.items()}
        alone = clone(model).fit(part, Y[rows])
        np.testing.assert_array_equal(alone.predict_proba(X), one.predict_proba(X))
        assert "valid_roc_auc" in one.history_


def test_a_fitted_model_holds_neither_the_scorer_nor_the_data(tmp_path):
    model = FusionClassifier(early_stopping=True, monitor="roc_auc", **SETTINGS)
    small = clone(model).set_params(monitor="loss").fit(X, Y)
    model.fit(X, Y)
    assert len(pickle.dumps(model)) < len(pickle.dumps(small)) + 3000
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    skmm.save(model, tmp_path / "model.skmm")
    loaded = skmm.load(tmp_path / "model.skmm")
    assert loaded.monitor == "roc_auc"
    assert loaded.best_epoch_ == model.best_epoch_
    assert cross_val_score(model, X["a"], Y, n_jobs=2, cv=2).shape == (2,)


def test_a_checkpoint_restores_the_best_score(tmp_path, monkeypatch):
    def model(path=None):
        settings = {"early_stopping": True, "monitor": "roc_auc", "checkpoint": path}
        return FusionClassifier(**{**SETTINGS, "max_epochs": 8}, **settings)

    whole, path = model().fit(X, Y), tmp_path / "fit.ckpt"
    original = skmm.training.TensorNet._lean_step

    def step(self, rows, target):
        if len(self.history) == 5:
            raise KeyboardInterrupt
        return original(self, rows, target)

    monkeypatch.setattr(skmm.training.TensorNet, "_lean_step", step)
    with pytest.raises(KeyboardInterrupt):
        model(path).fit(X, Y)
    monkeypatch.undo()
    resumed = model(path).fit(X, Y)
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    assert resumed.best_epoch_ == whole.best_epoch_


def nan(estimator, X, y):
    return np.nan


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"monitor": "roc_acu"}, "monitor must be.*'roc_acu'.*Did you mean 'roc_auc'"),
        ({"monitor": "roc_acu", "early_stopping": False}, "Did you mean 'roc_auc'"),
        ({"monitor": "accuracy", "early_stopping": False}, "needs a validation set"),
        ({"monitor": nan}, "must give a finite number"),
        ({"monitor": 3}, "monitor"),
    ],
)
def test_bad_monitors_are_named(settings, message):
    model = FusionClassifier(early_stopping=True, **SETTINGS).set_params(**settings)
    before = vars(model).copy()
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y)
    assert vars(model) == before


def test_partial_fit_has_no_monitor():
    with pytest.raises(ValueError, match="monitor"):
        FusionClassifier(monitor="accuracy").partial_fit(X, Y)


class RaiseLater(Callback):
    """Raise in the third epoch."""

    error = RuntimeError

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) % 6 == 3:
            raise self.error("in epoch 3")


class Interrupt(RaiseLater):
    error = SystemExit  # like Ctrl-C, no Exception


ALL = [
    *CLASSIFIERS,
    FusionRegressor(**SETTINGS),
    ResidualFusionRegressor(**SETTINGS),
    EncoderDecoderReconstructor((4,), **SETTINGS),
]


@pytest.mark.parametrize("estimator", ALL, ids=name)
@pytest.mark.parametrize("callback", [RaiseLater, Interrupt])
@pytest.mark.parametrize("again", [True, False])
def test_a_failed_fit_changes_nothing(estimator, callback, again):
    y = Y if hasattr(estimator, "predict_proba") else VALUES
    y = np.c_[y, y] if isinstance(estimator, EncoderDecoderReconstructor) else y
    scorer = "accuracy" if hasattr(estimator, "predict_proba") else "r2"
    data = {"validation_data": (VALID, y[80:]), "groups": np.arange(80) // 2}
    model = clone(estimator).set_params(early_stopping=True, monitor=scorer)
    if again and getattr(model, "mode", None) != "sequential":
        model.set_params(warm_start=True).fit(TRAIN, y[:80], **data)
        before = model.predict(X), len(model.history_)
        model.set_params(callbacks=[callback()], lr=0.1)
        with pytest.raises(callback.error):
            model.fit(TRAIN, y[:80], **data)
        np.testing.assert_array_equal(model.predict(X), before[0])
        assert len(model.history_) == before[1]
        return
    model.set_params(callbacks=[callback()])
    names = {*vars(model)}
    with pytest.raises(callback.error):
        model.fit(TRAIN, y[:80], **data)
    assert {*vars(model)} == names


def test_a_monitor_does_not_read_a_modality_that_no_training_sample_had():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(80, 3)), 30 * rng.normal(size=(80, 2))
    y = (a[:, 0] > 0).astype(int)
    train = skmm.ModalityDict(a=a[:50], b=b[:50]).with_missing("b")
    valid = {"a": a[50:], "b": b[50:]}, y[50:]
    model = skmm.FusionClassifier(
        early_stopping=True, monitor="neg_log_loss", max_epochs=3, random_state=0
    )
    with pytest.warns(UserWarning, match="missing in all"):
        model.fit(train, y[:50], validation_data=valid)
    losses = model.history_["valid_loss"], model.history_["valid_neg_log_loss"]
    np.testing.assert_allclose(losses[0], -losses[1], rtol=1e-4)
