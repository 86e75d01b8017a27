"""groups=: samples of a group are in one fold, and one unit of evidence."""

import numpy as np
import pytest
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedKFold,
)

from skmm import ModalityDict
from skmm.base.validation_split import validation_groups
from skmm.estimators.no_harm import crossfit
from skmm.estimators.no_harm.crossfit import Samples, cv_splits
from tests.estimators.no_harm.problems import classifier, complementary, regressor

X, Y = complementary()
GROUPS = np.arange(150) // 10
FAST = {"max_epochs": 2}


def split(make, cv, groups, target=Y):
    """Folds of an estimator for these samples."""
    samples = Samples.read(X, target, None, groups)
    return cv_splits(cv, samples, stratify=make is classifier, seed=0)


def test_evidence_is_that_of_groups():
    """Samples of one group are one unit of evidence."""
    model = classifier(**FAST).fit(X, Y, groups=GROUPS)
    alone = classifier(**FAST).fit(X, Y)
    errors = [m.no_harm_report_["standard_error"].max() for m in (model, alone)]
    assert np.isfinite(errors).all() and errors[0] != errors[1]


@pytest.mark.parametrize(
    ("make", "target"), [(classifier, Y), (regressor, X["a"][:, 0])]
)
@pytest.mark.parametrize(
    "cv", [2, 5, GroupKFold(3), LeaveOneGroupOut(), PredefinedSplit(GROUPS % 3)]
)
def test_groups_stay_together(make, target, cv):
    """With any splitter that has that effect, whether it uses groups or not."""
    pairs = split(make, cv, GROUPS, target)
    assert len(pairs) > 1
    for train, test in pairs:
        assert not set(GROUPS[train]) & set(GROUPS[test])
    np.testing.assert_array_equal(
        np.sort(np.concatenate([test for _, test in pairs])), np.arange(150)
    )


def test_a_number_of_folds_still_stratifies():
    for train, test in split(classifier, 3, GROUPS):
        assert (Y[test] == "yes").mean() == pytest.approx(
            (Y[train] == "yes").mean(), abs=0.1
        )


@pytest.mark.parametrize("guarantee", ["crossfit", "holdout"])
@pytest.mark.parametrize(
    "cv",
    [
        KFold(3, shuffle=True, random_state=0),
        StratifiedKFold(3, shuffle=True, random_state=0),
        ShuffleSplit(2, random_state=0),
    ],
)
def test_a_splitter_that_separates_groups_raises(cv, guarantee):
    model = classifier(cv=cv, guarantee=guarantee, **FAST)
    with pytest.raises(ValueError, match=r"cv=.* splits group.*number"):
        model.fit(X, Y, groups=GROUPS)
    model.fit(X, Y)


def test_a_splitter_that_happens_to_keep_groups_is_used():
    """Without scikit-learn's warning that it ignores them."""
    model = classifier(cv=KFold(3), **FAST).fit(X, Y, groups=GROUPS)
    assert np.isfinite(model.oof_predictions_["a"]).all()


def test_a_splitter_without_groups_says_how_to_pass_them():
    with pytest.raises(ValueError, match=r"cv=GroupKFold.* needs .* groups=groups"):
        classifier(cv=GroupKFold(3), **FAST).fit(X, Y)


def test_samples_of_weight_zero_separate_no_group():
    cv = PredefinedSplit(np.arange(150) // 5 % 2)
    weight = np.where(np.arange(150) // 5 % 2 == GROUPS % 2, 1.0, 0.0)
    with pytest.raises(ValueError, match="splits group"):
        classifier(cv=cv, **FAST).fit(X, Y, groups=GROUPS)
    classifier(cv=cv, **FAST).fit(X, Y, sample_weight=weight, groups=GROUPS)


@pytest.mark.parametrize("cv", [3, LeaveOneGroupOut()])
@pytest.mark.parametrize(
    ("guarantee", "words"),
    [("crossfit", "to hold one out"), ("holdout", "to set one aside")],
)
def test_one_group_raises(guarantee, words, cv):
    model = classifier(guarantee=guarantee, cv=cv, **FAST)
    with pytest.raises(ValueError, match=rf"at least two groups {words}.*'ward 7'"):
        model.fit(X, Y, groups=["ward 7"] * 150)


def test_two_groups_leave_one_to_fit_on_in_holdout():
    with pytest.raises(ValueError, match="at least two groups to hold one out"):
        classifier(guarantee="holdout", **FAST).fit(X, Y, groups=np.arange(150) % 2)


# -- early stopping ------------------------------------------------------------------


def tagged(groups=GROUPS):
    """Modalities whose first column is the group of the sample."""
    return ModalityDict({name: np.c_[groups, leaf] for name, leaf in X.items()})


@pytest.fixture
def trained(monkeypatch):
    """Pairs of the groups that a net is trained on, and of those used to stop it."""
    seen, original = [], crossfit.fit_many

    def spy(models, data, classes, valid):
        for (part, *_), aside in zip(data, valid, strict=True):
            tag = next(np.asarray(part[name])[:, 0] for name in part)
            seen.append((set(tag[~aside]), set(tag[aside])))
        return original(models, data, classes=classes, valid=valid)

    monkeypatch.setattr(crossfit, "fit_many", spy)
    return seen


@pytest.mark.parametrize(
    ("make", "target"), [(classifier, Y), (regressor, X["a"][:, 0])]
)
@pytest.mark.parametrize("guarantee", ["crossfit", "holdout"])
def test_early_stopping_uses_groups_that_are_not_trained_on(
    make, target, guarantee, trained
):
    bound = {"loss_bound": 1e6} if (make, guarantee) == (regressor, "holdout") else {}
    model = make(guarantee=guarantee, **bound, **FAST)
    model.fit(tagged(), target, groups=GROUPS)
    assert len(trained) == 3 * 4  # three folds, three modalities and the fused
    for learnt, stopped in trained:
        assert learnt and stopped and not learnt & stopped


def test_where_a_modality_is_in_few_groups(trained):
    """The validation groups may be all, or none, of the groups that have it."""
    for present in ((0, 1), (3, 7), (9, 14), (5, 11)):
        trained.clear()
        holes = tagged().with_missing("a", ~np.isin(GROUPS, present))
        cv = PredefinedSplit(np.where(np.isin(GROUPS, present), -1, GROUPS % 3))
        classifier(cv=cv, **FAST).fit(holes, Y, groups=GROUPS)
        for learnt, stopped in trained[:3]:  # of "a"
            assert len(learnt) == len(stopped) == 1 and learnt != stopped


def test_a_single_group_to_train_on_warns_once_in_each_fit(trained):
    two, words = np.arange(150) % 2, r"groups: some nets.*at least three groups"
    holes = tagged(two).with_missing("a", two == 0)
    model = classifier(cv=PredefinedSplit(two), n_init=2, **FAST)
    for data in (tagged(two), holes, tagged(two)):
        with pytest.warns(UserWarning, match=words) as caught:
            model.fit(data, Y, groups=two)
        assert len(caught) == 1
    assert all(learnt == stopped for learnt, stopped in trained)


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("labels", [Y, None, np.arange(150)])
def test_about_the_fraction_of_the_samples_is_set_aside(fraction, labels):
    groups = np.arange(150) % 50
    aside = validation_groups(groups, labels, fraction, seed=0)
    assert len(aside) == pytest.approx(fraction * 150, abs=6)
    rest = np.setdiff1d(np.arange(150), aside)
    assert not set(groups[aside]) & set(groups[rest])
    if labels is Y:
        assert (Y[aside] == "yes").mean() == pytest.approx(0.5, abs=0.12)


def test_other_seeds_set_other_validation_groups():
    found = [validation_groups(GROUPS, Y, 0.2, seed) for seed in (0, 1, 0)]
    assert set(found[0]) == set(found[2]) != set(found[1])


def test_weights_between_groups_count_in_the_report():
    weight = np.where(np.arange(150) < 75, 9.0, 1.0)
    model = classifier(**FAST)
    model.fit(X, Y, sample_weight=weight, groups=np.arange(150))
    report = model.no_harm_report_.set_index("model")
    best = report["loss"][model.best_modality_]
    np.testing.assert_allclose(report["gain"], best - report["loss"], atol=1e-12)


def test_class_weights_count_in_loss_and_gain():
    unequal = np.where(np.arange(150) < 40, Y, Y[0])
    model = classifier(class_weight="balanced", **FAST)
    model.fit(X, unequal, groups=np.arange(150))
    report = model.no_harm_report_.set_index("model")
    best = report["loss"][model.best_modality_]
    np.testing.assert_allclose(report["gain"], best - report["loss"], atol=1e-12)
