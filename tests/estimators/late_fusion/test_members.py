"""One model for all modalities, with settings by part, is restricted to each."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skmm import (
    FusionClassifier,
    FusionRegressor,
    LateFusionClassifier,
    LateFusionRegressor,
    ModalityDict,
    NoHarmFusionClassifier,
    restrict,
)
from skmm.nn import MLPEncoder
from skmm.preprocessing import ModalityTransformer
from skmm.training import Stage
from tests.toys import two_tables

X, y = two_tables()


def net(**params):
    return FusionClassifier(**{"max_epochs": 2, "random_state": 0, **params})


SETTINGS = [
    {"lr": {"encoders__a": 0.1, "head": 0.2}},
    {"weight_decay": {"encoders__b": 0.1}},
    {"stages": [Stage("encoders__a"), Stage(["encoders__b", "head"], lr=0.1)]},
    {"stages": [Stage(lr={"encoders__a": 0.1}), Stage("head")]},
    {"encoders": {"a": MLPEncoder((3,)), "b": MLPEncoder((5,))}},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=range(len(SETTINGS)))
def test_members_are_the_restricted_model(settings):
    late = LateFusionClassifier(net(**settings)).fit(X, y)
    for name, member in late.estimators_.items():
        alone = restrict(net(**settings), [name]).fit(X, y)
        np.testing.assert_array_equal(
            member.predict_proba(X.select([name])), alone.predict_proba(X)
        )


def test_each_member_has_its_own_learning_rate():
    slow = {"encoders__a": 1e-12, "head": 1e-12}
    nets = [LateFusionClassifier(net(lr=slow, max_epochs=e)).fit(X, y) for e in (1, 3)]
    weights = {
        name: [late.estimators_[name].encoders_[name].layers[0].weight for late in nets]
        for name in X
    }
    assert torch.allclose(*weights["a"], atol=1e-9)
    assert not torch.allclose(*weights["b"], atol=1e-9)


MISSPELT = [
    {"lr": {"encoders__aa": 0.1}},
    {"weight_decay": {"encoders__aa": 0.1}},
    {"stages": [Stage(["encoders__aa", "head"])]},
    {"stages": [Stage("head", start={"encoders__aa": MLPEncoder()})]},
    {"stages": [Stage("head", lr={"encoders__aa": 0.1})]},
    {"encoders": {"aa": MLPEncoder()}},
]


@pytest.mark.parametrize("settings", MISSPELT, ids=range(len(MISSPELT)))
def test_a_misspelt_modality_still_fails(settings):
    words = "unknown modality 'aa'.*Did you mean 'a'"
    for late in (
        LateFusionClassifier(net(**settings)),
        LateFusionClassifier({"b": net(**settings)}),
        LateFusionClassifier(make_pipeline(ModalityTransformer(), net(**settings))),
    ):
        with pytest.raises(ValueError, match=words):
            late.fit(X, y)


@pytest.mark.parametrize(
    "settings", [{"lr": {"encoder__a": 0.1}}, {"stages": [Stage("encodrs")]}]
)
def test_a_misspelt_part_still_fails(settings):
    with pytest.raises(ValueError, match="unknown part"):
        LateFusionClassifier(net(**settings)).fit(X, y)


def test_stages_of_another_modality_alone():
    stages = [Stage("encoders__a")]
    with pytest.raises(
        ValueError, match=r"modality 'b': stages train only encoders of"
    ):
        LateFusionClassifier(net(stages=stages)).fit(X, y)


def test_inside_pipelines_and_searches():
    model = net(lr={"encoders__a": 0.1})
    scale = ModalityTransformer({"a": StandardScaler(), "b": "passthrough"})
    for member in (
        make_pipeline(scale, model),
        make_pipeline("passthrough", model),
        GridSearchCV(model, {"max_epochs": [1, 2]}, cv=2),
    ):
        late = LateFusionClassifier(member).fit(X, y)
        assert late.predict(X).shape == (len(X),)


def test_a_pipeline_that_renames_modalities_is_not_restricted():
    def halves(part):
        (leaf,) = part.values()
        return ModalityDict(left=leaf[:, :1], right=leaf[:, 1:])

    model = net(encoders={"left": MLPEncoder((2,))})
    late = LateFusionClassifier(make_pipeline(FunctionTransformer(halves), model))
    inner = late.fit(X, y).estimators_["a"][-1]
    assert inner.modalities_in_ == ["left", "right"]


def test_a_selection_by_the_user():
    """It must contain the modality of the member."""
    late = LateFusionClassifier(net(modalities=["a", "b"])).fit(X, y)
    assert [m.modalities for m in late.estimators_.values()] == [["a"], ["b"]]
    with pytest.raises(ValueError, match=r"modality 'a'.*unknown modality 'b'"):
        LateFusionClassifier(net(modalities=["b"])).fit(X, y)


def test_restricted_as_a_whole():
    late = LateFusionClassifier(net(lr={"encoders__a": 0.1, "encoders__b": 0.2}))
    part = restrict(late, ["b"]).fit(X, y)
    assert list(part.estimators_) == ["b"]
    pipe = restrict(make_pipeline(ModalityTransformer(), late), ["b"]).fit(X, y)
    np.testing.assert_array_equal(pipe.predict_proba(X), part.predict_proba(X))


def test_models_of_scikit_learn_receive_arrays():
    model = net(lr={"encoders__b": 0.1})
    late = LateFusionClassifier({"a": LogisticRegression(), "b": model}).fit(X, y)
    assert late.estimators_["a"].n_features_in_ == X["a"].shape[1]
    assert model.modalities is None and late.estimators_["b"].modalities == ["b"]


def test_no_harm_members_and_regressors():
    own = NoHarmFusionClassifier(
        pretraining={"a": {"max_epochs": 1}}, max_epochs=2, cv=2, random_state=0
    )
    late = LateFusionClassifier(own).fit(X, y)
    assert [net.n_iter_ for net in late.estimators_["a"].unimodal_["a"]] == [1, 1]
    values = FusionRegressor(lr={"encoders__a": 0.1}, max_epochs=2, random_state=0)
    late = LateFusionRegressor(values).fit(X, y.astype(float))
    assert late.predict(X).shape == (len(X),)
