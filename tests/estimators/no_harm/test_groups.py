"""groups=: what belongs together is in one fold, and one piece of evidence."""

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

from skmm.estimators._no_harm.splits import folds
from tests.estimators.no_harm.problems import classifier, complementary, regressor

X, Y = complementary()
GROUPS = np.arange(150) // 10
FAST = {"max_epochs": 2}


def split(make, cv, groups, target=Y):
    """Folds of an estimator that was given these rows."""
    model = make(cv=cv)
    model._seed, model._given = 0, (len(target), target, groups)
    model._given_rows = np.arange(len(target))
    if make is classifier:
        model.classes_ = np.unique(target)
    return folds(model, target, groups)


def test_evidence_is_that_of_groups():
    """A row and its copies, in one group, are one piece of evidence."""
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
@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
def test_groups_stay_together(make, target, cv):
    """In whatever splitter has that effect, whether it knows groups or not."""
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
def test_a_splitter_that_separates_groups_is_refused(cv, guarantee):
    model = classifier(cv=cv, guarantee=guarantee, **FAST)
    with pytest.raises(ValueError, match=r"cv=.* separates rows of one group.*number"):
        model.fit(X, Y, groups=GROUPS)
    model.fit(X, Y)


def test_a_splitter_that_happens_to_keep_groups_is_used():
    """Without scikit-learn's warning that it does not look at them."""
    model = classifier(cv=KFold(3), **FAST).fit(X, Y, groups=GROUPS)
    assert np.isfinite(model.oof_predictions_["a"]).all()


def test_groups_count_where_rows_without_weight_are_left_out():
    """Rows that no net is fitted on separate nothing."""
    cv = PredefinedSplit(np.arange(150) // 5 % 2)
    weight = np.where(np.arange(150) // 5 % 2 == GROUPS % 2, 1.0, 0.0)
    with pytest.raises(ValueError, match="separates rows"):
        classifier(cv=cv, **FAST).fit(X, Y, groups=GROUPS)
    classifier(cv=cv, **FAST).fit(X, Y, sample_weight=weight, groups=GROUPS)


@pytest.mark.parametrize("cv", [3, LeaveOneGroupOut()])
@pytest.mark.parametrize(
    ("guarantee", "words"),
    [("crossfit", "to hold one out"), ("holdout", "to set one aside")],
)
def test_one_group_is_refused(guarantee, words, cv):
    model = classifier(guarantee=guarantee, cv=cv, **FAST)
    with pytest.raises(ValueError, match=rf"groups: at least two.*{words}.*'ward 7'"):
        model.fit(X, Y, groups=["ward 7"] * 150)


def test_two_groups_leave_one_to_fit_on_in_holdout():
    with pytest.raises(ValueError, match="at least two are needed to hold one out"):
        classifier(guarantee="holdout", **FAST).fit(X, Y, groups=np.arange(150) % 2)
