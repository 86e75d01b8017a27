"""Over-learning: bounds and limits of Table 4 in Liu et al. 2018."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skmm import FusionClassifier, ModalityDict, restrict
from skmm.inspection import over_learning

RNG = np.random.default_rng(0)
X = ModalityDict(a=RNG.normal(size=(60, 2)), b=RNG.normal(size=(60, 3)))
Y = (X["a"][:, 0] + X["b"][:, 0] > 0).astype(int)


def drawn(seed):
    rng = np.random.default_rng(seed)
    fused, a, b = rng.integers(2, size=(3, 60))
    return fused, {"a": a, "b": b}


@pytest.mark.parametrize("seed", range(10))
def test_it_is_at_most_the_error(seed):
    fused, alone = drawn(seed)
    found = over_learning(fused, alone, X, Y)
    assert (
        found.over_learning_error <= found.error == pytest.approx((fused != Y).mean())
    )
    expected = found.over_learning_error / found.covered.mean()
    assert found.conditional_error == pytest.approx(expected)
    all_missed = (fused != Y) & (alone["a"] != Y) & (alone["b"] != Y)
    gap = found.error - found.over_learning_error
    assert gap == pytest.approx(all_missed.mean())


def test_without_rows_that_all_miss_it_is_the_error():
    fused, alone = drawn(0)
    alone["b"] = np.where(alone["a"] == Y, alone["b"], Y)
    found = over_learning(fused, alone, X, Y)
    assert found.covered.all()
    assert found.over_learning_error == found.error == found.conditional_error


def test_a_fusion_that_is_a_single_model_has_its_error_where_another_is_right():
    _, alone = drawn(3)
    found = over_learning(alone["a"], alone, X, Y)
    assert found.over_learning_error == pytest.approx(
        ((alone["a"] != Y) & (alone["b"] == Y)).mean()
    )
    assert over_learning(alone["a"], {"a": alone["a"]}, X, Y).over_learning_error == 0


def test_nothing_is_covered():
    wrong = 1 - Y
    found = over_learning(wrong, {"a": wrong}, X, Y)
    assert found.over_learning_error == 0 and np.isnan(found.conditional_error)


def test_models_get_the_modalities_of_their_fit():
    model = FusionClassifier(max_epochs=3, random_state=0)
    alone = {
        "a": restrict(model, ["a"]).fit(X, Y),
        "b": LogisticRegression().fit(X["b"], Y),
    }
    fused = model.fit(X, Y)
    found = over_learning(fused, alone, X, Y)
    labels = {"a": alone["a"].predict(X), "b": alone["b"].predict(X["b"])}
    again = over_learning(fused.predict(X), labels, dict(X), Y)
    assert found.unimodal_errors == again.unimodal_errors
    np.testing.assert_array_equal(found.over_learnt, again.over_learnt)


def test_a_model_is_not_right_where_its_modality_is_missing():
    there = np.arange(60) < 40
    lacking = ModalityDict(dict(X), present={"a": there})
    found = over_learning(1 - Y, {"a": Y}, lacking, Y)
    assert found.covered.sum() == found.over_learnt.sum() == 40
    assert found.unimodal_errors["a"] == pytest.approx(20 / 60)


def test_bad_input():
    with pytest.raises(ValueError, match="labels of the same type"):
        over_learning(Y, {"a": Y.astype(str)}, X, Y)
    with pytest.raises(ValueError, match="unimodal must have at least one"):
        over_learning(Y, {}, X, Y)
    with pytest.raises(ValueError, match="unknown modality 'c'"):
        over_learning(Y, {"c": Y}, X, Y)
    with pytest.raises(ValueError, match=r"unimodal\['a'\] must be .* 60 samples"):
        over_learning(Y, {"a": Y[:5]}, X, Y)
    with pytest.raises(ValueError, match="fused must be"):
        over_learning(np.eye(60), {"a": Y}, X, Y)
