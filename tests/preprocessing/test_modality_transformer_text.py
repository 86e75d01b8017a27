"""Text for vectorizers and as a column, and fits that fail."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from skmm import FusionClassifier, ModalityDict
from skmm.preprocessing import ModalityTransformer

SEX = np.array(["f", "m", "m", "f", "d", "f"] * 5)
Y = np.arange(len(SEX)) % 2
WAYS = {
    "series": pd.Series(SEX),
    "text": SEX,
    "list": SEX.tolist(),
    "column": SEX[:, None],
    "objects": SEX.astype(object)[:, None],
}
ENCODERS = {
    "one hot": OneHotEncoder(sparse_output=False),
    "sparse": OneHotEncoder(),
    "ordinal": OrdinalEncoder(),
    "target": TargetEncoder(cv=KFold(2)),
    "imputer": make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(sparse_output=False)
    ),
    "columns": make_column_transformer((OneHotEncoder(sparse_output=False), [0])),
    "lower": make_pipeline(
        FunctionTransformer(feature_names_out="one-to-one"), OrdinalEncoder()
    ),
    "bins": make_pipeline(
        OrdinalEncoder(), KBinsDiscretizer(2, quantile_method="averaged_inverted_cdf")
    ),
}


def dense(values):
    return values.toarray() if hasattr(values, "toarray") else values


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_get_a_column(name, way):
    known = ENCODERS[name].fit_transform(SEX[:, None].astype(object), Y)
    model = ModalityTransformer({"sex": ENCODERS[name]})
    X = {"sex": WAYS[way]}
    out = model.fit_transform(X, Y)["sex"]
    np.testing.assert_array_equal(dense(out), dense(known))
    again = pickle.loads(pickle.dumps(model)).transform(X)["sex"]
    model.fit(X, Y)
    np.testing.assert_array_equal(dense(model.transform(X)["sex"]), dense(again))
    assert list(model.get_feature_names_out())


def test_an_imputer_returns_text():
    X = ModalityDict(sex=["f", None, "f", "m"])
    imputer = SimpleImputer(strategy="most_frequent", missing_values=None)
    out = ModalityTransformer({"sex": imputer}).fit_transform(X)
    assert out["sex"].tolist() == ["f", "f", "f", "m"]


@pytest.mark.parametrize(
    "vectorizer", [TfidfVectorizer(), HashingVectorizer(n_features=8)]
)
def test_vectorizers_get_samples(vectorizer):
    notes = [f"note {word} here" for word in SEX]
    out = ModalityTransformer({"n": vectorizer}).fit_transform({"n": notes})["n"]
    np.testing.assert_array_equal(
        out.toarray(), vectorizer.fit_transform(notes).toarray()
    )


def test_a_column_of_a_frame_is_encoded_in_a_pipeline():
    frame = pd.DataFrame({"sex": SEX, "age": np.arange(30.0)})
    parts = {"sex": OneHotEncoder(), "age": StandardScaler()}
    model = make_pipeline(
        ModalityTransformer(parts), FusionClassifier(max_epochs=2, random_state=0)
    ).fit(frame, Y)
    assert model[-1].shapes_in_ == {"sex": (3,), "age": (1,)}
    assert model.predict(frame.iloc[:4]).shape == (4,)


def test_missing_samples_are_not_encoded():
    X = ModalityDict(sex=SEX).with_missing("sex", [0, 3])
    model = ModalityTransformer({"sex": OneHotEncoder(sparse_output=False)}).fit(X)
    out = model.transform(X)
    assert not out["sex"][[0, 3]].any()
    assert out["sex"][[1, 2]].sum() == 2


class Failing(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        raise ValueError("no")

    def transform(self, X):
        return X


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_a_failed_fit_changes_nothing(method):
    X = {"a": np.arange(6.0).reshape(3, 2), "b": np.ones((3, 1))}
    unfitted = ModalityTransformer({"b": Failing()})
    with pytest.raises(ValueError, match="'b': no"):
        getattr(unfitted, method)(X)
    assert set(vars(unfitted)) == {"transformers", "modalities", "remainder"}
    model = ModalityTransformer({"a": StandardScaler()}).fit(X)
    known = model.transform(X)
    model.set_params(transformers={"a": Failing()})
    with pytest.raises(ValueError, match="'a': no"):
        getattr(model, method)({"a": np.ones((5, 4)), "c": np.ones((5, 4))})
    assert model.transform(X) == known
    assert model.modalities_in_ == ["a", "b"]
