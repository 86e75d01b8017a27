import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from scipy import sparse
from sklearn import clone
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    StandardScaler,
    TargetEncoder,
)

from skmm import FusionClassifier, LateFusionClassifier, ModalityDict
from skmm.preprocessing import ModalityTransformer
from tests.toys import two_tables, with_holes

NOTES = np.array(["good stuff", "bad", "good", "bad things"] * 10, dtype=object)


def lower(texts):
    return np.array([text.lower() for text in texts], dtype=object)


def per_modality(transformers=None, **params):
    return ModalityTransformer(transformers, **params)


# -- equals the transformer on the leaf --------------------------------------------

EQUALS = {
    "scaler": (StandardScaler(), lambda X: X["a"]),
    "pca": (PCA(2, random_state=0), lambda X: X["b"]),
    "pipeline": (make_pipeline(MinMaxScaler(), PCA(2)), lambda X: X["b"]),
    "text": (TfidfVectorizer(), lambda X: NOTES),
    "frame": (
        make_column_transformer((OneHotEncoder(), [1]), (StandardScaler(), [0])),
        lambda X: pd.DataFrame({"x": X["a"][:, 0], "town": ["u", "v"] * 20}),
    ),
    "sparse": (MinMaxScaler().__class__(clip=True), lambda X: X["a"]),
    "one number": (StandardScaler(), lambda X: X["a"][:, 0]),
    "tensor": (StandardScaler(), lambda X: torch.from_numpy(X["a"])),
}


@pytest.mark.parametrize("transformer, pick", EQUALS.values(), ids=EQUALS)
def test_equals_the_transformer_on_the_leaf(transformer, pick):
    X, y = two_tables()
    leaf = pick(X)
    alone = (
        np.asarray(leaf)[:, None] if np.ndim(leaf) == 1 and leaf is not NOTES else leaf
    )
    expected = clone(transformer).fit(alone, y).transform(alone)
    model = per_modality({"it": transformer}).fit({"it": leaf, "other": X["b"]}, y)
    result = model.transform({"it": leaf, "other": X["b"]})
    if sparse.issparse(expected):
        assert sparse.issparse(result["it"])
        result, expected = result["it"].toarray(), expected.toarray()
        return np.testing.assert_allclose(result, expected)
    np.testing.assert_allclose(result["it"], expected)
    assert result["other"] is X["b"] and list(result) == ["it", "other"]


def test_fit_transform_is_that_of_the_transformer():
    """TargetEncoder encodes training rows from other folds, lest y leaks."""
    X, y = two_tables()
    towns = np.random.default_rng(0).choice(list("uvw"), 40).reshape(-1, 1)
    frame = pd.DataFrame({"town": towns[:, 0]})
    encoder = TargetEncoder(cv=KFold(2))
    both = per_modality({"t": encoder}).fit_transform({"t": frame, "a": X["a"]}, y)
    np.testing.assert_allclose(both["t"], clone(encoder).fit_transform(frame, y))
    model = per_modality({"t": encoder}).fit({"t": frame}, y)
    np.testing.assert_allclose(
        model.transform({"t": frame})["t"],
        clone(encoder).fit(frame, y).transform(frame),
    )
    assert np.abs(both["t"] - model.transform({"t": frame})["t"]).max() > 1e-3


def test_a_transformer_without_fit_transform():
    class Plain(BaseEstimator):
        def fit(self, X, y=None):
            self.mean_ = X.mean(0)
            return self

        def transform(self, X):
            return X - self.mean_

    X, _ = two_tables()
    result = per_modality({"a": Plain()}).fit_transform(X)
    np.testing.assert_allclose(result["a"], X["a"] - X["a"].mean(0))


def test_fitted_statistics_are_applied_to_new_rows():
    X, _ = two_tables()
    model = per_modality({"a": StandardScaler()}).fit(X[:20])
    expected = StandardScaler().fit(X["a"][:20]).transform(X["a"][20:])
    np.testing.assert_allclose(model.transform(X[20:])["a"], expected)


def test_y_is_passed_on():
    X, y = two_tables()
    labels = np.where(y, "u", "v")
    for target in (
        labels,
        labels.tolist(),
        pd.Series(labels),
        pd.Series(labels, dtype="category"),
    ):
        model = per_modality({"b": SelectKBest(k=1)}).fit(X, target)
        expected = SelectKBest(k=1).fit(X["b"], labels)
        np.testing.assert_allclose(model.transformers_["b"].scores_, expected.scores_)


def test_y_follows_the_rows_that_are_present():
    X, y = two_tables()
    X = with_holes(X)
    there = X.present["b"]
    model = per_modality({"b": SelectKBest(k=1)}).fit(X, np.column_stack([y, y])[:, 0])
    expected = SelectKBest(k=1).fit(X["b"][there], y[there])
    np.testing.assert_allclose(model.transformers_["b"].scores_, expected.scores_)


@pytest.mark.parametrize("n", [10, 80])
def test_y_of_another_length_is_rejected(n):
    X, _ = two_tables()
    with pytest.raises(
        ValueError, match=f"inconsistent numbers of samples: 40 and {n}"
    ):
        per_modality({"a": StandardScaler()}).fit(X, np.zeros(n))


# -- missing rows ------------------------------------------------------------------


def test_statistics_are_those_of_present_rows():
    X, _ = two_tables()
    X = with_holes(X)
    there = X.present["a"]
    model = per_modality({"a": StandardScaler()})
    result = model.fit_transform(X)
    np.testing.assert_allclose(model.transformers_["a"].mean_, X["a"][there].mean(0))
    np.testing.assert_allclose(result["a"][there].mean(0), 0, atol=1e-12)
    assert not result["a"][~there].any()
    np.testing.assert_array_equal(result.present["a"], there)
    np.testing.assert_array_equal(result.present["b"], X.present["b"])


def test_what_stands_in_missing_rows_is_never_seen():
    X, _ = two_tables()
    X = with_holes(X)
    nan = ModalityDict(
        {n: np.where(X.present[n][:, None], x, np.nan) for n, x in X.items()},
        present=X.present,
    )
    model = per_modality({"a": StandardScaler(), "b": PCA(2)})
    assert model.fit_transform(X) == model.fit_transform(nan)


OUTPUTS = {
    "dense": (StandardScaler(), lambda out: out),
    "sparse": (FunctionTransformer(sparse.csr_matrix), lambda out: out.toarray()),
    "sparse array": (FunctionTransformer(sparse.coo_array), lambda out: out.toarray()),
    "frame": (FunctionTransformer(pd.DataFrame), np.asarray),
    "tensor": (FunctionTransformer(torch.as_tensor), np.asarray),
    "image": (FunctionTransformer(lambda x: x.reshape(-1, 1, 3, 1)), lambda out: out),
    "integers": (FunctionTransformer(lambda x: x.round().astype(np.int8)), lambda o: o),
    "flat": (FunctionTransformer(lambda x: x[:, 0]), lambda out: out),
}


@pytest.mark.parametrize("transformer, dense", OUTPUTS.values(), ids=OUTPUTS)
def test_every_kind_of_output_is_put_back(transformer, dense):
    X, _ = two_tables()
    X = X.with_missing("a", [0, 5, 39])
    there = X.present["a"]
    result = per_modality({"a": transformer}).fit_transform(X)
    expected = dense(clone(transformer).fit_transform(X["a"][there]))
    whole = dense(result["a"])
    np.testing.assert_allclose(whole[there], expected)
    assert whole.dtype == expected.dtype and not whole[~there].any()
    assert result.present["a"].tolist() == there.tolist()


def test_text_is_put_back():
    X = ModalityDict({"t": ["A", None, "B"]}, present={"t": [True, False, True]})
    result = per_modality({"t": FunctionTransformer(lower)}).fit_transform(X)
    assert result["t"].tolist() == ["a", None, "b"]
    model = per_modality({"t": FunctionTransformer(lower)}).fit(X)
    assert model.transform(X.with_missing("t"))["t"].tolist() == [None] * 3


def test_missing_everywhere_when_predicting_keeps_the_shape():
    X, y = two_tables()
    steps = ModalityTransformer({"a": PCA(2), "b": StandardScaler()})
    model = make_pipeline(steps, FusionClassifier(max_epochs=2, random_state=0)).fit(
        X, y
    )
    assert model[0].shapes_out_ == {"a": (2,), "b": (5,)}
    assert model[0].transform(X.with_missing("a"))["a"].shape == (40, 2)
    nothing = model.predict_proba(X.with_missing("a"))
    np.testing.assert_allclose(
        nothing, model[-1].predict_proba(model[0].transform(X).with_missing("a"))
    )


def test_missing_everywhere_when_fitting():
    X, y = two_tables()
    model = per_modality({"a": StandardScaler()})
    with pytest.warns(UserWarning, match="'a' is missing in all samples") as seen:
        result = model.fit_transform(X.with_missing("a"), y)
    assert len(seen) == 1
    assert not result.present["a"].any() and result.present["b"].all()
    assert not model.transform(X).present["a"].any()
    with pytest.warns(UserWarning, match="'a' is missing in all 40 training samples"):
        fitted = FusionClassifier(max_epochs=1).fit(result, y)
    assert fitted.predict(model.transform(X)).shape == (40,)


def test_a_key_that_lacks_is_left_out():
    X, _ = two_tables()
    model = per_modality({"a": StandardScaler()}).fit(X)
    assert list(model.transform({"b": X["b"]})) == ["b"]
    assert list(model.transform({"b": X["b"], "a": X["a"]})) == ["a", "b"]


# -- which modalities --------------------------------------------------------------


def test_remainder():
    X, _ = two_tables()
    X = X.assign(c=X["a"] + 1)
    scale = {"a": StandardScaler()}
    assert list(per_modality(scale).fit_transform(X)) == ["a", "b", "c"]
    assert list(per_modality(scale, remainder="drop").fit_transform(X)) == ["a"]
    rest = per_modality(scale, remainder=MinMaxScaler()).fit(X)
    np.testing.assert_allclose(
        rest.transform(X)["b"], MinMaxScaler().fit_transform(X["b"])
    )
    assert rest.transformers_["b"] is not rest.transformers_["c"]


def test_words():
    X, _ = two_tables()
    model = per_modality({"a": "drop", "b": "passthrough"}).fit(X)
    assert list(model.transform(X)) == ["b"] and model.transform(X)["b"] is X["b"]
    assert per_modality().fit_transform(X) == X
    holes = with_holes(X)
    assert per_modality().fit_transform(holes) == holes


def test_a_subset():
    X, _ = two_tables()
    model = per_modality({"a": StandardScaler(), "b": "rubbish"}, modalities=["a"]).fit(
        X
    )
    assert list(model.transform(X)) == ["a"] and model.modalities_in_ == ["a"]
    assert model.n_features_in_ == 2 and model.feature_names_in_.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    "params, message",
    [
        (
            {"transformers": {"c": StandardScaler()}},
            "transformers: unknown modality 'c'",
        ),
        ({"modalities": ["c"]}, "modalities: unknown modality 'c'"),
        (
            {"transformers": {"a": "passthru"}},
            r"transformers\['a'\] must be .*'passthru'",
        ),
        ({"transformers": {"a": None}}, r"transformers\['a'\] must be a transformer"),
        (
            {"transformers": {"a": StandardScaler}},
            r"transformers\['a'\] must be a transformer",
        ),
        ({"transformers": {"a": PCA(9)}}, "modality 'a': n_components=9"),
        ({"transformers": {"a": CountVectorizer()}}, "modality 'a': "),
        ({"transformers": [StandardScaler()]}, "'transformers' parameter"),
        ({"remainder": "keep"}, "'remainder' parameter"),
    ],
    ids=str,
)
def test_errors_name_the_modality(params, message):
    X, _ = two_tables()
    with pytest.raises((ValueError, TypeError, AttributeError), match=message):
        per_modality(**params).fit(X)


def test_errors_at_transform_name_the_modality():
    X, _ = two_tables()
    model = per_modality({"a": StandardScaler()}).fit(X)
    with pytest.raises(ValueError, match=r"modality 'a' has samples of shape \(5,\)"):
        model.transform({"a": X["b"], "b": X["b"]})
    with pytest.raises(ValueError, match="unknown modality 'c'"):
        model.transform({"a": X["a"], "c": X["b"]})
    with pytest.raises(ValueError, match=r"modality 'a': .*infinity"):
        model.transform({"a": np.full((2, 3), np.inf), "b": X["b"][:2]})
    with pytest.raises(NotFittedError):
        per_modality().transform(X)


def test_imputing():
    X, y = two_tables()
    table = X["a"].copy()
    table[3, 1] = np.nan
    impute = make_pipeline(SimpleImputer(), StandardScaler())
    model = make_pipeline(per_modality({"a": impute}), FusionClassifier(max_epochs=1))
    assert model.fit({"a": table, "b": X["b"]}, y).predict(X).shape == (40,)


# -- transformers that cannot read all rows ----------------------------------------


class Reads(TransformerMixin, BaseEstimator):
    """Reads numbers in text; cannot read others, and must not be shown them."""

    def present(self, texts):
        assert all(isinstance(text, str) for text in texts)
        return np.array([text.isdigit() for text in texts], dtype=bool)

    def fit(self, X, y=None):
        self.seen_ = list(X)
        return self

    def transform(self, X):
        return np.array([[float(text)] for text in X])


def test_rows_that_cannot_be_read_are_missing():
    X = ModalityDict(
        {"t": [None, "1", "two", "3"]}, present={"t": [False, True, True, True]}
    )
    model = per_modality({"t": Reads()})
    result = model.fit_transform(X, [1, 2, 3, 4])
    assert result["t"].tolist() == [[0], [1], [0], [3]]
    assert result.present["t"].tolist() == [False, True, False, True]
    assert model.transformers_["t"].seen_ == ["1", "3"]
    assert model.transform({"t": ["x", "9"]})["t"].tolist() == [[0], [9]]
    assert model.transform({"t": ["x", "y"]})["t"].shape == (2, 1)
    piped = per_modality({"t": make_pipeline(Reads(), StandardScaler())}).fit_transform(
        X
    )
    assert piped["t"].tolist() == [[0], [-1], [0], [1]]


def test_molecules():
    pytest.importorskip("rdkit")
    from skmm.preprocessing import MoleculeFingerprint

    smiles = ["CCO", "no molecule", "c1ccccc1", "C"] * 10
    X, y = two_tables()
    X = X.assign(smiles=smiles)
    for sparse_output in (False, True):
        bits = MoleculeFingerprint(
            n_bits=64, on_error="missing", sparse_output=sparse_output
        )
        model = make_pipeline(
            per_modality({"smiles": bits, "a": StandardScaler()}),
            FusionClassifier(max_epochs=2, random_state=0),
        )
        model.fit(X, y)
        out = model[0].transform(X)
        assert out.present["smiles"].tolist() == [True, False, True, True] * 10
        dense = out["smiles"].toarray() if sparse_output else out["smiles"]
        expected = MoleculeFingerprint(n_bits=64).transform(["CCO", "c1ccccc1", "C"])
        np.testing.assert_array_equal(dense[[0, 2, 3]], expected)
        assert model.predict(X).shape == (40,)
    strict = per_modality({"smiles": MoleculeFingerprint(n_bits=64)})
    with pytest.raises(ValueError, match="modality 'smiles': row 1 is not a valid"):
        strict.fit(X)
    marked = X.with_missing("smiles", np.arange(40) % 4 == 1)
    assert strict.fit_transform(marked).present["smiles"].sum() == 30


# -- scikit-learn ------------------------------------------------------------------


class NoNames(TransformerMixin, BaseEstimator):
    """Has no feature names, so scikit-learn cannot set its output."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.asarray(X) * 2


@pytest.mark.parametrize("output", ["pandas", "default"])
def test_parts_whose_output_cannot_be_set(output):
    X, _ = two_tables()
    columns = make_column_transformer((NoNames(), [0]), (StandardScaler(), [1]))
    steps = {"a": make_pipeline(NoNames(), StandardScaler()), "b": columns}
    expected = per_modality(steps).fit_transform(X)
    with sklearn.config_context(transform_output=output):
        result = per_modality(steps).fit(X).transform(X)
    assert type(result["a"]) is type(result["b"]) is np.ndarray
    assert result == expected


@pytest.mark.parametrize("output", ["pandas", "default"])
def test_the_result_is_a_container_whatever_the_configuration(output):
    X, y = two_tables()
    steps = {"a": make_pipeline(StandardScaler(), PCA(2)), "b": StandardScaler()}
    expected = per_modality(steps).fit_transform(X)
    with sklearn.config_context(transform_output=output):
        result = per_modality(steps).fit_transform(X)
        pipe = make_pipeline(per_modality(steps), FusionClassifier(max_epochs=1))
        assert pipe.fit(X, y).predict(X).shape == (40,)
    assert isinstance(result, ModalityDict) and result == expected
    assert type(result["a"]) is np.ndarray


def test_a_transformer_set_to_frames_is_left_as_it_was():
    X, _ = two_tables()
    scaler = StandardScaler().set_output(transform="pandas")
    result = per_modality({"a": scaler}).fit_transform(X)
    assert type(result["a"]) is np.ndarray
    assert isinstance(scaler.fit_transform(X["a"]), pd.DataFrame)


def test_names_of_features():
    X, _ = two_tables()
    X = X.assign(note=NOTES)
    model = per_modality({"a": PCA(2), "note": CountVectorizer()}).fit(X)
    assert model.get_feature_names_out().tolist() == [
        "a__pca0",
        "a__pca1",
        *(f"b__x{i}" for i in range(5)),
        *(f"note__{word}" for word in ["bad", "good", "stuff", "things"]),
    ]
    dropped = per_modality({"a": "drop", "b": "drop"}).fit(X)
    assert dropped.get_feature_names_out().tolist() == ["note__note"]
    images = per_modality().fit({"image": np.zeros((3, 1, 2, 2))})
    with pytest.raises(ValueError, match="modality 'image' have no names"):
        images.get_feature_names_out()


def test_nested_parameters():
    X, _ = two_tables()
    model = per_modality(
        {"a": StandardScaler(), "b": make_pipeline(MinMaxScaler(), PCA())}
    )
    mine = model.transformers["a"]
    model.set_params(
        transformers__a__with_mean=False, transformers__b__pca__n_components=1
    )
    result = model.fit_transform(X)
    assert mine.with_mean
    np.testing.assert_allclose(result["a"], X["a"] / X["a"].std(0))
    assert result["b"].shape == (40, 1)
    model.set_params(transformers__a="drop")
    assert list(model.fit_transform(X)) == ["b"]


def test_searching():
    X, y = two_tables()
    model = make_pipeline(
        per_modality({"a": StandardScaler(), "b": PCA()}),
        FusionClassifier(max_epochs=1, random_state=0),
    )
    grid = {
        "modalitytransformer__transformers__b__n_components": [1, 3],
        "modalitytransformer__transformers__a": [MinMaxScaler(), "drop"],
    }
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_estimator_.predict(X).shape == (40,)
    assert len(search.cv_results_["params"]) == 4


def test_the_users_transformers_are_not_changed():
    X, _ = two_tables()
    transformers = {"a": StandardScaler()}
    model = per_modality(transformers).fit(X)
    assert model.transformers is transformers
    assert not hasattr(transformers["a"], "mean_")
    assert str(clone(model)) == str(model) and not hasattr(
        clone(model), "transformers_"
    )


def test_pickled_and_shown():
    X, _ = two_tables()
    model = per_modality({"a": StandardScaler(), "b": "passthrough"}).fit(X)
    assert pickle.loads(pickle.dumps(model)).transform(X) == model.transform(X)
    assert "StandardScaler" in model._repr_html_()
    assert "<div" in per_modality()._repr_html_()
    voting = make_pipeline(model, LateFusionClassifier())
    assert "StandardScaler" in voting._repr_html_()
