"""Several estimators, each fitted on its own data."""

import numpy as np

from skmm import FusionClassifier
from skmm.base.fit_many import fit_many
from skmm.nn import ConvEncoder, MLPEncoder
from tests.toys import two_tables

X, Y = two_tables(60)


def models(encoder=None, **settings):
    encoder = encoder or MLPEncoder((4,))
    return [
        FusionClassifier(encoder, max_epochs=3, random_state=seed, **settings)
        for seed in range(3)
    ]


def test_same_result_as_single_fits():
    weight = np.linspace(1, 2, 60)
    data = [(X[i:], Y[i:], weight[i:]) for i in range(3)]
    for fitted, alone, part in zip(
        fit_many(models(), data), models(), data, strict=True
    ):
        wanted = alone.fit(*part).predict_proba(X)
        np.testing.assert_allclose(fitted.predict_proba(X), wanted, atol=1e-5)


def test_nets_that_cannot_be_stacked():
    images = {"image": np.random.default_rng(0).normal(size=(60, 1, 8, 8))}
    encoder = ConvEncoder((2,), hidden=(4,))
    found = fit_many(models(encoder), [(images, Y, None)] * 3)
    for fitted, alone in zip(found, models(encoder), strict=True):
        wanted = alone.fit(images, Y).predict_proba(images)
        np.testing.assert_array_equal(fitted.predict_proba(images), wanted)


def test_a_class_may_be_missing():
    rows = np.flatnonzero(Y == 0)
    data = [(X, Y, None), (X[rows], Y[rows], None)]
    found = fit_many(models()[:2], data, classes=[0, 1])
    assert [m.predict_proba(X).shape for m in found] == [(60, 2)] * 2


def test_memory_limit(monkeypatch):
    from skmm.base import fit_many as module

    sizes, original = [], module.train_prepared

    def spy(prepared, memory):
        sizes.append(len(prepared))
        original(prepared, memory)

    monkeypatch.setattr(module, "train_prepared", spy)
    one = 60 * 8 * 4  # rows, columns of both tables, bytes
    fit_many(models(), [(X, Y, None)] * 3, memory=one)
    assert sizes == [2, 1]
