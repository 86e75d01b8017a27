"""ModalitySearchCV as a search of scikit-learn."""

import pickle
import warnings

import numpy as np
import pytest
import sklearn
from scipy.stats import loguniform, randint, uniform
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RandomizedSearchCV,
    StratifiedGroupKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

import skmm
from skmm import FusionClassifier
from skmm.model_selection import ModalitySearchCV
from skmm.model_selection._optuna.storage import open_study
from skmm.nn import ConcatFusion, MeanFusion, MLPEncoder
from skmm.preprocessing import ModalityTransformer
from tests.toys import two_tables

optuna = pytest.importorskip("optuna")

RATES = {"lr": loguniform(1e-4, 1e-1)}
LINEAR = {"C": loguniform(1e-3, 10)}
X, Y = two_tables(60)
TABLE = np.hstack([X["a"], X["b"]])


def quick(**params):
    return FusionClassifier(**{"max_epochs": 3, "random_state": 0, **params})


def search(estimator=None, space=RATES, **params):
    params = {"n_trials": 4, "cv": 3, "random_state": 0, **params}
    return ModalitySearchCV(
        quick() if estimator is None else estimator, space, **params
    )


# of scikit-learn's check_cv, on a target that is infinite
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@parametrize_with_checks(
    [
        ModalitySearchCV(LogisticRegression(), {"C": [0.1, 1]}, n_trials=2, cv=2),
        ModalitySearchCV(
            Ridge(solver="svd"),
            {"alpha": [0.1, 1]},
            n_trials=2,
            cv=2,
        ),
    ],
    expected_failed_checks=lambda estimator: {
        "check_supervised_y_2d": "the warning is of the estimator, as for GridSearchCV"
    },
    xfail_strict=False,
)
def test_scikit_learns_contract(estimator, check):
    check(estimator)


def test_results_have_the_keys_of_a_random_search():
    ours = search(return_train_score=True).fit(X, Y).cv_results_
    theirs = RandomizedSearchCV(
        quick(), RATES, n_iter=4, cv=3, return_train_score=True, random_state=0
    )
    theirs = theirs.fit(X, Y).cv_results_
    assert {*ours} == {*theirs, "trial_number", "state"}
    for key, column in theirs.items():
        assert type(ours[key]) is type(column) and len(ours[key]) == len(column), key
    assert ours["param_lr"].dtype == theirs["param_lr"].dtype


@pytest.mark.parametrize("replicas", [False, "auto"])
def test_scores_are_those_of_cross_validation(replicas):
    found = search(replicas=replicas).fit(X, Y)
    table = found.cv_results_
    for i, params in enumerate(table["params"]):
        scores = cross_val_score(quick(**params), X, Y, cv=3)
        ours = [table[f"split{j}_test_score"][i] for j in range(3)]
        np.testing.assert_allclose(ours, scores)
        assert table["mean_test_score"][i] == pytest.approx(scores.mean())
    best = table["mean_test_score"].argmax()
    assert table["rank_test_score"][found.best_index_] == 1
    assert found.best_score_ == table["mean_test_score"][best]
    assert found.best_params_ == table["params"][found.best_index_]


def test_the_best_is_fitted_on_all_samples():
    found = search().fit(X, Y)
    alone = quick(**found.best_params_).fit(X, Y)
    np.testing.assert_array_equal(found.predict_proba(X), alone.predict_proba(X))
    np.testing.assert_array_equal(found.predict(X), alone.predict(X))
    np.testing.assert_array_equal(
        found.decision_function(X), alone.decision_function(X)
    )
    np.testing.assert_array_equal(found.transform(X), alone.transform(X))
    assert found.score(X, Y) == alone.score(X, Y)
    assert found.classes_.tolist() == [0, 1] and found.n_features_in_ == 2
    assert list(found.feature_names_in_) == ["a", "b"]
    assert found.refit_time_ > 0 and found.n_splits_ == 3 and not found.multimetric_


def test_methods_are_those_of_the_estimator():
    assert hasattr(search(), "predict_proba")
    regressor = skmm.FusionRegressor(max_epochs=2, random_state=0)
    assert not hasattr(search(regressor), "predict_proba")
    with pytest.raises(NotFittedError):
        search().predict(X)


def test_one_seed_one_search():
    a, b = (search().fit(X, Y) for _ in range(2))
    assert a.cv_results_["params"] == b.cv_results_["params"]
    other = search(random_state=1).fit(X, Y)
    assert a.cv_results_["params"] != other.cv_results_["params"]


def test_trials_do_not_draw_the_same():
    rates = search(n_trials=8).fit(X, Y).cv_results_["param_lr"]
    assert len({*rates}) == 8


def test_it_clones_pickles_and_shows_itself():
    fusions = {"fusion": [ConcatFusion(), MeanFusion(4)]}
    found = search(space=fusions, n_trials=3).fit(X, Y)
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(found.predict(X), again.predict(X))
    assert len(again.study_.trials) == 3
    copied = clone(found)
    assert not hasattr(copied, "study_")
    assert copied.get_params()["estimator__max_epochs"] == 3
    assert "FusionClassifier" in found._repr_html_()


def test_the_users_objects_are_not_changed():
    model, sampler = quick(), optuna.samplers.TPESampler(seed=0)
    before = pickle.dumps(sampler._rng.rng.get_state())
    search(model, sampler=sampler).fit(X, Y)
    assert model.lr == 1e-3 and not hasattr(model, "net_")
    assert pickle.dumps(sampler._rng.rng.get_state()) == before


def test_nested_names_and_whole_fusions_in_a_pipeline():
    model = make_pipeline(
        ModalityTransformer({"a": StandardScaler()}),
        quick(encoders={"a": MLPEncoder((4,)), "b": MLPEncoder((6,))}),
    )
    space = {
        "fusionclassifier__encoders__a__hidden": [(3,), (5,)],
        "fusionclassifier__fusion": [ConcatFusion(), MeanFusion(width=4)],
        "fusionclassifier__batch_size": randint(8, 20),
        "modalitytransformer__transformers__a__with_mean": [True, False],
    }
    found = search(model, space, n_trials=5).fit(X, Y)
    assert {*found.best_params_} == {*space}
    best = found.best_estimator_[-1]
    expected = found.best_params_["fusionclassifier__encoders__a__hidden"]
    assert best.encoders["a"].hidden == expected
    assert type(best.net_.module_.fusion) is type(
        found.best_params_["fusionclassifier__fusion"]
    )


def test_by_default_the_estimators_own_space_is_searched():
    found = search(quick(encoders=MLPEncoder((4,))), None, n_trials=3).fit(X, Y)
    assert {"lr", "fusion", "encoders__hidden"} <= {*found.best_params_}


def test_several_dicts_are_searched_in_one_study():
    space = [{"C": [0.1, 1.0]}, {"C": [10.0], "fit_intercept": [False]}]
    found = search(LogisticRegression(), space, n_trials=8).fit(TABLE, Y)
    kinds = {frozenset(params) for params in found.cv_results_["params"]}
    assert kinds == {frozenset(part) for part in space}
    assert np.ma.is_masked(found.cv_results_["param_fit_intercept"])


def test_several_metrics():
    scoring = {"accuracy": "accuracy", "loss": "neg_log_loss"}
    found = search(scoring=scoring, refit="loss").fit(X, Y)
    assert found.multimetric_ and {*found.scorer_} == {*scoring}
    assert found.best_index_ == found.cv_results_["mean_test_loss"].argmax()
    assert found.study_.best_value == found.best_score_
    assert found.score(X, Y) < 0
    with pytest.raises(ValueError, match="refit must name"):
        search(scoring=["accuracy"], refit=True).fit(X, Y)


def test_a_scorer_that_returns_several_scores():
    def both(estimator, X, y):
        score = estimator.score(X, y)
        return {"good": score, "bad": -score}

    found = search(scoring=both, refit="bad", n_trials=3).fit(X, Y)
    assert found.multimetric_
    assert found.best_index_ == found.cv_results_["mean_test_bad"].argmax()
    with pytest.raises(ValueError, match=r"refit must name .*\['good', 'bad'\]"):
        search(scoring=both, error_score="raise").fit(X, Y)


def test_a_callable_chooses_the_best_and_without_refit_there_is_no_model():
    chosen = search(refit=lambda table: len(table["params"]) - 1).fit(X, Y)
    assert chosen.best_index_ == 3 and not hasattr(chosen, "best_score_")
    bare = search(refit=False).fit(X, Y)
    assert bare.best_params_ and not hasattr(bare, "best_estimator_")
    assert not hasattr(bare, "predict")


@pytest.mark.parametrize("replicas", [False, "auto"])
def test_weights_reach_fits_and_scores(replicas):
    weight = np.where(np.arange(60) % 4 < 2, 1.0, 0.0)
    found = search(replicas=replicas, n_trials=2).fit(X, Y, sample_weight=weight)
    lr = found.cv_results_["param_lr"][0]
    expected = GridSearchCV(quick(), {"lr": [lr]}, cv=3)
    expected = expected.fit(X, Y, sample_weight=weight).cv_results_
    for j in range(3):
        ours = found.cv_results_[f"split{j}_test_score"][0]
        assert ours == pytest.approx(expected[f"split{j}_test_score"][0])
    alone = quick(**found.best_params_).fit(X, Y, sample_weight=weight)
    np.testing.assert_array_equal(found.predict_proba(X), alone.predict_proba(X))


def test_groups_reach_the_splitter():
    groups = np.arange(60) // 5
    found = search(cv=GroupKFold(4), n_trials=1).fit(X, Y, groups=groups)
    assert found.n_splits_ == 4
    with pytest.raises(
        ValueError, match="needs groups; pass groups=groups along with X"
    ):
        search(cv=GroupKFold(4)).fit(X, Y)


@pytest.mark.parametrize("cv", [3, None])
@pytest.mark.parametrize("model", [LogisticRegression(), Ridge()])
def test_a_number_of_folds_keeps_groups_together(cv, model):
    groups = np.tile(np.arange(12), 5)
    kind = StratifiedGroupKFold if isinstance(model, LogisticRegression) else GroupKFold
    known = search(model, {"tol": [1e-3]}, cv=kind(cv or 5), n_trials=1)
    found = search(model, {"tol": [1e-3]}, cv=cv, n_trials=1)
    for one in (known, found):
        one.fit(TABLE, Y, groups=groups.tolist())
    key = "split2_test_score"
    assert found.cv_results_[key] == known.cv_results_[key]
    with pytest.raises(ValueError, match=r"cv=KFold.* splits group"):
        search(model, {"tol": [1e-3]}, cv=KFold(3)).fit(TABLE, Y, groups=groups)


NAN = np.where(np.arange(60)[:, None] == 7, np.nan, TABLE)
MISTAKES = {
    "NaN": (lambda s: s.fit(NAN, Y), "NaN"),
    "weights": (
        lambda s: s.fit(TABLE, Y, sample_weight=[1.0] * 5),
        "sample_weight must have .* got 5",
    ),
    "groups": (lambda s: s.fit(TABLE, Y, groups=[1] * 5), "groups must have .* got 5"),
    "no y": (lambda s: s.fit(TABLE), "y"),
    "unknown": (lambda s: s.fit(TABLE, Y, colour=1), "colour"),
    "pruner": (lambda s: s.set_params(pruner=PRUNER).fit(NAN, Y), "NaN"),
}
PRUNER = optuna.pruners.MedianPruner()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_invalid_input_is_raised_and_leaves_no_study(mistake, tmp_path):
    call, words = MISTAKES[mistake]
    searched = search(LogisticRegression(), LINEAR, storage=tmp_path / "study.log")
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        call(searched)
    assert "no trial has a score" not in str(caught.value)
    assert not hasattr(searched, "study_")
    searched.set_params(pruner=None).fit(TABLE, Y)
    assert len(searched.study_.trials) == 4


def test_invalid_input_is_raised_for_stacked_trials():
    bad = X.assign(a=np.full((60, 3), np.nan))
    with pytest.raises(ValueError, match=r"'a'.*NaN|NaN.*'a'"):
        search().fit(bad, Y)
    with pytest.raises(TypeError, match="colour"):
        search().fit(X, Y, colour=1)


def test_a_first_trial_that_fails_because_of_its_parameters():
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(
        storage=storage, study_name="queued", direction="maximize"
    )
    study.enqueue_trial({"C": -1.0})  # which LogisticRegression refuses
    with pytest.warns(FitFailedWarning, match="trials failed"):
        found = search(
            LogisticRegression(),
            {"C": [-1.0, 1.0]},
            storage=storage,
            study_name="queued",
            random_state=1,
        ).fit(TABLE, Y)
    states = found.cv_results_["state"].tolist()
    assert states[0] == "FAIL" and "COMPLETE" in states


def test_an_error_leaves_a_study_with_results(tmp_path):
    path = tmp_path / "study.log"
    search(LogisticRegression(), LINEAR, storage=path, n_trials=2).fit(TABLE, Y)

    class Late(LogisticRegression):
        def fit(self, X, y):
            raise ValueError("late")

    with pytest.raises(ValueError, match="different estimator"):
        search(Late(), LINEAR, storage=path).fit(TABLE, Y)
    broken = search(Failing(), {"C": [0.5, 5.0]}, error_score="raise", n_trials=20)
    broken.set_params(storage=path, study_name="other")
    study = open_study(path, "other", None, None)
    study.enqueue_trial({"C": 0.5})
    with pytest.raises(FloatingPointError):
        broken.fit(TABLE, Y)
    assert broken.study_.trials[0].state.name == "COMPLETE"


def test_a_plain_dict_is_taken():
    found = search(n_trials=1).fit(dict(X), Y)
    assert found.predict(dict(X)).shape == (60,)


def test_no_target():
    model = skmm.CoordinatedEncoder(MLPEncoder((4,)), max_epochs=2, random_state=0)

    def agreement(model, X, y=None):
        return np.einsum("pii", model.cross_correlation(X)).mean()

    found = search(model, {"lr": [1e-3, 1e-2]}, scoring=agreement).fit(X)
    assert {*found.transform(X)} == {"a", "b"}


class Failing(LogisticRegression):
    """Fails for large C."""

    def fit(self, X, y):
        if self.C > 1:
            raise FloatingPointError("C is too large")
        return super().fit(X, y)


def test_a_failing_fit_fails_only_its_trial():
    with pytest.warns(FitFailedWarning, match=r"trials failed.*C is too large"):
        found = search(Failing(), {"C": uniform(0.5, 1)}, n_trials=8).fit(TABLE, Y)
    states = found.cv_results_["state"]
    failed = [params["C"] > 1 for params in found.cv_results_["params"]]
    assert np.array_equal(states == "FAIL", failed) and 0 < sum(failed) < 8
    assert np.array_equal(np.isnan(found.cv_results_["mean_test_score"]), failed)
    assert found.best_params_["C"] <= 1


def test_a_diverging_network_fails_only_its_trial():
    space = {"lr": [1e-3, 1e36]}
    with pytest.warns(FitFailedWarning, match="lr"):
        found = search(quick(optimizer="sgd"), space, n_trials=6).fit(X, Y)
    for params, state in zip(
        found.cv_results_["params"], found.cv_results_["state"], strict=True
    ):
        assert state == ("FAIL" if params["lr"] > 1 else "COMPLETE")


def test_a_score_for_failures():
    with pytest.warns(FitFailedWarning):
        found = search(
            Failing(), {"C": uniform(0.5, 1)}, n_trials=8, error_score=-1.0
        ).fit(TABLE, Y)
    failed = np.array([params["C"] > 1 for params in found.cv_results_["params"]])
    assert (found.cv_results_["mean_test_score"][failed] == -1).all()
    assert (found.cv_results_["state"] == "COMPLETE").all()


def test_errors_can_be_raised_and_name_the_trial():
    with pytest.raises(FloatingPointError, match="too large") as caught:
        search(Failing(), {"C": [5.0]}, error_score="raise").fit(TABLE, Y)
    assert "trial 0" in caught.value.__notes__[0]


def test_scores_that_are_nan_are_failures():
    with pytest.raises(ValueError, match=r"no trial has a score.*a score is nan"):
        search(LogisticRegression(), LINEAR, scoring=lambda *_: np.nan).fit(TABLE, Y)


def test_if_all_fail_the_first_error_is_shown():
    with pytest.raises(ValueError, match=r"4 failed.*C is too large"):
        search(Failing(), {"C": [2.0, 3.0]}).fit(TABLE, Y)


def test_no_trial_starts_after_the_timeout():
    found = search(LogisticRegression(), LINEAR, n_trials=10**6, timeout=0.5)
    found.fit(TABLE, Y)
    assert 0 < len(found.cv_results_["params"]) < 10**4


def test_timeout_before_the_first_trial():
    with pytest.raises(ValueError, match="none finished within timeout=1e-09"):
        search(LogisticRegression(), LINEAR, timeout=1e-9).fit(TABLE, Y)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"n_trials": 0}, "n_trials"),
        ({"timeout": -1}, "timeout"),
        ({"sampler": "tpe"}, "sampler"),
        ({"pruner": "median"}, "pruner"),
        ({"storage": 3}, "storage"),
        ({"replicas": "always"}, "replicas"),
        ({"space": {"lr": []}}, "choices of 'lr' is empty"),
        ({"space": {"typo": [1]}, "error_score": "raise"}, "typo"),
    ],
)
def test_bad_parameters_are_named(params, words):
    with pytest.raises(ValueError, match=words):
        search(**params).fit(X, Y)


def test_callbacks_of_scikit_learn_are_rejected():
    with pytest.raises(TypeError, match="study_"):
        search().set_callbacks()


def test_a_sampler_of_the_user_draws():
    grid = optuna.samplers.GridSampler({"C": [0.1, 1.0, 10.0]}, seed=0)
    found = search(
        LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, n_trials=3, sampler=grid
    )
    found.fit(TABLE, Y)
    assert sorted(found.cv_results_["param_C"]) == [0.1, 1.0, 10.0]


def test_optunas_settings_are_restored():
    level, filters = optuna.logging.get_verbosity(), list(warnings.filters)
    search(n_trials=2).fit(X, Y)
    assert optuna.logging.get_verbosity() == level and warnings.filters == filters


@pytest.mark.parametrize("level", [optuna.logging.INFO, optuna.logging.ERROR])
def test_nothing_is_logged_without_verbose(level, tmp_path, caplog):
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(level)
    try:
        for storage in (None, tmp_path / "s.log", tmp_path / "s.log"):
            search(LogisticRegression(), LINEAR, storage=storage).fit(TABLE, Y)
        with pytest.raises(FloatingPointError):
            search(Failing(), {"C": [5.0]}, error_score="raise").fit(TABLE, Y)
        assert optuna.logging.get_verbosity() == level
    finally:
        optuna.logging.set_verbosity(before)
    assert caplog.records == []


def test_optunas_plots_and_importances():
    pytest.importorskip("matplotlib")
    import matplotlib

    matplotlib.use("agg")
    from optuna.visualization import matplotlib as pictures

    found = search(LogisticRegression(), LINEAR, n_trials=6).fit(TABLE, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        axes = pictures.plot_optimization_history(found.study_)
    assert len(axes.collections[0].get_offsets()) == 6
    assert optuna.importance.get_param_importances(found.study_) == {"C": 1.0}


def test_a_tree_is_searched_as_well():
    found = search(DecisionTreeClassifier(random_state=0), {"max_depth": randint(1, 5)})
    assert found.fit(TABLE, Y).best_params_["max_depth"] in range(1, 5)


def test_an_estimator_that_only_the_space_makes_valid():
    parts = {"a": MLPEncoder((4,)), "b": MLPEncoder((6,))}
    model = quick(encoders=parts, fusion="mean")  # of unequal widths
    found = search(model, {"fusion": [ConcatFusion(), MeanFusion(5)]}).fit(X, Y)
    assert (found.cv_results_["state"] == "COMPLETE").all()


def test_a_search_can_be_restricted_to_modalities():
    found = skmm.restrict(search(), ["a"]).fit(X, Y)
    assert found.best_estimator_.modalities_in_ == ["a"]


def test_routed_metadata():
    weight = np.linspace(0.5, 2, 60)
    with sklearn.config_context(enable_metadata_routing=True):
        model = quick().set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        found = search(model, n_trials=2).fit(X, Y, sample_weight=weight)
        alone = clone(model).set_params(**found.best_params_)
        alone.fit(X, Y, sample_weight=weight)
    np.testing.assert_array_equal(found.predict_proba(X), alone.predict_proba(X))


def test_progress_bar(capsys):
    search(n_trials=2, verbose=1).fit(X, Y)
    assert "2/2" in capsys.readouterr().err
