"""Importances: zero where nothing is used, known values, and honest intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skmm import (
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
from skmm.data.recombine import recombined
from skmm.inspection import modality_importance
from skmm.model_selection.statistics import holm
from skmm.preprocessing import ModalityTransformer
from tests.toys import two_tables, with_holes

METHODS = ["permute", "noise", "drop"]
X, Y = two_tables(80)
ORDER = np.random.default_rng(0).permutation(80)
NET = FusionClassifier(max_epochs=3, lr=0.01, random_state=0)
BRIEF = {"max_epochs": 2, "lr": 0.01, "random_state": 0}


class Sum(RegressorMixin, BaseEstimator):
    """Adds the first columns of some modalities; fit does nothing."""

    def __init__(self, names=("a", "b"), modalities=None):
        self.names = names
        self.modalities = modalities

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        return sum(X[n][:, 0] * X.present[n] for n in self.names)


def additive(n, seed, noise=1.0):
    rng = np.random.default_rng(seed)
    X = ModalityDict(a=rng.normal(size=(n, 1)), b=rng.normal(size=(n, 1)))
    return X, X["a"][:, 0] + X["b"][:, 0] + noise * rng.normal(size=n)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cv", [None, 3])
def test_what_a_model_ignores_has_no_importance(method, cv):
    model = FusionClassifier(
        modalities=["a"], max_epochs=3, lr=0.01, random_state=0
    ).fit(X, Y)
    table = modality_importance(model, X, Y, method=method, cv=cv, random_state=0).table
    assert table.loc["b", ["importance", "standard_error"]].tolist() == [0.0, 0.0]
    assert table.loc["a", "importance"] > 0


@pytest.mark.parametrize("scoring", [None, "accuracy", "roc_auc"])
def test_by_rows_or_not_ignored_is_zero(scoring):
    model = FusionClassifier(modalities=["a"], max_epochs=3, random_state=0).fit(X, Y)
    found = modality_importance(model, X, Y, scoring=scoring, random_state=0)
    assert not found.importances[1].any() and found.importances[0].any()
    assert np.isnan(found.table.loc["a", "standard_error"]) == (scoring == "roc_auc")


@pytest.mark.parametrize("method", METHODS)
def test_known_value_of_a_sum(method):
    """E (a + b' + e)^2 - e^2 is 2 Var b for another b', and Var b without b."""
    rows, y = additive(20_000, seed=0)
    found = modality_importance(
        Sum().fit(rows), rows, y, method=method, modalities=["b"], random_state=0
    )
    expected = 1.0 if method == "drop" else 2.0
    assert found.table.loc["b", "importance"] == pytest.approx(expected, abs=0.06)
    assert found.measure == "squared error"
    assert found.baseline == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_intervals_cover_the_known_value(noise):
    """Without the contributions of donors, coverage would be 70 %."""
    draws, hits = 200, 0
    for seed in range(draws):
        rows, y = additive(100, seed, noise)
        row = modality_importance(
            Sum().fit(rows), rows, y, modalities=["b"], random_state=seed
        ).table.loc["b"]
        hits += row["lower"] <= 2 <= row["upper"]
    assert stats.binomtest(hits, draws, 0.95).pvalue > 0.001


def test_redundant_modalities_share_their_importance():
    rows, _ = additive(2000, seed=0)
    alone = modality_importance(Sum(["b"]).fit(rows), rows, rows["b"][:, 0])
    twice = rows.assign(copy=rows["b"])

    class Half(Sum):
        def predict(self, X):
            return super().predict(X) / 2

    model = Half(["b", "copy"]).fit(twice)
    found = modality_importance(
        model, twice, rows["b"][:, 0], modalities=["b", "copy", ("b", "copy")]
    ).table["importance"]
    whole = alone.table.loc["b", "importance"]
    assert found["b"] == pytest.approx(whole / 4, rel=0.1)
    assert found["copy"] == pytest.approx(whole / 4, rel=0.1)
    assert found["b + copy"] == pytest.approx(whole, rel=0.1)


def test_container_permuted_as_scikit_learn_does():
    """Its importances, from the same orders, through `recombined`."""
    model, scorer = clone(NET).fit(X, Y), get_scorer("neg_log_loss")
    theirs = permutation_importance(
        model, X, Y, scoring=scorer, n_repeats=3, random_state=0
    )
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max + 1)
    for column, name in enumerate(X):
        rng, order = np.random.RandomState(seed), np.arange(len(X))
        whole = order.copy()
        for repeat in range(3):
            rng.shuffle(order)
            whole = whole[order]  # of samples that were permuted before
            score = scorer(model, recombined(X, {name: whole}), Y)
            loss = scorer(model, X, Y) - score
            assert loss == pytest.approx(theirs.importances[column, repeat], abs=1e-6)


def test_agrees_with_scikit_learn_over_many_repeats():
    model = clone(NET).set_params(max_epochs=20).fit(X, Y)
    ours = modality_importance(model, X, Y, n_repeats=200, random_state=0)
    theirs = permutation_importance(
        model, X, Y, scoring="neg_log_loss", n_repeats=50, random_state=0
    )
    error = np.hypot(ours.importances_std / 200**0.5, theirs.importances_std / 50**0.5)
    assert (abs(ours.importances_mean - theirs.importances_mean) < 4 * error).all()


def test_means_and_table_are_of_the_importances():
    model = clone(NET).fit(X, Y)
    for cv in (None, 4):
        found = modality_importance(model, X, Y, n_repeats=3, cv=cv, random_state=0)
        assert found.importances.shape == (2, 3 * (cv or 1))
        np.testing.assert_allclose(found.importances.mean(1), found.importances_mean)
        np.testing.assert_allclose(found.table["importance"], found.importances_mean)
        middle = found.table[["lower", "upper"]].mean(axis=1)
        np.testing.assert_allclose(middle, found.importances_mean)


def test_folds_are_held_out_and_the_interval_is_the_corrected_t():
    cv = KFold(4, shuffle=True, random_state=0)
    found = modality_importance(NET, X, Y, cv=cv, n_repeats=2, random_state=0)
    values = found.importances.reshape(2, 4, 2).mean(2)
    error = values.std(axis=1, ddof=1) * np.sqrt(1 / 4 + 20 / 60)
    np.testing.assert_allclose(found.table["standard_error"], error)
    half = stats.t.isf(0.025, 3) * error
    np.testing.assert_allclose(found.table["upper"], values.mean(1) + half)
    losses = []
    for train, test in cv.split(X):
        model = clone(NET).fit(X[train], Y[train])
        p = model.predict_proba(X[test])[np.arange(len(test)), Y[test]]
        losses.append(-np.log(p).mean())
    assert found.baseline == pytest.approx(np.mean(losses), abs=1e-5)


def test_integer_weights_are_repeated_samples():
    """Weight two equals two copies; weight zero leaves the sample out."""
    rows, y = additive(40, seed=0)
    model, weight = Sum().fit(rows), np.random.default_rng(0).integers(0, 3, 40)
    settings = dict(method="drop", modalities=["b"])
    weighted = modality_importance(model, rows, y, sample_weight=weight, **settings)
    copies = np.repeat(np.arange(40), weight)
    copied = modality_importance(model, rows[copies], y[copies], **settings)
    np.testing.assert_allclose(weighted.importances, copied.importances)
    assert weighted.baseline == pytest.approx(copied.baseline)
    score = modality_importance(
        model,
        rows,
        y,
        sample_weight=weight,
        scoring="neg_mean_squared_error",
        **settings,
    )
    np.testing.assert_allclose(score.importances, copied.importances)
    r2 = modality_importance(
        model, rows, y, sample_weight=weight, scoring="r2", **settings
    )
    again = modality_importance(
        model, rows[copies], y[copies], scoring="r2", **settings
    )
    np.testing.assert_allclose(r2.importances, again.importances)


def test_several_modalities_are_several_tests():
    model = clone(NET).fit(X, Y)
    both = modality_importance(model, X, Y, random_state=0).table["p"]
    alone = [
        modality_importance(model, X, Y, modalities=[name], random_state=0).table["p"]
        for name in X
    ]
    np.testing.assert_allclose(both, holm(np.ravel(alone)))


def test_a_baseline_score_keeps_its_sign():
    model = clone(NET).fit(X, Y)
    found = modality_importance(model, X, Y, scoring="roc_auc", random_state=0)
    assert found.baseline == pytest.approx(get_scorer("roc_auc")(model, X, Y))
    assert found.measure == "roc_auc" and (found.importances_mean > 0).all()


def test_splits_are_permuted_each_in_its_own_way():
    twice = np.repeat(np.arange(40), 2)  # halves of equal samples, with equal models
    halves = np.arange(0, 80, 2), np.arange(1, 80, 2)
    rows, y = additive(40, 0)
    found = modality_importance(
        Sum(), rows[twice], y[twice], cv=[halves, halves[::-1]], random_state=0
    )
    assert (found.importances[:, :10] != found.importances[:, 10:]).all()


def test_equal_weights_change_nothing():
    model = clone(NET).fit(X, Y)
    plain = modality_importance(model, X, Y, random_state=0).table
    weight = np.full(len(X), 3.0)
    same = modality_importance(model, X, Y, sample_weight=weight, random_state=0).table
    pd.testing.assert_frame_equal(plain, same)


def test_groups_are_single_observations():
    rows, y = additive(40, seed=0)
    twice = np.repeat(np.arange(40), 2)
    model, settings = Sum().fit(rows), dict(method="drop", modalities=["b"])
    once = modality_importance(model, rows, y, **settings).table
    grouped = modality_importance(
        model, rows[twice], y[twice], groups=twice, **settings
    ).table
    pd.testing.assert_frame_equal(once, grouped)


def test_folds_keep_groups_together():
    groups = np.repeat(np.arange(20), 4)
    rows = X.assign(g=groups[:, None].astype(float))

    class Watched(Sum):
        def fit(self, X, y=None):
            self.trained_ = set(X["g"][:, 0])
            return self

        def predict(self, X):
            assert not self.trained_ & set(X["g"][:, 0])
            return super().predict(X)

    settings = dict(cv=2, modalities=["a"])
    with pytest.raises(AssertionError):
        modality_importance(Watched(), rows[ORDER], Y, **settings)
    found = modality_importance(Watched(), rows, Y, groups=groups, **settings)
    assert found.importances.shape == (1, 20)


def test_modalities_do_not_depend_on_each_other():
    model = clone(NET).fit(X, Y)
    both = modality_importance(model, X, Y, random_state=0)
    one = modality_importance(model, X, Y, modalities=["b"], random_state=0)
    np.testing.assert_array_equal(both.importances[1], one.importances[0])


def test_a_group_is_permuted_together():
    """A model that compares two modalities does not change if both are permuted."""
    rows = X.assign(copy=X["a"])

    class Differ(Sum):
        def predict(self, X):
            return X["a"][:, 0] - X["copy"][:, 0]

    model = Differ().fit(rows)
    found = modality_importance(
        model, rows, Y, modalities=["a", ("a", "copy")], random_state=0
    )
    assert found.table["importance"]["a"] > 0
    assert not found.importances[1].any()


def test_the_presence_mask_is_permuted_with_the_values():
    rows = X.with_missing("b", np.arange(40))

    class Knows(Sum):
        def predict(self, X):
            seen.append(X.present["b"])
            return super().predict(X)

    seen = []
    modality_importance(Knows().fit(rows), rows, Y, modalities=["b"], random_state=0)
    assert {mask.sum() for mask in seen} == {40}
    assert any((mask != rows.present["b"]).any() for mask in seen)


KINDS = {
    "text": np.array(["CCO", "C"] * 40, dtype=object),
    "sparse": sparse.csr_array(X["b"]),
    "ragged": [np.arange(1 + i % 3) for i in range(80)],
    "frame": pd.DataFrame({"u": pd.Categorical(list("ab") * 40)}),
}


class Lengths(ClassifierMixin, BaseEstimator):
    """Predicts from the first table, and reads every sample of the others."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        assert all(len(list(X[[i]].values())) == 2 for i in range(3))
        return (X["a"][:, 0] > 0).astype(int)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_permuted(kind):
    rows = ModalityDict({"a": X["a"], "other": KINDS[kind]})
    found = modality_importance(Lengths().fit(rows, Y), rows, Y, random_state=0)
    assert found.table.loc["other", "importance"] == 0 < found.table["importance"]["a"]
    with pytest.raises(TypeError, match=r"'other' is .*Use 'permute'"):
        modality_importance(Lengths().fit(rows, Y), rows, Y, method="noise")


@pytest.mark.parametrize(
    "model",
    [
        LateFusionClassifier(),
        MulMixClassifier(max_epochs=2, random_state=0),
        NoHarmFusionClassifier(max_epochs=2, random_state=0),
        make_pipeline(ModalityTransformer({"a": StandardScaler()}), NET),
        GridSearchCV(NET, {"lr": [0.01]}, cv=2),
        BaggingClassifier(NET, n_estimators=2, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("method", METHODS)
def test_models_of_all_kinds(model, method):
    rows = with_holes(X, share=0.1)
    before = rows.copy()
    model = clone(model).fit(rows, Y)
    found = modality_importance(model, rows, Y, method=method, random_state=0)
    assert np.isfinite(found.table.to_numpy()).all() and rows == before
    assert found.importances.any(axis=1).all()


def test_same_seed_same_result_and_processes_change_nothing():
    model = clone(NET).fit(X, Y)
    tables = [
        modality_importance(model, X, Y, random_state=3, n_jobs=n_jobs).table
        for n_jobs in (None, None, 2)
    ]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    pd.testing.assert_frame_equal(tables[0], tables[2])


def test_drop_needs_support_for_missing_modalities():
    take_a = FunctionTransformer(lambda X: X["a"])
    model = make_pipeline(take_a, LogisticRegression()).fit(X, Y)
    found = modality_importance(model, X, Y, random_state=0)
    assert found.table.loc["b", "importance"] == 0 < found.table["importance"]["a"]
    with pytest.raises(TypeError, match=r"missing modalities; got Logistic"):
        modality_importance(model, X, Y, method="drop")
    one = X.select(["a"])
    with pytest.raises(ValueError, match="leaves X without modalities"):
        modality_importance(clone(NET).fit(one, Y), one, Y, method="drop")
    with pytest.raises(ValueError, match="leaves X without modalities"):
        model = clone(NET).fit(X, Y)
        modality_importance(model, X, Y, method="drop", modalities=[("b", "a")])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"modalities": ["c"]}, "unknown modality 'c'"),
        ({"modalities": "a"}, "modalities must be a list of names"),
        ({"modalities": []}, "modalities must be a list of names"),
        ({"modalities": [()]}, "an empty group"),
        ({"modalities": ["a", ("a",)]}, "must not repeat a group"),
        ({"n_repeats": 0}, "'n_repeats' parameter of modality_importance"),
        ({"n_repeats": 5, "method": "drop"}, "None or 1 with 'drop'.* got 5"),
        ({"method": "zero"}, "'method' parameter"),
        ({"alpha": 1.0}, "'alpha' parameter"),
        ({"groups": [1, 2]}, "one entry per sample of X, 80; got 2"),
        ({"sample_weight": [1.0]}, "sample_weight must have one entry"),
        (
            {"sample_weight": np.arange(80) >= 20, "cv": KFold(4)},
            "in split 0: all samples have sample_weight 0",
        ),
        (
            {"cv": [(np.arange(60), np.arange(60, 80))]},
            "give at least 2 splits",
        ),
        ({"cv": 80}, "cannot be greater than|held-out samples are needed; got 1"),
    ],
)
def test_bad_parameters(settings, message):
    with pytest.raises(ValueError, match=message):
        modality_importance(clone(NET).fit(X, Y), X, Y, **settings)


def test_bad_data_and_models():
    model = clone(NET).fit(X, Y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples: 80 and 79"):
        modality_importance(model, X, Y[1:])
    with pytest.raises(NotFittedError, match="is not fitted: fit it on other samples"):
        modality_importance(NET, X, Y)
    with pytest.raises(ValueError, match="held-out samples are needed; got 1"):
        modality_importance(model, X[:1], Y[:1])
    with pytest.raises(ValueError, match="the score is NaN"):
        modality_importance(model, X, Y, scoring=lambda *_: np.nan)


def test_a_scorer_that_fails_is_located():
    def fragile(estimator, X, y):
        if not np.array_equal(X["b"], KEPT):
            raise RuntimeError("no score")
        return 0.5

    KEPT = X["b"]
    with pytest.raises(RuntimeError, match="no score") as caught:
        modality_importance(clone(NET).fit(X, Y), X, Y, scoring=fragile)
    (note,) = caught.value.__notes__
    assert "permute modality 'b', repeat 0" in note
    with pytest.raises(RuntimeError) as caught:
        modality_importance(NET, X, Y, scoring=fragile, cv=2)
    assert "in split 0, with all modalities" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("last", "scoring"),
    [
        (NET, None),
        (NET, "roc_auc"),
        (MulMixClassifier(max_epochs=2, random_state=0), None),
        (FusionRegressor(max_epochs=2, random_state=0), "r2"),
        (ResidualFusionClassifier(**BRIEF), None),
        (ResidualFusionClassifier(mode="sequential", **BRIEF), None),
        (ResidualFusionRegressor(fusion="attention", **BRIEF), "r2"),
        (GradientBlendingClassifier(super_epoch=1, **BRIEF), None),
    ],
)
@pytest.mark.parametrize("missing", [False, True])
def test_encoding_once_changes_nothing(last, scoring, missing, monkeypatch):
    rows = with_holes(X) if missing else X
    scale = ModalityTransformer({"a": StandardScaler()})
    model = make_pipeline(scale, clone(last)).fit(rows, Y)
    settings = dict(scoring=scoring, n_repeats=3, random_state=0)
    calls, encoder = [], model[-1].net_.module_.encoders["b"]
    with monkeypatch.context() as patch:
        patch.setattr(encoder, "forward", _counted(encoder.forward, calls))
        quick = modality_importance(model, rows, Y, **settings)
    assert len(calls) == 1
    as_given = "skmm.inspection._loss_increase.with_embeddings"
    monkeypatch.setattr(as_given, lambda model, X: (model, X))
    slow = modality_importance(model, rows, Y, **settings)
    np.testing.assert_allclose(quick.importances, slow.importances, rtol=0, atol=1e-6)


def _counted(forward, calls):
    def counting(*args):
        calls.append(1)
        return forward(*args)

    return counting
