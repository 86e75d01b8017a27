"""Trials that are trained as one batch."""

import numpy as np
import pytest
from scipy.stats import loguniform, uniform
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm import FusionClassifier, FusionRegressor
from skmm.model_selection import ModalitySearchCV, fit_replicas
from skmm.model_selection import replicas as module
from skmm.nn import ConcatFusion, ConvEncoder, MeanFusion, MLPEncoder
from skmm.preprocessing import ModalityTransformer
from tests.toys import two_tables

optuna = pytest.importorskip("optuna")

X, Y = two_tables(60)
SPACE = {
    "lr": loguniform(1e-3, 3e-2),
    "weight_decay": loguniform(1e-5, 1e-2),
    "batch_size": [16, 32],
    "fusion": [ConcatFusion(), MeanFusion(width=8)],
}


def sampler():
    """Draws that are independent of earlier trials and of the batch size."""
    return optuna.samplers.RandomSampler(seed=0)


def searched(model, space=SPACE, **params):
    params = {"n_trials": 7, "cv": 3, "scoring": None, **params}
    search = ModalitySearchCV(model, space, sampler=sampler(), **params)
    return search.fit(X, Y if params.get("y") is None else params["y"])


def columns(search):
    names = [name for name in search.cv_results_ if "test_" in name]
    return np.array([search.cv_results_[n] for n in names if "rank" not in n])


@pytest.mark.parametrize(
    ("model", "scoring"),
    [
        (FusionClassifier(max_epochs=4, random_state=0), "neg_log_loss"),
        (
            FusionClassifier(
                max_epochs=6, early_stopping=True, patience=2, random_state=0
            ),
            "neg_log_loss",
        ),
        (FusionRegressor(max_epochs=4, random_state=0), "neg_mean_squared_error"),
    ],
)
def test_a_batch_scores_as_one_by_one(model, scoring):
    together = searched(model, scoring=scoring)
    alone = searched(model, scoring=scoring, replicas=False)
    assert together.cv_results_["params"] == alone.cv_results_["params"]
    np.testing.assert_allclose(columns(together), columns(alone), rtol=2e-3, atol=1e-5)


def test_a_pipeline_scores_as_one_by_one():
    model = make_pipeline(
        ModalityTransformer({"a": StandardScaler()}),
        FusionClassifier(max_epochs=4, random_state=0),
    )
    space = {"fusionclassifier__lr": loguniform(1e-3, 3e-2)}
    together = searched(model, space, scoring="neg_log_loss")
    alone = searched(model, space, scoring="neg_log_loss", replicas=False)
    np.testing.assert_allclose(columns(together), columns(alone), rtol=2e-3, atol=1e-5)


def calls(monkeypatch):
    seen = []

    def noted(estimator, X, y, samples, **settings):
        seen.append(len(samples))
        return fit_replicas(estimator, X, y, samples, **settings)

    place = "skmm.model_selection._optuna.evaluation.fit_replicas"
    monkeypatch.setattr(place, noted)
    return seen


def test_ten_trials_and_all_their_folds_are_one_batch(monkeypatch):
    seen = calls(monkeypatch)
    searched(FusionClassifier(max_epochs=1, random_state=0), n_trials=12)
    assert seen == [30, 6]


@pytest.mark.parametrize(
    ("model", "params"),
    [
        (FusionClassifier(max_epochs=1, random_state=0), {"replicas": False}),
        (
            FusionClassifier(max_epochs=1, random_state=0),
            {"pruner": optuna.pruners.MedianPruner()},
        ),
        (FusionClassifier(ConvEncoder((2,)), max_epochs=1), {}),
        (FusionClassifier(max_epochs=1, checkpoint="file"), {}),
    ],
)
def test_what_is_trained_one_by_one(monkeypatch, model, params):
    seen = calls(monkeypatch)
    images = {"a": np.zeros((60, 1, 4, 4)) + X["a"][:, :1, None, None]}
    space = {"lr": [1e-3, 1e-2]}
    search = ModalitySearchCV(model, space, n_trials=2, cv=2, refit=False, **params)
    with np.errstate(all="ignore"):
        try:
            search.fit(module.indexable(images), Y)
        except ValueError as error:  # a checkpoint needs a seed, or a folder
            assert "checkpoint" in str(error)
    assert seen == []


def test_trials_of_which_some_cannot_be_stacked():
    images = {"a": np.zeros((60, 1, 4, 4)) + X["a"][:, :1, None, None], "b": X["b"]}
    model = FusionClassifier({"a": MLPEncoder((4,))}, max_epochs=2, random_state=0)
    space = {"encoders__a": [ConvEncoder((2,)), MLPEncoder((3,)), MLPEncoder((5,))]}
    scores = []
    for replicas in ("auto", False):
        search = ModalitySearchCV(
            model, space, n_trials=6, cv=2, sampler=sampler(), replicas=replicas
        )
        scores.append(columns(search.fit(module.indexable(images), Y)))
    np.testing.assert_allclose(*scores, rtol=2e-3, atol=1e-5)


def test_other_metadata_is_not_stacked(monkeypatch):
    class Wanting(LogisticRegression):
        def fit(self, X, y, sample_weight=None, marks=None):
            assert len(marks) == len(y)
            return super().fit(X, y, sample_weight)

    search = ModalitySearchCV(Wanting(), {"C": uniform(0.1, 1)}, n_trials=2, cv=3)
    search.fit(np.hstack([X["a"], X["b"]]), Y, marks=np.arange(60))
    assert search.best_score_ > 0.5


def test_a_train_score_in_a_batch():
    model = FusionClassifier(max_epochs=3, random_state=0)
    together = searched(model, return_train_score=True, scoring="neg_log_loss")
    alone = searched(
        model, return_train_score=True, scoring="neg_log_loss", replicas=False
    )
    np.testing.assert_allclose(
        together.cv_results_["mean_train_score"],
        alone.cv_results_["mean_train_score"],
        rtol=2e-3,
        atol=1e-5,
    )
