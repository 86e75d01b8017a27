"""MixtureDisplay."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm import FusionClassifier, MulMixClassifier
from skmm.datasets import make_weak_modality
from skmm.inspection import MixtureDisplay
from skmm.preprocessing import ModalityTransformer

X, Y = make_weak_modality(80, n_classes=3, n_modalities=2, random_state=0)
MODEL = MulMixClassifier(max_epochs=3, random_state=0)


def test_table_counts_predicting_mixtures():
    model = MODEL.fit(X, Y)
    groups = np.repeat(["old", "new"], 40)
    table = MixtureDisplay.from_estimator(model, X, groups).table
    assert table.columns.tolist() == ["view0", "view1", "view0 + view1"]
    assert table.index.tolist() == ["new", "old"]
    mixtures = model.answering_mixture(X)["mixture"][:40]
    for mixture in model.mixtures_:
        share = np.mean([answer == mixture for answer in mixtures])
        assert table.loc["old", " + ".join(mixture)] == pytest.approx(share)


def test_groups_are_predicted_classes_by_default():
    steps = ModalityTransformer({name: StandardScaler() for name in X}), MODEL
    pipeline = make_pipeline(*steps).fit(X, Y)
    table = MixtureDisplay.from_estimator(pipeline, X).table
    assert set(table.index) == set(pipeline.predict(X))
    np.testing.assert_allclose(table.sum(axis=1), 1)


def test_searches_and_missing_groups():
    search = GridSearchCV(MODEL, {"beta": [0.5]}, cv=2).fit(X, Y)
    groups = np.array(["old", None] * 40, dtype=object)
    table = MixtureDisplay.from_estimator(search, X, groups).table
    assert table.index.tolist() == ["missing", "old"]


def test_plot():
    pytest.importorskip("matplotlib").use("agg")
    import matplotlib.pyplot as plt

    display = MixtureDisplay.from_estimator(MODEL.fit(X, Y), X).plot()
    ticks = [text.get_text() for text in display.axes_.get_xticklabels()]
    assert ticks == display.table.columns.tolist()
    np.testing.assert_array_equal(display.axes_.images[0].get_array(), display.table)
    plt.close(display.figure_)


def test_bad_input():
    with pytest.raises(TypeError, match=r"MulMixClassifier.*got FusionClassifier"):
        MixtureDisplay.from_estimator(FusionClassifier(), X)
    with pytest.raises(ValueError, match="inconsistent"):
        MixtureDisplay.from_estimator(MODEL.fit(X, Y), X, [1, 2])
