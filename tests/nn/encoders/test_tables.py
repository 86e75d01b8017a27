"""What is true of all encoders of tables."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

import skmm
from skmm.datasets import make_multimodal_classification
from skmm.model_selection import fit_replicas
from skmm.nn import MLPEncoder, PeriodicEncoder, TabMEncoder
from skmm.nn.composite.stack import can_stack

ENCODERS = [
    MLPEncoder((8,)),
    PeriodicEncoder((8,), n_frequencies=4, dim=3),
    PeriodicEncoder((8,), n_frequencies=4, dim=3, lite=True),
    TabMEncoder((8,), n_members=3),
    TabMEncoder((8,), n_members=3, mini=True),
    TabMEncoder((8,), n_members=3, pooling="mean"),
]
X, Y = make_multimodal_classification(60, n_features=4, random_state=0)


@pytest.mark.parametrize("encoder", ENCODERS, ids=repr)
def test_replicas_train_in_a_stack_as_alone(encoder):
    model = skmm.FusionClassifier(encoder, max_epochs=3, random_state=0)
    rows = [np.arange(50), np.arange(10, 60)]
    stacked = fit_replicas(model, X, Y, rows)
    assert can_stack(stacked[0].net_.module_)
    for one, part in zip(stacked, rows, strict=True):
        alone = clone(model).set_params(random_state=one.random_state)
        alone.fit(X[part], Y[part])
        np.testing.assert_allclose(
            one.predict_proba(X), alone.predict_proba(X), atol=1e-5
        )


@pytest.mark.parametrize("encoder", ENCODERS, ids=repr)
def test_saved_models_predict_the_same(encoder, tmp_path):
    model = skmm.FusionClassifier(encoder, max_epochs=2, random_state=0).fit(X, Y)
    skmm.save(model, tmp_path / "model.skmm")
    again = skmm.load(tmp_path / "model.skmm")
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("encoder", ENCODERS, ids=repr)
def test_every_feature_has_an_influence(encoder):
    torch.manual_seed(0)
    rows = torch.randn(20, 4, requires_grad=True)
    clone(encoder).build((4,))(rows).square().sum().backward()
    assert rows.grad.abs().sum(0).min() > 0


@pytest.mark.parametrize("encoder", ENCODERS, ids=repr)
def test_units_of_columns_have_no_influence_if_they_are_scaled(encoder):
    def encoded(x, **params):
        torch.manual_seed(0)
        built = clone(encoder).set_params(**params).build((4,))
        with torch.no_grad():
            return built.adapt(x)(x)

    rows = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    other = rows * torch.tensor([100.0, 1.0, 0.01, 5.0]) + 3
    torch.testing.assert_close(encoded(other), encoded(rows), atol=1e-4, rtol=1e-3)
    plain = encoded(rows, scale=None)
    assert not torch.allclose(encoded(other, scale=None), plain, atol=1e-3)
    assert not torch.allclose(encoded(rows), plain, atol=1e-3)
