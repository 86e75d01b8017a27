"""Modalities whose models cannot be fitted, and models that read text as a column."""

import pickle

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

import skmm
from skmm import FusionClassifier, LateFusionClassifier, LateFusionRegressor

RNG = np.random.default_rng(0)
X = skmm.ModalityDict(a=RNG.normal(size=(60, 3)), b=RNG.normal(size=(60, 4)))
Y = (X["a"][:, 0] + X["b"][:, 0] > 0).astype(int)
RULES = [*LateFusionClassifier._rules, "stack"]
LATE = LateFusionClassifier(LogisticRegression())


def assert_only_a(model, data, rest):
    """The predictions are those of a model of "a" alone."""
    assert model.modalities_seen_ == list(model.estimators_) == ["a"]
    alone = skmm.restrict(model, ["a"]).fit(data, rest)
    for rows in (X, X.with_missing("b")):
        np.testing.assert_array_equal(model.predict(rows), alone.predict(rows))


@pytest.mark.parametrize("rule", RULES)
def test_missing_in_all_samples(rule):
    train = X.with_missing("b")
    model = LateFusionClassifier(LogisticRegression(), rule=rule)
    with pytest.warns(UserWarning, match="'b' is missing in all 60 training samples"):
        model.fit(train, Y)
    assert_only_a(model, train, Y)
    np.testing.assert_array_equal(
        model.predict_proba(X.with_missing("a")),
        np.tile([np.mean(Y == 0), np.mean(Y == 1)], (60, 1)),
    )


@pytest.mark.parametrize("rule", [*LateFusionRegressor._rules, "stack"])
def test_missing_in_all_samples_of_a_regression(rule):
    train, y = X.with_missing("b"), X["a"][:, 0]
    model = LateFusionRegressor(Ridge(), rule=rule)
    with pytest.warns(UserWarning, match="'b' is missing in all 60 training samples"):
        model.fit(train, y)
    assert_only_a(model, train, y)


@pytest.mark.parametrize("rule", RULES)
def test_folds_of_a_cross_validation(rule):
    data = X.with_missing("b", slice(20, None))
    model = LateFusionClassifier(LogisticRegression(), rule=rule)
    with pytest.warns(UserWarning, match="'b' is missing in all 40 training samples"):
        scores = cross_val_score(model, data, Y, cv=KFold(3), error_score="raise")
    assert (scores > 0.5).all()


@pytest.mark.parametrize("rule", ["mean", "product", "stack"])
@pytest.mark.parametrize("member", [LogisticRegression(), RandomForestClassifier(5)])
def test_one_class(rule, member):
    train = X.with_missing("b", Y == 1)
    member.set_params(random_state=0)
    model = LateFusionClassifier(member, rule=rule)
    with pytest.warns(UserWarning, match="'b' is present .* of class 0 only"):
        model.fit(train, Y)
    assert_only_a(model, train, Y)


def test_one_class_of_non_zero_weight():
    weight = np.where((Y == 1) & (np.arange(60) < 20), 0, 1)
    train = X.with_missing("b", slice(20, None))
    with pytest.warns(UserWarning, match="'b' is present .* of class 0 only"):
        model = LateFusionClassifier(LogisticRegression()).fit(train, Y, weight)
    assert model.modalities_seen_ == ["a"]


def test_values_in_samples_of_zero_weight_only():
    train = X.with_missing("b", slice(20, None))
    weight = np.repeat([0.0, 1.0], [20, 40])
    with pytest.warns(UserWarning, match="'b' is missing in all 60 training samples"):
        model = LateFusionClassifier(LogisticRegression()).fit(train, Y, weight)
    assert model.modalities_seen_ == ["a"]


@pytest.mark.parametrize("rule", ["mean", "stack"])
@pytest.mark.parametrize(
    "member",
    [
        KNeighborsClassifier(5),
        LinearDiscriminantAnalysis(),
        CalibratedClassifierCV(LogisticRegression(), cv=5),
        FusionClassifier(early_stopping=True, max_epochs=2, random_state=0),
    ],
    ids=lambda member: type(member).__name__,
)
def test_fewer_samples_than_a_model_can_take(rule, member):
    first = [np.flatnonzero(Y == 0)[0], np.flatnonzero(Y == 1)[0]]
    train = X.with_missing("b", ~np.isin(np.arange(60), first))
    a = FusionClassifier(max_epochs=2, random_state=0)
    model = LateFusionClassifier({"a": a, "b": member}, rule=rule)
    reason = "no out-of-fold" if rule == "stack" else type(member).__name__
    with pytest.warns(UserWarning, match=f"'b' is not used, since .*{reason}"):
        model.fit(train, Y)
    assert_only_a(model, train, Y)


def test_other_errors_are_raised():
    train = X.with_missing("b", slice(30))
    b = LogisticRegression(C=-1.0)
    with pytest.raises(ValueError, match=r"modality 'b': .*'C' parameter"):
        LateFusionClassifier({"a": LogisticRegression(), "b": b}).fit(train, Y)
    few = skmm.ModalityDict(X)[np.arange(4)]
    with pytest.raises(ValueError, match=r"modality 'a': .*n_neighbors"):
        model = LateFusionClassifier(KNeighborsClassifier(5))
        model.fit(few, [0, 1, 0, 1]).predict(few)


def test_weights_belong_to_names():
    train = X.assign(c=RNG.normal(size=(60, 2))).with_missing("a")
    weights = {"a": 5.0, "b": 2.0, "c": 1.0}
    model = LateFusionClassifier(LogisticRegression(), weights=weights)
    with pytest.warns(UserWarning, match="'a' is missing in all"):
        model.fit(train, Y)
    b, c = (LogisticRegression().fit(train[n], Y).predict_proba(train[n]) for n in "bc")
    np.testing.assert_allclose(model.predict_proba(train), (2 * b + c) / 3)


# -- text as columns ---------------------------------------------------------------

WORDS = np.array([["red"], ["blue"], ["green"]] * 20, dtype=object)
LETTERS = (WORDS[:, 0] == "red").astype(int)
COLUMNS = [
    make_pipeline(OneHotEncoder(), LogisticRegression()),
    make_pipeline(OrdinalEncoder(), LogisticRegression()),
    make_pipeline(
        make_column_transformer((OneHotEncoder(), [0])), LogisticRegression()
    ),
]


@pytest.mark.parametrize("rule", ["mean", "stack"])
@pytest.mark.parametrize("member", COLUMNS, ids=range(3))
def test_columns_of_text(member, rule):
    model = LateFusionClassifier({"word": member}, rule=rule)
    data = {"word": WORDS, "a": X["a"]}
    model.set_params(estimators={"word": member, "a": LogisticRegression()})
    proba = model.fit(data, LETTERS).predict_proba(data)
    assert (model.predict(data) == LETTERS).mean() > 0.6
    expected = member.fit(WORDS, LETTERS).predict_proba(WORDS)
    model = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(model.predict_proba(data), proba)
    found = model.estimators_["word"].predict_proba(WORDS)
    np.testing.assert_array_equal(found, expected)
    holes = skmm.ModalityDict(data).with_missing("word", slice(0, 60, 4))
    assert model.fit(holes, LETTERS).predict_proba(data).shape == proba.shape


def test_vectorizers_read_samples():
    member = make_pipeline(CountVectorizer(), LogisticRegression())
    model = LateFusionClassifier({"word": member}).fit({"word": WORDS}, LETTERS)
    expected = member.fit(WORDS[:, 0], LETTERS).predict_proba(WORDS[:, 0])
    np.testing.assert_array_equal(model.predict_proba({"word": WORDS}), expected)
