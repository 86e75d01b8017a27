"""Pickles of fitted estimators: weights once, and readable without the device."""

import copy
import io
import pickle

import cloudpickle
import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.exceptions import DeviceWarning
from torch import nn

import skmm
from skmm import FusionClassifier
from skmm.nn import MLPEncoder
from skmm.objectives import WeightedSum
from skmm.preprocessing import ModalityTransformer
from skmm.training import Stage
from skmm.utils._checking import make_data, predictions
from tests.test_common import DEFAULTS, QUICK
from tests.toys import assert_same_state, state_of, two_tables


def by_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    return joblib.load(io.BytesIO(file.getvalue()))


WAYS = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "cloudpickle": lambda model: pickle.loads(cloudpickle.dumps(model)),
    "joblib": by_joblib,
    "deepcopy": copy.deepcopy,
}
on_gpu = pytest.mark.filterwarnings("ignore::skorch.exceptions.DeviceWarning")


@pytest.fixture
def gpu(monkeypatch):
    """Let all storages be pickled as if they were on a GPU."""
    if torch.cuda.is_available():
        pytest.skip("CUDA is available")
    from skmm.training import pickling

    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    monkeypatch.setattr(pickling, "location_tag", lambda storage: "cuda:0")


@on_gpu
@pytest.mark.parametrize("estimator", [*QUICK, *DEFAULTS], ids=repr)
def test_pickles_of_every_estimator_from_a_gpu(estimator, gpu):
    X, y = make_data(estimator)
    model = clone(estimator).fit(X, y)
    for way in WAYS.values():
        copied = way(model)
        np.testing.assert_array_equal(predictions(copied, X), predictions(model, X))
    if hasattr(model, "partial_fit") and not model.early_stopping:
        copied.partial_fit(X, y)


@on_gpu
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_pipelines_with_weights_of_the_user_from_a_gpu(way, gpu):
    X, y = two_tables()
    built = MLPEncoder((4,)).build((3,))
    model = make_pipeline(
        ModalityTransformer({"a": StandardScaler()}),
        FusionClassifier(
            {"a": built, "b": nn.Linear(5, 4)},
            stages=[Stage("head", start={"encoders__a": built})],
            objective=WeightedSum([("cross_entropy", 1.0)]),
            lr_schedule="cosine",
            max_epochs=2,
            random_state=0,
        ),
    ).fit(X, y)
    found = way(model)
    np.testing.assert_array_equal(found.predict_proba(X), model.predict_proba(X))
    again = clone(found).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_a_missing_device_is_named(gpu):
    X, y = two_tables()
    model = FusionClassifier(max_epochs=1, random_state=0).fit(X, y)
    model.net_.device = "cuda:0"
    data = pickle.dumps(model)
    with pytest.warns(DeviceWarning, match="device 'cuda:0', which this machine"):
        found = pickle.loads(data)
    assert found.net_.device == "cpu"


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("schedule", [None, "cosine"])
@pytest.mark.parametrize("stopping", [True, False])
def test_weights_are_pickled_once(optimizer, schedule, stopping):
    X, y = two_tables()
    settings = {"optimizer": optimizer, "lr_schedule": schedule}
    model = FusionClassifier(
        MLPEncoder((512, 512)), early_stopping=stopping, max_epochs=2, **settings
    ).fit(X, y)
    weights = sum(p.nbytes for p in model.net_.module_.parameters())
    moments = {"sgd": 0, "adam": 2}[optimizer]
    for size in (len(pickle.dumps(model)), len(cloudpickle.dumps(model))):
        assert size < (moments + 1.1) * weights


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_copy_has_one_module_and_trains_on(way):
    X, y = two_tables()
    model = FusionClassifier(
        MLPEncoder((8,), dropout=0.3), max_epochs=2, warm_start=True, random_state=0
    ).fit(X, y)
    copied = way(model)
    net = copied.net_
    assert net.module is net.module_ and net.module_ is not model.net_.module_
    assert net.criterion_ is net.criterion or net.criterion_.objective is net.criterion
    mine = {id(p) for p in net.module_.parameters()}
    assert mine == {id(p) for g in net.optimizer_.param_groups for p in g["params"]}
    for each in (model, copied):
        each.fit(X, y).partial_fit(X, y)
    assert_same_state(state_of(copied.net_.module_), state_of(model.net_.module_))


def test_callbacks_of_any_kind_are_pickled_by_cloudpickle():
    X, y = two_tables()
    callbacks = [skmm.training.EpochCallback(lambda net: None)]
    model = FusionClassifier(max_epochs=1, callbacks=callbacks).fit(X, y)
    found = pickle.loads(cloudpickle.dumps(model))
    np.testing.assert_array_equal(found.predict(X), model.predict(X))
