"""Coordinated encoders: controls, missing rows, and encoders that go on elsewhere."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmm
from skmm import (
    CoordinatedEncoder,
    FusionClassifier,
    ModalityDict,
    NoHarmFusionClassifier,
)
from skmm.inspection import CrossCorrelationDisplay
from skmm.model_selection import fit_replicas
from skmm.nn import MLPEncoder
from skmm.objectives import BarlowTwins
from skmm.preprocessing import ModalityTransformer
from skmm.training import Stage
from skmm.training.replicas import can_be_stacked
from tests.toys import assert_same_state, state_of, two_tables, with_holes

FAST = {"max_epochs": 3, "batch_size": 20, "random_state": 0}


def views(n, seed=0):
    """Two views of one latent of 8 numbers, a linear one and one through tanh."""
    rng = np.random.default_rng(1)
    maps = rng.normal(size=(8, 40)), rng.normal(size=(8, 40)) / 8**0.5
    latent = np.random.default_rng(seed).normal(size=(n, 8))
    return ModalityDict(linear=latent @ maps[0], bent=np.tanh(latent @ maps[1]))


def model(**params):
    return CoordinatedEncoder(MLPEncoder((6,)), **{**FAST, **params})


# -- controls ----------------------------------------------------------------------


def test_positive_control():
    fitted = CoordinatedEncoder(
        objective=BarlowTwins(0.05),
        projector=(8,),
        batch_size=250,
        max_epochs=15,
        lr=0.005,
        random_state=0,
    ).fit(views(2000))
    fresh = fitted.cross_correlation(views(1000, seed=2))
    for found in (fitted.cross_correlation_, fresh):
        table = CrossCorrelationDisplay(found, fitted.pairs_).table
        assert table.loc["linear and bent", "diagonal"] > 0.9
        assert table.loc["linear and bent", "off_diagonal"] < 0.1


def test_negative_control():
    # 50 features of 72 rows in batches of 32, which cannot have rank 50
    fitted = CoordinatedEncoder(
        objective=BarlowTwins(0.05),
        projector=(50,),
        batch_size=32,
        lr=0.01,
        random_state=0,
    ).fit(views(72))
    found = fitted.cross_correlation(views(1000, seed=2))
    table = CrossCorrelationDisplay(found, fitted.pairs_).table
    assert table["diagonal"].item() < 0.9
    assert table["off_diagonal"].item() > 0.1
    for start in (0, 32):
        batch = views(72)[start : start + 32]
        off = fitted.cross_correlation(batch)[0] - np.eye(50)
        assert (off**2).sum() >= 50 - 31


def test_noise_is_not_made_to_agree():
    rng = np.random.default_rng(0)
    X = ModalityDict(a=rng.normal(size=(400, 6)), b=rng.normal(size=(400, 6)))
    fitted = CoordinatedEncoder(projector=(4,), max_epochs=20, random_state=0).fit(X)
    fresh = ModalityDict(a=rng.normal(size=(900, 6)), b=rng.normal(size=(900, 6)))
    assert np.abs(fitted.cross_correlation(fresh)).max() < 0.25


# -- embeddings --------------------------------------------------------------------


def test_embeddings_are_those_of_the_encoders():
    X, _ = two_tables()
    fitted = model(projector=(3,)).fit(X)
    embedded = fitted.transform(X)
    assert {name: part.shape for name, part in embedded.items()} == {
        "a": (40, 6),
        "b": (40, 6),
    }
    rows = torch.tensor(X["a"], dtype=torch.float32)
    with torch.no_grad():
        expected = fitted.encoders_["a"](rows)
    np.testing.assert_allclose(embedded["a"], expected, atol=1e-6)
    assert list(fitted.get_feature_names_out()) == ["a", "b"]
    assert fitted.cross_correlation_.shape == (1, 3, 3)


def test_missing_modalities_stay_missing():
    X = with_holes(two_tables(60)[0])
    fitted = model().fit(X)
    present = fitted.transform(X).present
    for name in X:
        np.testing.assert_array_equal(present[name], X.present[name])
    assert not fitted.transform({"a": X["a"]}).present["b"].any()


def test_rows_of_one_modality_alone_change_nothing():
    X, _ = two_tables(40)
    more = ModalityDict.concat([X, X.with_missing("b")])
    settings = {"batch_size": 80, "max_epochs": 5}  # batches are all rows
    a, b = (model(**settings).fit(data) for data in (X, more))
    np.testing.assert_allclose(
        b.transform(X)["a"], a.transform(X)["a"], rtol=1e-3, atol=1e-4
    )
    np.testing.assert_allclose(b.cross_correlation_, a.cross_correlation_, atol=1e-3)


def test_rows_without_weight_are_not_there():
    X, _ = two_tables(40)
    weight = np.r_[np.ones(30), np.zeros(10)]
    a = model().fit(X, sample_weight=weight)
    b = model().fit(X[:30])
    np.testing.assert_array_equal(a.transform(X)["a"], b.transform(X)["a"])


def test_three_modalities_make_three_pairs():
    X, _ = two_tables(60)
    X = X.assign(c=X["a"] + 1)
    fitted = model(projector=(3,), max_epochs=60, lr=0.01).fit(X)
    assert fitted.pairs_ == [("a", "b"), ("a", "c"), ("b", "c")]
    diagonals = fitted.cross_correlation_.diagonal(axis1=1, axis2=2)
    assert diagonals.shape == (3, 3)
    assert diagonals[1].mean() > diagonals[0].mean()  # a and c are the same
    assert diagonals[1].mean() > 0.8


def test_one_modality_is_warned_of():
    X, _ = two_tables()
    with pytest.warns(UserWarning, match="only one modality, 'a'"):
        fitted = model().fit({"a": X["a"]})
    assert fitted.pairs_ == []
    assert fitted.transform({"a": X["a"]})["a"].shape == (40, 6)


# -- encoders go on elsewhere ------------------------------------------------------


def test_encoders_start_a_classifier():
    X, y = two_tables(60)
    fitted = model().fit(X)
    states = {n: state_of(part) for n, part in fitted.encoders_.items()}
    frozen = FusionClassifier(
        fitted.encoders_, stages=[Stage(["fusion", "head"])], **FAST
    ).fit(X, y)
    for name, state in states.items():
        assert_same_state(state_of(frozen.encoders_[name]), state)
        assert_same_state(state_of(fitted.encoders_[name]), state)  # only copies learn
        np.testing.assert_array_equal(frozen.embed(X)[name], fitted.transform(X)[name])
    tuned = FusionClassifier(fitted.encoders_, **FAST).fit(X, y)
    fresh = FusionClassifier(MLPEncoder((6,)), **FAST).fit(X, y)
    start = tuned.prepare(X, y).module
    assert_same_state(state_of(start.encoders["a"]), states["a"])
    assert not np.array_equal(tuned.embed(X)["a"], fitted.transform(X)["a"])
    assert not np.array_equal(tuned.predict_proba(X), fresh.predict_proba(X))


def test_encoders_start_a_no_harm_classifier():
    X, y = two_tables(60)
    fitted = model().fit(X)
    for params in ({"guarantee": None}, {"cv": 3}):
        started = NoHarmFusionClassifier(fitted.encoders_, **params, **FAST).fit(X, y)
        other = NoHarmFusionClassifier(MLPEncoder((6,)), **params, **FAST).fit(X, y)
        assert not np.array_equal(started.predict_proba(X), other.predict_proba(X))


def test_in_a_pipeline():
    X, y = two_tables(60)
    scaled = ModalityTransformer({"a": StandardScaler(), "b": StandardScaler()})
    pipeline = make_pipeline(scaled, model(), FusionClassifier(**FAST)).fit(X, y)
    assert pipeline.predict(X).shape == (60,)
    assert CrossCorrelationDisplay.from_estimator(pipeline[:-1], X).table.shape == (
        1,
        2,
    )


# -- going on, saving --------------------------------------------------------------


def test_epoch_by_epoch():
    X, _ = two_tables()
    whole, parts = model().fit(X), model()
    for _ in range(3):
        parts.partial_fit(X)
    for name in X:
        np.testing.assert_allclose(
            parts.transform(X)[name], whole.transform(X)[name], atol=1e-6
        )


def test_checkpoint_early_stopping_and_clone(tmp_path):
    X, _ = two_tables()
    stopped = model(early_stopping=True, checkpoint=tmp_path / "c").fit(X)
    assert stopped.best_epoch_ >= 1
    assert "valid_loss" in stopped.history_
    assert repr(clone(stopped)) == repr(stopped)
    assert "CoordinatedEncoder" in stopped._repr_html_()


def test_saved_and_pickled(tmp_path):
    X, _ = two_tables()
    fitted = model(objective=BarlowTwins(0.1), projector=(4, 3)).fit(X)
    fitted.save(tmp_path / "model")
    loaded = skmm.load(tmp_path / "model")
    for other in (loaded, pickle.loads(pickle.dumps(fitted))):
        assert other.transform(X) == fitted.transform(X)
        np.testing.assert_array_equal(
            other.cross_correlation_, fitted.cross_correlation_
        )
        assert other.net_.criterion.weight == 0.1
        assert other.pairs_ == fitted.pairs_
    assert loaded.partial_fit(X).transform(X) == fitted.partial_fit(X).transform(X)


def test_replicas_are_fitted_alone():
    X, _ = two_tables()
    problem = model().prepare(X)
    estimator = model()
    estimator.prepare(X)
    assert not can_be_stacked(estimator.make_net(problem.module), problem)
    rows = [np.arange(30), np.arange(10, 40)]
    for one, part in zip(fit_replicas(model(), X, None, rows), rows, strict=True):
        assert one.transform(X) == model().fit(X[part]).transform(X)


def test_any_callable_is_an_objective():
    def distance(embeddings, present, weight):
        both = present.all(1)[:, None]
        return ((embeddings[0] - embeddings[1]) * both).square().mean()

    X, _ = two_tables()
    fitted = model(objective=distance, max_epochs=50, lr=0.01).fit(with_holes(X))
    losses = fitted.history_["train_loss"]
    assert losses.iloc[-1] < 0.2 * losses.iloc[0]


# -- bad input and the picture -----------------------------------------------------


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"projector": (0,)}, "projector"),
        ({"objective": "twins"}, "barlow_twins"),
        ({"objective": BarlowTwins(-1)}, "weight"),
        ({"encoders": {"c": None}}, "unknown modality 'c'"),
    ],
)
def test_bad_input(params, match):
    X, _ = two_tables()
    with pytest.raises(ValueError, match=match):
        model().set_params(**params).fit(X)


def test_display():
    pytest.importorskip("matplotlib").use("agg")
    import matplotlib.pyplot as plt

    X, _ = two_tables()
    fitted = model().fit(X.assign(c=X["a"]))
    display = CrossCorrelationDisplay.from_estimator(fitted).plot()
    assert len(display.axes_) == 3
    drawn = display.axes_[1]
    np.testing.assert_array_equal(
        drawn.images[0].get_array(), fitted.cross_correlation_[1]
    )
    assert (drawn.get_ylabel(), drawn.get_xlabel()) == (
        "features of a",
        "features of c",
    )
    plt.close(display.figure_)
    with pytest.raises(TypeError, match=r"CoordinatedEncoder.*got FusionClassifier"):
        CrossCorrelationDisplay.from_estimator(FusionClassifier())


def test_table_of_known_correlations():
    display = CrossCorrelationDisplay(
        np.array([[[0.5, -0.2], [0.4, 0.7]]]), [("a", "b")]
    )
    assert display.table.loc["a and b"].tolist() == pytest.approx([0.6, 0.3])
