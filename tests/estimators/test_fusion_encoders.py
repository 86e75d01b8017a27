"""The parameter `encoders` of fusion estimators."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.model_selection import cross_validate
from torch import nn

from skmm import ModalityDict
from skmm.nn import MLPEncoder, MLPHead, SumFusion
from tests.estimators.fusions import classifier, fitted_encoder
from tests.toys import (
    assert_same_state,
    state_of,
    two_tables,
)


def test_kinds_of_encoders():
    assert fitted_encoder(None).hidden == (64,)
    assert fitted_encoder({"b": MLPEncoder((3,))}).hidden == (64,)
    assert fitted_encoder({"b": MLPEncoder((3,))}, "b").hidden == (3,)
    assert fitted_encoder({"a": None}).hidden == (64,)
    for name in "ab":
        assert fitted_encoder(MLPEncoder((3,)), name).hidden == (3,)


def test_parts_of_the_user_are_not_changed():
    X, y = two_tables()
    encoders = {"a": nn.Linear(3, 4), "b": MLPEncoder((4,)), "c": None}
    before = state_of(encoders["a"])
    fusion, head = SumFusion(), MLPHead((4,))
    model = classifier(
        encoders=encoders, fusion=fusion, head=head, modalities=["a", "b"]
    )
    model.fit(X.assign(c=X["a"]), y)
    assert_same_state(state_of(encoders["a"]), before)
    assert not any(b.is_built for b in (encoders["b"], fusion, head))
    assert encoders["c"] is None and model.encoders is encoders
    trained = model.net_.module_.encoders["a"].weight
    assert not torch.equal(trained, encoders["a"].weight)


def test_a_plain_module_keeps_its_weights():
    pretrained = nn.Linear(3, 4)
    X, y = two_tables()
    data = classifier(encoders={"a": pretrained}).prepare(X, y)
    assert_same_state(state_of(data.module.encoders["a"]), state_of(pretrained))


def test_a_built_block_survives_clone_and_cross_validation():
    pretrained = MLPEncoder((4,)).build((3,)).requires_grad_(False)
    X, y = two_tables()
    result = cross_validate(
        classifier(encoders={"a": pretrained}), X, y, cv=2, return_estimator=True
    )
    for model in result["estimator"]:
        encoder = model.net_.module_.encoders["a"]
        assert_same_state(state_of(encoder), state_of(pretrained))


def test_lazy_modules():
    lazy = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(2))
    trained = fitted_encoder({"a": lazy})
    assert trained[0].weight.shape == (4, 3)
    assert nn.parameter.is_lazy(lazy[0].weight)


@pytest.mark.parametrize(
    "encoder, message",
    [
        (nn.Linear(7, 4), r"encoders\['a'\]: Linear cannot read samples of .*\(3,\)"),
        (
            nn.Unflatten(1, (1, 3)),
            r"encoders\['a'\]: Unflatten returned \(2, 1, 3\) for 2 samples",
        ),
        (MLPEncoder((4,)).build((7,)), r"encoders\['a'\]: MLPEncoder cannot read"),
        (MLPEncoder(dropout=7), "'dropout' parameter of MLPEncoder"),
        (MLPEncoder((0,)), "hidden must be a tuple of positive integers"),
    ],
)
def test_error_names_a_wrong_encoder(encoder, message):
    X, y = two_tables()
    with pytest.raises(ValueError, match=message):
        classifier(encoders={"a": encoder}).fit(X, y)


def test_error_names_unequal_widths():
    X, y = two_tables()
    model = classifier(encoders={"a": MLPEncoder((3,))}, fusion="sum")
    with pytest.raises(ValueError, match=r"SumFusion needs .*'a': 3, 'b': 64"):
        model.fit(X, y)
    model.set_params(fusion=SumFusion(width=8)).fit(X, y)
    assert model.transform(X).shape == (40, 8)


def test_error_suggests_a_name():
    X, y = two_tables()
    X = ModalityDict(image=X["a"], table=X["b"])
    with pytest.raises(
        ValueError, match=r"encoders: unknown modality 'tabel'.*'table'"
    ):
        classifier(encoders={"tabel": MLPEncoder()}).fit(X, y)
    with pytest.raises(ValueError, match="modalities: unknown modality 'imag'"):
        classifier(modalities=["imag"]).fit(X, y)
    with pytest.raises(ValueError, match="X: unknown modality 'tabel'"):
        classifier().fit(X, y).predict({"image": X["image"], "tabel": X["table"]})


def test_a_subset_ignores_the_encoders_of_others():
    X, y = two_tables()
    encoders = {"a": MLPEncoder((3,)), "b": nn.Linear(99, 1)}
    model = classifier(encoders=encoders, modalities=["a"]).fit(X, y)
    alone = classifier(encoders={"a": MLPEncoder((3,))}).fit(X.select(["a"]), y)
    np.testing.assert_array_equal(
        model.predict_proba(X), alone.predict_proba(X.select(["a"]))
    )
    with pytest.raises(ValueError, match="encoders: unknown modality 'bb'"):
        model.set_params(encoders={"bb": MLPEncoder()}).fit(X, y)


def test_the_order_of_modalities_at_predict_does_not_matter():
    X, y = two_tables()
    model = classifier().fit(X, y)
    turned = {"b": X["b"], "a": X["a"]}
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(turned))


@pytest.mark.parametrize(
    "names", [["a.b", "keys"], ["training", "forward"], ["é", " "]]
)
def test_names_of_any_kind(names):
    X, y = two_tables()
    renamed = ModalityDict(dict(zip(names, X.values(), strict=True)))
    model = classifier().fit(renamed, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        model.predict_proba(renamed), again.predict_proba(renamed)
    )
