"""Targets of several outputs of which entries are NaN: not measured."""

import os

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score, get_scorer, make_scorer, r2_score
from sklearn.model_selection import KFold, cross_val_score
from sklearn.utils.class_weight import compute_class_weight

import skmm
from skmm import (
    DynamicFusionClassifier,
    FusionClassifier,
    FusionRegressor,
    GradientBlendingClassifier,
    LateFusionClassifier,
    LateFusionRegressor,
    MulMixClassifier,
    NoHarmFusionClassifier,
    NoHarmFusionRegressor,
    ResidualFusionClassifier,
    ResidualFusionRegressor,
)
from skmm.base.training_data import combined_weight, keep_outputs
from skmm.base.validation_split import validation_indices
from skmm.inspection import emap, modality_importance, robustness_curve
from skmm.metrics import masked_scorer
from skmm.model_selection import (
    ModalitySearchCV,
    bootstrap_score,
    compare_modalities,
    cross_validate_replicas,
    fit_replicas,
)
from skmm.nn import Flatten, MLPHead
from skmm.preprocessing import DropCorruption, MoleculeFingerprint
from skmm.training import Stage

N = 120
RNG = np.random.default_rng(0)
X = {"a": RNG.normal(size=(N, 3)), "b": RNG.normal(size=(N, 2))}
VALUES = np.c_[X["a"] @ [1, 2, 0], X["a"][:, 2] + X["b"][:, 0], X["b"] @ [3, 1]]
VALUES += RNG.normal(size=VALUES.shape)
FULL = {"labels": (VALUES > 0).astype(int), "values": 10 * VALUES + [0, 50, -3]}
HOLES = RNG.random(VALUES.shape) < 0.4
HOLES[:5] = True  # nothing is measured
MASKED = {kind: np.where(HOLES, np.nan, y) for kind, y in FULL.items()}
SOME = ~HOLES.all(axis=1)
WEIGHT = RNG.integers(0, 3, N).astype(float)

quick = {"max_epochs": 4, "lr": 0.01, "random_state": 0}
CLASSIFIERS = [
    FusionClassifier(**quick),
    FusionClassifier(class_weight="balanced", early_stopping=True, **quick),
    FusionClassifier(stages=[Stage("head"), Stage("all")], **quick),
    ResidualFusionClassifier(**quick),
    GradientBlendingClassifier(super_epoch=2, **quick),
    DynamicFusionClassifier(**quick),
]
REGRESSORS = [
    FusionRegressor(**quick),
    FusionRegressor(objective="huber_error", early_stopping=True, **quick),
    ResidualFusionRegressor(**quick),
    NoHarmFusionRegressor(cv=2, **quick),
    NoHarmFusionRegressor(guarantee=None, **quick),
    NoHarmFusionRegressor(cv=2, guarantee="holdout", loss_bound=1e6, **quick),
]
MODELS = [(m, "labels") for m in CLASSIFIERS] + [(m, "values") for m in REGRESSORS]
every_model = pytest.mark.parametrize(
    ("model", "kind"), MODELS, ids=[str(m)[:60] for m, _ in MODELS]
)


def taken(rows, X=X):
    return {name: values[rows] for name, values in X.items()}


def outputs(model, rows=slice(None)):
    method = getattr(model, "predict_proba", model.predict)
    return method(taken(rows))


def assert_same(one, other, **limits):
    np.testing.assert_allclose(outputs(one), outputs(other), **limits)


def fresh(model):
    return skmm.restrict(model, ["a", "b"])


@every_model
def test_a_sample_without_measurements_is_as_if_removed(model, kind):
    y = MASKED[kind]
    every = fresh(model).fit(X, y, sample_weight=1 + WEIGHT)
    some = fresh(model).fit(taken(SOME), y[SOME], sample_weight=1 + WEIGHT[SOME])
    assert_same(every, some, rtol=1e-5, atol=1e-5)


@every_model
def test_a_sample_without_measurements_is_one_of_weight_zero(model, kind):
    weight = np.where(SOME, 1.0 + WEIGHT, 0.0)
    y = np.where(SOME[:, None], MASKED[kind], FULL[kind])
    masked = fresh(model).fit(X, MASKED[kind], sample_weight=1 + WEIGHT)
    other = fresh(model).fit(X, y, sample_weight=weight)
    assert_same(masked, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("model", "kind"), [MODELS[0], MODELS[6]])
def test_all_outputs_are_predicted_and_learnt(model, kind):
    longer = fresh(model).set_params(max_epochs=40).fit(X, MASKED[kind])
    found = outputs(longer)
    assert found.shape == VALUES.shape and np.isfinite(found).all()
    for k in range(3):  # also where the entries were not measured
        there = HOLES[:, k]
        correlation = np.corrcoef(found[there, k], VALUES[there, k])[0, 1]
        assert correlation > 0.5


def gradients(model, X, y, weight=None):
    """Loss of all samples and its gradients at the initial weights."""
    data = model.prepare(X, y, weight)
    net = model.make_net(data.module)
    rows, target = data.train
    loss = net.get_loss(net.infer(rows), target, rows, training=True)
    loss.backward()
    return loss.item(), [p.grad for p in data.module.parameters()]


def linear(cls):
    return cls(Flatten(), head=MLPHead(hidden=()), random_state=0)


@pytest.mark.parametrize("kind", ["labels", "values"])
def test_an_output_learns_from_its_measured_samples_alone(kind):
    """The mean over all measured entries: an output has its share of the gradient."""
    cls = FusionClassifier if kind == "labels" else FusionRegressor
    _, together = gradients(linear(cls), X, MASKED[kind])
    for k, holes in enumerate(HOLES.T):
        rows = np.flatnonzero(~holes)
        y = np.repeat(FULL[kind][rows, k][:, None], 3, axis=1)  # of the same shape
        _, alone = gradients(linear(cls), taken(rows), y)
        share = len(rows) / (~HOLES).sum()
        for one, other in zip(together, alone, strict=True):
            # alone each of the three outputs has a third of the gradient
            torch.testing.assert_close(one[k], 3 * share * other[k])


@pytest.mark.parametrize(
    ("cls", "kind"), [(FusionClassifier, "labels"), (FusionRegressor, "values")]
)
def test_integer_weights_are_repeated_samples(cls, kind):
    repeated = np.repeat(np.arange(N), WEIGHT.astype(int))
    y = MASKED[kind]
    loss, weighted = gradients(linear(cls), X, y, WEIGHT)
    other, again = gradients(linear(cls), taken(repeated), y[repeated])
    assert loss == pytest.approx(other)
    torch.testing.assert_close(weighted, again)


def test_mean_and_scale_are_of_measured_entries():
    y, weight = MASKED["values"], WEIGHT + 0.5
    model = FusionRegressor(**quick).fit(X, y, sample_weight=weight)
    for k in range(3):
        rows = ~HOLES[:, k]
        mean = np.average(y[rows, k], weights=weight[rows])
        scale = np.sqrt(np.average((y[rows, k] - mean) ** 2, weights=weight[rows]))
        assert model._target.mean[k] == pytest.approx(mean)
        assert model._target.scale[k] == pytest.approx(scale)


def test_balanced_weights_count_measured_labels():
    y = MASKED["labels"]
    found = combined_weight(N, y, class_weight="balanced", scaled=False)
    expected = np.ones(N)
    for k in range(3):
        rows = ~HOLES[:, k]
        factors = compute_class_weight(
            "balanced", classes=np.array([0, 1]), y=y[rows, k]
        )
        expected[rows] *= factors[y[rows, k].astype(int)]
    np.testing.assert_allclose(found, expected)


def test_class_weights_by_label_leave_out_what_is_not_measured():
    y = MASKED["labels"]
    given = [{0: 1, 1: 2}, {0: 3, 1: 1}, {0: 1, 1: 5}]
    found = combined_weight(N, y, class_weight=given, scaled=False)
    factors = [[one[v] if v == v else 1.0 for v in y[:, k]] for k, one in
               enumerate(given)]  # fmt: skip
    np.testing.assert_allclose(found, np.prod(factors, axis=0))
    full = combined_weight(N, FULL["labels"], class_weight=given, scaled=False)
    exact = combined_weight(N, FULL["labels"] * 1.0, class_weight=given, scaled=False)
    np.testing.assert_array_equal(full, exact)
    with pytest.raises(ValueError, match="class_weight must have one dict for each"):
        combined_weight(N, y, class_weight=given[:2])


# -- how y may be given ------------------------------------------------------------


def as_objects(y):
    return np.where(np.isnan(y), None, y.astype(object))


FORMS = {
    "None": as_objects,
    "pd.NA": lambda y: np.where(np.isnan(y), pd.NA, y.astype(object)),
    "float32": lambda y: y.astype(np.float32),
    "frame": pd.DataFrame,
    "nullable": lambda y: pd.DataFrame(y).astype("Int64"),
    "boolean": lambda y: pd.DataFrame(y).astype("boolean"),
    "lists": lambda y: as_objects(y).tolist(),
    "lists of floats": lambda y: y.tolist(),
    "masked array": lambda y: np.ma.masked_invalid(y),
    "masked ints": lambda y: np.ma.masked_array(np.nan_to_num(y).astype(int), y != y),
    "tensor": torch.from_numpy,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_y_is_read(form):
    y = FORMS[form](MASKED["labels"])
    expected = FusionClassifier(**quick).fit(X, MASKED["labels"])
    model = FusionClassifier(**quick).fit(X, y)
    np.testing.assert_array_equal(outputs(model), outputs(expected))
    assert model.score(X, y) == expected.score(X, MASKED["labels"])


@pytest.mark.parametrize("form", ["None", "frame", "lists", "masked array", "tensor"])
def test_every_form_of_values_is_read(form):
    y = FORMS[form](MASKED["values"])
    expected = FusionRegressor(**quick).fit(X, MASKED["values"])
    model = FusionRegressor(**quick).fit(X, y)
    np.testing.assert_array_equal(outputs(model), outputs(expected))


@pytest.mark.parametrize("dtype", [bool, int, float, object])
def test_y_without_nan_is_the_same_in_every_dtype(dtype):
    expected = FusionClassifier(**quick).fit(X, FULL["labels"])
    model = FusionClassifier(**quick).fit(X, FULL["labels"].astype(dtype))
    np.testing.assert_array_equal(outputs(model), outputs(expected))


@pytest.mark.parametrize("cls", [FusionClassifier, FusionRegressor])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_one_output_with_nan_is_refused_with_the_count(cls, shape):
    y = FULL["labels"][:, 0].astype(float)
    y[[3, 7, 9]] = np.nan
    with pytest.raises(ValueError, match=r"NaN in 3 of 120 samples.*Leave them out"):
        cls(**quick).fit(X, y.reshape(shape))


@pytest.mark.parametrize(
    ("cls", "kind"), [(FusionClassifier, "labels"), (FusionRegressor, "values")]
)
def test_an_output_that_is_never_measured_is_refused(cls, kind):
    y = MASKED[kind].copy()
    y[:, 1] = np.nan
    with pytest.raises(ValueError, match="no measured value of output 1 in the train"):
        cls(**quick).fit(X, y)
    y[5, 1] = FULL[kind][5, 1]
    weight = np.ones(N)
    weight[5] = 0
    with pytest.raises(ValueError, match=r"output 1 .*Leave out these columns"):
        cls(**quick).fit(X, y, sample_weight=weight)
    with pytest.raises(ValueError, match="all of its entries are NaN"):
        cls(**quick).fit(X, np.full((N, 2), np.nan))
    fitted = cls(**quick).fit(X, MASKED[kind])
    with pytest.raises(ValueError, match="all of its entries are NaN"):
        fitted.partial_fit(X, np.full((N, 3), np.nan))
    fitted.partial_fit(X, y)  # the chunk need not measure every output


@pytest.mark.parametrize("holes", [False, True])
def test_labels_other_than_0_and_1_are_refused(holes):
    y = MASKED["labels"] if holes else FULL["labels"]
    with pytest.raises(ValueError, match=r"1 for the labels .*got the values .*2"):
        FusionClassifier(**quick).fit(X, 2 * y)


def test_text_with_holes_is_refused():
    y = np.where(HOLES, None, np.where(FULL["labels"], "yes", "no"))
    for model in (FusionClassifier(**quick), FusionRegressor(**quick)):
        with pytest.raises(ValueError, match=r"entries are missing .* not numbers"):
            model.fit(X, y)


def test_infinity_is_not_a_missing_entry():
    y = MASKED["values"].copy()
    y[10, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        FusionRegressor(**quick).fit(X, y)


@pytest.mark.parametrize(
    "model", [LateFusionClassifier(), NoHarmFusionClassifier(), MulMixClassifier()]
)
@pytest.mark.parametrize("kind", [FULL, MASKED], ids=["full", "masked"])
def test_models_of_one_class_per_sample_name_the_way_out(model, kind):
    words = f"{type(model).__name__} needs one class per sample.*Use FusionClassifier"
    with pytest.raises(ValueError, match=words):
        model.fit(X, kind["labels"])


def test_late_fusion_of_values_names_the_way_out():
    with pytest.raises(ValueError, match=r"contains NaN.*Use FusionRegressor or NoH"):
        LateFusionRegressor().fit(X, MASKED["values"])


# -- training ----------------------------------------------------------------------


def log_loss(proba, y):
    measured = ~np.isnan(y)
    p = np.where(y == 1, proba, 1 - proba)
    return -np.log(p[measured]).mean()


def test_losses_are_means_over_measured_entries():
    y = MASKED["labels"]
    model = FusionClassifier(early_stopping=True, **quick).fit(X, y)
    _, valid = validation_indices(model, y[SOME])
    kept = np.flatnonzero(SOME)[valid]
    best = model.history_["valid_loss"][model.best_epoch_ - 1]
    assert log_loss(outputs(model, kept), y[kept]) == pytest.approx(best, rel=1e-5)


def test_the_loss_of_an_epoch_does_not_depend_on_its_slices(monkeypatch):
    y = MASKED["labels"]
    settings = {**quick, "early_stopping": True, "validation_fraction": 0.4}
    whole = FusionClassifier(**settings).fit(X, y).history_
    monkeypatch.setattr("skmm.training.net.slice_rows", lambda rows, least: 7)
    parts = FusionClassifier(**settings).fit(X, y).history_
    np.testing.assert_allclose(whole["valid_loss"], parts["valid_loss"], rtol=1e-5)
    frozen = {**quick, "optimizer": "sgd", "lr": 1e-12, "max_epochs": 1}
    losses = [
        FusionClassifier(batch_size=size, **frozen).fit(X, y).history_["train_loss"][0]
        for size in (7, N)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_rare_outputs_stay_in_the_training_set():
    y = np.c_[np.ones(6), np.full(6, np.nan), np.full(6, np.nan)]
    y[[4, 5], 1] = 1
    y[[4, 0], 2] = 1
    train, valid = keep_outputs(y, np.arange(4), np.array([4, 5]))
    assert train.tolist() == [0, 1, 2, 3, 4] and valid.tolist() == [5]
    every = keep_outputs(y, np.arange(4), np.array([4]))
    assert [part.tolist() for part in every] == [[0, 1, 2, 3], [4]]


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize(
    ("cls", "kind"), [(FusionClassifier, "labels"), (FusionRegressor, "values")]
)
def test_replicas_are_the_fits_alone(cls, kind, early):
    model = cls(early_stopping=early, **quick)
    samples = [np.arange(N), np.arange(20, N), RNG.integers(0, N, N)]
    y, weight = MASKED[kind], WEIGHT + 0.1
    replicas = fit_replicas(model, X, y, samples, sample_weight=weight)
    for rows, replica in zip(samples, replicas, strict=True):
        alone = cls(early_stopping=early, **quick)
        alone.fit(taken(rows), y[rows], sample_weight=weight[rows])
        assert_same(replica, alone, rtol=1e-4, atol=1e-4)
        columns = [c for c in alone.history_ if c.endswith("loss")]
        np.testing.assert_allclose(
            replica.history_[columns], alone.history_[columns], rtol=1e-4
        )


def test_partial_fit_and_warm_start_read_masks():
    y = MASKED["labels"]
    model = FusionClassifier(warm_start=True, **quick).partial_fit(X, y)
    before = outputs(model)
    model.partial_fit(X, FULL["labels"]).fit(X, y)
    assert model.n_iter_ == 6 and not np.allclose(before, outputs(model))


def test_a_saved_model_is_the_same(tmp_path):
    model = FusionRegressor(**quick).fit(X, MASKED["values"])
    model.save(tmp_path / "model.skmm")
    loaded = skmm.load(tmp_path / "model.skmm")
    np.testing.assert_array_equal(outputs(loaded), outputs(model))


# -- scores ------------------------------------------------------------------------


def test_the_score_of_a_classifier_is_over_measured_labels():
    model = FusionClassifier(**quick).fit(X, MASKED["labels"])
    y, found = MASKED["labels"], model.predict(X)
    filled = np.where(HOLES, found, FULL["labels"])[SOME]
    assert model.score(X, y) == pytest.approx(accuracy_score(filled, found[SOME]))
    weight = 1 + WEIGHT
    expected = accuracy_score(filled, found[SOME], sample_weight=weight[SOME])
    assert model.score(X, y, sample_weight=weight) == pytest.approx(expected)


@pytest.mark.parametrize("model", [REGRESSORS[0], REGRESSORS[3]], ids=repr)
def test_the_score_of_a_regressor_is_by_output(model):
    y = MASKED["values"].copy()
    model = fresh(model).fit(X, y)
    found = model.predict(X)
    each = [r2_score(y[~h, k], found[~h, k]) for k, h in enumerate(HOLES.T)]
    assert model.score(X, y) == pytest.approx(np.mean(each))
    y[1:, 2] = np.nan
    assert model.score(X, y) == pytest.approx(np.mean(each[:2]))


@pytest.mark.parametrize("kind", ["labels", "values"])
def test_the_score_of_a_projection_is_over_measured_entries(kind):
    cls = FusionClassifier if kind == "labels" else FusionRegressor
    model = cls(**quick).fit(X, MASKED[kind])
    found = emap(model, skmm.ModalityDict(X), MASKED[kind])
    assert found.score == pytest.approx(model.score(X, MASKED[kind]))
    assert np.isfinite(found.projected_score)


def test_cross_validation_by_scikit_learn():
    model = FusionClassifier(**quick)
    cv = KFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(model, skmm.ModalityDict(X), MASKED["labels"], cv=cv)
    assert np.isfinite(scores).all()


# -- NoHarmFusionRegressor ---------------------------------------------------------


def test_the_evidence_of_no_harm_is_of_measured_entries():
    y = MASKED["values"]
    model = NoHarmFusionRegressor(**quick).fit(X, y, sample_weight=WEIGHT + 0.5)
    weight = np.where(HOLES, 0.0, (WEIGHT + 0.5)[:, None])
    for name, values in model.oof_predictions_.items():
        errors = np.where(HOLES, 0.0, np.nan_to_num(values - y))
        expected = (weight * errors**2).sum() / weight.sum()
        assert model.oof_loss_[name] == pytest.approx(expected)
    prior = [np.average(y[~h, k], weights=weight[~h, k]) for k, h in enumerate(HOLES.T)]
    np.testing.assert_allclose(model.prior_, prior)


def test_twelve_assays_of_tox21():
    path = os.path.join(os.environ.get("SKMM_DATA", ""), "moleculenet/tox21.csv.gz")
    if not os.path.exists(path):
        pytest.skip("SKMM_DATA names no folder that has it")
    table = pd.read_csv(path).sample(2000, random_state=0)
    y = table.drop(columns=["smiles", "mol_id"])
    bits = MoleculeFingerprint(n_bits=512).fit_transform(table["smiles"])
    molecules = skmm.ModalityDict(low=bits[:, :256], high=bits[:, 256:])
    model = FusionClassifier(early_stopping=True, max_epochs=10, random_state=0)
    model.fit(molecules[:1500], y[:1500])
    assert model.predict_proba(molecules).shape == (2000, 12)
    scores = masked_scorer("roc_auc", average=None)(model, molecules[1500:], y[1500:])
    assert y.isna().to_numpy().any() and np.nanmean(scores) > 0.65


def test_groups_keep_every_output_in_training():
    y = np.where(np.arange(60)[:, None] < 12, 1.0, [[1.0, np.nan]])
    groups = np.repeat(np.arange(10), 6)
    train, valid = np.arange(12, 60), np.arange(12)
    train, valid = keep_outputs(y, train, valid, groups)
    assert train.tolist() == [*range(6), *range(12, 60)] and len(valid) == 6


def test_a_masked_scorer_is_saved(tmp_path):
    model = FusionClassifier(monitor=masked_scorer("roc_auc"), early_stopping=True)
    model.set_params(max_epochs=2, random_state=0).fit(X, MASKED["labels"])
    model.save(tmp_path / "model")
    assert skmm.load(tmp_path / "model").monitor.metric == "roc_auc"


SCORED = {
    "compare_modalities": lambda model, X, y, how: compare_modalities(
        model, X, y, scoring=how, resampling=2, random_state=0
    ),
    "bootstrap_score": lambda model, X, y, how: bootstrap_score(
        model, X, y, scoring=how, resampling=2, random_state=0
    ),
    "cross_validate_replicas": lambda model, X, y, how: cross_validate_replicas(
        model, X, y, scoring=how, cv=2
    ),
    "several": lambda model, X, y, how: cross_validate_replicas(
        model, X, y, scoring={"one": how}, cv=2
    ),
    "search": lambda model, X, y, how: ModalitySearchCV(
        model, {"lr": [0.01]}, scoring=how, n_trials=1, cv=2
    ).fit(X, y),
    "modality_importance": lambda model, X, y, how: modality_importance(
        model.fit(X, y), X, y, scoring=how, n_repeats=1, random_state=0
    ),
    "robustness_curve": lambda model, X, y, how: robustness_curve(
        model.fit(X, y), X, y, DropCorruption(), scoring=how, levels=[0, 1], n_repeats=1
    ),
    "monitor": lambda model, X, y, how: model.set_params(
        early_stopping=True, monitor=how
    ).fit(X, y),
}


@pytest.mark.parametrize("call", SCORED.values(), ids=SCORED)
@pytest.mark.parametrize("kind", ["labels", "values"])
def test_scorers_that_reject_nan_name_the_one_that_does_not(call, kind):
    cls, name = {
        "labels": (FusionClassifier, "roc_auc"),
        "values": (FusionRegressor, "r2"),
    }[kind]
    data, y = taken(SOME), MASKED[kind][SOME]
    for scoring in (name, get_scorer(name)):
        with pytest.raises(ValueError, match=rf"{name}.* NaN, .*masked_scorer\("):
            call(cls(**quick), data, y, scoring)
    call(cls(**quick), data, y, masked_scorer(name))


def test_a_metric_of_ones_own_may_read_nan():
    own = make_scorer(lambda y, found: -np.nanmean(np.square(y - found)))
    found = cross_validate_replicas(
        FusionRegressor(**quick), X, MASKED["values"], scoring=own, cv=2
    )
    assert np.isfinite(found["test_score"]).all()


@pytest.mark.parametrize("cls", [FusionClassifier, FusionRegressor])
def test_a_score_without_any_measurement_is_an_error(cls):
    kind = "labels" if cls is FusionClassifier else "values"
    model = cls(**quick).fit(X, MASKED[kind])
    with pytest.raises(ValueError, match="no measured value in 5 samples"):
        model.score(taken(slice(5)), MASKED[kind][:5])
