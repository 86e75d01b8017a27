"""Pipelines, transformers and models of scikit-learn in files without code."""

import json

import numpy as np
import pytest
import skops.io
from sklearn import (
    decomposition,
    feature_selection,
    impute,
    linear_model,
    preprocessing,
)
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline

import skmm
from skmm import (
    FusionClassifier,
    FusionRegressor,
    LateFusionClassifier,
    LateFusionRegressor,
    NoHarmFusionClassifier,
)
from skmm.persistence import files
from skmm.preprocessing import Downscale, ModalityTransformer
from tests.toys import Ridge, two_tables


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model"


def again(model, path, classes=()):
    skmm.save(model, path)
    return skmm.load(path, classes=classes)


class Doubled(TransformerMixin, BaseEstimator):
    """A transformer of the user."""

    def fit(self, X, y=None):
        self.factor_ = 2.0
        return self

    def transform(self, X):
        return self.factor_ * X


STEPS = {
    "scaler": preprocessing.StandardScaler(),
    "robust": preprocessing.RobustScaler(quantile_range=(10.0, 90.0)),
    "power": preprocessing.PowerTransformer(),
    "quantile": preprocessing.QuantileTransformer(n_quantiles=9),
    "bins": preprocessing.KBinsDiscretizer(
        3, encode="ordinal", quantile_method="averaged_inverted_cdf"
    ),
    "polynomial": preprocessing.PolynomialFeatures(2),
    "onehot": preprocessing.OneHotEncoder(
        handle_unknown="ignore", sparse_output=False, dtype=np.float32
    ),
    "log": preprocessing.FunctionTransformer(np.arctan),
    "imputer": impute.SimpleImputer(add_indicator=True),
    "pca": decomposition.PCA(2, random_state=0),
    "best": feature_selection.VarianceThreshold(0.1),
    "model": feature_selection.SelectFromModel(linear_model.Lasso(0.001)),
    "pipeline": make_pipeline(preprocessing.MinMaxScaler(), decomposition.PCA(2)),
    "own": Doubled(),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_steps_of_a_pipeline(step, path):
    X, y = two_tables()
    transformer = ModalityTransformer({"a": step})
    model = make_pipeline(transformer, FusionClassifier(max_epochs=2)).fit(X, y)
    loaded = again(model, path, [Doubled])
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert repr(loaded) == repr(model)
    np.testing.assert_array_equal(
        loaded[0].transform(X)["a"], model[0].transform(X)["a"]
    )
    alone = again(model[0].transformers_["a"], path, [Doubled])
    np.testing.assert_array_equal(alone.transform(X["a"]), model[0].transform(X)["a"])
    loaded.fit(X, y)


def test_texts_and_images(path):
    texts = np.array(["a b", "b c", "c d", "a d"] * 10, dtype=object)
    images = np.random.default_rng(0).random((40, 1, 8, 8))
    X, y = {"text": texts, "image": images}, np.arange(40) % 2
    transformer = ModalityTransformer(
        {"text": TfidfVectorizer(token_pattern="[a-c]"), "image": Downscale(4)}
    )
    model = make_pipeline(transformer, FusionClassifier(max_epochs=2)).fit(X, y)
    loaded = again(model, path)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


NETS = {
    "fusion": FusionClassifier(max_epochs=2),
    "no harm": NoHarmFusionClassifier(max_epochs=2, cv=2),
    "late": LateFusionClassifier(FusionClassifier(max_epochs=2)),
    "stack": LateFusionClassifier(FusionClassifier(max_epochs=2), rule="stack", cv=2),
    "linear": LateFusionClassifier(linear_model.LogisticRegression()),
    "bayes": LateFusionClassifier({"a": GaussianNB()}),
}


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_the_end_of_a_pipeline(net, path):
    X, y = two_tables()
    scaler = ModalityTransformer({"a": preprocessing.StandardScaler()})
    model = make_pipeline(scaler, net).fit(X, y)
    loaded = again(model, path)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    net.save(path)
    np.testing.assert_array_equal(
        skmm.load(path).predict_proba(X), net.predict_proba(X)
    )


@pytest.mark.parametrize("make", [LateFusionClassifier, LateFusionRegressor])
def test_the_default_final_estimator_is_saved(make, path):
    X, y = two_tables()
    net = FusionRegressor if make is LateFusionRegressor else FusionClassifier
    model = make(net(max_epochs=2), rule="stack", cv=2).fit(X, y)
    model.save(path)
    np.testing.assert_array_equal(skmm.load(path).predict(X), model.predict(X))
    assert type(skmm.load(path).final_estimator_) is type(model.final_estimator_)


def test_nested_pipelines_and_unfitted_nets(path):
    X, y = two_tables()
    inner = make_pipeline("passthrough", FusionClassifier(max_epochs=2))
    model = Pipeline([("outer", inner)], verbose=False).fit(X, y)
    loaded = again(model, path)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_what_cannot_be_saved_is_named(path):
    X, y = two_tables()
    net = FusionClassifier(max_epochs=1)
    forest = RandomForestClassifier(2)
    model = LateFusionClassifier({"a": forest, "b": net}).fit(X, y)
    with pytest.raises(TypeError, match=r"estimators\.a cannot be saved.*Forest"):
        skmm.save(model, path)
    step = preprocessing.FunctionTransformer(lambda a: a)
    model = make_pipeline(ModalityTransformer({"a": step}), net).fit(X, y)
    with pytest.raises(TypeError, match=r"steps.*func cannot be saved.*function"):
        skmm.save(model, path)
    model = Pipeline([("net", net)], memory=str(path.parent)).fit(X, y)
    with pytest.raises(TypeError, match=r"memory=.*pickles.*memory=None"):
        skmm.save(model, path)
    search = GridSearchCV(net, {"lr": [0.1]}, cv=2).fit(X, y)
    with pytest.raises(TypeError, match=r"GridSearchCV cannot be stored"):
        skmm.save(search, path)
    skmm.save(search.best_estimator_, path)
    for wrong in (3, "model", X, Ridge()):
        with pytest.raises(TypeError, match="estimator must be an estimator"):
            skmm.save(wrong, path.with_name("wrong"))
    with pytest.raises(NotFittedError):
        skmm.save(make_pipeline(FusionClassifier()), path.with_name("unfitted"))


def test_own_transformers_are_passed_to_load(path):
    X, y = two_tables()
    model = make_pipeline(ModalityTransformer({"a": Doubled()}), FusionClassifier())
    skmm.save(model.set_params(fusionclassifier__max_epochs=1).fit(X, y), path)
    with pytest.raises(ValueError, match=r"Doubled.*classes=\[Doubled\]"):
        skmm.load(path)


def forged(path, old, new):
    entry, tensors = files.from_bytes(path.read_bytes())
    text = json.dumps(entry["content"])
    assert old in text
    path.write_bytes(files.to_bytes(json.loads(text.replace(old, new)), tensors))


FORGED = {
    "a class": ('"sklearn.preprocessing.StandardScaler"', '"sklearn.tree.export_text"'),
    "a forest": ('g.StandardScaler"', 'g.RandomForestClassifier"'),
    "os": ('"sklearn.preprocessing.StandardScaler"', '"os.system"'),
    "a net": ('"sklearn.preprocessing.StandardScaler"', '"skmm.FusionClassifier"'),
    "a method": ('"mean_"', '"transform"'),
    "a dunder": ('"mean_"', '"__class__"'),
    "memory": ('"memory": null', '"memory": "/tmp/cache"'),
    "ufunc": ('"value": "arctan"', '"value": "save"'),
    "type": ('"numpy.float64"', '"builtins.eval"'),
}


@pytest.mark.parametrize(("old", "new"), FORGED.values(), ids=FORGED)
def test_forged_pipelines(old, new, path):
    X, y = two_tables()
    steps = [
        preprocessing.StandardScaler(),
        preprocessing.FunctionTransformer(np.arctan),
        preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    ]
    scaler = ModalityTransformer({"a": make_pipeline(*steps)})
    skmm.save(make_pipeline(scaler, FusionClassifier(max_epochs=1)).fit(X, y), path)
    forged(path, old, new)
    with pytest.raises(ValueError, match=r"^cannot load"):
        skmm.load(path)


def test_another_version_of_scikit_learn_warns(path):
    X, _ = two_tables()
    skmm.save(preprocessing.StandardScaler().fit(X["a"]), path)
    forged(path, '"_sklearn_version": "1', '"_sklearn_version": "0')
    with pytest.warns(InconsistentVersionWarning):
        skmm.load(path)


# -- skops -------------------------------------------------------------------------

SKOPS = {
    **NETS,
    "pipeline": make_pipeline(
        ModalityTransformer({"a": preprocessing.StandardScaler()}),
        FusionClassifier(max_epochs=2),
    ),
}


@pytest.mark.parametrize("model", SKOPS.values(), ids=SKOPS)
def test_skops(model):
    X, y = two_tables()
    data = skops.io.dumps(model.fit(X, y))
    trusted = skops.io.get_untrusted_types(data=data)
    assert all(name.startswith("skmm.") for name in trusted)
    loaded = skops.io.loads(data, trusted=trusted)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert b"torch._utils" not in data and b"__reduce" not in data


def test_skops_names_own_classes_and_takes_unfitted_estimators():
    X, y = two_tables()
    model = FusionClassifier({"a": Ridge()}, max_epochs=2).fit(X, y)
    data = skops.io.dumps(model)
    trusted = skops.io.get_untrusted_types(data=data)
    assert sorted(trusted) == [
        "skmm.estimators.fusion.FusionClassifier",
        "tests.toys.Ridge",
    ]
    loaded = skops.io.loads(data, trusted=trusted)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    data = skops.io.dumps(FusionClassifier(lr=0.3))
    assert skops.io.loads(data, trusted=trusted).lr == 0.3


def test_skops_with_a_search(path):
    X, y = two_tables()
    search = GridSearchCV(FusionClassifier(max_epochs=1), {"lr": [0.1]}, cv=2)
    data = skops.io.dumps(search.fit(X, y))
    trusted = skops.io.get_untrusted_types(data=data)
    loaded = skops.io.loads(data, trusted=trusted)
    np.testing.assert_array_equal(loaded.predict_proba(X), search.predict_proba(X))
