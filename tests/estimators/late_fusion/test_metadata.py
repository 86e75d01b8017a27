"""Members without probabilities, and metadata that is routed to their `fit`."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skmm import LateFusionClassifier, LateFusionRegressor
from tests.toys import two_tables

X, y = two_tables()
WEIGHT = np.random.default_rng(0).random(len(X)) + 0.1


@pytest.mark.parametrize("member", [Ridge(), RidgeClassifier()])
def test_a_member_without_probabilities_raises_in_fit(member):
    words = r"modality 'b': Ridge.* has no predict_proba, which LateFusionClass"
    with pytest.raises(TypeError, match=words):
        LateFusionClassifier({"a": LogisticRegression(), "b": member}).fit(X, y)


@pytest.mark.parametrize(
    "member",
    [KNeighborsClassifier(), make_pipeline(StandardScaler(), LogisticRegression())],
    ids=["KNN", "Pipeline"],
)
def test_a_member_without_weights_is_named_with_the_way_out(member):
    words = rf"modality 'a': {type(member).__name__}\.fit does not accept sample_weight"
    late = LateFusionClassifier({"a": member, "b": LogisticRegression()})
    with pytest.raises(TypeError, match=words):
        late.fit(X, y, sample_weight=WEIGHT)
    assert late.fit(X, y).predict(X).shape == (len(X),)


def test_other_parameters_need_routing():
    with pytest.raises(ValueError, match=r"\['speed'\].*enable_metadata_routing"):
        LateFusionRegressor(Ridge()).fit(X, y, speed=1)


def weights_of(late, **params):
    return [member.coef_ for member in late.fit(X, y, **params).estimators_.values()]


def test_weights_are_routed_to_members_that_request_them():
    both = {"sample_weight": WEIGHT}
    plain = weights_of(LateFusionRegressor(Ridge()))
    weighted = weights_of(LateFusionRegressor(Ridge()), **both)
    with config_context(enable_metadata_routing=True):
        asks = Ridge().set_fit_request(sample_weight=True)
        not_so = Ridge().set_fit_request(sample_weight=False)
        mixed = weights_of(LateFusionRegressor({"a": asks, "b": not_so}), **both)
        one = weights_of(LateFusionRegressor(asks), **both)
        with pytest.raises(ValueError, match="not explicitly set as requested"):
            LateFusionRegressor(Ridge()).fit(X, y, **both)
    np.testing.assert_allclose(mixed[0], weighted[0])
    np.testing.assert_allclose(mixed[1], plain[1])
    np.testing.assert_allclose(one[1], weighted[1])


def test_a_pipeline_can_request_weights():
    with config_context(enable_metadata_routing=True):
        inner = LogisticRegression().set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        late = LateFusionClassifier(make_pipeline(scaler, inner))
        routed = late.fit(X, y, sample_weight=WEIGHT).estimators_["a"]
    scaled = StandardScaler().fit_transform(X["a"])
    expected = LogisticRegression().fit(scaled, y, sample_weight=WEIGHT)
    np.testing.assert_allclose(routed[-1].coef_, expected.coef_)


def test_a_support_vector_machine_without_probabilities_raises():
    with pytest.raises(TypeError, match="modality 'a': SVC has no predict_proba"):
        LateFusionClassifier(SVC()).fit(X, y)
