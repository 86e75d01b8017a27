"""guarantee="crossfit": the best modality, or better."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    ShuffleSplit,
    cross_val_score,
)

from skmm import ModalityDict, restrict
from skmm.nn import ConvEncoder, MLPEncoder
from tests.estimators.no_harm.problems import (
    classifier,
    complementary,
    one_informative,
    regressor,
)

X, Y = complementary()


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(X, Y)


def test_fusion_is_used_where_it_helps(fitted):
    test, labels = complementary(1000, seed=1)
    assert fitted.weight_ > 0.3 and fitted.lower_bound_ > 0
    answers = fitted.candidate_predict_proba(test)
    best = log_loss(labels, answers[fitted.best_modality_])
    assert log_loss(labels, fitted.predict_proba(test)) < 0.95 * best


def test_the_prediction_is_the_mixture_of_both(fitted):
    answers, w = fitted.candidate_predict_proba(X), fitted.weight_
    best = answers[fitted.best_modality_]
    np.testing.assert_allclose(
        fitted.predict_proba(X), (1 - w) * best + w * answers["fused"]
    )


def test_at_weight_zero_it_is_the_best_modality(fitted):
    """With a z too large for any evidence."""
    strict = classifier(z=1e6).fit(X, Y)
    assert strict.weight_ == 0 and strict.lower_bound_ == 0
    answers = strict.candidate_predict_proba(X)
    np.testing.assert_array_equal(
        strict.predict_proba(X), answers[strict.best_modality_]
    )
    np.testing.assert_array_equal(answers["a"], fitted.candidate_predict_proba(X)["a"])


def test_the_best_modality_alone_is_the_bag_inside():
    """Seeds are derived from names: other modalities do not change the nets."""
    many = classifier(z=1e6).fit(X, Y)
    alone = classifier(modalities=[many.best_modality_]).fit(X, Y)
    np.testing.assert_allclose(many.predict_proba(X), alone.predict_proba(X), atol=1e-5)


def test_nets_fitted_one_by_one_are_exactly_the_same():
    images = ModalityDict(
        a=X["a"], image=np.random.default_rng(0).normal(size=(150, 1, 8, 8))
    )
    settings = {"encoders": {"image": ConvEncoder((4,), hidden=(8,))}, "max_epochs": 2}
    many = classifier(**settings).fit(images, Y)
    alone = classifier(**settings, modalities=["image"]).fit(images, Y)
    np.testing.assert_array_equal(
        many.candidate_predict_proba(images)["image"], alone.predict_proba(images)
    )


def test_each_candidate_starts_at_the_best_single_net_of_its_fold():
    """With tiny steps, the fused net is that net, up to rounding."""
    still = classifier(max_epochs=1, lr=1e-12).fit(X, Y)
    nets = still._nets()
    for fold in nets.folds:
        name = fold.order[0]
        best = fold.singles[name].predict_proba(X.select([name]))
        np.testing.assert_allclose(nets.predict_fused(fold, X), best, atol=1e-6)


def test_out_of_fold_predictions_are_of_nets_not_trained_on_the_sample(fitted):
    cv = KFold(3)
    model = classifier(cv=cv).fit(X, Y)
    nets = model._nets()
    for fold, (_, test) in zip(nets.folds, cv.split(X), strict=True):
        for name in X:
            np.testing.assert_allclose(
                model.oof_predictions_[name][test],
                nets.predict_single(fold, name, X[test]),
                atol=1e-6,
            )


def test_a_useless_modality_does_no_harm():
    data, y = one_informative()
    test, labels = one_informative(2000, seed=1)
    model = classifier().fit(data, y)
    assert model.best_modality_ == "good" and model.ranking_ == ["good", "useless"]
    assert model.modality_weights_["good"] > 0.8
    best = log_loss(labels, model.candidate_predict_proba(test)["good"])
    assert log_loss(labels, model.predict_proba(test)) < 1.02 * best


@pytest.mark.filterwarnings("ignore:modality .* is present in fewer than 3 training")
@pytest.mark.parametrize("kind", ["duplicate", "constant", "missing"])
def test_strange_modalities_are_reported_and_harmless(kind):
    data, y = one_informative(80)
    strange = {"duplicate": data["good"], "constant": np.ones((80, 2))}
    data = data.drop("useless").assign(strange=strange.get(kind, data["good"]))
    data = data.with_missing("strange") if kind == "missing" else data
    model = classifier().fit(data, y)
    assert model.no_harm_report_["model"].tolist()[:2] == ["good", "strange"]
    assert np.isfinite(model.predict_proba(data)).all()
    if kind == "missing":
        assert model.weight_ == 0 and model.unimodal_["strange"] == []
        assert model.no_harm_report_["rows_without"].tolist() == [0, 80]
        alone = classifier(modalities=["good"]).fit(data, y)
        np.testing.assert_array_equal(
            model.predict_proba(data), alone.predict_proba(data)
        )


def test_where_the_best_modality_is_missing_the_next_predicts():
    data, y = one_informative()
    noise = np.random.default_rng(5).normal(size=(150, 3))
    data = data.assign(second=data["good"] + noise)
    holes = data.with_missing("good", slice(0, 30))
    model = classifier(z=1e6).fit(holes, y)
    assert model.ranking_[:2] == ["good", "second"]
    answers, proba = model.candidate_predict_proba(holes), model.predict_proba(holes)
    np.testing.assert_array_equal(proba[:30], answers["second"][:30])
    np.testing.assert_array_equal(proba[30:], answers["good"][30:])
    report = model.no_harm_report_.set_index("model")
    assert report.loc["good", "rows_without"] == 30


def test_without_any_modality_the_class_shares_are_predicted():
    data, y = one_informative(90)
    for name in data:
        data = data.with_missing(name, slice(0, 3))
    model = classifier(z=1e6).fit(data, y)
    shares = np.bincount(y) / len(y)
    np.testing.assert_allclose(model.predict_proba(data)[:3], [shares] * 3)


def test_a_modality_missing_only_in_predict_raises_by_name():
    model = classifier().fit(X, Y)
    with pytest.raises(ValueError, match="modality 'b' is missing from X"):
        model.predict(X.drop("b"))


def test_weight_zero_is_leaving_the_sample_out():
    data, y = one_informative(60)
    weight = np.ones(60)
    weight[:20] = 0
    some = classifier().fit(data, y, sample_weight=weight)
    kept = classifier().fit(data[20:], y[20:])
    assert some.oof_loss_ == pytest.approx(kept.oof_loss_, rel=1e-6)


def test_class_weight_counts_in_the_evidence():
    plain = classifier().fit(X, Y).oof_loss_
    weighted = classifier(class_weight={"yes": 5.0, "no": 1.0}).fit(X, Y).oof_loss_
    assert plain["a"] != pytest.approx(weighted["a"], rel=1e-3)


def test_splitters_that_leave_samples_out():
    model = classifier(cv=ShuffleSplit(2, test_size=0.2, random_state=0)).fit(X, Y)
    known = np.isfinite(model.oof_predictions_["a"]).all(1)
    assert 0 < known.sum() < 150
    assert np.isfinite(list(model.oof_loss_.values())).all()


def test_small_classes():
    y = Y.copy()
    y[:2] = "rare"
    model = classifier(cv=5).fit(X, y)
    assert model.predict_proba(X).shape == (150, 3)
    assert np.isfinite(model.oof_loss_["fused"])


def test_several_starts_are_averaged():
    model = classifier(n_init=2, cv=2).fit(X, Y)
    assert [len(models) for models in model.unimodal_.values()] == [4, 4, 4]
    assert len(model.fused_) == 4
    starts = [m.encoders_["a"].layers[0].weight for m in model.unimodal_["a"][:2]]
    assert not (starts[0] == starts[1]).all()


def test_pretraining_has_its_own_settings():
    own = {"a": {"max_epochs": 2, "optimizer": "sgd"}}
    model = classifier(pretraining=own).fit(X, Y)
    assert {m.n_iter_ for m in model.unimodal_["a"]} == {2}
    assert max(m.n_iter_ for m in model.unimodal_["b"]) > 2
    with pytest.raises(ValueError, match=r"pretraining.*'c'"):
        classifier(pretraining={"c": {}}).fit(X, Y)


def test_one_modality_warns_and_is_its_model():
    with pytest.warns(UserWarning, match="only one modality, 'a'"):
        model = classifier().fit(X.select(["a"]), Y)
    assert model.weight_ == 0 and model.fused_ == []
    np.testing.assert_array_equal(
        model.predict_proba(X.select(["a"])),
        model.candidate_predict_proba(X.select(["a"]))["a"],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(modalities=["a"]).fit(X, Y)  # asked for


def test_max_harm_bounds_every_sample():
    model = classifier(max_harm=0.1).fit(X, Y)
    assert 0 < model.weight_ <= 1 - np.exp(-0.1)
    test, _ = complementary(500, seed=3)
    best = model.candidate_predict_proba(test)[model.best_modality_]
    worst = np.log(best) - np.log(model.predict_proba(test))
    assert worst.max() <= 0.1 + 1e-9


def test_in_cross_validation(fitted):
    assert cross_val_score(classifier(cv=2), X, Y, cv=2).mean() > 0.65


def test_the_report_and_the_curve(fitted):
    report = fitted.no_harm_report_.set_index("model")
    assert list(report.index) == ["a", "b", "noise", "fused", "deployed"]
    assert report.loc[fitted.best_modality_, "gain"] == 0
    curve = fitted.weight_curve_.set_index("weights")
    assert curve.loc[fitted.weight_, "certain"] == fitted.lower_bound_
    assert report.loc["deployed", "gain"] == pytest.approx(
        curve.loc[fitted.weight_, "gain"]
    )
    assert report.loc["fused", "gain"] == pytest.approx(curve.loc[1.0, "gain"])
    with pytest.raises(
        AttributeError, match="history_ exists for a single fused net only"
    ):
        _ = fitted.history_


def test_the_display(fitted):
    import matplotlib

    matplotlib.use("agg")
    display = fitted.no_harm_display()
    labels = [text.get_text() for text in display.axes_[0].get_yticklabels()]
    assert labels == ["deployed", "fused", "noise", "b", "a"]


def test_a_progress_bar(capsys):
    classifier(verbose=1, max_epochs=1).fit(X, Y)
    assert "modality" in capsys.readouterr().err
    classifier(max_epochs=1).fit(X, Y)
    assert capsys.readouterr().err == ""


# -- values ------------------------------------------------------------------------


def values(n=150, seed=0):
    data, _ = complementary(n, seed)
    return data, 100 + 10 * (data["a"][:, 0] + data["b"][:, 0])


def test_values_in_their_units():
    data, y = values()
    test, target = values(500, seed=1)
    model = regressor(max_epochs=40).fit(data, y)
    assert model.weight_ > 0.3
    assert model.score(test, target) > 0.5
    best = model.candidate_predict(test)[model.best_modality_][:, 0]
    losses = [((p - target) ** 2).mean() for p in (model.predict(test), best)]
    assert losses[0] < 0.9 * losses[1]


def test_a_regression_candidate_starts_at_the_best_single_net():
    data, y = values()
    data = data.with_missing("a", slice(0, 150, 5))
    model = regressor(max_epochs=1, lr=1e-12).fit(data, y)
    nets = model._nets()
    for fold in nets.folds:
        best = nets._predict_first(fold, fold.order, data)
        np.testing.assert_allclose(nets.predict_fused(fold, data), best, rtol=1e-4)


def test_scaling_y_scales_everything():
    data, y = values()
    one, ten = regressor().fit(data, y), regressor().fit(data, 10 * y)
    assert one.weight_ == ten.weight_
    np.testing.assert_allclose(10 * one.predict(data), ten.predict(data), rtol=1e-3)
    assert ten.lower_bound_ == pytest.approx(100 * one.lower_bound_, rel=1e-2)


def test_several_columns():
    data, y = values()
    model = regressor().fit(data, np.c_[y, -y])
    assert model.predict(data).shape == (150, 2)


def test_values_need_a_bound():
    data, y = values()
    with pytest.raises(ValueError, match="squared error is unbounded"):
        regressor(max_harm=1.0).fit(data, y)
    model = regressor(max_harm=1.0, loss_bound=1e4).fit(data, y)
    assert model.weight_ <= 1e-4


# -- parameters --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"factor": "scalar"}, "factor='scalar' with guarantee='crossfit'. Leave"),
        ({"kind": "arithmetic"}, "got kind='arithmetic' with"),
        ({"training": "freeze_all"}, "only used when guarantee=None"),
        ({"calibration_fraction": 0.5}, "only used when guarantee='holdout'"),
        ({"guarantee": "holdout", "z": 2.0}, "z is only used when guarantee='cross"),
        ({"guarantee": None, "cv": 4}, "guarantee='crossfit' or 'holdout'; got cv=4"),
        ({"early_stopping": False}, "needs early_stopping=True"),
        ({"pretraining": {"a": 3}}, r"pretraining\['a'\] must be a dict with keys"),
        ({"pretraining": {"a": {"early_stopping": False}}}, "'early_stopping'"),
        ({"guarantee": "holdin"}, "'guarantee' parameter"),
        ({"encoders": {"c": MLPEncoder()}}, "encoders"),
    ],
)
def test_parameters_of_another_guarantee_raise(settings, words):
    model = classifier(**{"cv": 5, **settings})
    with pytest.raises(ValueError, match=words):
        model.fit(X, Y)


def test_a_fused_net_that_only_gets_worse_stays_at_its_start():
    """With an absurd rate for fine-tuning, and a sane one for the single nets."""
    sane = {name: {"lr": 0.01} for name in X}
    model = classifier(lr=300.0, pretraining=sane, max_epochs=5).fit(X, Y)
    assert [fused.best_epoch_ for fused in model.fused_] == [0, 0, 0]
    nets = model._nets()
    for fold in nets.folds:
        best = fold.singles[fold.order[0]].predict_proba(X.select(fold.order[:1]))
        np.testing.assert_allclose(nets.predict_fused(fold, X), best, atol=1e-6)


def test_a_new_fit_forgets_the_earlier_one():
    model = classifier().fit(X, Y)
    model.set_params(guarantee=None, cv=5).fit(X.select(["a", "b"]), Y)
    assert not hasattr(model, "oof_loss_") and hasattr(model, "lambda_")
    with pytest.raises(AttributeError, match="no weight was chosen"):
        _ = model.weight_curve_
    model.set_params(guarantee="crossfit").fit(X, Y)
    assert not hasattr(model, "lambda_")
    with pytest.raises(ValueError, match=r"lacks|at least|inconsistent"):
        model.fit(X, Y[:-1])
    assert not hasattr(model, "lambda_") and len(model.predict(X)) == len(Y)


def test_a_failed_fit_leaves_no_private_attributes():
    model = classifier(cv=KFold(3))
    with pytest.raises(ValueError, match="splits group"):
        model.fit(X, Y, groups=np.arange(150) % 2)
    assert not [name for name in vars(model) if name.startswith("_")]


def test_nets_stop_early_by_the_same_rows(monkeypatch):
    """A fused net starts at nets that are not trained on its validation rows."""
    from skmm.estimators.no_harm import crossfit

    seen, original = [], crossfit.fit_many

    def spy(models, data, classes, valid):
        tables = [dict(part[0]).get("a") for part in data]
        seen.append(list(zip(tables, valid, strict=True)))
        return original(models, data, classes=classes, valid=valid)

    monkeypatch.setattr(crossfit, "fit_many", spy)
    classifier().fit(X.with_missing("a", slice(0, 30)), Y)
    single, fused = seen[0], seen[-1]
    for (mine, aside), (other, also) in zip(single, fused, strict=True):
        held = {row.tobytes() for row in np.asarray(mine)[aside]}
        judged = {row.tobytes() for row in np.asarray(other)[also]}
        trained = {row.tobytes() for row in np.asarray(mine)[~aside]}
        assert held <= judged and not judged & trained


def test_splitters_receive_all_samples_given_to_fit():
    folds = np.arange(150) % 3
    weight = np.ones(150)
    weight[5] = 0
    model = classifier(cv=PredefinedSplit(folds)).fit(X, Y, sample_weight=weight)
    known = np.isfinite(model.oof_predictions_["a"]).all(1)
    assert not known[5] and known.sum() == 149


@pytest.mark.filterwarnings("ignore:modality .* is present in fewer than 3 training")
def test_the_prior_is_not_computed_from_held_out_labels():
    """Leaving one sample out, the class shares lean to the other class."""
    y = np.array([0, 1] * 5)
    data = ModalityDict(
        a=np.zeros((10, 2)), b=np.random.default_rng(0).normal(size=(10, 2))
    )
    model = classifier(cv=LeaveOneOut(), max_epochs=1).fit(data.with_missing("a"), y)
    own = model.oof_predictions_["a"][np.arange(10), y]
    np.testing.assert_allclose(own, 4 / 9)


def test_restrict_ignores_settings_of_others():
    both = classifier(pretraining={"a": {"lr": 0.1}, "b": {"lr": 0.2}})
    assert restrict(both, ["a"]).fit(X, Y).modalities_in_ == ["a"]


def test_a_wrong_loss_bound_raises():
    data, y = values()
    with pytest.raises(
        ValueError, match=r"loss_bound must be .*; got loss_bound=0.1, but"
    ):
        regressor(max_harm=0.01, loss_bound=0.1).fit(data, y)
    with pytest.raises(
        ValueError, match="only used when max_harm is set or guarantee='holdout'"
    ):
        regressor(loss_bound=1e4).fit(data, y)


def test_the_reserved_name_of_a_modality_raises():
    data = ModalityDict({"a": X["a"], "(best single)": X["b"]})
    with pytest.raises(ValueError, match="rename that modality"):
        classifier().fit(data, Y)
