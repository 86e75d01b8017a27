"""groups= and validation_data= of fit, for all estimators that set samples aside."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmm
from skmm import (
    CoordinatedEncoder,
    DynamicFusionClassifier,
    EncoderDecoderReconstructor,
    FusionClassifier,
    FusionRegressor,
    GradientBlendingClassifier,
    LateFusionClassifier,
    ModalityDict,
    MulMixClassifier,
    NoHarmFusionClassifier,
    ResidualFusionClassifier,
    ResidualFusionRegressor,
)
from skmm.base import training_data, validation_split
from skmm.base.validation_split import split_samples, unused_groups
from skmm.model_selection import (
    ModalitySearchCV,
    bootstrap_score,
    compare_modalities,
    cross_validate_replicas,
    fit_replicas,
)
from skmm.preprocessing import ModalityTransformer

RNG = np.random.default_rng(0)
X = ModalityDict(a=RNG.normal(size=(96, 4)), b=RNG.normal(size=(96, 3)))
Y = (X["a"][:, 0] + RNG.normal(size=96) / 2 > 0).astype(int)
GROUPS = RNG.permutation(np.repeat([f"patient {i}" for i in range(24)], 4))
FAST = {"max_epochs": 2, "random_state": 0}
EARLY = {**FAST, "early_stopping": True}
NETS = [
    CoordinatedEncoder(**EARLY),
    DynamicFusionClassifier(**EARLY),
    EncoderDecoderReconstructor((4,), target="b", **EARLY),
    FusionClassifier(**EARLY),
    FusionRegressor(**EARLY),
    GradientBlendingClassifier(super_epoch=2, **FAST),
    MulMixClassifier(temperature="validation", **EARLY),
    ResidualFusionClassifier(**EARLY),
    ResidualFusionRegressor(mode="sequential", **EARLY),
]


def target_of(estimator):
    return None if isinstance(estimator, EncoderDecoderReconstructor) else Y


def name(estimator):
    return type(estimator).__name__


@pytest.fixture
def splits(monkeypatch):
    """Groups of the training and the validation set of every fit."""
    found, split = [], split_samples

    def spy(n_samples, fraction, labels, seed, groups=None):
        train, valid = split(n_samples, fraction, labels, seed, groups)
        sides = (
            [{*groups[rows]} for rows in (train, valid)] if groups is not None else 0
        )
        found.append(sides)
        return train, valid

    monkeypatch.setattr(validation_split, "split_samples", spy)
    return found


def assert_apart(splits):
    assert splits
    assert all(sides and not sides[0] & sides[1] for sides in splits)


@pytest.mark.parametrize("estimator", NETS, ids=name)
def test_no_group_is_on_both_sides(estimator, splits):
    model = sklearn.clone(estimator).fit(X, target_of(estimator), groups=GROUPS)
    assert_apart(splits)
    again = sklearn.clone(estimator).fit(X, target_of(estimator), groups=GROUPS)
    assert "valid_loss" in model.history_
    assert model.history_["valid_loss"].equals(again.history_["valid_loss"])


def test_the_samples_set_aside_are_whole_groups(monkeypatch):
    """Seen from the samples that training reads, not from the function that splits."""
    indices, pick = [], training_data._pick

    def spy(rows, target, index):
        indices.append(index)
        return pick(rows, target, index)

    monkeypatch.setattr(training_data, "_pick", spy)
    FusionClassifier(**EARLY).fit(X, Y, groups=GROUPS)
    train, valid = indices
    assert not {*GROUPS[train]} & {*GROUPS[valid]}
    assert sorted([*train, *valid]) == [*range(96)]
    assert 0.1 < len(valid) / 96 < 0.25
    assert abs(Y[valid].mean() - Y.mean()) < 0.15  # stratified


def test_samples_without_weight_have_groups_too(splits):
    weight = np.tile([0.0, 1.0, 2.0], 32)
    FusionClassifier(**EARLY).fit(X, Y, sample_weight=weight, groups=GROUPS)
    assert_apart(splits)


def test_samples_without_the_target_have_groups_too(splits):
    part = X.with_missing("b", [0, 5, 50])
    NETS[2].fit(part, groups=GROUPS)
    assert_apart(splits)
    assert splits[0][0] | splits[0][1] == {*np.delete(GROUPS, [0, 5, 50])}


PIPELINE = make_pipeline(
    ModalityTransformer({"a": StandardScaler()}), FusionClassifier(**EARLY)
)
MODELS = [
    FusionClassifier(**EARLY),
    FusionClassifier(monitor="roc_auc", **EARLY),
    PIPELINE,
    LateFusionClassifier(FusionClassifier(**EARLY)),
    LateFusionClassifier({"a": FusionClassifier(**EARLY), "b": LogisticRegression()}),
    LateFusionClassifier(FusionClassifier(**EARLY), rule="stack", cv=2),
    GradientBlendingClassifier(super_epoch=2, **FAST),
]


@pytest.mark.parametrize("model", MODELS, ids=name)
def test_no_group_is_on_both_sides_in_refits(model, splits):
    compare_modalities(model, X, Y, groups=GROUPS, resampling=3, random_state=0)
    cross_validate_replicas(model, X, Y, groups=GROUPS, cv=3)
    bootstrap_score(model, X, Y, groups=GROUPS, resampling=2, random_state=0)
    fit_replicas(model, X, Y, [np.arange(80)], groups=GROUPS)
    assert_apart(splits)


@pytest.mark.parametrize("model", [FusionClassifier(**EARLY), PIPELINE], ids=name)
@pytest.mark.parametrize("replicas", [True, False])
def test_no_group_is_on_both_sides_in_searches(model, replicas, splits):
    last = "fusionclassifier__" if model is PIPELINE else ""
    space = {f"{last}lr": [0.1, 0.01]}
    search = ModalitySearchCV(
        model, space, n_trials=2, cv=3, replicas=replicas, random_state=0
    )
    search.fit(X, Y, groups=GROUPS)
    assert_apart(splits)


@pytest.mark.parametrize("model", [FusionClassifier(**EARLY), PIPELINE], ids=name)
def test_groups_are_routed(model, splits):
    last = "fusionclassifier__" if model is PIPELINE else ""
    space = {f"{last}lr": [0.1, 0.01]}
    with sklearn.config_context(enable_metadata_routing=True):
        model.fit(X, Y, groups=GROUPS)
        GridSearchCV(model, space, cv=GroupKFold(2)).fit(X, Y, groups=GROUPS)
        settings = {"n_trials": 2, "cv": GroupKFold(2), "random_state": 0}
        ModalitySearchCV(model, space, **settings).fit(X, Y, groups=GROUPS)
        cross_validate(
            model,
            X,
            Y,
            cv=GroupKFold(2),
            params={"groups": GROUPS},
            error_score="raise",
        )
        LateFusionClassifier(FusionClassifier(**EARLY)).fit(X, Y, groups=GROUPS)
    assert_apart(splits)


def test_a_search_in_a_comparison_gets_the_groups():
    search = GridSearchCV(FusionClassifier(**FAST), {"lr": [0.1]}, cv=GroupKFold(2))
    found = compare_modalities(search, X, Y, groups=GROUPS, resampling=3)
    assert len(found.table) == 3


# -- inside meta-estimators of scikit-learn ----------------------------------------

FOREIGN = [
    CalibratedClassifierCV(FusionClassifier(**EARLY), cv=2),
    make_pipeline(ModalityTransformer(), CalibratedClassifierCV(MODELS[0], cv=2)),
    CalibratedClassifierCV(PIPELINE, cv=2),
    GridSearchCV(FusionClassifier(**EARLY), {"lr": [0.1]}, cv=GroupKFold(2)),
    LateFusionClassifier(
        {"a": CalibratedClassifierCV(MODELS[0], cv=2), "b": FusionClassifier(**EARLY)}
    ),
]


def search(model, cv):
    name = next(name for name in model.get_params() if name.endswith("lr"))
    return ModalitySearchCV(model, {name: [0.1]}, n_trials=1, cv=cv)


CALLS = [
    lambda model: compare_modalities(
        model, X, Y, groups=GROUPS, resampling=2, random_state=0
    ),
    lambda model: bootstrap_score(model, X, Y, groups=GROUPS, resampling=2),
    lambda model: cross_validate_replicas(model, X, Y, groups=GROUPS, cv=2),
    lambda model: search(model, 2).fit(X, Y, groups=GROUPS),
]


@pytest.mark.parametrize("model", FOREIGN, ids=name)
@pytest.mark.parametrize("call", CALLS)
def test_groups_that_a_nested_estimator_does_not_get_are_warned_of(model, call):
    expected = r"groups do not reach FusionClassifier in \w+CV, .*enable_metadata_rou"
    with pytest.warns(UserWarning, match=expected):
        call(model)


def test_the_warning_is_shown_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CALLS[0](FOREIGN[0])
    assert len(caught) == 1


@pytest.mark.parametrize("model", FOREIGN, ids=name)
def test_nested_estimators_get_groups_with_metadata_routing(model, splits):
    with sklearn.config_context(enable_metadata_routing=True):
        compare_modalities(model, X, Y, groups=GROUPS, resampling=2, random_state=0)
        bootstrap_score(model, X, Y, groups=GROUPS, resampling=1, random_state=0)
        search(model, GroupKFold(2)).fit(X, Y, groups=GROUPS)
    assert_apart(splits)


@pytest.mark.parametrize(
    "model",
    [
        CalibratedClassifierCV(FusionClassifier(**FAST), cv=2),  # sets nothing aside
        CalibratedClassifierCV(FrozenEstimator(FusionClassifier(**EARLY).fit(X, Y))),
    ],
)
def test_groups_that_no_estimator_would_use_are_not_warned_of(model):
    assert len(bootstrap_score(model, X, Y, groups=GROUPS, resampling=2).oob_scores)


def test_meta_estimators_that_do_not_route_are_named():
    model = AdaBoostClassifier(FusionClassifier(**EARLY))
    with sklearn.config_context(enable_metadata_routing=True):
        assert "AdaBoostClassifier cannot route them" in unused_groups(model)


def test_late_fusion_says_that_its_model_does_not_get_groups():
    with pytest.raises(ValueError, match="do not reach FusionClassifier in Calibrated"):
        LateFusionClassifier(FOREIGN[0]).fit(X, Y, groups=GROUPS)


@pytest.mark.parametrize("routing", [True, False])
def test_every_step_of_a_pipeline_gets_groups(routing, splits):
    """Of a transformer too, fitted alone or as the first part of replicas."""
    alone = make_pipeline(FusionClassifier(**EARLY), LogisticRegression())
    stacked = make_pipeline(CoordinatedEncoder(**EARLY), FusionClassifier(**FAST))
    with sklearn.config_context(enable_metadata_routing=routing):
        for model in (alone, stacked):
            bootstrap_score(model, X, Y, groups=GROUPS, resampling=1)
    assert_apart(splits)


def test_no_harm_without_a_guarantee_keeps_groups_together():
    settings = {"guarantee": None, **FAST}
    model = NoHarmFusionClassifier(**settings).fit(X, Y, groups=GROUPS)
    assert "valid_loss" in model.history_
    with pytest.raises(ValueError, match="early_stopping=False"):
        NoHarmFusionClassifier(early_stopping=False, **settings).fit(
            X, Y, groups=GROUPS
        )


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (GROUPS[:-1], "one entry per sample"),
        (np.zeros(96), "at least two groups"),
        (np.where(np.arange(96) < 3, np.nan, 1.0), "groups contains NaN in 3 of 96"),
        (pd.Series(GROUPS, index=range(1, 97)), "groups"),
    ],
)
def test_bad_groups_are_named(groups, message):
    data = X if not isinstance(groups, pd.Series) else X.with_index(pd.RangeIndex(96))
    with pytest.raises(ValueError, match=message):
        FusionClassifier(**EARLY).fit(data, Y, groups=groups)


def test_a_class_of_one_group_is_warned_of():
    y = np.r_[np.arange(24) % 2, np.arange(24) % 2 * 2]
    groups = np.repeat(["of 0 and 1", "of 0 and 2"], 24)
    with pytest.warns(UserWarning, match=r"all samples of class \d are in it"):
        split_samples(48, 0.15, y, 0, groups)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_late_fusion_needs_a_model_that_uses_groups(early_stopping):
    one = FusionClassifier(max_epochs=1, early_stopping=early_stopping)
    model = LateFusionClassifier({"a": one, "b": LogisticRegression()})
    if early_stopping:
        assert model.fit(X, Y, groups=GROUPS)
        return
    with pytest.raises(ValueError, match="groups are only used"):
        model.fit(X, Y, groups=GROUPS)


# -- validation_data ---------------------------------------------------------------


def halves(estimator):
    y = target_of(estimator)
    return (X[:64], y if y is None else y[:64]), (X[64:], y if y is None else y[64:])


@pytest.mark.parametrize("estimator", NETS, ids=name)
def test_validation_data_replace_samples_set_aside(estimator, splits):
    train, valid = halves(estimator)
    model = sklearn.clone(estimator).fit(*train, validation_data=valid)
    assert splits == []
    # the same validation set as if it were drawn from all samples
    aside = np.arange(96) >= 64
    other = sklearn.clone(estimator)
    data = other.prepare(X, target_of(estimator), valid=aside)
    other._train(other.make_net(data.module), data, 2)
    close = {"rtol": 0.2} if hasattr(model, "classes_") else {"rtol": 0.5}
    np.testing.assert_allclose(
        model.history_["valid_loss"], other.history_["valid_loss"], **close
    )
    if hasattr(model, "classes_"):  # no scale is learned from the samples
        pd.testing.assert_frame_equal(
            model.history_.drop(columns="dur"), other.history_.drop(columns="dur")
        )


def test_validation_data_have_weights():
    weight = np.r_[np.zeros(16), np.ones(16)]
    fits = [
        FusionClassifier(**EARLY).fit(X[:64], Y[:64], validation_data=data)
        for data in [(X[64:], Y[64:], weight), (X[80:], Y[80:]), (X[64:], Y[64:])]
    ]
    losses = [fit.history_["valid_loss"].tolist() for fit in fits]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
    assert not np.allclose(losses[0], losses[2], rtol=1e-3)


def test_validation_data_without_early_stopping_are_recorded():
    model = FusionClassifier(monitor="accuracy", **FAST)
    model.fit(X[:64], Y[:64], validation_data=(X[64:], Y[64:]))
    assert {"valid_loss", "valid_accuracy"} <= {*model.history_}
    assert not hasattr(model, "best_epoch_")
    assert model.history_["valid_accuracy"].iloc[-1] == model.score(X[64:], Y[64:])
    plain = FusionClassifier(**FAST).fit(X[:64], Y[:64])
    np.testing.assert_array_equal(plain.predict_proba(X), model.predict_proba(X))


def test_late_fusion_passes_validation_data_by_modality(splits):
    part = X.with_missing("a", range(64, 70))
    one = FusionClassifier(**EARLY)
    late = LateFusionClassifier(one).fit(
        part[:64], Y[:64], validation_data=(part[64:], Y[64:], np.ones(32))
    )
    assert splits == []
    single = skmm.restrict(one, ["a"])
    single.fit(X[:64], Y[:64], validation_data=(X[70:], Y[70:], np.ones(26)))
    found = late.estimators_["a"].history_["valid_loss"]
    assert found.tolist() == single.history_["valid_loss"].tolist()
    with pytest.raises(ValueError, match="validation_data is not accepted"):
        LateFusionClassifier(LogisticRegression()).fit(
            X, Y, validation_data=(X[64:], Y[64:])
        )
    with sklearn.config_context(enable_metadata_routing=True):
        late.set_params(estimators=one.set_fit_request(validation_data=True))
        late.fit(part[:64], Y[:64], validation_data=(part[64:], Y[64:]))
    assert splits == []


BAD = {
    "no tuple": (X[64:], "validation_data must be a tuple"),
    "one part": ((X[64:],), "a tuple of length 1"),
    "names": (({"a": X["a"][64:], "c": X["b"][64:]}, Y[64:]), "unknown modality 'c'"),
    "shapes": (({"a": X["b"][64:], "b": X["b"][64:]}, Y[64:]), "samples of shape"),
    "lengths": ((X[64:], Y[60:]), "inconsistent numbers of samples"),
    "nan": ((X[64:].assign({"a": np.full((32, 4), np.nan)}), Y[64:]), "NaN"),
    "classes": ((X[64:], np.full(32, 7)), r"unknown classes \[7\]"),
    "no y": ((X[64:], None), "y"),
    "weights": ((X[64:], Y[64:], np.zeros(32)), "non-zero"),
    "negative": ((X[64:], Y[64:], -np.ones(32)), "[Nn]egative"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_validation_data_are_named(case):
    data, message = BAD[case]
    model = FusionClassifier(warm_start=True, **EARLY).fit(X, Y)
    before = model.predict_proba(X)
    for _ in range(2):
        with pytest.raises((ValueError, TypeError), match="validation_data") as caught:
            model.fit(X[:64], Y[:64], validation_data=data)
        assert caught.match(message)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    fresh = FusionClassifier(**EARLY)
    with pytest.raises((ValueError, TypeError), match="validation_data"):
        fresh.fit(X[:64], Y[:64], validation_data=data)
    assert vars(fresh).keys() == vars(FusionClassifier()).keys()


def test_too_few_samples_are_named():
    with pytest.raises(ValueError, match=r"validation_fraction=0\.15"):
        FusionClassifier(**EARLY).fit(X[:2], [0, 1])
    model = FusionClassifier(**EARLY).fit(X[:2], [0, 1], validation_data=(X, Y))
    assert model.n_iter_ == 2
