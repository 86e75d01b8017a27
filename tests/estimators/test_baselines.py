"""Baselines are settings of the estimators: early fusion, deeper Add, Base."""

import numpy as np
import pytest
import torch
from sklearn import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from torch import nn

from skmm import FusionClassifier, LateFusionClassifier, ModalityDict
from skmm.nn import ConcatFusion, Flatten, MLPEncoder, MLPHead
from tests.toys import two_tables


def early(max_epochs=5, **params):
    return FusionClassifier(
        Flatten(),
        fusion=ConcatFusion(hidden=(8, 6)),
        head=MLPHead(()),
        max_epochs=max_epochs,
        random_state=0,
        **params,
    )


def layers_of(module):
    return [part for part in module.modules() if isinstance(part, nn.Linear)]


def by_hand(module):
    """The same net, written for the concatenated array."""
    first, second, last = layers_of(module)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)


def images_and_table(n=40):
    X, y = two_tables(n)
    image = np.random.default_rng(1).normal(size=(n, 1, 3, 2))
    return X.assign(image=image), y


def joined(X):
    return np.hstack([leaf.reshape(len(X), -1) for leaf in X.values()])


def test_early_fusion_is_one_net_on_the_joined_inputs():
    X, y = images_and_table()
    model = early().fit(X, y)
    assert layers_of(model.net_.module_)[0].in_features == 3 + 5 + 6
    net = by_hand(model.net_.module_)
    with torch.inference_mode():
        out = net(torch.from_numpy(joined(X)).float()).softmax(1)
    np.testing.assert_allclose(model.predict_proba(X), out, atol=1e-6)


def test_early_fusion_learns_as_one_net_on_the_joined_inputs():
    """From the same weights, with the same order of rows."""
    X, y = images_and_table()
    start = early().prepare(X, y).module
    first, second, _ = layers_of(start)
    body = nn.Sequential(first, nn.ReLU(), second, nn.ReLU())
    head = MLPHead(()).build((6, 2))
    head.load_state_dict(start.head.state_dict())
    flat = ModalityDict(all=joined(X))
    plain = FusionClassifier(body, head=head, max_epochs=5, random_state=0)
    expected = plain.fit(flat, y).predict_proba(flat)
    np.testing.assert_allclose(early().fit(X, y).predict_proba(X), expected, atol=1e-5)


def test_missing_modalities_are_zeros_in_the_joined_inputs():
    X, y = images_and_table()
    holes = X.with_missing("b", slice(0, None, 3))
    zeros = X.assign(b=np.where(holes.present["b"][:, None], X["b"], 0.0))
    np.testing.assert_allclose(
        early().fit(holes, y).predict_proba(holes),
        early().fit(zeros, y).predict_proba(zeros),
        atol=1e-6,
    )


@pytest.mark.parametrize("hidden", [(), (8,), (8, 8, 8)])
def test_deeper_add_is_a_parameter(hidden):
    X, y = two_tables()
    model = FusionClassifier(MLPEncoder((4,)), max_epochs=2, random_state=0)
    model.set_params(fusion=ConcatFusion()).set_params(fusion__hidden=hidden)
    fusion = model.fit(X, y).net_.module_.fusion
    assert len(layers_of(fusion)) == len(hidden)
    assert fusion.out_features == (hidden[-1] if hidden else 8)


# -- Base --------------------------------------------------------------------------


def weak_and_strong(n=90):
    X, y = two_tables(n)
    noise = np.random.default_rng(3).normal(size=(n, 2))
    return ModalityDict(noise=noise, good=X["a"] + 3 * y[:, None]), y


MODELS = [
    FusionClassifier(max_epochs=15, lr=0.01, random_state=0),
    LateFusionClassifier(LogisticRegression()),
]


def base(model):
    return GridSearchCV(model, {"modalities": [["noise"], ["good"]]}, cv=3)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_base_is_the_best_single_modality(model):
    X, y = weak_and_strong()
    search = base(model).fit(X, y)
    assert search.best_params_ == {"modalities": ["good"]}
    alone = clone(model).fit(X.select(["good"]), y)
    np.testing.assert_allclose(
        search.predict_proba(X), alone.predict_proba(X.select(["good"]))
    )
    assert cross_val_score(search, X, y, cv=2).min() > 0.9


def test_base_chooses_by_the_inner_validation_alone():
    """In each outer fold the choice is that of its own training rows."""
    X, y = weak_and_strong(60)
    late = LateFusionClassifier(LogisticRegression())
    swapped = X.assign(  # what is good for the first rows is noise for the others
        noise=np.where(np.arange(60)[:, None] < 30, X["good"][:, :2], X["noise"]),
        good=np.where(np.arange(60)[:, None] < 30, X["noise"][:, :1], X["good"]),
    )
    halves = [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]
    chosen = [
        clone(base(late)).fit(swapped[train], y[train]).best_params_["modalities"]
        for train, _ in halves
    ]
    assert chosen == [["noise"], ["good"]]
    answers = cross_val_predict(base(late), swapped, y, cv=halves)
    assert (answers[:30] == y[:30]).mean() < 0.8  # it cannot know that they differ
