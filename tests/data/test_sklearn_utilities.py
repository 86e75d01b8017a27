"""scikit-learn's own utilities, given a ModalityDict.

Whatever works by rows must give the very numbers that it gives for the concatenated
table; whatever works by columns works by modality. What cannot work, because it does
arithmetic on X as one table, is listed in CANNOT with the reason and must say so.
"""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import (
    RFE,
    RFECV,
    SelectFromModel,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    train_test_split,
    validation_curve,
)
from sklearn.multiclass import (
    OneVsOneClassifier,
    OneVsRestClassifier,
    OutputCodeClassifier,
)
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils import resample, shuffle
from sklearn.utils.estimator_checks import check_estimator

from skmm import ModalityDict
from skmm.data import check_modalities
from tests.data.auto_concat import AutoConcat, Concatenate, concatenate


def _data(n=120):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n)
    X = ModalityDict(
        noise=rng.normal(size=(n, 2)),
        word=[f"row {i}" for i in range(n)],
        signal=rng.normal(size=(n, 3)) + y[:, None],
        present={"signal": rng.random(n) > 0.1, "word": rng.random(n) > 0.1},
    )
    return X, y


X, Y = _data()
TWO = np.column_stack([Y, 1 - Y])
SOME = np.where(np.arange(len(Y)) % 3, Y, -1)  # -1: not labelled
GRID = {"C": [0.01, 1.0]}


def proba(estimator):
    return lambda X: estimator.fit(X, Y).predict_proba(X)


def labels(estimator, y=Y):
    return lambda X: estimator.fit(X, y).predict(X)


def scores(search):
    return lambda X: search.fit(X, Y).cv_results_["mean_test_score"]


def _split(X):
    train, test, y, _ = train_test_split(X, Y, stratify=Y, random_state=0)
    return AutoConcat().fit(train, y).predict_proba(test)


def _voters():
    return [("weak", AutoConcat(0.01)), ("strong", AutoConcat())]


def _oob(X):
    bagging = BaggingClassifier(AutoConcat(), 30, oob_score=True, random_state=0)
    return bagging.fit(X, Y).oob_decision_function_


BY_ROWS = {
    "train_test_split": _split,
    "resample": lambda X: concatenate(check_modalities(resample(X, random_state=0))),
    "shuffle": lambda X: concatenate(check_modalities(shuffle(X, random_state=0))),
    "clone": lambda X: clone(AutoConcat(0.5).fit(X, Y)).fit(X, Y).predict_proba(X),
    "cross_val_score": lambda X: cross_val_score(AutoConcat(), X, Y),
    "cross_val_score in two processes": lambda X: cross_val_score(
        AutoConcat(), X, Y, n_jobs=2
    ),
    "cross_validate": lambda X: cross_validate(
        AutoConcat(), X, Y, return_train_score=True
    )["train_score"],
    "cross_val_predict": lambda X: cross_val_predict(
        AutoConcat(), X, Y, method="predict_proba"
    ),
    "learning_curve": lambda X: learning_curve(
        AutoConcat(), X, Y, shuffle=True, random_state=0
    )[2],
    "validation_curve": lambda X: validation_curve(
        AutoConcat(), X, Y, param_name="C", param_range=GRID["C"]
    )[1],
    "permutation_test_score": lambda X: permutation_test_score(
        AutoConcat(), X, Y, n_permutations=5, random_state=0
    )[1],
    "GridSearchCV": scores(GridSearchCV(AutoConcat(), GRID)),
    "RandomizedSearchCV": scores(
        RandomizedSearchCV(AutoConcat(), GRID, n_iter=2, random_state=0)
    ),
    "HalvingGridSearchCV": scores(
        HalvingGridSearchCV(AutoConcat(), GRID, min_resources=40, random_state=0)
    ),
    "HalvingRandomSearchCV": scores(
        HalvingRandomSearchCV(
            AutoConcat(), GRID, n_candidates=2, min_resources=40, random_state=0
        )
    ),
    "Pipeline": proba(make_pipeline("passthrough", AutoConcat())),
    "FunctionTransformer": proba(
        make_pipeline(FunctionTransformer(validate=True), AutoConcat())
    ),
    "FeatureUnion": lambda X: FeatureUnion(
        [("a", Concatenate()), ("b", Concatenate())]
    ).fit_transform(X),
    "VotingClassifier": proba(VotingClassifier(_voters(), voting="soft")),
    "StackingClassifier": proba(StackingClassifier(_voters())),
    "CalibratedClassifierCV": proba(CalibratedClassifierCV(AutoConcat())),
    "BaggingClassifier": proba(BaggingClassifier(AutoConcat(), random_state=0)),
    "BaggingClassifier in two processes": proba(
        BaggingClassifier(AutoConcat(), random_state=0, n_jobs=2)
    ),
    "BaggingClassifier out of bag": _oob,
    "AdaBoostClassifier": proba(AdaBoostClassifier(AutoConcat(), n_estimators=5)),
    "SelfTrainingClassifier": labels(SelfTrainingClassifier(AutoConcat()), SOME),
    "TunedThresholdClassifierCV": labels(TunedThresholdClassifierCV(AutoConcat())),
    "FixedThresholdClassifier": labels(
        FixedThresholdClassifier(AutoConcat(), threshold=0.8)
    ),
    "FrozenEstimator": lambda X: FrozenEstimator(AutoConcat().fit(X, Y)).predict_proba(
        X
    ),
    "FrozenEstimator, calibrated": lambda X: (
        CalibratedClassifierCV(FrozenEstimator(AutoConcat().fit(X, Y)))
        .fit(X, Y)
        .predict_proba(X)
    ),
    "OneVsRestClassifier": proba(OneVsRestClassifier(AutoConcat())),
    "OneVsOneClassifier": labels(OneVsOneClassifier(AutoConcat())),
    "OutputCodeClassifier": labels(OutputCodeClassifier(AutoConcat(), random_state=0)),
    "MultiOutputClassifier": labels(MultiOutputClassifier(AutoConcat()), TWO),
    "DummyClassifier": labels(DummyClassifier(strategy="stratified", random_state=0)),
}


@pytest.mark.parametrize("utility", BY_ROWS)
def test_utilities_by_rows_give_the_numbers_of_the_concatenated_table(utility):
    before, call = X.copy(), BY_ROWS[utility]
    np.testing.assert_allclose(call(X), call(concatenate(X)), rtol=1e-10)
    assert X == before


# These two warn for a plain array, too.
NOT_IN_PANDAS = {"FunctionTransformer", "StackingClassifier"}


@pytest.mark.parametrize("utility", sorted(BY_ROWS.keys() - NOT_IN_PANDAS))
def test_utilities_do_not_mind_that_transformers_return_frames(utility):
    with config_context(transform_output="pandas"):
        found = BY_ROWS[utility](X)
    np.testing.assert_allclose(found, BY_ROWS[utility](concatenate(X)), rtol=1e-10)


def test_pipeline_with_memory_reads_the_cache_only_for_the_same_masks(tmp_path):
    steps = (Concatenate(), LogisticRegression())
    cached = make_pipeline(*steps, memory=str(tmp_path))
    for data in (X, X, X.with_missing("signal"), X[::-1]):
        expected = make_pipeline(*map(clone, steps)).fit(data, Y).predict_proba(X)
        np.testing.assert_allclose(cached.fit(data, Y).predict_proba(X), expected)


# -- by columns, which are modalities --------------------------------------------------


def _selector(**settings):
    return SequentialFeatureSelector(AutoConcat(), n_features_to_select=1, **settings)


def _kept(selector, data):
    return list(check_modalities(selector.fit(data, Y).transform(data)))


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("output", ["default", "pandas"])
def test_sequential_feature_selector_selects_modalities(direction, output):
    selector = _selector(direction=direction).set_output(transform=output)
    assert _kept(selector, X) == ["signal"]
    kept = check_modalities(selector.transform(X))
    assert kept == X.select(["signal"])
    model = make_pipeline(selector, AutoConcat()).fit(X, Y)
    alone = AutoConcat().fit(X.select(["signal"]), Y)
    np.testing.assert_array_equal(
        model.predict_proba(X), alone.predict_proba(X.select(["signal"]))
    )


def test_recursive_elimination_ranks_modalities_by_a_given_importance():
    selector = RFE(
        AutoConcat(),
        n_features_to_select=1,
        importance_getter=AutoConcat.importances,
    )
    assert _kept(selector, X) == ["signal"]
    ranks = dict(zip(X, selector.ranking_, strict=True))
    assert ranks["signal"] < ranks["noise"] < ranks["word"]


def test_select_from_model_selects_modalities_and_misses_feature_names():
    # It copies feature_names_in_ from its estimator, and knows names of frames only.
    selector = SelectFromModel(AutoConcat(), importance_getter=AutoConcat.importances)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert _kept(selector, X) == ["signal"]


@pytest.mark.parametrize("settings", [{}, {"n_jobs": 2}, {"max_samples": 0.5}])
def test_permutation_importance_is_modality_importance(settings):
    model = AutoConcat().fit(X, Y)
    result = permutation_importance(model, X, Y, random_state=0, **settings)
    of = dict(zip(X, result.importances_mean, strict=True))
    assert len(of) == X.shape[1]
    chance = 2 * np.sqrt(0.25 / len(Y))  # two standard errors of an accuracy
    assert abs(of["noise"]) < chance < of["signal"]
    if "max_samples" not in settings:  # which scores another part of the rows
        assert of["word"] == 0


def test_column_transformer_with_positions_of_modalities():
    columns = {
        "numbers": ([2], [0]),
        "slices": (slice(2, 3), slice(0, 1)),
        "masks": ([False, False, True], [True, False, False]),
    }
    for signal, noise in columns.values():
        transformer = ColumnTransformer(
            [("signal", Concatenate(), signal), ("noise", Concatenate(), noise)]
        )
        expected = concatenate(X[["signal", "noise"]])
        np.testing.assert_array_equal(transformer.fit_transform(X), expected)
        model = make_pipeline(transformer, LogisticRegression()).fit(X, Y)
        assert model.score(X, Y) > np.mean(Y == 1)


def test_column_transformer_with_one_position_gets_the_leaf():
    transformer = ColumnTransformer([("scale", StandardScaler(), 0)])
    expected = StandardScaler().fit_transform(X["noise"])
    np.testing.assert_array_equal(transformer.fit_transform(X), expected)


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_column_transformer_passes_modalities_through(output):
    through = ColumnTransformer([("drop", "drop", [0])], remainder="passthrough")
    rest = through.set_output(transform=output).fit_transform(X)
    assert check_modalities(rest) == X.drop("noise")
    applied = ColumnTransformer([("drop", "drop", [1])], remainder=Concatenate())
    np.testing.assert_array_equal(applied.fit_transform(X), concatenate(X))


def test_bagging_with_some_modalities_each():
    bagging = BaggingClassifier(AutoConcat(), max_features=2, random_state=0).fit(X, Y)
    for model, used in zip(
        bagging.estimators_, bagging.estimators_features_, strict=True
    ):
        assert model.modalities_in_ == [list(X)[i] for i in used]
    assert bagging.score(X, Y) > np.mean(Y == 1)


# -- what cannot work ------------------------------------------------------------------

TWICE = "makes X an array of cells, then an inner step wants numbers of that array"
NUMBERS = "does arithmetic on one numeric table"

CANNOT = {
    "RFECV": (
        lambda: RFECV(AutoConcat(), importance_getter=AutoConcat.importances).fit(X, Y),
        TWICE,
        (TypeError, r"is not a number.*FunctionTransformer"),
    ),
    "a selector after a selector": (
        lambda: make_pipeline(
            SequentialFeatureSelector(AutoConcat(), n_features_to_select=2),
            _selector(),
        ).fit(X, Y),
        TWICE,
        (TypeError, r"is not a number.*FunctionTransformer"),
    ),
    "StackingClassifier(passthrough=True)": (
        lambda: StackingClassifier(_voters(), passthrough=True).fit(X, Y),
        "puts X and predictions side by side in one numeric table",
        (TypeError, r"is not a number.*FunctionTransformer"),
    ),
    "ClassifierChain": (
        lambda: ClassifierChain(AutoConcat()).fit(X, TWO),
        "puts X and earlier labels side by side in one table",
        (ValueError, "mixes modalities or other values"),
    ),
    "BaggingClassifier(bootstrap_features=True)": (
        lambda: BaggingClassifier(
            AutoConcat(), bootstrap_features=True, random_state=0
        ).fit(X, Y),
        "draws a modality twice, and names are unique",
        (ValueError, "repeated"),
    ),
    "ColumnTransformer with names": (
        lambda: ColumnTransformer([("a", Concatenate(), ["noise"])]).fit(X),
        "looks names up in frames only; use positions",
        (ValueError, "only supported for dataframes"),
    ),
    "StandardScaler": (
        lambda: StandardScaler().fit(X),
        NUMBERS,
        (TypeError, r"cannot be converted to dtype.*FunctionTransformer"),
    ),
    "VarianceThreshold": (
        lambda: VarianceThreshold().fit(X),
        NUMBERS,
        (TypeError, r"cannot be converted to dtype.*FunctionTransformer"),
    ),
    "LogisticRegression": (
        lambda: LogisticRegression().fit(X, Y),
        NUMBERS,
        (TypeError, r"cannot be converted to dtype.*FunctionTransformer"),
    ),
    "partial_dependence": (
        lambda: partial_dependence(AutoConcat().fit(X, Y), X, [0]),
        "makes a grid of the values of one numeric column",
        (ValueError, "broadcast"),
    ),
}


@pytest.mark.parametrize("utility", CANNOT)
def test_what_cannot_work_says_so(utility):
    call, _, (error, words) = CANNOT[utility]
    with pytest.raises(error, match=words):
        call()


# -- the door, as scikit-learn checks it -----------------------------------------------


@pytest.mark.parametrize("estimator", [AutoConcat(), Concatenate()], ids=repr)
def test_estimators_behind_the_door_pass_the_checks(estimator):
    check_estimator(estimator, on_skip=None)
