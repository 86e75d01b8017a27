"""guarantee="holdout": a test on samples that no net is trained on."""

import numpy as np
import pytest

from skmm.nn import MLPEncoder
from tests.estimators.no_harm.problems import (
    classifier,
    complementary,
    one_informative,
    regressor,
)

X, Y = complementary(400)
HOLDOUT = {"guarantee": "holdout", "cv": 2}


def test_a_clear_gain_is_accepted():
    model = classifier(**HOLDOUT, max_epochs=40).fit(X, Y)
    assert model.weight_ > 0 and model.lower_bound_ == 0
    curve = model.weight_curve_.set_index("weights")
    assert curve.loc[model.weight_, "certain"] >= 1 / model.alpha


def test_without_evidence_the_best_modality_is_kept():
    data, y = one_informative(200)
    model = classifier(**HOLDOUT, alpha=1e-9).fit(data, y)
    assert model.weight_ == 0
    best = model.candidate_predict_proba(data)["good"]
    np.testing.assert_array_equal(model.predict_proba(data), best)


def test_labels_of_the_calibration_rows_do_not_change_the_nets():
    model = classifier(**HOLDOUT).fit(X, Y)
    assert len(model.calibration_rows_) == pytest.approx(100, abs=2)
    # a stratified split would use the labels: groups of one sample avoid it
    groups = np.arange(400)
    one = classifier(**HOLDOUT).fit(X, Y, groups=groups)
    rest = one.calibration_rows_
    changed = Y.copy()
    changed[rest] = np.where(Y[rest] == "yes", "no", "yes")
    other = classifier(**HOLDOUT).fit(X, changed, groups=groups)
    np.testing.assert_array_equal(other.calibration_rows_, rest)
    answers = [m.candidate_predict_proba(X) for m in (one, other)]
    for name, proba in answers[0].items():
        np.testing.assert_allclose(proba, answers[1][name], atol=1e-6)
    assert one.weight_ > 0 and other.weight_ == 0


def test_groups_are_not_separated():
    groups = np.arange(400) // 8
    model = classifier(**HOLDOUT).fit(X, Y, groups=groups)
    rest = model.calibration_rows_
    assert not set(groups[rest]) & set(np.delete(groups, rest))


def test_max_harm_caps_the_tests():
    model = classifier(**HOLDOUT, max_harm=0.3, max_epochs=40).fit(X, Y)
    assert model.weight_curve_["weights"].max() == pytest.approx(1 - np.exp(-0.3))


def test_values_need_a_bound_that_holds():
    y = X["a"][:, 0] + X["b"][:, 0]
    with pytest.raises(ValueError, match="squared error is unbounded"):
        regressor(**HOLDOUT).fit(X, y)
    with pytest.raises(
        ValueError, match=r"loss_bound must be .*; got loss_bound=0.001, but"
    ):
        regressor(**HOLDOUT, loss_bound=0.001).fit(X, y)
    model = regressor(**HOLDOUT, loss_bound=30.0, max_epochs=60).fit(X, y)
    assert 0 <= model.weight_ <= 0.95
    assert np.isfinite(model.weight_curve_["certain"]).all()


def test_row_numbers_are_those_of_X_in_fit():
    """Also where samples of weight zero are left out."""
    weight = np.ones(400)
    weight[:100] = 0
    model = classifier(**HOLDOUT).fit(X, Y, sample_weight=weight)
    rest = model.calibration_rows_
    assert rest.min() >= 100 and rest.max() > 300
    known = np.isfinite(model.oof_predictions_["a"]).all(1)
    assert known.shape == (400,) and not known[:100].any() and not known[rest].any()
    assert known.sum() + len(rest) == 300


def test_sample_weights_do_not_enter_the_test():
    """They would invalidate it."""
    weight = np.ones(400)
    weight[7] = 3.0
    encoder = MLPEncoder((8,), scale=None)  # its statistics depend on the weights
    settings = {**HOLDOUT, "encoders": encoder, "max_epochs": 1, "lr": 1e-9}
    one = classifier(**settings).fit(X, Y, sample_weight=weight)
    two = classifier(**settings).fit(X, Y)
    np.testing.assert_allclose(
        one.weight_curve_["certain"], two.weight_curve_["certain"], rtol=1e-4
    )
