"""Samples with a missing modality have a weight of their own."""

import numpy as np
import pytest

from skmm import load
from skmm.estimators.no_harm.evidence import GRID, line_search
from skmm.estimators.no_harm.guarantees import HeldOut, complete_rows
from tests.estimators.no_harm.problems import (
    classifier,
    complementary,
    regressor,
    thesis,
)

X, Y = complementary(200)
LACKING = np.random.default_rng(0).random(200) < 0.3
HOLES = X.select(["a", "b"]).with_missing("b", LACKING)


@pytest.fixture(scope="module")
def fitted():
    return classifier(max_epochs=25).fit(HOLES, Y)


def chosen_on(model, rows):
    """The weight that the search chooses on some samples alone."""
    oof = {name: values[rows] for name, values in model.oof_predictions_.items()}
    best, second = model.ranking_
    present = HOLES.present[best][rows][:, None]
    reference = np.where(present, oof[best], oof[second])
    held_out = HeldOut(model._task().loss_of(Y[rows]), oof, reference=reference)
    return line_search(*held_out.gains(oof["fused"], GRID), GRID, model.z).weight


def test_complete_and_incomplete_samples_have_weights_of_their_own(fitted):
    assert fitted.weight_ == chosen_on(fitted, np.flatnonzero(~LACKING)) > 0
    assert fitted.incomplete_weight_ == chosen_on(fitted, np.flatnonzero(LACKING))
    assert fitted.incomplete_weight_ != fitted.weight_


def test_samples_are_mixed_with_their_weight(fitted):
    answers, proba = fitted.candidate_predict_proba(HOLES), fitted.predict_proba(HOLES)
    best, second = fitted.ranking_
    there = HOLES.present[best][:, None]
    reference = np.where(there, answers[best], answers[second])
    weight = np.where(LACKING, fitted.incomplete_weight_, fitted.weight_)[:, None]
    expected = (1 - weight) * reference + weight * answers["fused"]
    np.testing.assert_allclose(proba, expected)


def test_at_weight_zero_the_best_modality_that_is_present_predicts(fitted):
    """Bit by bit, though other samples are fused."""
    whole = fitted.weight_
    fitted.incomplete_weight_, kept = 0.0, fitted.incomplete_weight_
    try:
        proba = fitted.predict_proba(HOLES)
        alone = fitted.candidate_predict_proba(HOLES)["a"]
    finally:
        fitted.incomplete_weight_ = kept
    assert whole > 0 and (proba[~LACKING] != alone[~LACKING]).any()
    np.testing.assert_array_equal(proba[LACKING], alone[LACKING])


def test_the_report_has_the_loss_of_the_deployed_mixture(fitted):
    rows = fitted.no_harm_report_.set_index("model")
    weight = np.where(LACKING, fitted.incomplete_weight_, fitted.weight_)[:, None]
    oof = fitted.oof_predictions_
    best, second = fitted.ranking_
    reference = np.where(HOLES.present[best][:, None], oof[best], oof[second])
    mixed = (1 - weight) * reference + weight * oof["fused"]
    loss = -np.log(mixed[np.arange(200), (Y == "yes").astype(int)]).mean()
    assert rows.loc["deployed", "loss"] == pytest.approx(loss)


def test_too_few_incomplete_samples_have_weight_zero():
    """15 samples are not enough evidence for z=3; the complete ones are."""
    few = X.select(["a", "b"]).with_missing("b", slice(0, 15))
    model = classifier(max_epochs=25, z=3.0).fit(few, Y)
    assert model.weight_ > 0 and model.incomplete_weight_ == 0


@pytest.mark.parametrize(
    "data",
    [X, X.with_missing("noise")],
    ids=["all complete", "all incomplete"],
)
@pytest.mark.filterwarnings("ignore:modality 'noise' is present in fewer than 3")
def test_with_one_kind_of_samples_there_is_one_weight(data):
    model = classifier().fit(data, Y)
    assert model.incomplete_weight_ == model.weight_ > 0
    assert len(set(complete_rows(data.present))) == 1


def test_samples_of_weight_zero_are_ignored():
    weights = {"yes": 1.0, "no": 0.0, "maybe": 1.0}
    y = np.where(LACKING, "no", np.where(np.arange(200) % 2, "yes", "maybe"))
    model = classifier(class_weight=weights, max_epochs=2).fit(HOLES, y)
    assert model.incomplete_weight_ == model.weight_


def test_other_guarantees_have_one_weight():
    for model in (classifier(guarantee="holdout"), thesis(max_harm=0.3)):
        model.fit(HOLES, Y)
        assert model.incomplete_weight_ == model.weight_


def test_max_harm_bounds_both():
    model = classifier(max_harm=0.1).fit(HOLES, Y)
    most = 1 - np.exp(-0.1) + 1e-12
    assert max(model.weight_, model.incomplete_weight_) <= most


def test_regressor_saved_and_loaded(tmp_path):
    target = HOLES["a"][:, 0] + X["b"][:, 0]
    model = regressor().fit(HOLES, target)
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.incomplete_weight_ == model.incomplete_weight_
    np.testing.assert_array_equal(again.predict(HOLES), model.predict(HOLES))
