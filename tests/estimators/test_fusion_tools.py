"""Callbacks, errors, and scikit-learn around fusion estimators."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from skmm import FusionClassifier
from skmm.nn import ConcatFusion, MLPEncoder, SumFusion
from skmm.preprocessing import ModalityTransformer
from tests.estimators.fusions import classifier, fitted_encoder, proba
from tests.toys import (
    Ridge,
    two_tables,
)

# -- callbacks, printing, errors -------------------------------------------------------


class Counts(Callback):
    def __init__(self):
        self.epochs = 0

    def on_epoch_end(self, net, **kwargs):
        self.epochs += 1


def test_callbacks_are_copied():
    X, y = two_tables()
    mine = Counts()
    model = classifier(callbacks=[mine, ("named", Counts())]).fit(X, y)
    assert mine.epochs == 0 and vars(mine) == {"epochs": 0}
    assert dict(model.net_.callbacks_)["Counts"].epochs == 3
    assert dict(model.net_.callbacks_)["named"].epochs == 3


@pytest.mark.parametrize("wrong", [5, "stop", ("name", 3), two_tables, dict])
def test_error_names_an_item_that_is_not_a_callback(wrong):
    X, y = two_tables()
    with pytest.raises(TypeError, match=r"list of skorch callbacks.*got the item"):
        classifier(callbacks=[wrong]).fit(X, y)


def test_early_stopping_of_skorch():
    X, y = two_tables()
    stopper = EarlyStopping("train_loss", patience=2, threshold=10.0)
    model = classifier(callbacks=[stopper], max_epochs=20).fit(X, y)
    assert model.n_iter_ < 5 and model.predict(X).shape == (40,)


@pytest.mark.parametrize("given", [EarlyStopping(), ("EarlyStopping", EarlyStopping())])
def test_both_early_stoppings(given):
    X, y = two_tables()
    model = classifier(callbacks=[given], early_stopping=True).fit(X, y)
    names = [name for name, _ in model.net_.callbacks_]
    assert names[-2:] == ["EarlyStopping", "skmm_early_stopping"]


def test_verbosity(capsys):
    X, y = two_tables()
    classifier(early_stopping=True).fit(X, y)
    assert capsys.readouterr() == ("", "")
    classifier(verbose=1).fit(X, y).partial_fit(X, y)
    shown = capsys.readouterr()
    assert "3/3" in shown.err and "1/1" in shown.err and "train_loss" in shown.err


def test_error_for_an_infinite_loss():
    X, y = two_tables()
    model = classifier(optimizer="sgd", lr=1e30)
    with pytest.raises(FloatingPointError, match=r"train loss is .*lr \(now 1e\+30\)"):
        model.fit(X, y)


@pytest.mark.parametrize(
    "bad",
    [
        {"lr": -1.0},
        {"lr": 0.0},
        {"optimizer": "adamm"},
        {"optimizer": 3},
        {"batch_size": 0},
        {"max_epochs": 0},
        {"weight_decay": -0.1},
        {"patience": 0},
        {"validation_fraction": 1.0},
        {"early_stopping": "yes"},
        {"fusion": "concatt"},
        {"fusion": 3},
        {"fusion": SumFusion},
        {"head": "mlp"},
        {"encoders": "mlp"},
        {"encoders": {"a": "mlp"}},
        {"modalities": "a"},
        {"modalities": []},
        {"callbacks": Counts()},
        {"device": "cuda:99"},
        {"device": None},
        {"class_weight": "balance"},
        {"random_state": -1},
        {"objective": "mse"},
    ],
    ids=lambda bad: str(bad).partition(" object at")[0],
)
def test_error_names_a_bad_parameter(bad):
    X, y = two_tables()
    with pytest.raises((ValueError, TypeError), match=next(iter(bad))):
        classifier(**bad).fit(X, y)


def test_weight_decay_with_an_optimizer_without_it_raises():
    X, y = two_tables()
    with pytest.raises(ValueError, match=r"weight_decay=0.1 is not supported by Rprop"):
        classifier(optimizer=torch.optim.Rprop, weight_decay=0.1).fit(X, y)


def test_a_penalty_shrinks():
    weights = [
        fitted_encoder({"a": Ridge(strength=s)}, max_epochs=30)
        .linear.weight.norm()
        .item()
        for s in (0.0, 1.0)
    ]
    assert weights[1] < 0.2 * weights[0]


# -- with scikit-learn -----------------------------------------------------------------


def test_pickling():
    X, y = two_tables()
    model = classifier(early_stopping=True, callbacks=[Counts()]).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    assert again.history_.equals(model.history_)
    again.set_params(warm_start=True, early_stopping=False).fit(X, y)
    assert again.n_iter_ == model.n_iter_ + 3


def test_nested_parameters():
    model = classifier(encoders={"a": MLPEncoder(), "b": None}, fusion=ConcatFusion())
    mine = model.encoders["a"]
    model.set_params(encoders__a__hidden=(5,), fusion__hidden=(7,), lr=0.5)
    assert model.encoders["a"].hidden == (5,) and model.fusion.hidden == (7,)
    assert mine.hidden == (64,)
    with pytest.raises(ValueError, match="'encoders__c__hidden' for FusionClassifier"):
        model.set_params(encoders__c__hidden=(5,))


def test_searching():
    X, y = two_tables()
    model = classifier(encoders={"a": MLPEncoder()}, max_epochs=1)
    grid = {
        "encoders__a__hidden": [(2,), (64,)],
        "fusion": ["concat", SumFusion(width=4)],
        "modalities": [None, ["a"]],
    }
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 8
    best = search.best_estimator_.net_.module_.encoders["a"]
    assert best.hidden == search.best_params_["encoders__a__hidden"]


def test_predictions_by_cross_validation():
    X, y = two_tables()
    pipe = make_pipeline(ModalityTransformer({"a": StandardScaler()}), classifier())
    whole = cross_val_predict(pipe, X, y, cv=2, method="predict_proba")
    assert whole.shape == (40, 2)


def test_output_as_a_frame():
    X, y = two_tables()
    model = classifier().set_output(transform="pandas").fit(X, y)
    frame = model.transform(X)
    assert isinstance(frame, pd.DataFrame) and frame.shape == (40, 128)
    assert list(frame) == list(model.get_feature_names_out())


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_weights_are_routed():
    X, y = two_tables()
    weight = np.where(np.arange(40) % 2, 3.0, 0.1)
    asks = classifier().set_fit_request(sample_weight=True)
    pipe = make_pipeline(ModalityTransformer(), asks).fit(X, y, sample_weight=weight)
    direct = proba(classifier(), X, y, sample_weight=weight)
    np.testing.assert_array_equal(pipe.predict_proba(X), direct)
    assert np.abs(direct - proba(classifier(), X, y)).max() > 1e-3

    asks.set_score_request(sample_weight=True)
    params = {"sample_weight": weight}
    result = cross_validate(asks, X, y, cv=2, params=params, return_estimator=True)
    assert len(result["estimator"]) == 2
    search = GridSearchCV(asks, {"lr": [0.01]}, cv=2).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(search.predict_proba(X), direct)


@pytest.mark.usefixtures("routing")
def test_weights_that_are_not_requested_raise():
    X, y = two_tables()
    with pytest.raises(ValueError, match="sample_weight"):
        make_pipeline(ModalityTransformer(), classifier()).fit(X, y, sample_weight=y)


@pytest.mark.parametrize(
    "encoders", [None, MLPEncoder(), {"a": nn.Linear(3, 2), "b": None}, nn.Flatten()]
)
def test_html(encoders):
    X, y = two_tables()
    model = classifier(encoders=encoders)
    assert "FusionClassifier" in model._repr_html_() + str(model)
    assert "<div" in model.fit(X, y)._repr_html_()
    assert "MultimodalModule" in repr(model.net_)


def test_a_subclass_may_have_another_constructor():
    class Small(FusionClassifier):
        def __init__(self, lr=1e-3, extra=3):
            super().__init__(lr=lr, max_epochs=2, random_state=0)
            self.extra = extra

    X, y = two_tables()
    small = clone(Small(lr=0.1, extra=5)).fit(X, y)
    assert (small.lr, small.extra, small.n_iter_) == (0.1, 5, 2)
