"""A modality that no training sample had counts as missing in predictions."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_validate
from sklearn.pipeline import make_pipeline
from torch import nn

import skmm
from skmm.base.validation_split import validation_indices
from skmm.model_selection import (
    compare_modalities,
    cross_validate_replicas,
    fit_replicas,
)
from skmm.preprocessing import ModalityTransformer
from skmm.utils._checking import make_data, predictions
from tests.test_common import QUICK

pytestmark = pytest.mark.filterwarnings("ignore:the validation set is not stratified")
UNSEEN = "modality 'table' is .*counts as missing in every prediction"
EVERY = pytest.mark.parametrize("estimator", QUICK, ids=repr)


def data_for(estimator):
    """Samples without "table", the same number with it, and targets."""
    X, y = make_data(estimator)
    X = X.assign(table=100 * X["table"])
    return X.with_missing("table"), X, y


def assert_unseen(model, X):
    """The predictions do not read "table"."""
    assert model.modalities_seen_ == ["image"]
    found = predictions(model, X)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, predictions(model, X.with_missing("table")))


@EVERY
def test_predictions_do_not_read_it(estimator, tmp_path):
    train, test, y = data_for(estimator)
    with pytest.warns(UserWarning, match=UNSEEN):
        model = clone(estimator).fit(train, y)
    model.save(tmp_path / "model")
    alone = test.with_missing("image")  # samples with nothing else
    empty = alone.with_missing("table")
    for fitted in (model, pickle.loads(pickle.dumps(model))):
        assert_unseen(fitted, test)
        found = predictions(fitted, alone)
        np.testing.assert_array_equal(found, predictions(fitted, empty))
    assert_unseen(skmm.load(tmp_path / "model"), test)


@EVERY
def test_samples_of_zero_weight_do_not_count(estimator):
    train, test, y = data_for(estimator)
    weight = np.ones(48)
    weight[::6] = 0
    train = test.with_missing("table", weight > 0)
    with pytest.warns(UserWarning, match=UNSEEN):
        model = clone(estimator).fit(train, y, sample_weight=weight)
    assert_unseen(model, test)


@EVERY
def test_seen_modalities_are_listed_without_a_warning(estimator):
    _, X, y = data_for(estimator)
    model = clone(estimator).fit(X.with_missing("table", np.arange(48) % 3 > 0), y)
    assert model.modalities_seen_ == ["image", "table"]
    found = predictions(model, X), predictions(model, X.with_missing("table"))
    assert (found[0] != found[1]).any() or getattr(model, "weight_", 1) == 0


CHUNKED = [
    model
    for model in QUICK
    if hasattr(model, "partial_fit")
    and not model.early_stopping
    and getattr(model, "mode", "") != "sequential"
]


@pytest.mark.parametrize("estimator", CHUNKED, ids=repr)
def test_later_chunks_count(estimator):
    train, test, y = data_for(estimator)
    model = clone(estimator)
    with pytest.warns(UserWarning, match=UNSEEN):
        model.partial_fit(train, y)
    assert_unseen(model, test)
    model.partial_fit(test, y)
    assert model.modalities_seen_ == ["image", "table"]
    found = predictions(model, test)
    assert (found != predictions(model, test.with_missing("table"))).any()
    model.partial_fit(train, y)  # the encoder has been trained
    assert model.modalities_seen_ == ["image", "table"]


@pytest.mark.parametrize("estimator", CHUNKED, ids=repr)
def test_warm_starts_count(estimator):
    train, test, y = data_for(estimator)
    model = clone(estimator).set_params(warm_start=True)
    with pytest.warns(UserWarning, match=UNSEEN):
        model.fit(train, y)
    assert_unseen(model, test)
    model.fit(test, y).fit(train, y)
    assert model.modalities_seen_ == ["image", "table"]
    with pytest.warns(UserWarning, match=UNSEEN):
        model.set_params(warm_start=False).fit(train, y)
    assert_unseen(model, test)


def normalised(part="encoder"):
    """A net in which a BatchNorm reads the table."""
    encoder = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4))
    given = {"encoders": {"table": encoder}, "fusion": "lp_norm"}
    params = {name: value for name, value in given.items() if name.startswith(part)}
    return skmm.FusionClassifier(max_epochs=3, random_state=0, **params)


@pytest.mark.parametrize("part", ["encoder", "fusion"])
def test_one_sample_is_too_few_for_batch_norm(part):
    """Whose encoder is not trained on it: predictions would read random weights."""
    _, X, y = data_for(skmm.FusionClassifier())
    once, twice = (X.with_missing("table", slice(k, None)) for k in (1, 2))
    model = normalised(part)
    with pytest.warns(UserWarning, match="'table' is present in 1 of 48 .*BatchNorm"):
        model.fit(once, y)
    assert_unseen(model, X)
    assert model.fit(twice, y).modalities_seen_ == ["image", "table"]
    model.set_params(warm_start=True).fit(once, y)
    assert model.modalities_seen_ == ["image", "table"]


def test_one_sample_is_enough_without_batch_norm():
    _, X, y = data_for(skmm.FusionClassifier())
    model = skmm.FusionClassifier(max_epochs=3, random_state=0)
    model.fit(X.with_missing("table", slice(1, None)), y)
    assert model.modalities_seen_ == ["image", "table"]


def test_samples_set_aside_do_not_count():
    _, X, y = data_for(skmm.FusionClassifier())
    settings = {"early_stopping": True, "max_epochs": 3, "random_state": 0}
    for kind in (skmm.FusionClassifier, skmm.GradientBlendingClassifier):
        model = kind(**settings)
        data = model.prepare(X.with_missing("table", slice(0, 0)), y)
        train, _ = validation_indices(model, model._target.read(y))
        assert len(data.train[0]) == len(train)
        with pytest.warns(UserWarning, match=f"in all {len(train)} training samples"):
            model.fit(X.with_missing("table", train), y)
        assert_unseen(model, X)
        with pytest.warns(UserWarning, match=UNSEEN):
            same = clone(model).fit(X.with_missing("table"), y)
        assert (same.history_ == model.history_).drop(columns="dur").all(axis=None)
        np.testing.assert_array_equal(predictions(same, X), predictions(model, X))


def test_each_replica_has_its_own():
    estimator = skmm.FusionClassifier(skmm.nn.MLPEncoder((4,)), max_epochs=3)
    _, X, y = data_for(estimator)
    X = X.with_missing("table", slice(0, 24))
    samples = [np.arange(24), np.arange(12, 36), np.arange(24, 48)]
    for model in (estimator, make_pipeline(ModalityTransformer(), estimator)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fitted = fit_replicas(model, X, y, samples)
        messages = [str(one.message) for one in caught]
        assert sum("counts as missing" in one for one in messages) == 1
        last = [getattr(one, "steps", [(0, one)])[-1][1] for one in fitted]
        seen = [one.modalities_seen_ for one in last]
        assert seen == [["image"], ["image", "table"], ["image", "table"]]
        assert_unseen(last[0], X)


def test_leaving_one_site_out():
    """A site that never measured a modality; its fold is scored as if without it."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(200, 4)), 30 * rng.normal(size=(200, 8))
    y, site = a[:, 0] + a[:, 1] > 0, np.arange(200) // 100
    X = skmm.ModalityDict(a=a, b=b).with_missing("b", site == 0)
    model = skmm.FusionClassifier(max_epochs=30, lr=0.01, random_state=0)
    cv = [(np.flatnonzero(site == 0), np.flatnonzero(site == 1))]
    for validate in (cross_validate, cross_validate_replicas):
        with pytest.warns(UserWarning, match="modality 'b' is missing in all 100"):
            (score,) = validate(model, X, y, cv=cv)["test_score"]
        assert score > 0.93


def test_exporting_it_is_refused(tmp_path):
    train, _, y = data_for(skmm.FusionClassifier())
    with pytest.warns(UserWarning, match=UNSEEN):
        model = skmm.FusionClassifier(max_epochs=1).fit(train, y)
    with pytest.raises(ValueError, match=r"'table'.*restrict\(estimator, \['image'\]"):
        skmm.export(model, tmp_path / "model.pt2")


def test_a_resumed_fit_has_it(tmp_path):
    train, test, y = data_for(skmm.FusionClassifier())
    model = skmm.FusionClassifier(
        max_epochs=3, random_state=0, checkpoint=tmp_path / "checkpoint"
    )
    for _ in range(2):
        with pytest.warns(UserWarning, match=UNSEEN):
            assert_unseen(model.fit(train, y), test)


def test_a_failed_fit_keeps_it():
    train, test, y = data_for(skmm.FusionClassifier())
    with pytest.warns(UserWarning, match=UNSEEN):
        model = skmm.FusionClassifier(max_epochs=1, random_state=0).fit(train, y)
    with pytest.raises(ValueError, match="fusion"):
        model.set_params(fusion="typo").fit(test, y)
    assert_unseen(model, test)
    model.set_params(fusion="concat", modalities=["image"]).fit(test, y)
    assert model.modalities_seen_ == ["image"]


def test_values_of_it_may_be_nan():
    """As where a modality is marked as missing."""
    train, test, y = data_for(skmm.FusionClassifier())
    with pytest.warns(UserWarning, match=UNSEEN):
        model = skmm.FusionClassifier(max_epochs=1, random_state=0).fit(train, y)
    nan = test.assign(table=np.full((48, 5), np.nan))
    np.testing.assert_array_equal(predictions(model, nan), predictions(model, train))


def test_no_modality_at_all():
    train, test, y = data_for(skmm.FusionClassifier())
    nothing = train.with_missing("image")
    with pytest.warns(UserWarning, match="'image', 'table' are missing in all 48"):
        model = skmm.FusionClassifier(max_epochs=1, random_state=0).fit(nothing, y)
    assert model.modalities_seen_ == []
    np.testing.assert_array_equal(predictions(model, test), predictions(model, nothing))


def test_files_of_earlier_versions_have_seen_all():
    _, X, y = data_for(skmm.FusionClassifier())
    model = skmm.FusionClassifier(max_epochs=1, random_state=0).fit(X, y)
    before = predictions(model, X)
    del model.modalities_seen_
    np.testing.assert_array_equal(predictions(model, X), before)
    model.set_params(warm_start=True).fit(X.with_missing("table", slice(5)), y)
    assert model.modalities_seen_ == ["image", "table"]


def test_compare_modalities_and_importance():
    estimator = skmm.FusionClassifier(max_epochs=3, random_state=0)
    train, X, y = data_for(estimator)
    with pytest.warns(UserWarning, match=UNSEEN):
        found = compare_modalities(
            estimator, X.with_missing("table", slice(24)), y, resampling=KFold(2)
        )
    assert found.table.index.tolist() == ["image", "table", "image + table"]
    with pytest.warns(UserWarning, match=UNSEEN):
        model = estimator.fit(train, y)
    table = skmm.inspection.modality_importance(model, X, y, random_state=0).table
    assert table.loc["table", "importance"] == 0
