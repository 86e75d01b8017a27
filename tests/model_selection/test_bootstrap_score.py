"""Bootstrap estimates: formulas, and .632+ of an overfitted model."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm import FusionClassifier
from skmm.model_selection import BootstrapOutOfBag, bootstrap_score

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 4)), RNG.permutation(np.repeat([0, 1], 30))
LEARNABLE = (X[:, 0] > 0).astype(int)
SPLITTER = BootstrapOutOfBag(15, random_state=3)


def test_out_of_bag_is_a_loop_by_hand():
    model = LogisticRegression()
    found = bootstrap_score(model, X, LEARNABLE, resampling=SPLITTER)
    expected = [
        clone(model).fit(X[i], LEARNABLE[i]).score(X[j], LEARNABLE[j])
        for i, j in SPLITTER.split(X, LEARNABLE)
    ]
    np.testing.assert_allclose(found.oob_scores, expected)
    assert found.score == pytest.approx(np.mean(expected))
    assert found.interval[0] <= found.score <= found.interval[1]
    assert np.isnan(found.train_score)


def test_632_is_a_fixed_average():
    call = {"resampling": SPLITTER}
    oob = bootstrap_score(LogisticRegression(), X, LEARNABLE, **call).score
    found = bootstrap_score(LogisticRegression(), X, LEARNABLE, estimate=".632", **call)
    train = LogisticRegression().fit(X, LEARNABLE).score(X, LEARNABLE)
    assert found.train_score == train
    assert found.score == pytest.approx(0.368 * train + 0.632 * oob)


def test_632_plus_of_a_model_that_memorizes():
    """One neighbour of random labels: training error 0, true error 1/2."""
    model = KNeighborsClassifier(1)
    plain = bootstrap_score(model, X, Y, resampling=SPLITTER, estimate=".632")
    plus = bootstrap_score(
        model, X, Y, resampling=SPLITTER, estimate=".632+", random_state=0
    )
    assert plain.score > 0.63
    assert plus.score == pytest.approx(0.5, abs=0.08)
    assert plus.overfitting_rate > 0.8
    assert plus.no_information_score == pytest.approx(0.5, abs=0.05)


def test_632_plus_formula():
    found = bootstrap_score(
        KNeighborsClassifier(3), X, LEARNABLE, resampling=SPLITTER, estimate=".632+",
        random_state=0,
    )  # fmt: skip
    train, least = 1 - found.train_score, 1 - found.no_information_score
    oob = 1 - found.oob_scores.mean()
    rate = (oob - train) / (least - train)
    weight = 0.632 / (1 - 0.368 * rate)
    assert 0 < rate < 1
    assert found.overfitting_rate == pytest.approx(rate)
    expected = (1 - weight) * train + weight * min(oob, least)
    assert 1 - found.score == pytest.approx(expected)


def test_networks_groups_and_number_of_bootstraps():
    model = FusionClassifier(max_epochs=2, random_state=0)
    groups = np.repeat(np.arange(20), 3)
    data = {"a": X[:, :2], "b": X[:, 2:]}
    found = bootstrap_score(
        model, data, LEARNABLE, resampling=4, groups=groups, random_state=0,
        scoring="neg_log_loss", estimate=".632",
    )  # fmt: skip
    assert found.oob_scores.shape == (4,) and found.score < 0
    again = bootstrap_score(
        model, data, LEARNABLE, resampling=4, groups=groups, random_state=0,
        scoring="neg_log_loss", estimate=".632",
    )  # fmt: skip
    assert again.score == found.score


def test_bad_input():
    with pytest.raises(ValueError, match="estimate"):
        bootstrap_score(LogisticRegression(), X, Y, estimate=".7")
    for resampling in ("many", 0, True):
        with pytest.raises(TypeError, match="number of bootstraps"):
            bootstrap_score(LogisticRegression(), X, Y, resampling=resampling)
    with pytest.raises(ValueError, match="requires y"):
        bootstrap_score(LogisticRegression(), X, None)


def test_values_and_weights_in_pipelines():
    found = bootstrap_score(Ridge(), X, np.arange(60), resampling=5, random_state=0)
    assert found.oob_scores.shape == (5,)
    scaled = make_pipeline(StandardScaler(), LogisticRegression())
    weight = np.linspace(0.5, 2, 60)
    found = bootstrap_score(
        scaled, X, LEARNABLE, estimate=".632", sample_weight=weight, resampling=5,
        random_state=0,
    )  # fmt: skip
    whole = clone(scaled).fit(X, LEARNABLE, logisticregression__sample_weight=weight)
    assert found.train_score == whole.score(X, LEARNABLE)


# -- resamples that cannot be fitted or scored -------------------------------------

RARE = np.repeat([0, 1, 2], [35, 35, 5])
WIDE = np.random.default_rng(1).normal(size=(75, 4)) + RARE[:, None] * [1, 0, 0, 0]


@pytest.mark.parametrize("stratify", [True, False])
def test_log_loss_with_a_rare_class(stratify):
    """Class 2 is absent from some test sets, and without strata from training sets."""
    splitter = BootstrapOutOfBag(100, stratify=stratify, random_state=0)
    found = bootstrap_score(
        LogisticRegression(), WIDE, RARE, scoring="neg_log_loss", resampling=splitter,
        error_score="raise",
    )  # fmt: skip
    lacking = 0
    splits = splitter.split(WIDE, RARE)
    for score, (train, test) in zip(found.oob_scores, splits, strict=True):
        model = LogisticRegression().fit(WIDE[train], RARE[train])
        proba = np.zeros((len(test), 3))
        proba[:, model.classes_] = model.predict_proba(WIDE[test])
        expected = -log_loss(RARE[test], proba, labels=[0, 1, 2])
        assert score == pytest.approx(expected)
        lacking += len(model.classes_) < 3 or len(np.unique(RARE[test])) < 3
    assert lacking > 0


def test_groups_of_one_class():
    y, groups = np.repeat([0, 1], [36, 12]), np.repeat(np.arange(8), 6)
    rows = np.random.default_rng(0).normal(size=(48, 3)) + y[:, None]
    for seed in range(20):
        found = bootstrap_score(
            LogisticRegression(), rows, y, groups=groups, resampling=10,
            random_state=seed, error_score="raise",
        )  # fmt: skip
        assert np.isfinite(found.oob_scores).all()


def test_scores_that_cannot_be_computed_are_nan():
    call = {"scoring": "roc_auc_ovr", "resampling": 60, "random_state": 0}
    with pytest.raises(ValueError, match=r"[Cc]lass"):
        bootstrap_score(LogisticRegression(), WIDE, RARE, error_score="raise", **call)
    with pytest.warns(UserWarning, match="Scoring failed"):
        found = bootstrap_score(LogisticRegression(), WIDE, RARE, **call)
    known = found.oob_scores[~np.isnan(found.oob_scores)]
    assert 40 < len(known) < 60
    assert found.score == pytest.approx(known.mean())
    assert found.interval == tuple(np.percentile(known, [2.5, 97.5]))


def test_fits_that_fail():
    class Picky(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            if X[0, 0] > 0:
                raise ValueError("the first sample is positive")
            return super().fit(X, y, sample_weight)

    splitter = BootstrapOutOfBag(15, stratify=False, random_state=3)
    call = (Picky(), X, LEARNABLE)
    with pytest.raises(ValueError, match="first sample is positive"):
        bootstrap_score(*call, resampling=splitter, error_score="raise")
    with pytest.warns(FitFailedWarning, match="first sample is positive"):
        found = bootstrap_score(*call, resampling=splitter)
    failed = [X[i[0], 0] > 0 for i, _ in splitter.split(X, LEARNABLE)]
    np.testing.assert_array_equal(np.isnan(found.oob_scores), failed)
    with pytest.raises(ValueError, match=r"all 15 fits failed.*positive"):
        bootstrap_score(Picky(), np.abs(X), LEARNABLE, resampling=SPLITTER)
