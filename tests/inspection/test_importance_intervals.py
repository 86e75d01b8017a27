"""Intervals of importances with groups and few samples; unknown labels."""

import numpy as np
import pytest

from skmm import FusionClassifier, ModalityDict
from skmm.inspection import ModalityImportanceDisplay, modality_importance
from skmm.model_selection.statistics import by_clusters, by_rows


def draw_pair(n, seed=0):
    rng = np.random.default_rng(seed)
    X = ModalityDict({name: rng.normal(size=(n, 3)) for name in "ab"})
    return X, (X["a"][:, 0] + 0.5 * X["b"][:, 0] > 0).astype(int)


def fitted_to(X, y):
    return FusionClassifier(max_epochs=10, lr=0.01, random_state=0).fit(X, y)


def test_intervals_of_unequal_groups_are_about_the_importance():
    X, y = draw_pair(200)
    model = fitted_to(X, y)
    X, y = draw_pair(200, seed=1)
    groups = np.r_[np.zeros(150, int), np.arange(1, 51)]
    table = modality_importance(model, X, y, groups=groups, random_state=0).table
    alone = modality_importance(model, X, y, random_state=0).table
    centre = (table["lower"] + table["upper"]) / 2
    np.testing.assert_allclose(centre, table["importance"])
    np.testing.assert_allclose(table["importance"], alone["importance"])
    ModalityImportanceDisplay(table, "log-loss").plot()


def test_singleton_groups_are_rows():
    values = np.random.default_rng(0).normal(size=40)
    rows, clusters = by_rows(values), by_clusters(values, np.arange(40))
    assert clusters.mean == pytest.approx(rows.mean) and clusters.df == rows.df
    assert clusters.standard_error == pytest.approx(rows.standard_error)
    twice = by_clusters(np.repeat(values, 3), np.repeat(np.arange(40), 3))
    assert twice.standard_error == pytest.approx(rows.standard_error)


@pytest.mark.parametrize("n, groups", [(2, None), (9, None), (40, 1), (40, 9)])
def test_few_observations_have_no_interval(n, groups):
    X, y = draw_pair(100)
    model = fitted_to(X, y)
    groups = None if groups is None else np.arange(n) % groups
    found = modality_importance(model, X[:n], y[:n], groups=groups, random_state=0)
    assert found.table["importance"].notna().all()
    assert found.table[["standard_error", "lower", "upper", "p"]].isna().all(axis=None)


def test_labels_that_the_model_does_not_know():
    X, y = draw_pair(60)
    model = fitted_to(X, y)
    for wrong in (y + 5, np.where(y, "a", "b")):
        with pytest.raises(ValueError, match=r"y must have classes that .*\[0, 1\]"):
            modality_importance(model, X, wrong)
    modality_importance(model, X, np.where(np.arange(60) == 0, 7, y))  # one is unseen


def test_names_must_be_strings():
    X, y = draw_pair(60)
    with pytest.raises(ValueError, match="modalities: unknown modality 1"):
        modality_importance(fitted_to(X, y), X, y, modalities=[1])
