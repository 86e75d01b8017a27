"""Weak and complementary views: the posterior is exact, and ordered as it should be."""

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier

from skmm.datasets import make_complementary_modalities, make_weak_modality


@pytest.mark.parametrize("make", [make_weak_modality, make_complementary_modalities])
def test_the_posterior_is_calibrated(make):
    """Where it says p, the class is right with frequency p (to 5 standard errors)."""
    _, y, info = make(20000, random_state=0, return_info=True)
    best = info.posterior.argmax(1)
    hit, p = best == y, info.posterior.max(1)
    assert abs(hit.mean() - info.bayes_accuracy) < 5 * np.sqrt(0.25 / len(y))
    for low, high in ((0.3, 0.6), (0.6, 0.9), (0.9, 1.0)):
        inside = (p > low) & (p <= high)
        error = hit[inside].mean() - p[inside].mean()
        assert abs(error) < 5 * np.sqrt(0.25 / inside.sum())


def test_no_rule_from_one_view_beats_its_bayes_accuracy():
    X, y, info = make_weak_modality(3000, random_state=1, return_info=True)
    model = MLPClassifier((32,), max_iter=60, random_state=0, early_stopping=True)
    score = cross_val_score(model, X["view0"], y, cv=3).mean()
    single = info.bayes_accuracy_single[0]
    assert 0.7 * single < score < single + 0.03


def test_more_reliable_views_know_more():
    levels = [
        make_weak_modality(
            4000, weak_probability=rho, random_state=2, return_info=True
        )[2]
        for rho in (0.0, 0.4, 0.8, 1.0)
    ]
    accuracies = [info.bayes_accuracy for info in levels]
    assert accuracies == sorted(accuracies, reverse=True)
    assert accuracies[-1] == pytest.approx(1 / 6)
    assert [info.weak.mean() for info in levels] == pytest.approx(
        [0, 0.4, 0.8, 1], abs=0.02
    )


def test_weak_views_are_equally_good_and_together_better():
    *_, info = make_weak_modality(20000, random_state=3, return_info=True)
    assert np.ptp(info.bayes_accuracy_single) < 0.08
    assert info.bayes_accuracy > max(info.bayes_accuracy_single) + 0.1


def test_halves_alone_know_a_third():
    *_, info = make_complementary_modalities(
        4000, noise=0.05, weak_probability=1.0, random_state=4, return_info=True
    )
    first, second, whole = info.bayes_accuracy_single
    assert (first, second) == pytest.approx((1 / 3, 1 / 3), abs=1e-3)
    assert whole == pytest.approx(1 / 9)
    assert info.bayes_accuracy > 0.999


def test_same_seed_same_rows_and_bad_values_are_named():
    a, b = (make_weak_modality(50, random_state=5) for _ in range(2))
    assert a[0] == b[0]
    assert (a[1] == b[1]).all()
    with pytest.raises(ValueError, match="weak_probability"):
        make_weak_modality(weak_probability=1.5)
    with pytest.raises(ValueError, match="n_groups"):
        make_complementary_modalities(n_groups=1)
