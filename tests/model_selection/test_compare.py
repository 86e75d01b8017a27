"""compare_modalities from end to end: verdicts, pairing, cache, errors."""

import errno
import json
import os
import re

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, make_scorer, median_absolute_error
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skmm import (
    EncoderDecoderReconstructor,
    FusionClassifier,
    FusionRegressor,
    ModalityDict,
    NoHarmFusionClassifier,
    restrict,
)
from skmm.metrics import masked_scorer
from skmm.model_selection import (
    BootstrapOutOfBag,
    ModalityComparison,
    compare_modalities,
)
from skmm.model_selection._comparison.fits import Subset, best_constant
from skmm.model_selection._comparison.verdict import sentence
from skmm.model_selection.statistics import choose_measure
from skmm.preprocessing import ModalityTransformer

NET = FusionClassifier(max_epochs=5, lr=0.01, random_state=0)


def joined(X):
    return np.hstack([np.asarray(X[name], float) for name in X])


def linear(model=None):
    """A Pipeline of scikit-learn that accepts a ModalityDict."""
    last = LogisticRegression() if model is None else model
    return make_pipeline(FunctionTransformer(joined), StandardScaler(), last)


def draw(n=120, useful="ab", noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    X = ModalityDict({name: rng.normal(size=(n, 3)) for name in "ab"})
    signal = sum(X[name][:, 0] for name in useful) + noise * rng.normal(size=n)
    return X, np.where(signal > 0, "ill", "well")


def test_helps_where_both_have_half_of_the_signal():
    X, y = draw(200)
    found = compare_modalities(linear(), X, y, random_state=0)
    assert found.verdict.startswith("helps: a + b is better than every single")
    assert found.table["rank"]["a + b"] == 1
    pair = found.paired.set_index("against").loc["a"]
    assert pair["lower"] > 0 and pair["splits_better"] > 0.9


def test_no_evidence_where_one_modality_is_noise():
    X, y = draw(100, useful="a")
    found = compare_modalities(linear(), X, y, random_state=0)
    assert found.verdict.startswith("no evidence: a + b gains")
    assert "over a, the closest single modality" in found.verdict
    assert "with 100 samples a gain of" in found.verdict


def test_harms_where_noise_has_many_features():
    X, y = draw(120, useful="a", noise=0.1)
    wide = np.random.default_rng(1).normal(size=(120, 80))
    weak = linear(LogisticRegression(C=100, max_iter=1000))
    found = compare_modalities(weak, X.assign(b=wide), y, random_state=0)
    assert found.verdict.startswith("harms: a + b is worse than a alone by")


def test_numbers_are_those_of_a_loop_by_hand():
    X, y = draw(90)
    folds = KFold(4, shuffle=True, random_state=3)
    found = compare_modalities(linear(), X, y, resampling=folds)
    losses, scores = {}, {}
    for name, names in {"a": ["a"], "b": ["b"], "a + b": ["a", "b"]}.items():
        rows, splits = np.zeros(90), []
        for train, test in folds.split(np.zeros(90)):
            view = X.select(names)
            model = clone(linear()).fit(view[train], y[train])
            p = model.predict_proba(view[test])
            place = np.searchsorted(model.classes_, y[test])
            rows[test] = -np.log(p[np.arange(len(test)), place])
            splits.append(log_loss(y[test], p))
        losses[name], scores[name] = rows, np.array(splits)
        assert found.table.loc[name, "mean"] == pytest.approx(rows.mean())
    d = losses["b"] - losses["a + b"]
    pair = found.paired.set_index("against").loc["b"]
    assert pair["gain"] == pytest.approx(d.mean())
    sizes = np.array([23, 23, 22, 22]) / 22.5
    away = (scores["b"] - scores["a + b"] - d.mean()) * sizes
    by_fold = np.sqrt(np.square(away).sum() / 3 / 4)
    expected = (
        max(d.std(ddof=1) / np.sqrt(90), by_fold) * np.sqrt(4 / 3) * (1 + 20 / 90)
    )
    assert pair["standard_error"] == pytest.approx(expected)


def test_replicas_are_fits_one_by_one():
    X, y = draw()
    together = compare_modalities(NET, X, y, resampling=4)
    alone = compare_modalities(NET, X, y, resampling=4, replicas=False)
    np.testing.assert_allclose(together.table["mean"], alone.table["mean"], atol=1e-4)


def test_pipelines_and_guarded_fusions():
    X, y = draw(80)
    scaled = ModalityTransformer({name: StandardScaler() for name in X})
    for model in (make_pipeline(scaled, NET), NoHarmFusionClassifier(
        max_epochs=3, cv=2, random_state=0
    )):  # fmt: skip
        found = compare_modalities(model, X, y, resampling=2)
        alone = restrict(model, ["a"]).fit(X[:60], y[:60])
        assert alone.predict(X[60:]).shape == (20,)
        assert found.table.index.tolist() == ["a", "b", "a + b"]


def test_all_subsets_and_controls():
    X, y = draw(80)
    X = X.assign(c=np.random.default_rng(2).normal(size=(80, 2)))
    found = compare_modalities(
        linear(), X, y, resampling=3, subsets="all", controls="permuted",
        random_state=0,
    )  # fmt: skip
    names = ["a", "b", "c", "a + b", "a + c", "b + c", "a + b + c"]
    controls = [
        "permuted(a) + b + c",
        "a + permuted(b) + c",
        "a + b + permuted(c)",
    ]
    assert found.table.index.tolist() == names + controls
    assert found.importance["shapley"].notna().all()
    against = found.paired.set_index(["fused", "against"])["gain"]
    assert against["a + b + c", "permuted(a) + b + c"] > 0.05
    assert len(against) == 4 * 3 + 3
    listed = compare_modalities(linear(), X, y, resampling=3, subsets=[("b", "a")])
    assert listed.table.index.tolist() == ["a", "b", "c", "a + b", "a + b + c"]
    assert listed.importance.loc["c", "left_out"] == pytest.approx(
        found.importance.loc["c", "left_out"]
    )
    assert listed.importance["shapley"].isna().all()


def test_text_cannot_be_replaced_by_noise():
    X, y = draw(60)
    text = ModalityDict(dict(X) | {"s": np.array(["CC", "CO"] * 30, dtype=object)})
    with pytest.raises(ValueError, match="'s' is not numeric"):
        compare_modalities(
            FunctionsOfText(), text, y, resampling=2, controls="noise", random_state=0
        )


class FunctionsOfText(ClassifierMixin, BaseEstimator):
    """A classifier that ignores X."""

    def fit(self, X, y):
        self.classes_, counts = np.unique(y, return_counts=True)
        self.share_ = counts / counts.sum()
        return self

    def predict_proba(self, X):
        return np.tile(self.share_, (len(X), 1))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(1)]


def test_values_groups_and_scorers():
    rng = np.random.default_rng(0)
    X = {"a": rng.normal(size=(80, 2)), "b": rng.normal(size=(80, 2))}
    y = X["a"][:, 0] + X["b"][:, 0]
    groups = np.repeat(np.arange(20), 4)
    found = compare_modalities(linear(Ridge()), X, y, groups=groups, random_state=0)
    assert found.measure == "squared error" and found.verdict.startswith("helps")
    assert found.paired["observations"].eq(20).all()
    r2 = compare_modalities(linear(Ridge()), X, y, scoring="r2", random_state=0)
    assert not r2.lower_is_better and r2.table.loc["a + b", "mean"] > 0.9
    assert r2.verdict.startswith("helps")
    assert "The test is split-based" in r2.verdict


def test_bootstraps_are_tested_by_splits():
    X, y = draw(72)
    resampling = BootstrapOutOfBag(20, random_state=0)
    found = compare_modalities(linear(), X, y, resampling=resampling)
    assert {"percentile_2.5", "percentile_97.5"} <= set(found.table)
    assert "The test is split-based" in found.verdict
    assert found.paired["observations"].eq(20).all()


def test_a_cache_is_resumed_and_rejects_other_comparisons(tmp_path):
    X, y = draw(60)
    path = tmp_path / "fits.jsonl"
    call = {"resampling": 3, "cache": path, "random_state": 0}
    first = compare_modalities(linear(), X, y, **call)
    lines = path.read_text().splitlines()
    assert len(lines) == 1 + 3 * 3
    path.write_text("\n".join(lines[:5]) + '\n{"subset": "a + b", "spl')
    again = compare_modalities(linear(), X, y, **call)
    assert again.table.equals(first.table)
    kept = [json.loads(line) for line in path.read_text().splitlines() if "spl" in line
            and line.endswith("}")]  # fmt: skip
    assert len({(fit["subset"], fit["split"]) for fit in kept if "split" in fit}) == 9
    other = linear(LogisticRegression(C=0.1))
    with pytest.raises(ValueError, match="different estimator"):
        compare_modalities(other, X, y, **call)
    with pytest.raises(ValueError, match="different data"):
        compare_modalities(linear(), X.assign(a=X["b"]), y, **call)
    with pytest.raises(ValueError, match="different splits"):
        compare_modalities(linear(), X, y, **{**call, "resampling": 4})
    with pytest.raises(ValueError, match="integer random_state"):
        compare_modalities(linear(), X, y, cache=path)
    path.write_text("something else\n")
    with pytest.raises(ValueError, match="not a file of compare_modalities"):
        compare_modalities(linear(), X, y, **call)


class Fragile(FunctionsOfText):
    """Fails in some fits, as when a process is killed."""

    fails_after = 10**9
    count = 0

    def fit(self, X, y):
        Fragile.count += 1
        if Fragile.count > Fragile.fails_after:
            raise RuntimeError("the power went out")
        return super().fit(X, y)


def test_an_interrupted_comparison_loses_nothing(tmp_path, monkeypatch):
    X, y = draw(60)
    call = {"resampling": 3, "cache": tmp_path / "fits", "random_state": 0}
    expected = compare_modalities(Fragile(), X, y, resampling=3, random_state=0)
    monkeypatch.setattr(Fragile, "count", 0)
    monkeypatch.setattr(Fragile, "fails_after", 4)
    with pytest.raises(RuntimeError, match="power") as caught:
        compare_modalities(Fragile(), X, y, **call)
    assert "subset 'b', split 1" in caught.value.__notes__[0]
    monkeypatch.setattr(Fragile, "count", 0)
    monkeypatch.setattr(Fragile, "fails_after", 5)
    again = compare_modalities(Fragile(), X, y, **call)
    assert Fragile.count == 5  # 9 in all, 4 of them before
    assert again.table.equals(expected.table)


def test_processes_give_the_same():
    X, y = draw(60)
    one = compare_modalities(linear(), X, y, resampling=3)
    two = compare_modalities(linear(), X, y, resampling=3, n_jobs=2)
    assert one.table.equals(two.table)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"subsets": [("a", "c")]}, "unknown modality 'c'"),
        ({"subsets": [()]}, "empty subset"),
        ({"subsets": "pairs"}, r"subsets must be .*got 'pairs'"),
        ({"controls": "zeros"}, "controls"),
        ({"groups": np.zeros(5)}, "one entry per sample of X, 60; got 5"),
        ({"alpha": 1.5}, "alpha"),
        ({"scoring": "no such score"}, "scoring"),
        (
            {"resampling": [(np.arange(30), np.arange(30, 60))]},
            "at least 2 splits",
        ),
    ],
)
def test_bad_input(params, match):
    X, y = draw(60)
    with pytest.raises(ValueError, match=match):
        compare_modalities(linear(), X, y, **params)


def test_one_modality_cannot_be_compared():
    X, y = draw(60)
    with pytest.raises(ValueError, match="at least two modalities"):
        compare_modalities(linear(), X.select(["a"]), y)


def test_a_scorer_that_fails_names_the_place():
    X, y = draw(60)

    def scorer(model, X, y):
        raise KeyError("oops")

    with pytest.raises(KeyError) as caught:
        compare_modalities(linear(), X, y, scoring=scorer, resampling=2)
    assert "subset 'a', split 0" in caught.value.__notes__[0]


def test_plots_and_report(tmp_path):
    pytest.importorskip("matplotlib").use("agg")
    import matplotlib.pyplot as plt

    X, y = draw(60)
    found = compare_modalities(linear(), X, y, resampling=3, subsets="all")
    for kind in ("bars", "paired", "shapley"):
        assert found.plot(kind).axes_.get_xlabel()
    found.to_html(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert text.count("data:image/png;base64,") == 3
    assert found.verdict.replace("+", "+")[:20] in text and "http" not in text
    with pytest.raises(ValueError, match=r"kind must be one of .*got 'pie'"):
        found.plot("pie")
    assert isinstance(found, ModalityComparison)
    assert found.to_frame().equals(found.table) and found.verdict in str(found)
    plt.close("all")


@pytest.mark.parametrize("control", ["permuted", "noise"])
def test_controls_keep_the_number_of_missing_samples(control):
    X, _ = draw(60)
    lacking = X.with_missing("b", np.arange(20))
    view = Subset(("a", "b"), control, "b").view(lacking, 0)
    assert view.present["b"].sum() == 40 and view.present["a"].all()
    if control == "permuted":
        kept = {tuple(row) for row in view["b"][view.present["b"]]}
        assert kept == {tuple(row) for row in X["b"][20:]}
        assert (view["b"] != X["b"]).any(axis=1).all()  # none keeps its own
    else:
        np.testing.assert_array_equal(view.present["b"], lacking.present["b"])


def test_noise_for_tables_of_all_kinds():
    X, _ = draw(30)
    frame = pd.DataFrame(X["b"], columns=["u", "v", "w"])
    for leaf in (frame, csr_matrix(X["b"])):
        data = ModalityDict(a=X["a"], b=leaf)
        noise = Subset(("a", "b"), "noise", "b").view(data, 0)["b"]
        assert noise.shape == (30, 3)
        assert abs(np.corrcoef(np.asarray(noise).ravel(), X["b"].ravel())[0, 1]) < 0.4
    noise = Subset(("b",), "noise", "b").view(ModalityDict(b=frame), 0)["b"]
    assert list(noise.columns) == ["u", "v", "w"]


def test_values_are_not_stratified_by_bootstraps():
    rng = np.random.default_rng(0)
    X = {"a": rng.normal(size=(40, 2)), "b": rng.normal(size=(40, 2))}
    resampling = BootstrapOutOfBag(5, random_state=0)
    y = np.arange(40)
    found = compare_modalities(linear(Ridge()), X, y, resampling=resampling)
    assert found.measure == "squared error"


@pytest.mark.filterwarnings("ignore:Only one class is present")
def test_nan_scores_are_rejected():
    X, _ = draw(60)
    rare = np.where(np.isin(np.arange(60), [0, 1, 2, 30]), "ill", "well")
    with pytest.raises(ValueError, match="roc_auc is NaN") as caught:
        compare_modalities(linear(), X, rare, scoring="roc_auc", resampling=KFold(5))
    assert "subset 'a', split 1" in caught.value.__notes__[0]


def labels_of(X, y, masked=False):
    labels = np.c_[y == "ill", X["a"][:, 1] > 0, X["b"][:, 0] > 0].astype(float)
    if masked:
        labels[np.random.default_rng(0).random(labels.shape) < 0.3] = np.nan
        labels[np.isnan(labels).all(1), 0] = 1
    return labels


@pytest.mark.parametrize("masked", [False, True])
def test_losses_of_multilabel_targets_are_means_over_measured_labels(masked):
    X, y = draw(60)
    y = labels_of(X, y, masked)
    pairs = [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]
    settings = {"resampling": pairs, "random_state": 0, "replicas": False}
    found = compare_modalities(NET, X, y, **settings)
    errors = compare_modalities(NET, X, y, scoring="accuracy", **settings)
    total = wrong = 0
    for train, test in pairs:
        model = clone(NET).fit(X[train], y[train])
        p, true = model.predict_proba(X[test]), y[test]
        loss = -np.log(np.where(true == 1, p, 1 - p))
        total += np.nanmean(np.where(np.isnan(true), np.nan, loss), axis=1).mean() / 2
        wrong += (1 - model.score(X[test], true)) / 2
    whole = found.table.index[-1]
    assert found.measure == "log-loss"
    assert found.table.iloc[-1, 0] == pytest.approx(total, rel=1e-4), whole
    assert errors.table.iloc[-1, 0] == pytest.approx(wrong)
    assert found.importance.notna().all(axis=None)  # of constant label shares, too


def test_multilabel_targets_by_other_scorings_and_default_splits():
    X, y = draw(60)
    y = labels_of(X, y, masked=True)
    model = clone(NET).set_params(max_epochs=2)
    found = compare_modalities(model, X, y, scoring=masked_scorer("roc_auc"))
    assert found.importance.notna().all(axis=None)
    y[7] = np.nan
    with pytest.raises(ValueError, match="no measured value in 1 of 60 samples"):
        compare_modalities(model, X, y, resampling=3)
    with pytest.raises(ValueError, match=r"Use y.ravel\(\)"):
        compare_modalities(model, X, np.nan_to_num(y[:, :1]), resampling=3)


@pytest.mark.parametrize(
    "scoring",
    [
        "neg_mean_absolute_error",
        make_scorer(median_absolute_error, greater_is_better=False),
    ],
)
@pytest.mark.parametrize("masked", [False, True])
def test_absolute_errors_start_from_the_median(scoring, masked):
    X, _ = draw(80)
    y = np.exp(2 * np.random.default_rng(0).normal(size=80))
    if masked:
        if not isinstance(scoring, str):
            scoring = masked_scorer("neg_mean_absolute_error")
        y = np.c_[y, 3 * y]
        y[::3, 1] = np.nan
    model = FusionRegressor(max_epochs=2, random_state=0)
    pairs = [(np.arange(40), np.arange(40, 80)), (np.arange(40, 80), np.arange(40))]
    found = compare_modalities(model, X, y, scoring=scoring, resampling=pairs)
    best = constant_of(model, X, y, scoring)
    np.testing.assert_allclose(best.predict(X)[0], np.nanmedian(y, axis=0))
    squared = constant_of(model, X, y, "neg_mean_squared_error")
    np.testing.assert_allclose(squared.predict(X)[0], np.nanmean(y, axis=0))
    if scoring == "neg_mean_absolute_error":
        losses = [
            np.nanmean(
                np.abs(y[test] - np.nanmedian(y[train], axis=0)).reshape(40, -1), 1
            )
            for train, test in pairs
        ]
        sign = found.table["loss"] if "loss" in found.table else found.table.iloc[:, 0]
        alone = found.importance["alone"]
        np.testing.assert_allclose(
            alone.to_numpy(), np.mean(losses) - sign[alone.index].to_numpy(), rtol=1e-6
        )


def constant_of(model, X, y, scoring):
    measure = choose_measure(model, scoring, y)
    return best_constant(model, X, y, measure).fit(X, y)


def test_names_that_look_like_subsets():
    X, y = draw(60)
    clash = X.assign(**{"a + b": X["a"]})
    with pytest.raises(ValueError, match="two subsets would have the same name"):
        compare_modalities(linear(), clash, y, subsets="all")


def test_a_scorer_that_reads_X():
    X, y = draw(60)

    def scorer(model, X, y):
        first = np.asarray(X[next(iter(X))])
        return float((model.predict(X) == y)[first[:, 1] > 0].mean())

    found = compare_modalities(
        restrictable(), X, y, scoring=scorer, resampling=2, subsets=["a", "b"]
    )
    assert found.importance["alone"].notna().all()


def restrictable():
    return FusionClassifier(max_epochs=2, random_state=0)


def test_images_can_be_compared_by_what_they_reconstruct():
    rng = np.random.default_rng(0)
    images = rng.random(size=(40, 4, 4))
    X = {"top": images[:, :2], "left": images[:, :, :2]}
    model = EncoderDecoderReconstructor((6,), max_epochs=2, random_state=0)
    found = compare_modalities(model, X, images, resampling=2)
    assert found.table["mean"].between(0, 1).all()


def pair_without_evidence(**changes):
    pair = {
        "gain": -0.3,
        "lower": -0.5,
        "upper": 0.1,
        "fused": "a + b",
        "against": "a",
        "observations": 100,
        "detectable": 0.2,
        "standard_error": 0.1,
        "samples_better": 0.12,
        "p_wilcoxon": 0.001,
    }
    return pd.Series(pair | changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "a gain of 0.2 would have been detected with about 80 % power"),
        ({}, "worse in 88 % of the samples (signed-rank p = 0.001); the mean"),
        ({"samples_better": 0.7}, "better in 70 % of the samples"),
        ({"standard_error": 0.0}, "the same in all samples"),
    ],
)
def test_no_evidence_says_what_it_does_not_mean(changes, expected):
    pair = pair_without_evidence(**changes)
    assert expected in sentence("no evidence", pair, "log-loss", "samples", 0.05)


def test_no_power_is_claimed_where_it_is_not_known():
    pair = pair_without_evidence(detectable=np.nan, p_wilcoxon=np.nan)
    text = sentence("no evidence", pair, "score", "splits", 0.05)
    assert "power, a smaller" not in text and "signed-rank" not in text


@pytest.mark.parametrize("scoring", [None, "accuracy", "roc_auc"])
@pytest.mark.parametrize("resampling", [4, BootstrapOutOfBag(6, random_state=0)])
def test_verdict_and_interval_agree(scoring, resampling):
    X, y = draw(90)
    found = compare_modalities(
        linear(), X, y, resampling=resampling, scoring=scoring, random_state=0
    )
    lower, upper = found.paired["lower"].min(), found.paired["upper"].min()
    assert found.verdict.startswith("helps") == (lower > 0)
    assert not found.verdict.startswith("harms") or upper < 0


def test_damaged_cache_files(tmp_path):
    X, y = draw(60)
    path = tmp_path / "fits.jsonl"
    call = {"resampling": 3, "cache": path, "random_state": 0}
    first = compare_modalities(linear(), X, y, **call)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[0], "[1]", *lines[1:]]) + "\n")
    assert compare_modalities(linear(), X, y, **call).table.equals(first.table)
    for content in (b"[1]\n", b"\xff\xfe\x00", b"{}\n"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a file of compare_modalities"):
            compare_modalities(linear(), X, y, **call)


def test_no_damaged_cache_gives_other_means(tmp_path):
    X, y = draw(60)
    path, rng = tmp_path / "fits.jsonl", np.random.default_rng(0)
    call = {"resampling": 3, "cache": path, "random_state": 0}
    expected = compare_modalities(linear(), X, y, **call).table
    whole, refused = path.read_bytes(), 0
    places = [*range(0, len(whole), 400), *rng.integers(len(whole), size=40)]
    for place in places:
        damaged = bytearray(whole)
        digit = damaged[place : place + 1].isdigit()
        damaged[place] = ord("1") + (damaged[place] == ord("1")) if digit else place % 7
        path.write_bytes(damaged)
        try:
            found = compare_modalities(linear(), X, y, **call).table
        except ValueError as error:
            assert re.search(r"^cache='.*damaged.*(Remove|remove) th", str(error))
            refused += 1
        else:
            assert found.equals(expected)
    assert refused > 0.9 * len(places)


@pytest.mark.parametrize(
    ("old", "new"),
    [('"of": {', '"og": {'), ('"split": 1', '"split": 2'), ('"result"', '"resulu"')],
)
def test_damaged_keys_of_a_cache_are_refused(old, new, tmp_path):
    X, y = draw(60)
    path = tmp_path / "fits.jsonl"
    call = {"resampling": 3, "cache": path, "random_state": 0}
    compare_modalities(linear(), X, y, **call)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=r"^cache=.*is damaged in line \d+"):
        compare_modalities(linear(), X, y, **call)


def test_a_cache_of_an_earlier_version_is_resumed(tmp_path, monkeypatch):
    X, y = draw(60)
    path = tmp_path / "fits.jsonl"
    call = {"resampling": 3, "cache": path, "random_state": 0}
    expected = compare_modalities(linear(), X, y, **call).table
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    old = [{k: v for k, v in one.items() if k not in ("sha256", "format")}
           for one in lines]  # fmt: skip
    path.write_text("".join(json.dumps(one) + "\n" for one in old[:-1]))
    for _ in range(2):  # also with a line that was appended by this version
        assert compare_modalities(linear(), X, y, **call).table.equals(expected)
    path.write_text(json.dumps(old[0]) + '\n{"subset": 1, "results": {}}\n')
    with pytest.raises(ValueError, match=r"^cache=.*is damaged in line 2"):
        compare_modalities(linear(), X, y, **call)


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    X, y = draw(60)
    call = {"resampling": 3, "random_state": 0}
    for path in ("", tmp_path, tmp_path / "no" / "fits"):
        with pytest.raises(ValueError, match=r"^cache=.*(path of a file|folder)"):
            compare_modalities(linear(), X, y, cache=path, **call)

    def fail(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"cache=.*fits.*No space left"):
        compare_modalities(linear(), X, y, cache=tmp_path / "fits", **call)


def test_a_report_leaves_no_figure_open(tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    X, y = draw(60)
    X = ModalityDict({"a $x": X["a"], "b<b>": X["b"]})
    found = compare_modalities(linear(), X, y, resampling=2).plot("paired")
    axes, before = found.axes_, plt.get_fignums()
    found.to_html(tmp_path / "report.html")
    assert plt.get_fignums() == before and found.axes_ is axes
    assert "b&lt;b&gt;" in (tmp_path / "report.html").read_text()
    found.figure_.canvas.draw()
    plt.close("all")
