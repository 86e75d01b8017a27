import numpy as np
import pytest

from skmm.inspection import overfitting_to_generalization_ratio
from skmm.training import blending_weights

GAIN, OVERFITTING = np.array([0.5, 0.3, 0.6]), np.array([0.1, 0.2, 0.4])
WEIGHTS = [0.816327, 0.122449, 0.061224]


def losses(gain, overfitting):
    """Losses at two times that result in a given gain and overfitting."""
    start = np.ones_like(gain)
    after = start - gain
    return np.stack([start, after - overfitting]), np.stack([start, after])


def test_weights_of_the_specification():
    np.testing.assert_allclose(blending_weights(GAIN, OVERFITTING), WEIGHTS, atol=1e-6)
    found = overfitting_to_generalization_ratio(*losses(GAIN, OVERFITTING))
    np.testing.assert_allclose(found.weights, WEIGHTS, atol=1e-6)
    np.testing.assert_allclose(found.gain, GAIN)
    np.testing.assert_allclose(found.overfitting, OVERFITTING)
    np.testing.assert_allclose(found.ratio, OVERFITTING / GAIN)


def test_only_the_first_and_last_time_matter():
    found = overfitting_to_generalization_ratio([2.0, 9.0, 1.0], [2.1, 0.1, 1.4])
    assert found.gain == pytest.approx(0.7)
    assert found.overfitting == pytest.approx(0.3)
    assert found.blending_weight == pytest.approx(7.7778, abs=1e-4)
    assert found.weights.tolist() == [1.0]


def test_equal_over_fitting_weighs_by_gain():
    weights = blending_weights(GAIN, [0.2, -0.2, 0.2])
    np.testing.assert_allclose(weights, GAIN / GAIN.sum())


@pytest.mark.parametrize("factor", [0.5, 3.0, -1.0])
def test_a_common_factor_of_over_fitting_changes_nothing(factor):
    weights = blending_weights(GAIN, factor * OVERFITTING)
    np.testing.assert_allclose(weights, WEIGHTS, atol=1e-6)


def test_clamps():
    assert blending_weights([-1.0, 1.0], [0.1, 0.1]).tolist() == [0.0, 1.0]
    assert blending_weights([1.0, 1.0], [0.0, 1e-3]).tolist() == [0.5, 0.5]
    assert blending_weights([0.0, -2.0], [0.1, 0.3]).tolist() == [0.5, 0.5]
    nothing = overfitting_to_generalization_ratio([1.0, 1.0], [1.0, 1.0])
    assert (nothing.ratio, nothing.blending_weight) == (np.inf, 0.0)


@pytest.mark.parametrize(
    ("train", "valid", "match"),
    [
        ([1.0], [1.0], "train_loss must have shape"),
        ([2.0, 1.0], [3.0, 2.0, 1.0], "shape"),
        ([2.0, 1.0], [2.0, np.nan], "valid_loss"),
        (np.ones((2, 2, 2)), [1.0, 1.0], "train_loss"),
    ],
)
def test_errors(train, valid, match):
    with pytest.raises(ValueError, match=match):
        overfitting_to_generalization_ratio(train, valid)
