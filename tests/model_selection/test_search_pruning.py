"""Pruning over epochs and folds: reported values, and training without change."""

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmm
from skmm import FusionClassifier
from skmm.model_selection import ModalitySearchCV
from skmm.preprocessing import ModalityTransformer
from skmm.training import EpochCallback, Stage
from tests.toys import two_tables

optuna = pytest.importorskip("optuna")

X, Y = two_tables(60)
RATES = {"lr": [1e-3, 1e-2]}


class Never(optuna.pruners.BasePruner):
    """Prunes nothing, but trials report to it, unlike to a NopPruner."""

    def prune(self, study, trial):
        return False


class Always(optuna.pruners.BasePruner):
    """Prunes at one step, except for the first trials."""

    def __init__(self, step=0, spared=0):
        self.step, self.spared = step, spared

    def prune(self, study, trial):
        return trial.number >= self.spared and trial.last_step >= self.step


def quick(**params):
    return FusionClassifier(**{"max_epochs": 4, "random_state": 0, **params})


def search(estimator, space=RATES, pruner=None, **params):
    params = {"n_trials": 3, "cv": 3, "random_state": 0, **params}
    return ModalitySearchCV(estimator, space, pruner=pruner or Never(), **params)


def expected_reports(model, n_splits=3):
    """Minus the mean over folds of the loss, recomputed from models of each epoch."""
    reports, past = [], []
    for train, test in StratifiedKFold(n_splits).split(X, Y):
        losses = []
        for epochs in range(1, model.max_epochs + 1):
            fitted = clone(model).set_params(max_epochs=epochs).fit(X[train], Y[train])
            proba = fitted.predict_proba(X[test])[np.arange(len(test)), Y[test]]
            losses.append(-np.log(proba).mean())
        reports += [-np.mean([*past, loss]) for loss in losses]
        past.append(losses[-1])
    return reports


def test_the_loss_of_the_test_fold_is_reported():
    found = search(quick(), n_trials=1).fit(X, Y)
    told = found.study_.trials[0].intermediate_values
    expected = expected_reports(quick(**found.best_params_))
    assert list(told) == list(range(12))
    np.testing.assert_allclose(list(told.values()), expected, rtol=1e-4)


def test_with_early_stopping_the_validation_loss_is_reported():
    model = quick(early_stopping=True, max_epochs=40, patience=3, lr=0.05)
    found = search(model, {"weight_decay": [0.0]}, n_trials=1).fit(X, Y)
    told = found.study_.trials[0].intermediate_values
    past, expected = [], {}
    for fold, (train, _) in enumerate(StratifiedKFold(3).split(X, Y)):
        losses = clone(model).fit(X[train], Y[train]).history_["valid_loss"]
        for epoch, loss in enumerate(losses):
            expected[40 * fold + epoch] = -np.mean([*past, loss])
        past.append(losses.min())
    assert told == pytest.approx(expected)


def test_epochs_of_stages_are_counted_on():
    stages = [Stage("head", epochs=2), Stage(epochs=3)]
    found = search(quick(stages=stages), n_trials=1).fit(X, Y)
    assert list(found.study_.trials[0].intermediate_values) == list(range(15))


@pytest.mark.parametrize("params", [{}, {"early_stopping": True, "patience": 2}])
def test_reporting_does_not_change_the_training(params):
    silent = ModalitySearchCV(
        quick(**params), RATES, n_trials=3, cv=3, random_state=0, replicas=False
    ).fit(X, Y)
    telling = search(quick(**params)).fit(X, Y)
    assert silent.cv_results_["params"] == telling.cv_results_["params"]
    for j in range(3):
        key = f"split{j}_test_score"
        np.testing.assert_array_equal(silent.cv_results_[key], telling.cv_results_[key])
    np.testing.assert_array_equal(silent.predict_proba(X), telling.predict_proba(X))


def test_reporting_with_batch_norm_and_dropout():
    encoders = {
        "a": skmm.nn.MLPEncoder((8,), dropout=0.5),
        "b": skmm.nn.Conv1dEncoder((4,), kernel_size=3, pool=1),
    }
    plain = quick(encoders=encoders).fit(X, Y)
    rows = {}

    def look(net):
        rows.setdefault("valid", watched.held_out(net, X[:9], Y[:9]))
        net.loss_on(*rows["valid"])

    watched = quick(encoders=encoders, callbacks=[])
    watched.set_params(callbacks=[EpochCallback(_Kept(look))]).fit(X, Y)
    np.testing.assert_array_equal(plain.predict_proba(X), watched.predict_proba(X))


class _Kept:
    """A function that estimators do not copy."""

    def __init__(self, call):
        self.call = call

    def __deepcopy__(self, memo):
        return self

    def __call__(self, net):
        self.call(net)


def test_pruned_trials_are_shown_and_never_the_best():
    found = search(quick(), pruner=Always(step=5, spared=2), n_trials=5).fit(X, Y)
    table = found.cv_results_
    assert table["state"].tolist() == ["COMPLETE"] * 2 + ["PRUNED"] * 3
    assert np.isnan(table["mean_test_score"][2:]).all()
    assert np.isfinite(table["split0_test_score"]).all()  # the first fold was finished
    assert np.isnan(table["split1_test_score"][2:]).all()
    assert found.best_index_ < 2 and (table["rank_test_score"][2:] > 2).all()
    for trial in found.study_.trials[2:]:
        assert trial.last_step == 5


def test_if_all_are_pruned_the_error_says_so():
    with pytest.raises(ValueError, match=r"3 were pruned.*n_warmup_steps"):
        search(quick(), pruner=Always()).fit(X, Y)


def test_a_bad_rate_is_pruned():
    pruner = optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=2)
    space = {"lr": loguniform(1e-6, 1e-1)}
    found = search(quick(), space, pruner, n_trials=12).fit(X, Y)
    rates = np.array([params["lr"] for params in found.cv_results_["params"]])
    pruned = found.cv_results_["state"] == "PRUNED"
    assert 0 < pruned.sum() < 12
    assert np.median(rates[pruned]) < np.median(rates[~pruned])


def test_the_last_step_of_a_pipeline_reports():
    model = make_pipeline(ModalityTransformer({"a": StandardScaler()}), quick())
    found = search(model, {"fusionclassifier__lr": [1e-2]}, n_trials=1).fit(X, Y)
    told = found.study_.trials[0].intermediate_values
    train, test = next(StratifiedKFold(3).split(X, Y))
    model.set_params(fusionclassifier__lr=1e-2).fit(X[train], Y[train])
    proba = model.predict_proba(X[test])[np.arange(len(test)), Y[test]]
    assert told[3] == pytest.approx(np.log(proba).mean(), rel=1e-4)
    assert found.best_estimator_[-1].callbacks is None


def test_callbacks_of_the_user_are_called_as_well():
    seen = []
    model = quick(callbacks=[EpochCallback(_Kept(lambda net: seen.append(1)))])
    search(model, n_trials=1, refit=False).fit(X, Y)
    assert len(seen) == 12


def test_without_epochs_scores_of_folds_are_reported():
    table = np.hstack([X["a"], X["b"]])
    found = search(LogisticRegression(), {"C": [1.0]}, n_trials=1).fit(table, Y)
    scores = [found.cv_results_[f"split{j}_test_score"][0] for j in range(3)]
    told = found.study_.trials[0].intermediate_values
    means = [np.mean(scores[: j + 1]) for j in range(3)]
    assert told == pytest.approx(dict(enumerate(means)))
    late = skmm.LateFusionClassifier(quick())
    found = search(late, {"rule": ["mean"]}, n_trials=1).fit(X, Y)
    assert list(found.study_.trials[0].intermediate_values) == [0, 1, 2]


@pytest.mark.parametrize(
    "model",
    [
        skmm.FusionRegressor(max_epochs=2, random_state=0),
        skmm.MulMixClassifier(max_epochs=2, random_state=0),
        skmm.EncoderDecoderReconstructor((8, 4, 8), max_epochs=2, random_state=0),
        skmm.EncoderDecoderReconstructor(
            (8, 4, 8), target="b", max_epochs=2, random_state=0
        ),
        skmm.CoordinatedEncoder(max_epochs=2, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_every_network_reports_its_epochs(model):
    y = None if getattr(model, "target", None) else X["a"][:, 0]
    y = Y if isinstance(model, skmm.MulMixClassifier) else y

    def scorer(model, X, y=None):
        return -model.history_["train_loss"].iloc[-1]

    found = search(model, scoring=scorer, cv=2, n_trials=1).fit(X, y)
    told = list(found.study_.trials[0].intermediate_values.values())
    assert len(told) == 4 and np.isfinite(told).all()


def test_incomparable_losses_are_rejected():
    model = skmm.MulMixClassifier(max_epochs=2)
    with pytest.raises(ValueError, match=r"pruner.*'beta'.*without a pruner"):
        search(model, {"beta": [0.1, 0.5]}).fit(X, Y)
    pipeline = make_pipeline(ModalityTransformer({}), quick())
    with pytest.raises(ValueError, match=r"pruner.*'fusionclassifier__objective'"):
        search(pipeline, {"fusionclassifier__objective": ["cross_entropy"]}).fit(X, Y)
    search(quick(), RATES, n_trials=1).fit(X, Y)


CHANGE_THE_LOSS = {
    skmm.FusionClassifier: "objective class_weight stages max_epochs early_stopping",
    skmm.FusionRegressor: "objective stages max_epochs early_stopping",
    skmm.MulMixClassifier: "beta margin mixtures max_epochs",
    skmm.ResidualFusionClassifier: "mode objective max_epochs",
    skmm.DynamicFusionClassifier: "cost_strength costs training branches max_epochs",
    skmm.GradientBlendingClassifier: "objective class_weight max_epochs",
    skmm.CoordinatedEncoder: "projector objective max_epochs",
    skmm.EncoderDecoderReconstructor: "output_activation loss target max_epochs",
}
CHANGES = [
    (cls, name) for cls, names in CHANGE_THE_LOSS.items() for name in names.split()
]


@pytest.mark.parametrize("cls, name", CHANGES)
def test_parameters_that_change_the_loss_are_rejected(cls, name):
    model = cls(max_epochs=2)
    assert name in model.get_params(deep=False)
    with pytest.raises(ValueError, match=rf"pruner compares .*\['{name}'\] in space"):
        search(model, {name: [1, 2]}, scoring=len).fit(X, Y)


ODD = np.where(np.arange(60) < 2, 2, Y)  # a class of two samples
FIRST, REST = np.arange(2), np.arange(2, 60)
HALVES = [(REST[::2], np.r_[FIRST, REST[1::2]]), (REST[1::2], REST[::2])]
NONE_KNOWN = [(REST, FIRST), *HALVES]


@pytest.mark.parametrize("splits", [HALVES, NONE_KNOWN])
@pytest.mark.parametrize("labels", [np.array([0, 1, 2]), np.array(["x", "y", "z"])])
def test_samples_of_unknown_classes_are_left_out(splits, labels):
    y = labels[ODD]
    silent = ModalitySearchCV(
        quick(), RATES, n_trials=2, cv=splits, random_state=0, replicas=False
    ).fit(X, y)
    found = search(quick(), cv=splits, n_trials=2).fit(X, y)
    for name in ("params", "mean_test_score", "split0_test_score"):
        np.testing.assert_array_equal(silent.cv_results_[name], found.cv_results_[name])
    told = found.study_.trials[0].intermediate_values
    start = 4 * (len(splits) - 2)
    assert list(told) == list(range(start, start + 8))
    model = quick(**found.cv_results_["params"][0]).fit(X[REST[::2]], Y[REST[::2]])
    proba = model.predict_proba(X[REST[1::2]])[np.arange(29), Y[REST[1::2]]]
    assert told[start + 3] == pytest.approx(np.log(proba).mean(), rel=1e-4)


def test_the_default_space_leaves_out_what_changes_the_loss():
    model = skmm.MulMixClassifier(max_epochs=2, random_state=0)
    assert "beta" in model.default_search_space()
    found = ModalitySearchCV(model, n_trials=1, cv=2, pruner=Never()).fit(X, Y)
    assert {*found.best_params_} == {*model.default_search_space()} - {"beta"}
    pipeline = make_pipeline(ModalityTransformer({}), model)
    found = ModalitySearchCV(pipeline, n_trials=1, cv=2, pruner=Never()).fit(X, Y)
    assert "mulmixclassifier__beta" not in found.best_params_
    silent = ModalitySearchCV(model, n_trials=1, cv=2).fit(X, Y)
    assert "beta" in silent.best_params_


NAME = "fusionclassifier"
LONG = quick(max_epochs=6)
WHOLE = {
    "epochs": {NAME: [quick(), LONG]},
    "kinds": {NAME: [quick(), skmm.MulMixClassifier(max_epochs=4)]},
    "scores": {NAME: [quick(), LogisticRegression()]},
    "steps": {"steps": [[(NAME, quick())], [(NAME, LONG)]]},
    "parts": [{NAME: [LONG]}, {f"{NAME}__lr": [0.1]}],
}


@pytest.mark.parametrize("space", WHOLE.values(), ids=WHOLE)
def test_estimators_with_incomparable_losses_are_rejected(space):
    pipeline = make_pipeline(ModalityTransformer({}), quick())
    with pytest.raises(ValueError, match=r"pruner.*'(steps|fusionclassifier)'"):
        search(pipeline, space).fit(X, Y)


def test_estimators_with_comparable_losses_are_searched():
    pipeline = make_pipeline(ModalityTransformer({}), quick())
    space = {NAME: [quick(lr=0.01), quick(lr=0.1)]}
    assert search(pipeline, space, n_trials=1).fit(X, Y).study_.trials[0].last_step
    table, linear = np.hstack([X["a"], X["b"]]), make_pipeline(LogisticRegression())
    scores = {"logisticregression": [LogisticRegression(C=2), LogisticRegression()]}
    assert search(linear, scores, n_trials=1).fit(table, Y).best_params_
