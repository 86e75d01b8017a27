"""Parts that are none, nothing left, set_output, and metadata routing."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skmm import FusionClassifier, ModalityDict
from skmm.preprocessing import ModalityTransformer
from tests.toys import two_tables

X, y = two_tables()
WEIGHT = np.random.default_rng(0).random(len(X)) + 0.1


@pytest.mark.parametrize("part", [None, 3, StandardScaler, FusionClassifier])
def test_what_is_no_transformer_is_rejected(part):
    words = r"transformers\['a'\] must be a transformer, 'passthrough' or 'drop'; got"
    with pytest.raises(TypeError, match=words):
        ModalityTransformer({"a": part}).fit(X)


def test_dropping_everything_is_rejected():
    with pytest.raises(ValueError, match=r"all modalities are dropped: \['a', 'b'\]"):
        ModalityTransformer(remainder="drop").fit(X)


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_a_pipeline_can_set_its_output(output):
    pipe = make_pipeline(ModalityTransformer({"a": StandardScaler()}), "passthrough")
    out = pipe.set_output(transform=output).fit_transform(X)
    assert isinstance(out, ModalityDict) and isinstance(out["a"], np.ndarray)


class Weighted(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None, sample_weight=None):
        self.weight_ = sample_weight
        return self

    def transform(self, X):
        return X


def test_weights_reach_the_transformers_that_ask_for_them():
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        prepare = ModalityTransformer({"a": scaler}, remainder=MinMaxScaler())
        net = FusionClassifier(max_epochs=1).set_fit_request(sample_weight=False)
        model = make_pipeline(prepare, net).fit(X, y, sample_weight=WEIGHT)
    expected = np.average(X["a"], axis=0, weights=WEIGHT)
    np.testing.assert_allclose(model[0].transformers_["a"].mean_, expected)


def test_weights_are_those_of_the_present_rows():
    rows = np.arange(len(X)) % 3 > 0
    holed = X.with_missing("a", ~rows)
    with config_context(enable_metadata_routing=True):
        rest = Weighted().set_fit_request(sample_weight=True)
        fitted = ModalityTransformer(remainder=rest).fit(holed, y, sample_weight=WEIGHT)
    np.testing.assert_array_equal(fitted.transformers_["a"].weight_, WEIGHT[rows])
    np.testing.assert_array_equal(fitted.transformers_["b"].weight_, WEIGHT)


def test_weights_that_nobody_asks_for_are_rejected():
    with pytest.raises(ValueError, match=r"\['sample_weight'\].*enable_metadata_rout"):
        ModalityTransformer().fit(X, y, sample_weight=WEIGHT)
    with config_context(enable_metadata_routing=True):
        with pytest.raises(ValueError, match=r"sample_weight.* not explicitly set"):
            ModalityTransformer({"a": StandardScaler()}).fit(X, y, sample_weight=WEIGHT)
