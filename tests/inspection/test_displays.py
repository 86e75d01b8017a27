"""Plots show the values of their tables."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

from skmm import FusionClassifier
from skmm.inspection import (
    InteractionDisplay,
    ModalityImportanceDisplay,
    ReliabilityDisplay,
    RobustnessCurve,
    RobustnessDisplay,
    interaction_decomposition,
    modality_importance,
)
from skmm.metrics import expected_calibration_error, reliability_curve
from skmm.preprocessing import DropCorruption
from tests.toys import two_tables

X, Y = two_tables(60)
MODEL = FusionClassifier(max_epochs=5, lr=0.01, random_state=0).fit(X, Y)
LEVELS = np.array([0, 0.5, 1])
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def plt():
    pytest.importorskip("matplotlib").use("agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def curve(baseline=None):
    return RobustnessCurve(LEVELS, RNG.random((3, 4)), baseline, "accuracy")


def texts(labels):
    return [label.get_text() for label in labels]


@pytest.mark.parametrize("scoring", [None, "roc_auc"])
def test_importances_are_drawn_with_the_largest_on_top(scoring):
    display = ModalityImportanceDisplay.from_estimator(
        MODEL, X, Y, scoring=scoring, random_state=0
    ).plot()
    found = modality_importance(MODEL, X, Y, scoring=scoring, random_state=0).table
    order = found["importance"].sort_values()
    assert texts(display.axes_.get_yticklabels()) == order.index.tolist()
    line = display.axes_.lines[1]
    np.testing.assert_array_equal(line.get_xdata(), order)
    (bars,) = display.axes_.collections
    ends = np.array([segment[:, 0] for segment in bars.get_segments()])
    bounds = found.loc[order.index, ["lower", "upper"]]
    expected = order.to_numpy()[:, None] if scoring else bounds
    np.testing.assert_allclose(ends, np.broadcast_to(expected, (2, 2)))
    assert display.measure in display.axes_.get_xlabel()


def test_importances_on_given_axes(plt):
    found = modality_importance(MODEL, X, Y, random_state=0)
    _, axes = plt.subplots()
    display = ModalityImportanceDisplay.from_importance(found)
    assert display.plot(axes).axes_ is axes and display.table is found.table


def test_curves_are_means_with_bands():
    late = RNG.random((3, 4))
    curves = {"one": curve(late), "two": curve(late)}
    axis = RobustnessDisplay.from_curves(curves).plot().axes_
    labels = texts(axis.get_legend().get_texts())
    assert labels == ["one", "two", "baseline of one"]
    drawn = [curves["one"].scores, curves["two"].scores, late]
    for line, band, scores in zip(axis.lines, axis.collections, drawn, strict=True):
        mean, spread = scores.mean(1), scores.std(1)
        np.testing.assert_array_equal(line.get_xdata(), LEVELS)
        np.testing.assert_allclose(line.get_ydata(), mean)
        ys = band.get_paths()[0].vertices[:, 1]
        assert ys.max() == pytest.approx((mean + spread).max())
        assert ys.min() == pytest.approx((mean - spread).min())
    assert [line.get_linestyle() for line in axis.lines] == ["-", "-", "--"]
    assert axis.get_ylabel() == "accuracy"


def test_one_estimator():
    display = RobustnessDisplay.from_estimator(
        MODEL, X, Y, DropCorruption(), levels=LEVELS, baseline=MODEL, random_state=0
    ).plot()
    labels = texts(display.axes_.get_legend().get_texts())
    assert labels == ["FusionClassifier", "baseline"]
    named = RobustnessDisplay.from_estimator(
        MODEL, X, Y, DropCorruption(), name="gated", levels=LEVELS
    )
    assert list(named.curves) == ["gated"]


@pytest.mark.parametrize(
    "curves",
    [{}, {"a": 1}, {"a": curve(), "b": RobustnessCurve(LEVELS, RNG.random((3, 4)))}],
)
def test_curves_must_be_of_the_same_score(curves):
    with pytest.raises(ValueError, match="RobustnessCurves of the same score"):
        RobustnessDisplay.from_curves(curves)


def test_parts_are_bars():
    display = InteractionDisplay.from_estimator(MODEL, X).plot()
    found = interaction_decomposition(MODEL, X)
    widths = [bar.get_width() for bar in display.axes_.patches]
    np.testing.assert_allclose(widths, found.table["size"].iloc[::-1])
    assert texts(display.axes_.get_yticklabels()) == ["a + b", "b", "a"]
    colors = [bar.get_facecolor() for bar in display.axes_.patches]
    assert colors[1] == colors[2] != colors[0]
    assert f"{found.interaction_share:.0%}" in display.axes_.get_title()


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_reliability_is_drawn_with_intervals_and_counts(strategy):
    settings = {"n_bins": 4, "strategy": strategy, "confidence_level": 0.8}
    display = ReliabilityDisplay.from_estimator(MODEL, X, Y, **settings).plot()
    curve = reliability_curve(Y, MODEL.predict_proba(X), **settings)
    diagram, counts = display.axes_
    np.testing.assert_allclose(
        diagram.lines[1].get_xdata(orig=False), curve["probability"]
    )
    np.testing.assert_allclose(
        diagram.lines[1].get_ydata(orig=False), curve["frequency"]
    )
    (bars,) = diagram.collections
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, curve[["lower", "upper"]].to_numpy())
    heights = [(bar.get_x(), bar.get_height()) for bar in counts.patches]
    np.testing.assert_allclose(heights, curve[["left", "weight"]].to_numpy())
    error = expected_calibration_error(
        Y, MODEL.predict_proba(X), n_bins=4, strategy=strategy
    )
    assert display.error == error
    assert texts(diagram.get_legend().get_texts()) == [
        f"FusionClassifier, ECE {error:.3f}"
    ]


def test_reliability_of_named_classes_on_given_axes(plt):
    p = np.array([[0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.1, 0.3, 0.6]])
    _, axes = plt.subplots(2)
    display = ReliabilityDisplay.from_predictions(
        ["a", "b", "b"], p, labels=["a", "b", "c"], n_bins=1, name="bag"
    ).plot(axes)
    assert display.axes_[0] is axes[0]
    assert display.error == pytest.approx(abs(2 / 3 - p.max(axis=1).mean()))
    assert display.name == "bag"
    with pytest.raises(ValueError, match="axes must have 2"):
        display.plot(axes[0])


def test_classes_that_the_test_samples_lack():
    """Labels come from the estimator, not from y."""
    rows = np.flatnonzero(Y == Y[0])
    assert ReliabilityDisplay.from_estimator(MODEL, X[rows], Y[rows]).error > 0


def test_reliability_needs_a_classifier():
    with pytest.raises(TypeError, match=r"classifier with predict_proba.*Ridge"):
        ReliabilityDisplay.from_estimator(Ridge(), X, Y)
    with pytest.raises(NotFittedError):
        ReliabilityDisplay.from_estimator(FusionClassifier(), X, Y)
