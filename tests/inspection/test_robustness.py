"""Robustness: the worked example, limits, and pairing."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from skmm import FusionClassifier, FusionRegressor, LateFusionClassifier, ModalityDict
from skmm.inspection import (
    RobustnessCurve,
    effective_robustness,
    relative_robustness,
    robustness_curve,
)
from skmm.preprocessing import (
    DropCorruption,
    GaussianCorruption,
    NoiseModality,
    StructuredDropCorruption,
    SwapCorruption,
)
from tests.toys import two_tables, with_holes

X, Y = two_tables(80)
MODEL = FusionClassifier(max_epochs=20, lr=0.01, random_state=0).fit(X, Y)
LATE = LateFusionClassifier(LogisticRegression()).fit(X, Y)
FEW = [0, 0.5, 1]


class Spy(ClassifierMixin, BaseEstimator):
    """Keeps X of each call; predicts the first class, or what `says` returns."""

    def __init__(self, says=None):
        self.says = says

    def fit(self, X, y):
        self.classes_, self.seen_ = np.unique(y), []
        return self

    def predict(self, X):
        self.seen_.append(X)
        return np.zeros(len(X), int) if self.says is None else self.says(X)


def test_worked_example():
    """Liang et al.: .9, .8, .7 against .85, .7, .6 of late fusion."""
    scores, late = [0.9, 0.8, 0.7], [0.85, 0.7, 0.6]
    assert relative_robustness([0, 0.1, 0.2], scores) == pytest.approx(0.16)
    assert effective_robustness(scores, late) == pytest.approx(0.10)
    assert effective_robustness(late, late) == 0
    curve = RobustnessCurve(
        np.array([0, 0.1, 0.2]), np.array([scores]).T, np.array([late]).T
    )
    assert (curve.relative, curve.effective) == pytest.approx((0.16, 0.10))
    assert curve.table["baseline_mean"].tolist() == late


def test_a_constant_score_has_the_area_of_a_rectangle():
    spy = Spy().fit(X, Y)
    curve = robustness_curve(spy, X, Y, DropCorruption(), levels=[0, 0.1, 0.8])
    assert curve.relative == pytest.approx(0.8 * np.mean(Y == 0))
    assert np.isnan(curve.effective) and curve.baseline_scores is None


def test_effective_robustness_against_itself_is_zero():
    curve = robustness_curve(MODEL, X, Y, DropCorruption(), baseline=MODEL)
    assert curve.effective == 0
    np.testing.assert_array_equal(curve.scores, curve.baseline_scores)
    assert curve.levels.tolist() == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]


def test_curve_starts_clean_and_nothing_is_changed():
    before = X.copy()
    curve = robustness_curve(
        MODEL, X, Y, DropCorruption(), levels=FEW, baseline=LATE, random_state=0
    )
    assert X == before
    assert set(curve.scores[0]) == {MODEL.score(X, Y)}
    assert set(curve.baseline_scores[0]) == {LATE.score(X, Y)}
    assert curve.scores.shape == (3, 5)
    assert curve.scores[0].mean() > curve.scores[1].mean()
    nothing = X.assign(a=np.zeros_like(X["a"]), b=np.zeros_like(X["b"]))
    assert set(curve.scores[2]) == {MODEL.score(nothing, Y)}
    table = curve.table
    np.testing.assert_allclose(table["mean"], curve.scores.mean(1))
    np.testing.assert_allclose(table["baseline_std"], curve.baseline_scores.std(1))


def test_clean_samples_are_not_copied():
    spy = Spy().fit(X, Y)
    robustness_curve(spy, X, Y, DropCorruption(), levels=FEW, n_repeats=1)
    assert spy.seen_[0]["a"] is X["a"]
    assert spy.seen_[1]["a"] is not X["a"]


def test_baseline_gets_the_same_corrupted_samples():
    ours, theirs = Spy().fit(X, Y), Spy().fit(X, Y)
    robustness_curve(ours, X, Y, DropCorruption(), levels=FEW, baseline=theirs)
    assert all(a == b for a, b in zip(ours.seen_, theirs.seen_, strict=True))
    assert len({hash(a["b"].tobytes()) for a in ours.seen_}) == 1 + 5 + 1


def test_what_is_dropped_stays_dropped_at_higher_levels():
    spy = Spy().fit(X, Y)
    robustness_curve(spy, X, Y, DropCorruption(), levels=[0, 0.3, 0.6], n_repeats=1)
    low, high = (seen["b"] == 0 for seen in spy.seen_[1:])
    assert (high | ~low).all() and high.sum() > low.sum()
    assert low.mean() == pytest.approx(0.3, abs=0.1)


def test_modalities_are_corrupted_each_in_its_own_way():
    rows, spy = X.assign(b=X["a"]), Spy().fit(X, Y)
    robustness_curve(spy, rows, Y, DropCorruption(), levels=[0, 0.5], n_repeats=1)
    assert (spy.seen_[-1]["a"] != spy.seen_[-1]["b"]).any()


@pytest.mark.parametrize(
    ("corruption", "changed"),
    [
        ({"a": DropCorruption(), "b": GaussianCorruption()}, "ab"),
        ({"b": SwapCorruption()}, "b"),
    ],
)
def test_a_dict_has_one_per_modality(corruption, changed):
    spy = Spy().fit(X, Y)
    robustness_curve(spy, X, Y, corruption, levels=[0, 0.5], n_repeats=1)
    last = spy.seen_[-1]
    assert [name for name in X if not np.array_equal(last[name], X[name])] == [*changed]


def test_levels_of_gaussian_noise_may_exceed_one():
    spy = Spy().fit(X, Y)
    levels = [0, 1, 4]
    robustness_curve(
        spy, X, Y, GaussianCorruption(), levels=levels, modalities=["a"], n_repeats=1
    )
    one, four = (seen["a"] - X["a"] for seen in spy.seen_[1:])
    np.testing.assert_allclose(four, 4 * one)
    assert spy.seen_[-1]["b"] is X["b"]


def test_kinds_masks_and_series():
    rows = with_holes(
        ModalityDict(
            table=pd.DataFrame({"u": X["a"][:, 0], "v": X["a"][:, 1]}),
            series=np.repeat(X["b"][:, :, None], 4, axis=2),
        )
    )
    before, spy = rows.copy(), Spy().fit(rows, Y)
    corruption = {"series": StructuredDropCorruption(), "table": DropCorruption()}
    robustness_curve(spy, rows, Y, corruption, levels=[0, 1], n_repeats=1)
    clean, last = spy.seen_
    assert clean == rows == before
    for name in rows:
        mask = rows.present[name]
        np.testing.assert_array_equal(last.present[name], mask)
        assert not np.asarray(last[name])[mask].any()
        np.testing.assert_array_equal(
            np.asarray(last[name])[~mask], np.asarray(rows[name])[~mask]
        )
    assert last["table"].columns.tolist() == ["u", "v"]


def test_same_seed_same_curve_and_processes_change_nothing():
    curves = [
        robustness_curve(
            MODEL, X, Y, DropCorruption(), levels=FEW, random_state=seed, n_jobs=n_jobs
        ).scores
        for seed, n_jobs in ((0, None), (0, None), (0, 2), (1, None))
    ]
    np.testing.assert_array_equal(curves[0], curves[1])
    np.testing.assert_array_equal(curves[0], curves[2])
    assert (curves[0] != curves[3]).any()


def test_scoring():
    curve = robustness_curve(
        MODEL, X, Y, DropCorruption(), levels=FEW, scoring="neg_log_loss"
    )
    assert curve.measure == "neg_log_loss" and (curve.scores < 0).all()


TEXT = ModalityDict(a=X["a"], b=["x", "y"] * 40)


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"levels": [0, 1.5]}, ValueError, "levels must be at most 1, .* got 1.5"),
        ({"levels": [0, -0.1]}, ValueError, "levels must be increasing"),
        ({"levels": [0, 0.5, 0.5]}, ValueError, "levels must be increasing"),
        ({"levels": [0.1, 0.2]}, ValueError, "start with 0"),
        ({"levels": [0]}, ValueError, "at least two numbers"),
        ({"levels": [0, np.nan]}, ValueError, "levels must be increasing and finite"),
        ({"levels": [0, np.inf]}, ValueError, "levels must be increasing and finite"),
        ({"modalities": ["c"]}, ValueError, "unknown modality 'c'"),
        ({"modalities": []}, ValueError, "modalities must name at least one"),
        ({"modalities": ["a", "a"]}, ValueError, "must not repeat a name"),
        ({"n_repeats": 0}, ValueError, "'n_repeats' parameter of robustness_curve"),
        ({"corruption": {"c": DropCorruption()}}, ValueError, "unknown modality 'c'"),
        ({"corruption": {}}, ValueError, "corruption must name at least one"),
        ({"corruption": "drop"}, ValueError, "'corruption' parameter"),
        (
            {"corruption": NoiseModality()},
            TypeError,
            "have a parameter `probability`",
        ),
        (
            {"corruption": {"a": "drop"}},
            TypeError,
            "'a' must have a parameter",
        ),
        (
            {"corruption": {"a": DropCorruption()}, "modalities": ["a"]},
            ValueError,
            "modalities must be None if corruption is a dict",
        ),
        ({"y": Y[1:]}, ValueError, "80 and 79"),
        ({"estimator": FusionClassifier()}, NotFittedError, "estimator, Fusion.* not"),
        ({"baseline": LateFusionClassifier()}, NotFittedError, "baseline, Late.* not"),
        (
            {"baseline": FusionRegressor(max_epochs=1).fit(X, Y)},
            ValueError,
            "both be classifiers",
        ),
        ({"X": TEXT, "estimator": Spy().fit(X, Y)}, TypeError, "modality 'b' is text"),
        ({"scoring": lambda *_: np.nan}, ValueError, "a score is NaN"),
    ],
)
def test_bad_input(settings, kind, message):
    given = {"estimator": MODEL, "X": X, "y": Y, "corruption": DropCorruption()}
    with pytest.raises(kind, match=message):
        robustness_curve(**(given | settings))


def test_errors_name_level_and_repeat():
    def fail(X):
        if (X["b"] == 0).mean() > 0.4:
            raise RuntimeError("too much is gone")
        return np.zeros(len(X), int)

    with pytest.raises(RuntimeError, match="too much") as caught:
        robustness_curve(Spy(fail).fit(X, Y), X, Y, DropCorruption(), levels=FEW)
    assert caught.value.__notes__ == ["robustness_curve: at level 0.5, repeat 0."]


def test_the_order_of_the_levels_does_not_matter():
    levels, scores = np.array([0, 1, 0.5]), np.array([1, 0.2, 0.5])
    sorted_levels, sorted_scores = [0, 0.5, 1], [1, 0.5, 0.2]
    assert relative_robustness(levels, scores) == pytest.approx(0.55)
    assert relative_robustness(sorted_levels, sorted_scores) == pytest.approx(0.55)


@pytest.mark.parametrize("scores", [[1.0], [[1.0, 0.5, 0.2]], [1.0, np.nan, 0.2], 1.0])
def test_curves_that_do_not_match_raise(scores):
    with pytest.raises(ValueError, match="scores"):
        effective_robustness(scores, [1.0, 0.7, 0.4])
    with pytest.raises(ValueError, match="scores"):
        relative_robustness([0, 0.5, 1], scores)
