"""Planted parts: what the best rule reaches is known and can be reached."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from skmm.datasets import make_multimodal_classification, make_multimodal_regression


def joined(X, names):
    return np.hstack([X[name] for name in names])


@pytest.mark.parametrize("kinds", [["redundant"], ["unique"], ["redundant", "unique"]])
@pytest.mark.parametrize("flip_y", [0.0, 0.3])
def test_a_linear_rule_reaches_the_bayes_accuracy_without_synergy(kinds, flip_y):
    X, y, info = make_multimodal_classification(
        20000, kinds, n_modalities=3, flip_y=flip_y, random_state=0, return_info=True
    )
    for names, best in info.bayes_accuracy.items():
        table = joined(X, names)
        model = LogisticRegression(C=np.inf).fit(table[:10000], y[:10000])
        assert model.score(table[10000:], y[10000:]) == pytest.approx(best, abs=0.025)


def test_synergy_needs_both():
    X, y, info = make_multimodal_classification(
        5000, ["synergistic"], n_modalities=3, random_state=1, return_info=True
    )
    for names, best in info.bayes_accuracy.items():
        assert best == (1.0 if {"m0", "m1"} <= set(names) else 0.5)
    table = joined(X, list(X))
    assert LogisticRegression().fit(table, y).score(table, y) < 0.56
    signs = np.sign(info.latents["synergistic"]).prod(1)
    np.testing.assert_array_equal(y, signs > 0)


def test_mixed_parts_are_ordered_by_what_is_shown():
    *_, info = make_multimodal_classification(
        5000,
        {"redundant": 1.0, "unique": 0.7, "synergistic": 0.8},
        n_modalities=3,
        random_state=2,
        return_info=True,
    )
    best = info.bayes_accuracy
    for names, accuracy in best.items():
        assert all(accuracy <= best[o] + 0.01 for o in best if set(names) <= set(o))
    assert best["m0", "m1", "m2"] == 1.0


def test_no_kinds_is_noise():
    _, y, info = make_multimodal_classification(
        2000, (), random_state=3, return_info=True
    )
    assert set(info.bayes_accuracy.values()) == {0.5}
    assert abs(y.mean() - 0.5) < 0.06


@pytest.mark.parametrize("kinds", [["redundant"], ["unique"]])
def test_least_squares_reaches_the_bayes_error(kinds):
    X, y, info = make_multimodal_regression(
        20000, kinds, target_noise=0.5, random_state=4, return_info=True
    )
    for names, error in info.bayes_error.items():
        table = joined(X, names)
        residual = y - LinearRegression().fit(table, y).predict(table)
        assert np.mean(residual**2) == pytest.approx(error, rel=0.05)


def test_noise_leaves_the_bayes_accuracy_unknown():
    *_, info = make_multimodal_classification(50, noise=0.1, return_info=True)
    assert info.bayes_accuracy is None
    assert (
        make_multimodal_regression(50, noise=0.1, return_info=True)[2]["bayes_error"]
        is None
    )


def test_unknown_kinds_are_named():
    with pytest.raises(ValueError, match=r"kinds must be distinct values of.*'shared'"):
        make_multimodal_classification(kinds=["shared"])
    for kinds in (
        ["unique", "unique"],
        [["unique"]],
        {"unique": np.nan},
        {"unique": "a"},
    ):
        with pytest.raises(ValueError, match="kinds"):
            make_multimodal_regression(kinds=kinds)
    with pytest.raises(ValueError, match="n_modalities"):
        make_multimodal_regression(n_modalities=1)
