"""Shares of a score: identities, known values, refits and errors."""

import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, LeaveOneOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skmm import FusionClassifier, LateFusionClassifier, ModalityDict, restrict
from skmm.inspection import conditional_utilization, modality_importance
from tests.toys import two_tables

X, Y = two_tables(80)
NET = FusionClassifier(max_epochs=10, lr=0.01, random_state=0)
LINEAR = LateFusionClassifier(LogisticRegression())
CV = KFold(4, shuffle=True, random_state=0)


class Sign(ClassifierMixin, BaseEstimator):
    """Predicts whether the first feature of a modality is positive."""

    def __init__(self, name="a"):
        self.name = name

    def fit(self, X, y=None):
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X):
        return (X[self.name][:, 0] > 0).astype(int)


def signs(n, seed, flipped=0.1):
    """Samples whose class is the sign of `a`, except for some flipped labels."""
    rng = np.random.default_rng(seed)
    X = ModalityDict(a=rng.normal(size=(n, 1)), b=rng.normal(size=(n, 1)))
    return X, (X["a"][:, 0] > 0) ^ (rng.random(n) < flipped)


@pytest.mark.parametrize("without", ["permute", "noise", "drop"])
@pytest.mark.parametrize("cv", [None, CV])
def test_it_is_the_importance_as_a_share_of_the_score(without, cv):
    model = clone(NET).fit(X, Y)
    settings = dict(cv=cv, random_state=0, scoring="accuracy")
    share = conditional_utilization(model, X, Y, without=without, **settings)
    lost = modality_importance(model, X, Y, method=without, **settings)
    np.testing.assert_allclose(
        share.table["utilization"], lost.importances_mean / share.score
    )
    assert share.score == pytest.approx(1 - lost.baseline)
    np.testing.assert_allclose(
        share.table["score"], share.score - lost.importances_mean
    )
    assert share.measure == "accuracy"


@pytest.mark.parametrize("without", ["permute", "noise", "drop", "refit"])
def test_an_unused_modality_has_no_share(without):
    model = FusionClassifier(modalities=["a"], max_epochs=3, random_state=0).fit(X, Y)
    if without == "refit":
        model = Blind(max_epochs=10, lr=0.01, random_state=0)
    table = conditional_utilization(
        model, X, Y, without=without, cv=CV, modalities=["b"], random_state=0
    ).table
    assert table.loc["b", ["utilization", "standard_error"]].tolist() == [0.0, 0.0]


class Blind(FusionClassifier):
    """Ignores b."""

    def _inputs(self, X):
        return ["a"]


def test_a_share_may_be_negative():
    """A model that predicts the opposite is better with permuted values."""
    rows, y = signs(500, 0, flipped=0.9)
    found = conditional_utilization(Sign().fit(rows), rows, y, random_state=0).table
    assert found.loc["a", "upper"] < 0 == found.loc["b", "utilization"]


def test_intervals_cover_the_known_share():
    """Accuracy .9 decreases to .5 with permuted signs: a share of .4 / .9."""
    draws, hits = 200, 0
    for seed in range(draws):
        rows, y = signs(150, seed)
        row = conditional_utilization(
            Sign().fit(rows), rows, y, modalities=["a"], random_state=seed
        ).table.loc["a"]
        hits += row["lower"] <= 0.4 / 0.9 <= row["upper"]
    assert stats.binomtest(hits, draws, 0.95).pvalue > 0.001


def test_a_refit_is_a_fit_without_the_modality():
    found = conditional_utilization(LINEAR, X, Y, without="refit", cv=CV)
    whole = cross_val_score(LINEAR, X, Y, cv=CV)
    part = cross_val_score(restrict(LINEAR, ["a"]), X, Y, cv=CV)
    share = 1 - part.mean() / whole.mean()
    row = found.table.loc["b"]
    assert row["utilization"] == pytest.approx(share)
    assert (found.score, row["score"]) == pytest.approx((whole.mean(), part.mean()))
    terms = (whole - part - share * whole) / whole.mean()
    error = terms.std(ddof=1) * np.sqrt(1 / 4 + 20 / 60)
    assert row["standard_error"] == pytest.approx(error)


def test_a_refit_may_be_judged_by_single_rows():
    rows, y = X[:12], Y[:12]
    found = conditional_utilization(LINEAR, rows, y, without="refit", cv=LeaveOneOut())
    whole = cross_val_score(LINEAR, rows, y, cv=LeaveOneOut())
    assert found.score == pytest.approx(whole.mean())


def test_a_refit_compensates_with_a_copy():
    rows, y = X.assign(copy=X["a"]), X["a"][:, 0] > 0
    settings = dict(cv=CV, modalities=["a"], random_state=0)
    refit = conditional_utilization(NET, rows, y, without="refit", **settings)
    permuted = conditional_utilization(NET, rows, y, **settings)
    assert abs(refit.table.loc["a", "utilization"]) < 0.05
    assert permuted.table.loc["a", "utilization"] > 0.1


def test_regressors_have_shares_of_r2():
    from skmm import LateFusionRegressor

    y = X["a"][:, 0] + X["b"][:, 0]
    found = conditional_utilization(LateFusionRegressor(), X, y, cv=CV, random_state=0)
    assert found.measure == "r2" and (found.table["utilization"] > 0.1).all()
    fitted = LateFusionRegressor().fit(X, y)
    again = conditional_utilization(fitted, X, y, random_state=0).table
    assert again["standard_error"].isna().all()


@pytest.mark.parametrize("scoring", ["neg_log_loss", lambda *_: 0.0])
def test_scores_must_be_positive(scoring):
    with pytest.raises(ValueError, match="must be above zero"):
        conditional_utilization(clone(NET).fit(X, Y), X, Y, scoring=scoring)


def test_bad_input():
    fitted = clone(NET).fit(X, Y)
    with pytest.raises(ValueError, match=r"without='refit' requires cv"):
        conditional_utilization(fitted, X, Y, without="refit")
    one = X.select(["a"])
    with pytest.raises(ValueError, match="needs another"):
        conditional_utilization(NET, one, Y, without="refit", cv=3)
    with pytest.raises(ValueError, match="None or 1 with 'refit'"):
        conditional_utilization(NET, X, Y, without="refit", cv=3, n_repeats=2)
    with pytest.raises(ValueError, match="'without' parameter"):
        conditional_utilization(fitted, X, Y, without="zero")
    take_a = FunctionTransformer(lambda X: X["a"])
    plain = make_pipeline(take_a, LogisticRegression())
    with pytest.raises(TypeError, match="has no parameter `modalities`"):
        conditional_utilization(plain, X, Y, without="refit", cv=3)
