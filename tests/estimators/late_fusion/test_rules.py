"""Rules by which late fusions combine predictions."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    RandomForestClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from skmm import LateFusionClassifier, LateFusionRegressor, ModalityDict
from skmm.estimators.late_fusion import rules
from tests.toys import two_tables, with_holes

CLASS_RULES = [*rules.CLASS_RULES, "stack"]
VALUE_RULES = [*rules.VALUE_RULES, "stack"]
COLUMNS = {"a": [0, 1, 2], "b": [3, 4, 5, 6, 7], "c": [8, 9]}


def three_tables(n=90, classes=2):
    X, y = two_tables(n, classes=classes)
    c = np.random.default_rng(5).normal(size=(n, 2)) + y[:, None]
    return X.assign(c=c), y


def flat(X):
    return np.hstack(list(X.values()))


def pipes(members):
    """The same models on the same columns of one table."""
    return [
        (n, make_pipeline(ColumnTransformer([("x", "passthrough", COLUMNS[n])]), m))
        for n, m in members.items()
    ]


def classifiers():
    return {"a": LogisticRegression(), "b": GaussianNB(), "c": LogisticRegression(C=9)}


def late(rule="mean", **params):
    return LateFusionClassifier(LogisticRegression(), rule=rule, **params)


def alone(X, y):
    """Probabilities of one model per modality, (n_modalities, n_samples, n_classes)."""
    return np.array(
        [LogisticRegression().fit(x, y).predict_proba(x) for x in X.values()]
    )


# -- against scikit-learn ----------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("weights", [None, {"a": 2.0, "b": 0.5, "c": 1.0}])
@pytest.mark.parametrize(("rule", "voting"), [("mean", "soft"), ("vote", "hard")])
def test_is_a_voting_classifier(rule, voting, weights, classes):
    X, y = three_tables(classes=classes)
    given = None if weights is None else list(weights.values())
    other = VotingClassifier(pipes(classifiers()), voting=voting, weights=given)
    other.fit(flat(X), y)
    model = LateFusionClassifier(classifiers(), rule=rule, weights=weights).fit(X, y)
    votes = np.sort(model.predict_proba(X), axis=1)
    clear = votes[:, -1] > votes[:, -2]  # where none is, it takes the first class
    assert clear.mean() > 0.8
    np.testing.assert_array_equal(
        model.predict(X)[clear], other.predict(flat(X))[clear]
    )
    if voting == "soft":
        expected = other.predict_proba(flat(X))
        np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-12)


@pytest.mark.parametrize("weights", [None, {"a": 2.0, "b": 0.5, "c": 1.0}])
def test_is_a_voting_regressor(weights):
    X, _ = three_tables()
    y = X["a"][:, 0] + X["c"][:, 1]
    members = {"a": Ridge(), "b": Ridge(2.0), "c": Ridge(9.0)}
    given = None if weights is None else list(weights.values())
    other = VotingRegressor(pipes(members), weights=given).fit(flat(X), y)
    model = LateFusionRegressor(members, weights=weights).fit(X, y)
    np.testing.assert_allclose(model.predict(X), other.predict(flat(X)), rtol=1e-12)


# -- what each rule is -------------------------------------------------------------


def test_two_classes_have_the_mean_logit():
    X, y = three_tables()
    logits = logit(alone(X, y)[..., 1])
    result = late("logit").fit(X, y).predict_proba(X)
    np.testing.assert_allclose(result[:, 1], expit(logits.mean(0)))
    weights = {"a": 3.0, "b": 0.0}  # c has 1
    result = late("logit", weights=weights).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(
        result[:, 1], expit(np.average(logits, 0, weights=[3, 0, 1]))
    )


def test_product_is_bayes_rule():
    """Naive Bayes on all columns is the product of naive Bayes on their parts."""
    X, y = three_tables(classes=3)
    X, y = X[y != 1 + (np.arange(90) % 2)], y[y != 1 + (np.arange(90) % 2)]
    assert len(set(np.bincount(y))) > 1  # classes are not equally frequent
    naive = GaussianNB(var_smoothing=0)
    model = LateFusionClassifier(naive, rule="product").fit(X, y)
    expected = naive.fit(flat(X), y).predict_proba(flat(X))
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_product_with_equal_priors_sums_log_probabilities(classes):
    """The prediction of the joint cross-entropy ensemble, as of the rule "logit"."""
    X, y = three_tables(classes=classes)
    assert len(set(np.bincount(y))) == 1
    model = late("product").fit(X, y)
    losses = -np.log(alone(X, y)).sum(0)
    np.testing.assert_array_equal(model.predict(X), losses.argmin(1))
    expected = np.exp(-losses) / np.exp(-losses).sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-9)
    np.testing.assert_array_equal(model.predict(X), late("logit").fit(X, y).predict(X))


def test_product_counts_weighted_classes():
    X, y = three_tables()
    weight = np.where(y == 1, 3.0, 1.0)
    model = late("product").fit(X, y, sample_weight=weight)
    twice = np.repeat(np.arange(90), weight.astype(int))
    expected = late("product").fit(X[twice], y[twice])
    np.testing.assert_allclose(
        model.predict_proba(X), expected.predict_proba(X), rtol=1e-3
    )
    nothing = X.with_missing("a").with_missing("b").with_missing("c")
    np.testing.assert_allclose(model.predict_proba(nothing), [[0.25, 0.75]] * 90)


def test_max_is_the_most_confident():
    X, y = three_tables(classes=3)
    best = alone(X, y).max(0)
    result = late("max").fit(X, y).predict_proba(X)
    np.testing.assert_allclose(result, best / best.sum(1, keepdims=True))


def test_votes_are_counted():
    X, y = three_tables(classes=3)
    first = alone(X, y).argmax(2)
    expected = np.array([np.bincount(row, minlength=3) / 3 for row in first.T])
    result = late("vote").fit(X, y).predict_proba(X)
    np.testing.assert_allclose(result, expected)


def test_equal_votes_are_decided_by_the_mean():
    X, y = two_tables(200, classes=3)
    model = late("vote").fit(X, y)
    both = alone(X, y)
    split = both[0].argmax(1) != both[1].argmax(1)
    among = np.zeros(both.shape[1:], dtype=bool)
    for answer in both:
        among[np.arange(200), answer.argmax(1)] = True
    expected = np.where(among, both.mean(0), -1).argmax(1)
    assert split.sum() > 20
    np.testing.assert_array_equal(model.predict(X), expected)
    assert (expected != model.predict_proba(X).argmax(1)).any()


def test_the_median_ignores_an_outlier():
    X, _ = three_tables()
    y = X["a"][:, 0]
    X = X.assign(b=X["a"])
    model = LateFusionRegressor(Ridge(), rule="median").fit(X, y)
    values = np.array([Ridge().fit(x, y).predict(x) for x in X.values()])
    np.testing.assert_allclose(model.predict(X), np.median(values, 0))
    far = X.assign(c=X["c"] + 1e9)
    near = Ridge().fit(X["a"], y).predict(X["a"])
    np.testing.assert_allclose(model.predict(far), near)


# -- all rules --------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("rule", ["mean", "logit", "max", "vote"])
def test_identical_models_are_the_model(rule, classes):
    X, y = two_tables(60, classes=classes)
    X = ModalityDict(a=X["a"], b=X["a"], c=X["a"])
    model = late(rule).fit(X, y)
    one = LogisticRegression().fit(X["a"], y)
    np.testing.assert_array_equal(model.predict(X), one.predict(X["a"]))
    if rule != "vote":
        expected = one.predict_proba(X["a"])
        np.testing.assert_allclose(model.predict_proba(X), expected)


@pytest.mark.parametrize("rule", ["product", "stack"])
def test_identical_models_agree_with_the_model(rule):
    """They are more confident; with balanced classes the order is the same."""
    X, y = two_tables(60)
    X = ModalityDict(a=X["a"], b=X["a"], c=X["a"])
    one = LogisticRegression().fit(X["a"], y).predict_proba(X["a"])[:, 1]
    result = late(rule).fit(X, y).predict_proba(X)[:, 1]
    assert (np.diff(result[np.argsort(one)]) >= 0).all()


@pytest.mark.parametrize("rule", VALUE_RULES)
def test_identical_regressors_are_the_regressor(rule):
    X, _ = two_tables(60)
    y = X["a"] @ [1.0, 2.0, 3.0]  # without noise, so that stacking finds it too
    X = ModalityDict(a=X["a"], b=X["a"])
    model = LateFusionRegressor(Ridge(1e-9), rule=rule).fit(X, y)
    np.testing.assert_allclose(model.predict(X), y, rtol=0.05, atol=0.01)


@pytest.mark.parametrize("rule", CLASS_RULES)
def test_the_order_of_modalities_does_not_matter(rule):
    X, y = three_tables(classes=3)
    turned = X.select(["c", "a", "b"])
    np.testing.assert_allclose(
        late(rule).fit(turned, y).predict_proba(turned),
        late(rule).fit(X, y).predict_proba(X),
        atol=1e-5,
    )


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("rule", [r for r in CLASS_RULES if r != "stack"])
def test_only_present_models_count(rule, classes):
    """The prediction is that of the models of the modalities that are present."""
    X, y = three_tables(classes=classes)
    holes = with_holes(X, share=0.4)
    model = late(rule).fit(holes, y)
    result = model.predict_proba(holes)
    np.testing.assert_allclose(result.sum(1), 1)
    for names in (["a"], ["a", "c"], ["a", "b", "c"]):
        rows = np.all([holes.present[n] == (n in names) for n in holes], axis=0)
        assert rows.any()
        part = late(rule, modalities=names).fit(holes, y)
        np.testing.assert_allclose(result[rows], part.predict_proba(holes)[rows])
        np.testing.assert_array_equal(
            model.predict(holes)[rows], part.predict(holes)[rows]
        )
    nothing = ~np.any(list(holes.present.values()), axis=0)
    assert nothing.any()
    shares = np.bincount(y) / len(y)
    np.testing.assert_allclose(result[nothing], [shares] * nothing.sum())


@pytest.mark.parametrize("rule", ["mean", "median"])
def test_only_present_regressors_count(rule):
    X, _ = three_tables()
    y = X["a"][:, :2] + 3
    holes = with_holes(X, share=0.4)
    model = LateFusionRegressor(Ridge(), rule=rule).fit(holes, y)
    there = np.array(list(holes.present.values()))
    values = [m.predict(X[n]) for n, m in model.estimators_.items()]
    known = np.where(there[..., None], values, np.nan)
    some = there.any(0)
    reduce = {"mean": np.nanmean, "median": np.nanmedian}[rule]
    np.testing.assert_allclose(model.predict(holes)[some], reduce(known[:, some], 0))
    expected = np.tile(y.mean(0), ((~some).sum(), 1))
    np.testing.assert_allclose(model.predict(holes)[~some], expected)


def test_without_any_modality_the_weighted_mean_is_predicted():
    X, _ = two_tables()
    y, weight = X["a"][:, 0], np.linspace(0.1, 3, 40)
    model = LateFusionRegressor(Ridge()).fit(X, y, sample_weight=weight)
    nothing = X.with_missing("a").with_missing("b")
    np.testing.assert_allclose(model.predict(nothing), np.average(y, weights=weight))


@pytest.mark.parametrize("rule", CLASS_RULES)
def test_nothing_is_ever_infinite(rule):
    """Forests predict 0 and 1, and contradict each other."""
    X, y = three_tables(classes=3)
    forest = RandomForestClassifier(1, random_state=0)
    model = LateFusionClassifier(forest, rule=rule).fit(X, y)
    shuffled = X.assign(b=X["b"][::-1], c=-X["c"])
    result = model.predict_proba(shuffled)
    assert np.isfinite(result).all()
    np.testing.assert_allclose(result.sum(1), 1)


@pytest.mark.parametrize("rule", CLASS_RULES)
def test_a_class_of_weight_zero_is_never_predicted(rule):
    X, y = three_tables(classes=3)
    members = LogisticRegression()
    model = LateFusionClassifier(members, rule=rule)
    model.fit(X, y, sample_weight=(y != 1).astype(float))
    assert (model.predict(X) != 1).all()


# -- parameters --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"rule": "mean", "cv": 3}, "rule='stack'; got cv=3 with rule='mean'.*at 5"),
        (
            {"rule": "vote", "final_estimator": Ridge()},
            "final_estimator is only used when rule='stack'",
        ),
        ({"rule": "max", "weights": {"a": 1}}, "'mean' or 'logit' or 'vote'"),
        ({"rule": "product", "weights": {"a": 1}}, "got weights=.*rule='product'"),
        ({"rule": "stack", "weights": {"a": 1}}, "got weights=.*rule='stack'"),
        ({"weights": {"aa": 1}}, "weights: unknown modality 'aa'.*'a'"),
        ({"weights": {"a": -1}}, r"weights\['a'\] must be .* got -1"),
        ({"weights": {"a": "1"}}, r"weights\['a'\] must be .* got '1'"),
        ({"weights": {"a": 0, "b": 0, "c": 0}}, "above 0 for at least one modality"),
        ({"weights": [1, 2, 3]}, "'weights' parameter"),
        ({"rule": "median"}, "'rule' parameter"),
    ],
    ids=str,
)
def test_parameters_of_another_rule_raise(params, words):
    X, y = three_tables()
    with pytest.raises(ValueError, match=words):
        LateFusionClassifier(LogisticRegression(), **params).fit(X, y)


def test_a_regressor_has_no_votes():
    X, y = three_tables()
    with pytest.raises(ValueError, match="'rule' parameter of LateFusionRegressor"):
        LateFusionRegressor(Ridge(), rule="vote").fit(X, y)
    with pytest.raises(ValueError, match="weights is only used when rule='mean'; got"):
        LateFusionRegressor(Ridge(), rule="median", weights={"a": 2}).fit(X, y)


def test_weights_of_excluded_modalities_are_ignored():
    X, y = three_tables()
    model = late(weights={"a": 1, "b": 7, "c": 2}, modalities=["a", "c"]).fit(X, y)
    np.testing.assert_allclose(
        model.predict_proba(X), np.average(alone(X, y)[[0, 2]], 0, weights=[1, 2])
    )


def test_a_modality_of_weight_zero_is_as_missing():
    X, y = three_tables()
    model = late(weights={"a": 0}).fit(X.with_missing("b", [0]), y)
    only_a = X.with_missing("b").with_missing("c")
    np.testing.assert_allclose(model.predict_proba(only_a), [[0.5, 0.5]] * 90)


def test_parameters_set_after_fit_have_no_effect():
    X, y = three_tables()
    model = late("vote").fit(X, y)
    before = model.predict_proba(X)
    model.set_params(rule="stack")
    np.testing.assert_array_equal(model.predict_proba(X), before)
