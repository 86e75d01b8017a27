"""Calibration error: by hand, on calibrated predictions, and what must not matter."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score

from skmm.metrics import expected_calibration_error, reliability_curve

NORMS = ["l1", "max", "squared", "squared_debiased"]
STRATEGIES = ["uniform", "quantile"]


def calibrated(n, n_classes, seed):
    """Probabilities, and classes drawn with them."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(n_classes), n)
    y = (rng.random(n)[:, None] > p.cumsum(axis=1)[:, :-1]).sum(axis=1)
    return y, p


def every_setting(test):
    for name, values in {
        "norm": NORMS,
        "strategy": STRATEGIES,
        "n_classes": [2, 4],
    }.items():
        test = pytest.mark.parametrize(name, values)(test)
    return test


# (0, .5] has probabilities .2, .4, .3 and one hit; (.5, 1] has .6, .8 and two hits
BY_HAND = [0, 1, 0, 1, 1], [0.2, 0.4, 0.3, 0.6, 0.8]
GAPS = 1 / 3 - 0.3, 1 - 0.7


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        ("l1", 0.6 * GAPS[0] + 0.4 * GAPS[1]),
        ("max", GAPS[1]),
        ("squared", 0.6 * GAPS[0] ** 2 + 0.4 * GAPS[1] ** 2),
        # sample variances of (-.2, .6, -.3) and (.4, .2)
        (
            "squared_debiased",
            0.6 * (GAPS[0] ** 2 - np.var([-0.2, 0.6, -0.3], ddof=1) / 3)
            + 0.4 * (GAPS[1] ** 2 - np.var([0.4, 0.2], ddof=1) / 2),
        ),
    ],
)
def test_two_bins_by_hand(norm, expected):
    found = expected_calibration_error(*BY_HAND, n_bins=2, norm=norm)
    assert type(found) is float
    assert found == pytest.approx(expected)


def test_confidence_of_the_predicted_class_by_hand():
    p = [[0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.1, 0.3, 0.6]]
    # right, right, wrong: the bins of .6 and .8
    expected = 2 / 3 * abs(0.5 - 0.6) + 1 / 3 * abs(1 - 0.8)
    found = expected_calibration_error(["a", "b", "b"], p, labels=["a", "b", "c"])
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_bin_is_accuracy_less_mean_confidence(strategy):
    y, p = calibrated(50, 3, seed=0)
    expected = abs(accuracy_score(y, p.argmax(axis=1)) - p.max(axis=1).mean())
    found = expected_calibration_error(y, p, n_bins=1, strategy=strategy)
    assert found == pytest.approx(expected)
    y, p = calibrated(50, 2, seed=0)
    found = expected_calibration_error(y, p, n_bins=1, strategy=strategy)
    assert found == pytest.approx(abs(y.mean() - p[:, 1].mean()))


@pytest.mark.parametrize("n_bins", [1, 15])
@every_setting
def test_only_the_debiased_form_is_zero_on_average(n_classes, strategy, norm, n_bins):
    errors = [
        expected_calibration_error(
            *calibrated(90, n_classes, seed),
            norm=norm,
            n_bins=n_bins,
            strategy=strategy,
        )
        for seed in range(60)
    ]
    t = np.mean(errors) / (np.std(errors) / np.sqrt(len(errors)))
    assert abs(t) < 3 if norm == "squared_debiased" else t > 5


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_known_error_is_estimated_without_bias(n_classes):
    """Confidence in the predicted class that is .1 too large."""
    errors = []
    for seed in range(60):
        y, p = calibrated(80, n_classes, seed)
        p = np.full((80, n_classes), 0.2 / (n_classes - 1))
        p[:, 1] = 0.8
        y = np.where(np.random.default_rng(seed).random(80) < 0.7, 1, 0)
        errors.append(
            expected_calibration_error(
                y, p, labels=range(n_classes), norm="squared_debiased"
            )
        )
    assert np.mean(errors) == pytest.approx(0.01, abs=3 * np.std(errors) / 60**0.5)


def test_equal_probabilities_give_the_formula_of_kumar():
    rng = np.random.default_rng(0)
    p = rng.choice([0.1, 0.45, 0.9], 60)
    y = rng.integers(2, size=60)
    expected = 0
    for value in np.unique(p):
        hits, n = y[p == value].mean(), np.sum(p == value)
        expected += n / 60 * ((hits - value) ** 2 - hits * (1 - hits) / (n - 1))
    found = expected_calibration_error(y, p, norm="squared_debiased")
    assert found == pytest.approx(expected)


def test_a_bin_of_one_sample_has_no_debiased_error():
    assert expected_calibration_error([0, 1], [0.4, 0.9], norm="squared_debiased") == 0


def test_sure_and_right_is_zero():
    y = np.repeat([0, 1, 2], 4)
    p = np.eye(3)[y]
    assert all(expected_calibration_error(y, p, norm=norm) == 0 for norm in NORMS)
    wrong = np.eye(3)[(y + 1) % 3]
    assert all(expected_calibration_error(y, wrong, norm=norm) == 1 for norm in NORMS)


@every_setting
def test_order_of_samples_does_not_matter(n_classes, strategy, norm):
    y, p = calibrated(70, n_classes, seed=1)
    order = np.random.default_rng(0).permutation(70)
    settings = {"norm": norm, "strategy": strategy}
    assert expected_calibration_error(y, p, **settings) == pytest.approx(
        expected_calibration_error(y[order], p[order], **settings)
    )


@every_setting
def test_weights_are_repetitions(n_classes, strategy, norm):
    y, p = calibrated(70, n_classes, seed=1)
    weight = np.random.default_rng(0).integers(0, 4, size=70)
    settings = {"labels": range(n_classes), "norm": norm, "strategy": strategy}
    weighted = expected_calibration_error(y, p, sample_weight=weight, **settings)
    repeated = np.repeat(y, weight), np.repeat(p, weight, axis=0)
    assert weighted == pytest.approx(expected_calibration_error(*repeated, **settings))
    assert abs(weighted - expected_calibration_error(y, p, **settings)) > 1e-4


@every_setting
def test_classes_in_another_order(n_classes, strategy, norm):
    """Renamed classes, in columns of another order; two classes: the other one."""
    y, p = calibrated(70, n_classes, seed=2)
    names = np.array(["d", "c", "b", "a"])[:n_classes]
    settings = {"norm": norm, "strategy": strategy, "n_bins": 10}
    expected = expected_calibration_error(y, p, **settings)
    for labels in (names, list(names), pd.Index(names)):
        found = expected_calibration_error(names[y], p, labels=labels, **settings)
        assert found == pytest.approx(expected)
    if n_classes > 2 or strategy == "uniform":
        found = expected_calibration_error(names[y], p[:, ::-1], **settings)
        assert found == pytest.approx(expected)


def test_forms_of_two_classes():
    y, p = calibrated(40, 2, seed=0)
    expected = expected_calibration_error(y, p)
    for same in (p[:, 1], p[:, 1:], p[:, 1].tolist(), pd.Series(p[:, 1])):
        assert expected_calibration_error(y, same) == pytest.approx(expected)
    assert expected_calibration_error(y == 1, p) == expected


# -- reliability_curve -------------------------------------------------------------


@pytest.mark.parametrize("n_bins", [1, 4, 15])
def test_curve_is_that_of_scikit_learn(n_bins):
    y, p = calibrated(60, 2, seed=3)
    p[:8] = np.linspace(0, 1, 8)[:, None] * [-1, 1] + [1, 0]
    frequency, probability = calibration_curve(y, p[:, 1], n_bins=n_bins)
    curve = reliability_curve(y, p, n_bins=n_bins)
    np.testing.assert_allclose(curve["frequency"], frequency)
    np.testing.assert_allclose(curve["probability"], probability)
    assert curve["weight"].sum() == 60
    inside = curve["probability"].between(curve["left"], curve["right"])
    assert inside.all()
    np.testing.assert_allclose(curve["right"] - curve["left"], 1 / n_bins)


def test_quantiles_have_equally_many_samples():
    y, p = calibrated(60, 3, seed=3)
    for n_bins in (1, 2, 5, 20):
        curve = reliability_curve(y, p, n_bins=n_bins, strategy="quantile")
        assert curve["weight"].tolist() == [60 / n_bins] * n_bins


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_intervals_are_those_of_wilson(level):
    y, p = calibrated(200, 3, seed=4)
    curve = reliability_curve(y, p, confidence_level=level)
    for row in curve.itertuples():
        hits = round(row.frequency * row.weight)
        interval = binomtest(hits, int(row.weight)).proportion_ci(level, "wilson")
        assert (row.lower, row.upper) == pytest.approx((interval.low, interval.high))


def test_variance_is_that_of_the_mean_difference():
    y, p = calibrated(50, 2, seed=5)
    (variance,) = reliability_curve(y, p, n_bins=1)["gap_variance"]
    assert variance == pytest.approx(np.var(y - p[:, 1], ddof=1) / 50)


# -- errors ------------------------------------------------------------------------

THREE = np.full((3, 3), 1 / 3)


@pytest.mark.parametrize(
    ("y", "p", "settings", "message"),
    [
        ([0, 1], [0.2, 1.2], {}, r"y_proba must be between 0 and 1; got 0.2 to 1.2"),
        ([0, 1], [-0.5, 1], {}, "y_proba must be between 0 and 1"),
        ([0, 1], [np.nan, 1], {}, "y_proba contains NaN"),
        ([0, 1], [[0.9, 0.9], [0.5, 0.5]], {}, "row 0 sums to 1.8"),
        ([0, 1], np.zeros((2, 2, 2)), {}, r"y_proba must have shape .*\(2, 2, 2\)"),
        ([0, 1, 1], THREE, {}, "y_true must have 3 classes.*got 2.*as labels"),
        ([0, 0], [0.2, 0.3], {}, "y_true must have 2 classes.*got 1"),
        ([0, 1, 1], THREE, {"labels": [0, 1]}, "labels must have 3 classes"),
        ([0, 1, 1], THREE, {"labels": [0, 1, 1]}, "labels must be distinct"),
        ([0, 1, 7], THREE, {"labels": [0, 1, 2]}, r"not in labels: \[7\]"),
        ([0.5, 1.5], [0.2, 0.3], {}, "continuous"),
        ([0, 1, 1], [0.2, 0.3], {}, "inconsistent"),
        ([0, 1], [0.2, 0.3], {"sample_weight": [1, -1]}, "[Nn]egative"),
        ([0, 1], [0.2, 0.3], {"sample_weight": [0, 0]}, "[Ss]ample.weight"),
        ([0, 1], [0.2, 0.3], {"sample_weight": [1]}, "sample_weight"),
        ([0, 1], [0.2, 0.3], {"n_bins": 0}, "'n_bins' parameter"),
        ([0, 1], [0.2, 0.3], {"strategy": "equal"}, "'strategy' parameter"),
        ([0, 1], [0.2, 0.3], {"norm": "l2"}, "'norm' parameter"),
    ],
)
def test_errors_name_what_is_wrong(y, p, settings, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(y, p, **settings)


def test_the_level_of_the_intervals_is_checked():
    with pytest.raises(ValueError, match="'confidence_level' parameter"):
        reliability_curve([0, 1], [0.2, 0.3], confidence_level=1)
