"""Late fusion by a model on out-of-fold predictions."""

import numpy as np
import pandas as pd
import pytest
from sklearn import clone, config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import StackingClassifier, StackingRegressor
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    PredefinedSplit,
    RepeatedKFold,
    StratifiedKFold,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from skmm import (
    FusionClassifier,
    LateFusionClassifier,
    LateFusionRegressor,
    ModalityDict,
    load,
)
from skmm.estimators.late_fusion.stacking import columns, fit_folds, folds, usable
from skmm.preprocessing import ModalityTransformer
from tests.estimators.late_fusion.test_rules import (
    classifiers,
    flat,
    pipes,
    three_tables,
)
from tests.toys import two_tables, with_holes


def stack(members=None, **params):
    members = LogisticRegression() if members is None else members
    return LateFusionClassifier(members, rule="stack", **params)


# -- against scikit-learn ----------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cv", [5, 3, KFold(4, shuffle=True, random_state=0)])
@pytest.mark.parametrize("classes", [2, 3])
def test_is_a_stacking_classifier(classes, cv, weighted):
    X, y = three_tables(classes=classes)
    weight = {"sample_weight": np.random.default_rng(0).random(90)} if weighted else {}
    final = LogisticRegression(C=0.3)
    other = StackingClassifier(pipes(classifiers()), final, cv=cv)
    model = stack(classifiers(), final_estimator=final, cv=cv).fit(X, y, **weight)
    if weighted:
        with config_context(enable_metadata_routing=True):
            asking = {
                name: m.set_fit_request(sample_weight=True)
                for name, m in classifiers().items()
            }
            asked = clone(final).set_fit_request(sample_weight=True)
            other = StackingClassifier(pipes(asking), asked, cv=cv)
            other.fit(flat(X), y, **weight)
    else:
        other.fit(flat(X), y)
    np.testing.assert_allclose(
        model.predict_proba(X), other.predict_proba(flat(X)), rtol=1e-8
    )
    np.testing.assert_array_equal(model.predict(X), other.predict(flat(X)))
    np.testing.assert_allclose(
        model.final_estimator_.coef_, other.final_estimator_.coef_, rtol=1e-8
    )


@pytest.mark.parametrize("final", [None, Ridge()])
def test_is_a_stacking_regressor(final):
    X, _ = three_tables()
    y = X["a"][:, 0] + X["c"][:, 1] ** 2
    members = {"a": Ridge(), "b": Ridge(2.0), "c": Ridge(9.0)}
    other = StackingRegressor(pipes(members), final).fit(flat(X), y)
    model = LateFusionRegressor(members, rule="stack", final_estimator=final).fit(X, y)
    np.testing.assert_allclose(model.predict(X), other.predict(flat(X)), rtol=1e-9)
    assert type(model.final_estimator_) is (RidgeCV if final is None else Ridge)


def test_shapes_are_as_documented():
    X, y = two_tables(80)
    model = stack().fit(X, y)
    assert type(model.final_estimator_) is LogisticRegression
    assert model.final_estimator_.coef_.shape == (1, 2)
    X, y = two_tables(80, classes=3)
    assert stack().fit(X, y).final_estimator_.coef_.shape == (3, 6)
    y = X["a"][:, :2]
    model = LateFusionRegressor(Ridge(), rule="stack").fit(X, y)
    assert model.final_estimator_.coef_.shape == (2, 4)
    assert model.predict(X).shape == (80, 2)


class Memory(ClassifierMixin, BaseEstimator):
    """Remembers the samples that it is trained on, and guesses for others."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.seen_ = {tuple(row): label for row, label in zip(X, y, strict=True)}
        return self

    def predict_proba(self, X):
        half = np.full(len(self.classes_), 1 / len(self.classes_))
        sure = {c: 1.0 * (self.classes_ == c) for c in self.classes_}
        labels = [self.seen_.get(tuple(row)) for row in X]
        return np.array([half if label is None else sure[label] for label in labels])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(1)]


def test_the_final_model_is_trained_on_out_of_fold_predictions_only():
    """A model that only remembers its training samples has no influence."""
    X, y = two_tables(80)
    model = stack({"a": LogisticRegression(), "b": Memory()}).fit(X, y)
    assert abs(model.final_estimator_.coef_[0, 1]) < 0.01


# -- folds -------------------------------------------------------------------------


def test_splitters_that_repeat_or_skip_rows():
    X, y = two_tables(40)
    repeated = stack(cv=RepeatedKFold(n_splits=4, n_repeats=2, random_state=0))
    assert repeated.fit(X, y).score(X, y) > 0.7
    half = [(np.arange(20), np.arange(20, 40))]  # rows before 20 are never held out
    model = stack(cv=half).fit(X, y)
    held = [
        LogisticRegression().fit(x[:20], y[:20]).predict_proba(x[20:])[:, 1]
        for x in X.values()
    ]
    final = LogisticRegression().fit(np.column_stack(held), y[20:])
    np.testing.assert_allclose(model.final_estimator_.coef_, final.coef_)


def test_folds_given_as_rows_keep_groups_together():
    X, y = two_tables(40)
    groups = np.arange(40) // 4
    pairs = list(GroupKFold(5).split(y, y, groups))
    assert stack(cv=pairs).fit(X, y).score(X, y) > 0.7


GROUPS = np.random.default_rng(0).permutation(np.arange(40) // 5)


@pytest.mark.parametrize("cv", [3, 20, GroupKFold(4), PredefinedSplit(GROUPS % 3)])
@pytest.mark.parametrize("is_class", [False, True])
def test_groups_stay_together(cv, is_class):
    _, y = two_tables()
    pairs = folds(cv, y, is_class, GROUPS)
    assert len(pairs) > 1
    for train, test in pairs:
        assert not set(GROUPS[train]) & set(GROUPS[test])
    held_out = np.sort(np.concatenate([test for _, test in pairs]))
    np.testing.assert_array_equal(held_out, np.arange(40))


@pytest.mark.parametrize("routing", [False, True])
def test_groups_reach_the_splitter(routing):
    X, y = two_tables()
    pairs = list(GroupKFold(3).split(y, y, GROUPS))
    expected = stack(cv=pairs).fit(X, y).predict_proba(X)
    with config_context(enable_metadata_routing=routing):
        model = stack(cv=GroupKFold(3)).fit(X, y, groups=GROUPS)
        piped = make_pipeline(ModalityTransformer(), stack(cv=GroupKFold(3)))
        name = "groups" if routing else "latefusionclassifier__groups"
        piped.fit(X, y, **{name: GROUPS})
    for each in (model, piped):
        np.testing.assert_array_equal(each.predict_proba(X), expected)


@pytest.mark.parametrize(
    ("cv", "groups", "words"),
    [
        (GroupKFold(3), None, r"cv=GroupKFold.* needs groups.* groups=groups"),
        (KFold(3), GROUPS, "splits group"),
        (3, GROUPS * 0, "at least two groups to hold one out"),
        (3, GROUPS[1:], "groups must have one entry per sample of X"),
    ],
)
def test_groups_that_do_not_match_raise(cv, groups, words):
    X, y = two_tables()
    with pytest.raises(ValueError, match=words):
        stack(cv=cv).fit(X, y, groups=groups)


def test_groups_without_stacking_are_for_models_that_request_them():
    X, y = two_tables()
    with pytest.raises(ValueError, match=r"groups are only used .*rule='mean'"):
        LateFusionClassifier(LogisticRegression()).fit(X, y, groups=GROUPS)
    with config_context(enable_metadata_routing=True):
        with pytest.raises(TypeError, match="groups"):
            LateFusionClassifier(LogisticRegression()).fit(X, y, groups=GROUPS)
        asking = Asking().set_fit_request(groups=True)
        LateFusionClassifier(asking).fit(X, y, groups=GROUPS)
    np.testing.assert_array_equal(Asking.seen, GROUPS)


class Asking(DummyClassifier):
    def fit(self, X, y, sample_weight=None, groups=None):
        Asking.seen = groups
        return super().fit(X, y, sample_weight)


def test_a_number_of_folds_is_reduced_for_few_samples():
    assert len(folds(5, np.array(["a", "b", "a", "b"]), True)) == 2
    assert len(folds(5, np.array(["a", "b", "c"]), True)) == 3
    assert len(folds(5, np.arange(3.0), False)) == 3
    y = np.repeat([0, 1], 10)
    expected = StratifiedKFold(5).split(y, y)
    for pair, other in zip(folds(5, y, True), expected, strict=True):
        np.testing.assert_array_equal(pair[1], other[1])


def test_one_sample_raises():
    X, _ = two_tables(40)
    with pytest.raises(ValueError, match="n_samples = 1"):
        LateFusionRegressor(Ridge(), rule="stack").fit(X[[0]], [1.0])


def test_a_class_of_one_sample():
    X, y = two_tables(40)
    y[7] = 2
    with pytest.warns(UserWarning, match="least populated class"):
        model = stack().fit(X, y)
    result = model.predict_proba(X)
    assert result.shape == (40, 3)
    np.testing.assert_allclose(result.sum(1), 1)


def test_one_sample_against_many():
    """The fold that holds out the only sample of a class cannot be fitted."""
    X, _ = two_tables(40)
    y = np.where(np.arange(40) == 3, "rare", "usual")
    with pytest.warns(UserWarning, match="least populated class"):
        with pytest.raises(ValueError, match=r"only 'usual' has some.*two samples"):
            stack().fit(X, y)


def test_folds_in_which_a_modality_has_one_class_are_left_out():
    X, y = two_tables(40)
    there = [*np.flatnonzero(y == 0)[:6], np.flatnonzero(y == 1)[0]]
    few = X.with_missing("a", np.setdiff1d(np.arange(40), there))
    model = stack().fit(few, y)
    assert model.estimators_["a"].classes_.tolist() == [0, 1]
    pairs = usable(folds(5, y, True), few.present["a"], y, True)
    assert len(pairs) < 5
    assert all(len(set(y[train])) == 2 and len(test) for train, test in pairs)


# -- missing modalities ------------------------------------------------------------


def test_the_mean_of_the_others_replaces_a_missing_prediction():
    answers = np.arange(1.0, 13).reshape(3, 2, 2)
    share = np.array([[1, 0], [1, 1], [0, 1]])
    answers = answers * share[..., None]
    table = columns(answers, share, drop_first=False)
    np.testing.assert_allclose(table[0], [1, 2, 5, 6, 3, 4])
    np.testing.assert_allclose(table[1], [9, 10, 7, 8, 11, 12])
    np.testing.assert_allclose(columns(answers, share, drop_first=True)[0], [2, 6, 4])


def test_a_missing_copy_changes_nothing():
    X, y = two_tables(60)
    X = ModalityDict(b=X["b"], c=X["b"])
    model = stack().fit(X, y)
    np.testing.assert_allclose(
        model.predict_proba(X.with_missing("c")), model.predict_proba(X)
    )


def test_rows_with_holes():
    X, y = three_tables(120)
    holes = with_holes(X, share=0.4)
    model = stack().fit(holes, y)
    for name, member in model.estimators_.items():
        rows = holes.present[name]
        expected = LogisticRegression().fit(X[name][rows], y[rows])
        np.testing.assert_allclose(member.coef_, expected.coef_)
    result = model.predict_proba(holes)
    nothing = ~np.any(list(holes.present.values()), axis=0)
    assert nothing.any()
    np.testing.assert_allclose(
        result[nothing], [np.bincount(y) / len(y)] * nothing.sum()
    )
    assert model.score(holes[~nothing], y[~nothing]) > 0.7


def test_samples_without_any_modality_have_no_effect():
    X, y = two_tables(60)
    none = np.arange(60) % 6 == 0
    holes = X.with_missing("a", none).with_missing("b", none)
    cv = list(StratifiedKFold(3).split(y, y))
    kept = np.flatnonzero(~none)
    place = np.cumsum(~none) - 1
    shorter = [tuple(place[r[~none[r]]] for r in pair) for pair in cv]
    model = stack(cv=cv).fit(holes, y)
    expected = stack(cv=shorter).fit(X[kept], y[kept])
    np.testing.assert_allclose(model.predict_proba(X), expected.predict_proba(X))


def test_a_modality_present_in_few_samples():
    X, y = two_tables(40)
    few = X.with_missing("a", slice(2, None))
    model = stack({"a": DummyClassifier(), "b": LogisticRegression()})
    with pytest.warns(UserWarning, match="'a' is not used.*no out-of-fold predictions"):
        assert model.fit(few, y).predict(few).shape == (40,)
    assert model.modalities_seen_ == ["b"]


# -- members, weights, storing -----------------------------------------------------


def test_nets_are_fitted_together_as_one_by_one():
    X, y = two_tables(40)
    view = X.select(["a"])
    net = FusionClassifier(max_epochs=4, random_state=0)
    weight = {"sample_weight": np.linspace(0.5, 2, 20)}
    data = [(view[k::2], y[k::2], weight) for k in range(2)]
    for (model, _), (part, labels, _) in zip(fit_folds(net, data), data, strict=True):
        expected = clone(net).fit(part, labels, **weight).predict_proba(view)
        np.testing.assert_allclose(model.predict_proba(view), expected, atol=1e-5)


def test_nets_can_be_stacked():
    X, y = two_tables(40)
    net = FusionClassifier(max_epochs=3, random_state=0)
    model = stack(net, cv=2).fit(X, y)
    again = stack(net, cv=2).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    assert not hasattr(net, "net_")


def test_an_unsuitable_final_model_raises():
    X, y = two_tables(40)
    with pytest.raises(TypeError, match="final_estimator: LinearSVC has no pred"):
        stack(final_estimator=LinearSVC()).fit(X, y)
    with pytest.raises(
        TypeError, match=r"final_estimator: KNeigh.*does not accept sample_weight"
    ):
        final = KNeighborsClassifier()
        stack(final_estimator=final).fit(X, y, sample_weight=np.ones(40))
    with pytest.raises(ValueError, match="'final_estimator' parameter"):
        stack(final_estimator="ridge").fit(X, y)
    with pytest.raises(ValueError, match="'cv' parameter"):
        stack(cv="five").fit(X, y)


def test_parameters_of_the_final_model_by_name():
    X, y = two_tables(40)
    model = stack(final_estimator=LogisticRegression())
    model.set_params(final_estimator__C=0.01)
    assert model.fit(X, y).final_estimator_.C == 0.01
    assert not hasattr(model.final_estimator, "coef_")


def test_weights_are_routed_to_models_that_request_them():
    X, y = two_tables(40)
    weight = np.random.default_rng(0).random(40) + 0.1
    direct = stack().fit(X, y, sample_weight=weight)
    with config_context(enable_metadata_routing=True):
        asks = LogisticRegression().set_fit_request(sample_weight=True)
        routed = stack(asks).fit(X, y, sample_weight=weight)
        not_so = LogisticRegression().set_fit_request(sample_weight=False)
        model = stack(asks, final_estimator=not_so)
        unweighted = model.fit(X, y, sample_weight=weight).final_estimator_.coef_
    np.testing.assert_allclose(
        routed.final_estimator_.coef_, direct.final_estimator_.coef_
    )
    assert not np.allclose(unweighted, direct.final_estimator_.coef_)


def test_weights_may_be_of_any_kind():
    X, y = two_tables(40)
    weight = np.linspace(0.1, 1, 40)
    expected = stack().fit(X, y, sample_weight=weight).predict_proba(X)
    for same in (weight.tolist(), pd.Series(weight, index=range(5, 45))):
        got = stack().fit(X, y, sample_weight=same).predict_proba(X)
        np.testing.assert_allclose(got, expected)


def test_another_rule_forgets_the_final_model():
    X, y = two_tables(40)
    model = stack().fit(X, y)
    assert not hasattr(model.set_params(rule="mean").fit(X, y), "final_estimator_")


def test_saving(tmp_path):
    X, y = two_tables(40)
    net = FusionClassifier(max_epochs=2, random_state=0)
    model = stack(net, final_estimator=clone(net), cv=2).fit(X, y)
    default = stack(net, cv=2).fit(X, y)
    rest = LateFusionClassifier(net, rule="vote", weights={"a": 2.0}).fit(X, y)
    for each in (model, default, rest):
        each.save(tmp_path / "late")
        again = load(tmp_path / "late")
        np.testing.assert_array_equal(again.predict_proba(X), each.predict_proba(X))


def test_constant_predictions():
    X, _ = two_tables(30)
    model = LateFusionRegressor(DummyRegressor(), rule="stack").fit(X, X["a"][:, 0])
    np.testing.assert_allclose(model.predict(X), X["a"][:, 0].mean(), atol=0.5)


def test_naive_bayes_on_three_classes_is_stacked():
    X, y = three_tables(classes=3)
    assert stack(GaussianNB()).fit(X, y).score(X, y) > 0.6
