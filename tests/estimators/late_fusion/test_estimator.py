import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from scipy import sparse
from sklearn import clone
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, VotingClassifier, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skmm import (
    FusionClassifier,
    LateFusionClassifier,
    LateFusionRegressor,
    ModalityDict,
)
from tests.toys import two_tables, with_holes


def late(**members):
    return LateFusionClassifier(members or LogisticRegression())


def column_pipe(columns, member):
    picked = ColumnTransformer([("part", "passthrough", columns)])
    return make_pipeline(picked, member)


# -- averages ----------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3])
def test_is_soft_voting(classes):
    X, y = two_tables(60, classes=classes)
    members = {
        "a": LogisticRegression(),
        "b": RandomForestClassifier(5, random_state=0),
    }
    voting = VotingClassifier(
        [
            ("a", column_pipe([0, 1, 2], clone(members["a"]))),
            ("b", column_pipe([3, 4, 5, 6, 7], clone(members["b"]))),
        ],
        voting="soft",
    ).fit(np.hstack(list(X.values())), y)
    model = LateFusionClassifier(members).fit(X, y)
    expected = voting.predict_proba(np.hstack(list(X.values())))
    np.testing.assert_allclose(model.predict_proba(X), expected)
    np.testing.assert_array_equal(model.predict(X), model.classes_[expected.argmax(1)])


@pytest.mark.parametrize("k", [None, 1, 2])
def test_is_a_mean_of_values(k):
    X, _ = two_tables()
    y = X["a"][:, 0] if k is None else X["a"][:, :k]
    model = LateFusionRegressor(Ridge()).fit(X, y)
    alone = [Ridge().fit(x, y).predict(x).reshape(y.shape) for x in X.values()]
    np.testing.assert_allclose(model.predict(X), np.mean(alone, axis=0))
    assert model.predict(X).shape == y.shape
    if k is None:
        flat = np.hstack(list(X.values()))
        pipes = [column_pipe(c, Ridge()) for c in ([0, 1, 2], [3, 4, 5, 6, 7])]
        voting = VotingRegressor(list(zip("ab", pipes, strict=True))).fit(flat, y)
        np.testing.assert_allclose(model.predict(X), voting.predict(flat))


def test_identical_models_are_the_model():
    X, y = two_tables()
    twice = {"a": X["a"], "b": X["a"]}
    alone = LogisticRegression().fit(X["a"], y)
    model = late().fit(twice, y)
    np.testing.assert_allclose(model.predict_proba(twice), alone.predict_proba(X["a"]))
    np.testing.assert_array_equal(model.predict(twice), alone.predict(X["a"]))


def test_one_modality_is_its_model():
    X, y = two_tables()
    model = LateFusionClassifier(LogisticRegression(), modalities=["b"]).fit(X, y)
    alone = LogisticRegression().fit(X["b"], y)
    np.testing.assert_allclose(model.predict_proba(X), alone.predict_proba(X["b"]))


def test_the_order_of_modalities_does_not_matter():
    X, y = two_tables()
    turned = {"b": X["b"], "a": X["a"]}
    expected = late().fit(X, y).predict_proba(X)
    np.testing.assert_allclose(late().fit(turned, y).predict_proba(X), expected)


# -- members -----------------------------------------------------------------------


@pytest.mark.parametrize("make", [LateFusionClassifier, LateFusionRegressor])
def test_the_default_model_is_a_net(make):
    X, y = two_tables(20)
    for estimators in (None, {"a": None}, {}):
        model = make(estimators, random_state=0)
        first = model.fit(X, y).estimators_["b"]
        assert type(first).__name__.startswith("Fusion")
        assert first.modalities_in_ == ["b"] and first.random_state == 0
    np.testing.assert_array_equal(model.predict(X), clone(model).fit(X, y).predict(X))


def test_members_of_both_kinds():
    X, y = two_tables()
    net = FusionClassifier(max_epochs=3, random_state=0)
    model = late(a=net, b=LogisticRegression()).fit(X, y)
    alone = clone(net).fit(X.select(["a"]), y).predict_proba(X.select(["a"]))
    linear = LogisticRegression().fit(X["b"], y).predict_proba(X["b"])
    np.testing.assert_allclose(model.predict_proba(X), (alone + linear) / 2)
    assert not hasattr(net, "net_")


def test_the_users_models_are_not_changed():
    X, y = two_tables()
    members = {"a": LogisticRegression(), "b": LogisticRegression()}
    model = LateFusionClassifier(members).fit(X, y)
    assert model.estimators is members
    assert not any(hasattr(member, "coef_") for member in members.values())


def test_every_kind_of_leaf():
    X, y = two_tables()
    expected = late().fit(X, y).predict_proba(X)
    kinds = [sparse.csr_array, pd.DataFrame, torch.from_numpy]
    for kind in kinds:
        other = {"a": kind(X["a"]), "b": X["b"]}
        result = late().fit(other, y).predict_proba(other)
        np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_one_number_per_sample_is_a_column():
    X, y = two_tables()
    flat = {"age": X["a"][:, 0], "b": X["b"]}
    table = {"age": X["a"][:, [0]], "b": X["b"]}
    np.testing.assert_array_equal(
        late().fit(flat, y).predict_proba(flat),
        late().fit(table, y).predict_proba(table),
    )


def test_text():
    X, y = two_tables()
    notes = np.where(y == 1, "good stuff", "bad stuff")
    member = make_pipeline(CountVectorizer(), LogisticRegression())
    model = late(note=member, a=LogisticRegression(), b=LogisticRegression())
    X = X.assign(note=notes)
    assert model.fit(X, y).score(X, y) == 1.0


def test_an_unknown_name_is_corrected():
    X, y = two_tables()
    X = ModalityDict(image=X["a"], table=X["b"])
    with pytest.raises(
        ValueError, match=r"estimators: unknown modality 'imag'.*'image'"
    ):
        late(imag=LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match="modalities: unknown modality 'imag'"):
        LateFusionClassifier(modalities=["imag"]).fit(X, y)


def test_members_of_excluded_modalities_are_ignored():
    X, y = two_tables()
    model = late(a=LogisticRegression(), b=DummyClassifier(strategy="rubbish"))
    model.set_params(modalities=["a"]).fit(X, y)
    assert list(model.estimators_) == ["a"]


def test_errors_of_members_name_the_modality():
    X, y = two_tables()
    X = X.assign(image=np.zeros((40, 1, 2, 2)))
    with pytest.raises(ValueError, match=r"modality 'image': .*dim 4"):
        late().fit(X, y)
    with pytest.raises(TypeError, match=r"modality 'a': .*sample_weight"):
        late(a=KNeighborsClassifier()).fit(
            X.select(["a"]), y, sample_weight=np.ones(40)
        )


def test_a_member_without_probabilities_is_named():
    X, y = two_tables()
    model = late(a=LinearSVC(), b=LogisticRegression())
    with pytest.raises(TypeError, match=r"modality 'a': .*LinearSVC.*predict_proba"):
        model.fit(X, y)


# -- missing -----------------------------------------------------------------------


def test_members_are_fitted_on_and_predict_present_samples():
    X, y = two_tables(60)
    X = with_holes(X)
    model = late().fit(X, y)
    result = model.predict_proba(X)
    there = X.present
    answers = {}
    for name, x in X.items():
        member = LogisticRegression().fit(x[there[name]], y[there[name]])
        np.testing.assert_allclose(model.estimators_[name].coef_, member.coef_)
        answers[name] = member.predict_proba(x)
    both, only_a = there["a"] & there["b"], there["a"] & ~there["b"]
    neither = ~there["a"] & ~there["b"]
    assert both.any() and only_a.any() and neither.any()
    mean = (answers["a"] + answers["b"]) / 2
    np.testing.assert_allclose(result[both], mean[both])
    np.testing.assert_allclose(result[only_a], answers["a"][only_a])
    np.testing.assert_allclose(result[neither], [[0.5, 0.5]] * neither.sum())
    np.testing.assert_allclose(result.sum(1), 1)


def test_without_any_modality_the_prior_is_predicted():
    X, y = two_tables()
    nothing = X.with_missing("a").with_missing("b")
    y = np.where(np.arange(40) < 30, "often", "rare")
    np.testing.assert_allclose(
        late().fit(X, y).predict_proba(nothing), [[0.75, 0.25]] * 40
    )
    values = X["a"][:, :2] + [10, -10]
    expected = np.tile(values.mean(0), (40, 1))
    model = LateFusionRegressor(Ridge()).fit(X, values)
    np.testing.assert_allclose(model.predict(nothing), expected)


def test_values_of_missing_samples_are_never_used():
    X, y = two_tables()
    X = with_holes(X)
    nan = ModalityDict(
        {n: np.where(X.present[n][:, None], x, np.nan) for n, x in X.items()},
        present=X.present,
    )
    np.testing.assert_array_equal(
        late().fit(X, y).predict_proba(X), late().fit(nan, y).predict_proba(nan)
    )


def test_missing_in_every_modality_predicts_the_prior():
    X, y = two_tables()
    nothing = X.with_missing("a").with_missing("b")
    with pytest.warns(UserWarning, match="missing in all"):
        model = late().fit(nothing, y)
    shares = np.bincount(y) / len(y)
    np.testing.assert_allclose(model.predict_proba(X), np.tile(shares, (len(X), 1)))
    with (
        pytest.warns(UserWarning, match="missing in all"),
        pytest.raises(ValueError, match="no modality has samples on which its model"),
    ):
        LateFusionClassifier(LogisticRegression(), rule="stack").fit(nothing, y)


def test_missing_keys_when_predicting():
    X, y = two_tables()
    model = late().fit(X.with_missing("a", [0]), y)
    np.testing.assert_array_equal(
        model.predict_proba({"b": X["b"]}), model.predict_proba(X.with_missing("a"))
    )
    with pytest.raises(ValueError, match="modality 'b' is missing from X"):
        model.predict({"a": X["a"]})


def test_a_class_unknown_to_a_member():
    X, y = two_tables(60, classes=3)
    labels = np.array(["one", "two", "zero"])[y]
    X = X.with_missing("a", labels == "two")
    model = late().fit(X, labels)
    assert model.estimators_["a"].classes_.tolist() == ["one", "zero"]
    full = X.assign(a=X["a"])
    a, b = (model.estimators_[n].predict_proba(full[n]) for n in "ab")
    expected = (np.column_stack([a[:, 0], np.zeros(60), a[:, 1]]) + b) / 2
    np.testing.assert_allclose(model.predict_proba(full), expected)


# -- y, weights, parameters --------------------------------------------------------


@pytest.mark.parametrize("labels", [["no", "yes"], [False, True], [-4, 9]], ids=str)
def test_labels_come_back(labels):
    X, y = two_tables()
    model = late().fit(X, np.array(labels)[y])
    assert model.classes_.tolist() == labels
    assert set(model.predict(X).tolist()) == set(labels)


@pytest.mark.parametrize(
    "y, message",
    [
        (None, "requires y"),
        (np.zeros(40, dtype=int), "only one class, 0"),
        (np.array(["x"] * 40), "only one class, 'x'"),
        (np.ones(3), "40 and 3"),
        (np.linspace(0, 1, 40), "Unknown label type"),
        (np.eye(40, dtype=int), "several labels per sample"),
    ],
)
def test_bad_targets_raise(y, message):
    X, _ = two_tables()
    with pytest.raises(ValueError, match=message):
        late().fit(X, y)


def test_weights_reach_the_members():
    X, y = two_tables()
    X = X.with_missing("a", [1, 5])
    weight = np.random.default_rng(0).uniform(0.1, 5, 40)
    model = late().fit(X, y, sample_weight=weight)
    there = X.present["a"]
    member = LogisticRegression().fit(X["a"][there], y[there], weight[there])
    np.testing.assert_allclose(model.estimators_["a"].coef_, member.coef_)
    for bad in (np.ones(3), -np.ones(40)):
        with pytest.raises(ValueError, match=r"one entry per sample|Negative"):
            late().fit(X, y, sample_weight=bad)


def test_weights_are_routed():
    X, y = two_tables()
    weight = np.random.default_rng(0).uniform(0.1, 5, 40)
    direct = LateFusionClassifier(LogisticRegression())
    direct = direct.fit(X, y, sample_weight=weight).predict_proba(X)
    with sklearn.config_context(enable_metadata_routing=True):
        member = LogisticRegression().set_fit_request(sample_weight=True)
        asks = LateFusionClassifier(member)
        pipe = make_pipeline("passthrough", asks).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(pipe.predict_proba(X), direct)


def test_nested_parameters_and_search():
    X, y = two_tables()
    member = LogisticRegression()
    model = late(a=make_pipeline(StandardScaler(), member), b=LogisticRegression())
    grid = {
        "estimators__a__logisticregression__C": [0.1, 10.0],
        "estimators__b": [LogisticRegression(), RandomForestClassifier(3)],
        "modalities": [None, ["a"]],
    }
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    best = search.best_estimator_.estimators_["a"][-1].C
    assert best == search.best_params_["estimators__a__logisticregression__C"]
    assert member.C == 1.0
    assert cross_val_score(model, X, y, cv=2).shape == (2,)


@pytest.mark.parametrize(
    "bad", [{"estimators": "svm"}, {"rule": "sum"}, {"modalities": "a"}], ids=str
)
def test_bad_parameters_are_named(bad):
    X, y = two_tables()
    with pytest.raises(ValueError, match=next(iter(bad))):
        LateFusionClassifier(**bad).fit(X, y)


def test_pickled_not_fitted_html():
    X, y = two_tables()
    model = late(a=LogisticRegression(), b=StandardScaler())
    with pytest.raises(NotFittedError):
        model.predict(X)
    html = model._repr_html_()
    assert "LogisticRegression" in html and "StandardScaler" in html
    assert "LateFusionClassifier" in late()._repr_html_()
    model = late().fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
