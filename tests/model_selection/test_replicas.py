"""fit_replicas: the fitted estimators equal single fits."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm import (
    FusionClassifier,
    FusionRegressor,
    LateFusionClassifier,
    ModalityDict,
)
from skmm.base.fit_many import fit_many
from skmm.model_selection import (
    BootstrapOutOfBag,
    cross_validate_replicas,
    fit_replicas,
)
from skmm.nn import ConvEncoder, MLPEncoder
from skmm.preprocessing import ModalityTransformer
from skmm.training import replicas

FAST = {"max_epochs": 6, "random_state": 0, "device": "cpu"}


def data(n_rows=48):
    rng = np.random.default_rng(0)
    X = ModalityDict(a=rng.normal(size=(n_rows, 4)), b=rng.normal(size=(n_rows, 3)))
    return X, (X["a"][:, 0] + X["b"][:, 0] > 0).astype(int)


def bootstraps(y, count=4):
    return [rows for rows, _ in BootstrapOutOfBag(count, random_state=1).split(y, y)]


@pytest.fixture
def stacked(monkeypatch):
    """Collect how many nets were trained in stacks."""
    import skmm.base.fit_many as module

    seen = []

    def spy(*args, **kwargs):
        seen.extend(result := replicas.train_together(*args, **kwargs))
        return result

    monkeypatch.setattr(module, "train_together", spy)
    return seen


MODELS = [
    FusionClassifier(**FAST),
    FusionClassifier(MLPEncoder((5,)), fusion="mean", optimizer="sgd", lr=0.1, **FAST),
    FusionClassifier(weight_decay=0.1, class_weight="balanced", **FAST),
    FusionClassifier(early_stopping=True, patience=2, validation_fraction=0.3, **FAST),
    FusionRegressor(objective="huber_error", **FAST),
]


@pytest.mark.parametrize("model", MODELS, ids=range(len(MODELS)))
def test_each_is_as_if_fitted_alone(model, stacked):
    X, y = data()
    samples = bootstraps(y)
    together = fit_replicas(model, X, y, samples)
    assert stacked == [True] * len(samples)
    for fitted, rows in zip(together, samples, strict=True):
        alone = clone(model).fit(X[rows], y[rows])
        np.testing.assert_allclose(
            fitted.net_.module_(as_rows(X, fitted)).detach(),
            alone.net_.module_(as_rows(X, alone)).detach(),
            atol=1e-4,
        )
        assert fitted.n_iter_ == alone.n_iter_
        np.testing.assert_allclose(
            fitted.history_["train_loss"], alone.history_["train_loss"], atol=1e-4
        )
        again = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


def as_rows(X, model):
    model.net_.module_.eval()
    return {name: torch.from_numpy(X[name]).float() for name in X}


def test_numbers_may_differ_and_so_may_shapes(stacked):
    X, y = data()
    params = [
        {"lr": 0.01, "random_state": 1},
        {"lr": 0.001, "weight_decay": 0.1},
        {"encoders": MLPEncoder((7,))},
        {"encoders": MLPEncoder((7,)), "lr": 0.02},
    ]
    samples = [np.arange(48)] * 4
    models = fit_replicas(FusionClassifier(**FAST), X, y, samples, params=params)
    assert stacked == [True] * 4
    for model, changed in zip(models, params, strict=True):
        alone = FusionClassifier(**FAST).set_params(**changed).fit(X, y)
        np.testing.assert_allclose(
            model.predict_proba(X), alone.predict_proba(X), atol=1e-4
        )


def test_unequal_samples_missing_rows_and_weights(stacked):
    X, y = data()
    X = X.with_missing("b", slice(0, None, 5))
    weight = np.random.default_rng(2).uniform(0.5, 2, len(y))
    samples = [np.arange(47), np.arange(1, 48), np.arange(40)]
    models = fit_replicas(FusionClassifier(**FAST), X, y, samples, sample_weight=weight)
    assert all(stacked)
    for model, rows in zip(models, samples, strict=True):
        alone = FusionClassifier(**FAST).fit(X[rows], y[rows], weight[rows])
        np.testing.assert_allclose(
            model.predict_proba(X), alone.predict_proba(X), atol=1e-4
        )


def test_a_pipeline_fits_its_transformers_on_each_sample(stacked):
    X, y = data()
    pipeline = make_pipeline(
        ModalityTransformer({"a": StandardScaler()}), FusionClassifier(**FAST)
    )
    samples = bootstraps(y, 3)
    models = fit_replicas(pipeline, X, y, samples)
    assert all(stacked)
    for model, rows in zip(models, samples, strict=True):
        scaler = model[0].transformers_["a"]
        np.testing.assert_allclose(scaler.mean_, X["a"][rows].mean(0))
        alone = clone(pipeline).fit(X[rows], y[rows])
        np.testing.assert_allclose(
            model.predict_proba(X), alone.predict_proba(X), atol=1e-4
        )


@pytest.mark.parametrize("memory", [1, 40_000])
def test_a_small_memory_makes_more_stacks_of_the_same(memory):
    X, y = data()
    samples = bootstraps(y, 5)
    whole = fit_replicas(FusionClassifier(**FAST), X, y, samples)
    parts = fit_replicas(FusionClassifier(**FAST), X, y, samples, memory=memory)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_what_cannot_be_stacked_is_fitted_alone(n_jobs, stacked):
    rng = np.random.default_rng(0)
    X = ModalityDict(image=rng.normal(size=(24, 1, 6, 6)), a=rng.normal(size=(24, 2)))
    y = np.arange(24) % 2
    model = FusionClassifier({"image": ConvEncoder((2,), hidden=(3,))}, **FAST)
    samples = bootstraps(y, 2)
    models = fit_replicas(model, X, y, samples, n_jobs=n_jobs)
    assert stacked == []
    for fitted, rows in zip(models, samples, strict=True):
        alone = clone(model).fit(X[rows], y[rows])
        np.testing.assert_array_equal(fitted.predict_proba(X), alone.predict_proba(X))


def test_a_checkpoint_is_honoured(tmp_path, stacked):
    X, y = data()
    model = FusionClassifier(checkpoint=tmp_path / "fit.ckpt", **FAST)
    samples = bootstraps(y, 2)
    models = fit_replicas(model, X, y, samples)
    assert stacked == []
    plain = clone(model).set_params(checkpoint=None).fit(X[samples[1]], y[samples[1]])
    np.testing.assert_array_equal(models[1].predict_proba(X), plain.predict_proba(X))
    (tmp_path / "fit.ckpt").write_bytes(b"not ours")
    with pytest.raises(ValueError, match="not a valid skmm checkpoint"):
        fit_replicas(model, X, y, samples)


def test_estimators_of_scikit_learn():
    X, y = data()
    for model in (LogisticRegression(), make_pipeline(LogisticRegression())):
        assert len(fit_replicas(model, X["a"], y, bootstraps(y, 2))) == 2
    late = LateFusionClassifier(LogisticRegression())
    assert fit_replicas(late, dict(X), y, bootstraps(y, 1))[0].score(X, y) > 0.5


def test_cross_validation_has_the_format_of_scikit_learn():
    X, y = data()
    model, folds = FusionClassifier(**FAST), StratifiedKFold(3)
    options = {
        "cv": folds,
        "scoring": ["accuracy", "roc_auc"],
        "return_train_score": True,
        "return_estimator": True,
        "return_indices": True,
    }
    ours = cross_validate_replicas(model, X, y, **options)
    theirs = cross_validate(model, X, y, **options)
    assert ours.keys() == theirs.keys()
    for key in ("test_accuracy", "test_roc_auc", "train_accuracy"):
        np.testing.assert_allclose(ours[key], theirs[key], atol=0.07)
    for part in ("train", "test"):
        for a, b in zip(ours["indices"][part], theirs["indices"][part], strict=True):
            np.testing.assert_array_equal(a, b)
    assert len(ours["estimator"]) == 3


def test_bad_input():
    X, y = data()
    with pytest.raises(ValueError, match="params must have one dict per entry"):
        fit_replicas(FusionClassifier(**FAST), X, y, bootstraps(y, 2), params=[{}])
    with pytest.raises(FloatingPointError, match=r"replica 1.*lr"):
        fit_replicas(
            FusionClassifier(optimizer="sgd", **FAST),
            X,
            y,
            bootstraps(y, 2),
            params=[{}, {"lr": 1e30}],
        )


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "nadam", "rmsprop", "adagrad"])
@pytest.mark.parametrize(
    "settings",
    [
        {"weight_decay": 0.01},
        {"early_stopping": True, "patience": 2, "warm_start": True, "lr": 0.05},
        {"encoders": MLPEncoder((6,)), "lr_schedule": "cosine"},
    ],
    ids=["decay", "stopping", "schedule"],
)
def test_a_replica_trains_on_like_a_single_fit(optimizer, settings):
    """With the state of the optimizer that a single fit has."""
    rng = np.random.default_rng(0)
    X = {"a": rng.normal(size=(60, 4)), "b": rng.normal(size=(60, 3))}
    y = (X["a"][:, 0] + X["b"][:, 0] > 0).astype(int)
    model = FusionClassifier(
        **{"optimizer": optimizer, "max_epochs": 12, "random_state": 0, **settings}
    )
    again = "fit" if "early_stopping" in settings else "partial_fit"
    parts = [np.arange(60), np.arange(40), np.arange(15, 60)]
    data = [({name: X[name][rows] for name in X}, y[rows], None) for rows in parts]
    many = fit_many([clone(model).set_params(random_state=s) for s in range(3)], data)
    for seed, (replica, (X, y, _)) in enumerate(zip(many, data, strict=True)):
        single = clone(model).set_params(random_state=seed).fit(X, y)
        found = list(replica.net_.optimizer_.state.values())
        wanted = list(single.net_.optimizer_.state.values())
        assert len(found) == len(wanted) > 0
        for one, other in zip(found, wanted, strict=True):
            assert {*one} == {*other}
            for name in one:
                torch.testing.assert_close(one[name], other[name], rtol=1e-3, atol=1e-5)
        for each in (replica, single):
            getattr(each, again)(X, y)
        np.testing.assert_allclose(
            replica.predict_proba(X), single.predict_proba(X), atol=1e-3
        )


def test_folds_that_fail_are_as_in_scikit_learn():
    """Fits that fail, scores that fail, and several scores."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), np.repeat([0, 1, 2], 10)
    one = np.arange(10)  # a training set of one class
    rest = [
        (np.arange(0, 30, 2), np.arange(1, 30, 2)),
        (np.arange(5, 30), np.arange(5)),
    ]
    cv = [(one, np.arange(10, 30)), *rest]
    for scoring in (None, "roc_auc_ovr", ["accuracy", "neg_log_loss"]):
        for error_score in (np.nan, -1.0):
            call = {
                "cv": cv,
                "scoring": scoring,
                "error_score": error_score,
                "return_train_score": True,
            }
            found = []
            for validate in (cross_validate_replicas, cross_validate):
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    found.append(validate(LogisticRegression(), X, y, **call))
                assert any(one.category is FitFailedWarning for one in caught)
            assert found[0].keys() == found[1].keys()
            for key in found[0].keys() - {"fit_time", "score_time"}:
                np.testing.assert_allclose(found[0][key], found[1][key])
    with pytest.raises(ValueError, match="classes"):
        cross_validate_replicas(LogisticRegression(), X, y, cv=cv, error_score="raise")
    with pytest.raises(ValueError, match="all 1 fits failed"):
        cross_validate_replicas(LogisticRegression(), X, y, cv=cv[:1])


def test_a_fold_of_nets_that_fails_leaves_the_others():
    X, y = {"a": np.random.default_rng(0).normal(size=(40, 3))}, np.arange(40) % 2
    model = FusionClassifier(early_stopping=True, max_epochs=3, random_state=0)
    cv = [(np.arange(2), np.arange(2, 40)), (np.arange(20), np.arange(20, 40))]
    with pytest.warns(FitFailedWarning, match="1 of 2 fits failed.*at least 3 samples"):
        found = cross_validate_replicas(model, X, y, cv=cv, return_estimator=True)
    alone = cross_validate_replicas(model, X, y, cv=cv[1:])
    assert np.isnan(found["test_score"][0]) and not hasattr(
        found["estimator"][0], "net_"
    )
    assert found["test_score"][1] == alone["test_score"][0]
