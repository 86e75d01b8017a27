"""Row labels: rows are never joined by position where their labels disagree."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GroupKFold,
    cross_val_score,
    permutation_test_score,
    train_test_split,
)

import skmm
from skmm import ModalityDict, inspection
from skmm.data.labels import check_row_labels
from skmm.model_selection import (
    BootstrapOutOfBag,
    ModalitySearchCV,
    bootstrap_score,
    compare_modalities,
    cross_validate_replicas,
    fit_replicas,
)
from skmm.preprocessing import DropCorruption, ModalityTransformer

N = 60
IDS = [f"patient{i}" for i in range(N)]
FAST = {"max_epochs": 2, "random_state": 0}


def frames(index=IDS):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(N, 3)), index=index, columns=list("abc"))
    return {"blood": table, "gait": -table}


def labels_of_classes(index=IDS):
    return pd.Series(np.arange(N) % 2, index=index)


def shuffled(series):
    return series.sample(frac=1, random_state=0)


def leaves_of(index):
    return {
        "frame": pd.DataFrame({"a": np.arange(3.0)}, index=index),
        "numbers": pd.Series([1.0, 2.0, 3.0], index=index),
        "text": pd.Series(["u", "v", "w"], index=index),
        "category": pd.Series(["u", "v", "w"], index=index, dtype="category"),
        "arrays": pd.Series([np.ones(1), np.ones(2), np.ones(3)], index=index),
    }


# -- between modalities ------------------------------------------------------------


@pytest.mark.parametrize("one", leaves_of([0, 1, 2]))
@pytest.mark.parametrize("other", leaves_of([0, 1, 2]))
@pytest.mark.parametrize(
    ("index", "difference"),
    [([2, 0, 1], "in another order"), ([3, 5, 7], "other row labels")],
)
def test_leaves_of_other_labels_are_refused(one, other, index, difference):
    a, b = leaves_of(range(3))[one], leaves_of(index)[other]
    with pytest.raises(ValueError, match=rf"'b' .*{difference}.*align.*to_numpy"):
        ModalityDict(a=a, b=b)
    assert ModalityDict(a=a, b=b.set_axis(a.index)).index.tolist() == [0, 1, 2]
    assert ModalityDict(a=a.to_numpy(), b=b).index.tolist() == index


@pytest.mark.parametrize("index", [[0, 0, 1], ["x", "x", "y"]])
def test_repeated_labels_are_joined_only_if_equal(index):
    X = ModalityDict(leaves_of(index))
    assert X.index.tolist() == index
    with pytest.raises(ValueError, match="other row labels"):
        ModalityDict(a=leaves_of(index)["frame"], b=leaves_of(index[::-1])["frame"])


def test_equal_labels_of_another_dtype_are_equal():
    strings = pd.Index(["a", "b", "c"], dtype="str")
    for index in (strings.astype(object), strings.astype("category")):
        X = ModalityDict(a=leaves_of(strings)["frame"], b=leaves_of(index)["text"])
        assert X.index.tolist() == ["a", "b", "c"]


def test_assign_compares_labels():
    X = ModalityDict(frames())
    with pytest.raises(ValueError, match=r"'gait' .* in another order"):
        X.assign(gait=shuffled(frames()["gait"]))
    with pytest.raises(ValueError, match=r"present\['gait'\] .* in another order"):
        mask = shuffled(pd.Series(np.arange(N) > 3, IDS))
        X.assign(gait=np.zeros(N), present={"gait": mask})
    assert X.drop("gait").assign(gait=frames()["gait"]) == X


# -- kept --------------------------------------------------------------------------


KEEPING = {
    "with_missing": lambda X: X.with_missing("gait", [1]),
    "select": lambda X: X.select(["gait"]),
    "drop": lambda X: X.drop("gait"),
    "assign": lambda X: X.assign(more=np.zeros(N)),
    "copy": lambda X: X.copy(),
    "pickle": lambda X: pickle.loads(pickle.dumps(X)),
    "again": ModalityDict,
    "frame": lambda X: ModalityDict.from_frame(X.to_frame()),
    "transformer": ModalityTransformer().fit_transform,
    "check": skmm.data.check_modalities,
}


@pytest.mark.parametrize("name", KEEPING)
def test_row_labels_are_kept(name):
    for data in (frames(), {n: leaf["a"] for n, leaf in frames().items()}):
        X = KEEPING[name](ModalityDict(data))
        assert X.index.tolist() == IDS


def test_row_labels_are_selected_with_the_rows():
    X = ModalityDict(frames(), text=pd.Series(IDS, IDS))
    for key in (slice(3, 9, 2), [5, 5, -1], np.arange(N) < 4, pd.Index([7])):
        part = X[key]
        assert part.index.tolist() == part["text"].tolist()
        assert part["blood"].index.equals(part.index)
    joined = ModalityDict.concat([X[:3], X[5:6]])
    assert joined.index.tolist() == joined["text"].tolist()


def test_data_without_labels_has_no_index():
    assert ModalityDict(a=np.zeros(3), b=["x", "y", "z"]).index is None
    X = ModalityDict(frames())
    assert ModalityDict.from_cells(np.asarray(X)[::-1]).index is None


def test_a_pickle_without_labels_is_read():
    X = ModalityDict(frames())
    state = {k: v for k, v in vars(X).items() if k != "_index"}
    old = ModalityDict.__new__(ModalityDict)
    old.__setstate__(state)
    assert old == X
    assert old.index is None


@pytest.mark.parametrize(
    "model",
    [
        skmm.FusionClassifier(**FAST),
        skmm.MulMixClassifier(**FAST),
        skmm.ResidualFusionClassifier(**FAST),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("make", [dict, ModalityDict])
def test_set_output_keeps_the_labels(model, make):
    model.fit(make(frames()), labels_of_classes()).set_output(transform="pandas")
    out = model.transform(make(frames()))
    assert out.index.tolist() == IDS
    assert list(out.columns) == list(model.get_feature_names_out())
    model.set_output(transform="default")
    np.testing.assert_array_equal(model.transform(frames()), out.to_numpy())


# -- masks -------------------------------------------------------------------------


MASKED = {
    "rows": lambda X, mask: X[mask],
    "rows of one": lambda X, mask: X[mask, "gait"],
    "with_missing": lambda X, mask: X.with_missing("gait", mask),
    "present": lambda X, mask: ModalityDict(dict(X), present={"gait": mask}),
    "present frame": lambda X, mask: ModalityDict(
        dict(X), present=pd.DataFrame({"gait": mask})
    ),
    "present again": lambda X, mask: ModalityDict(X, present={"gait": mask}),
}


@pytest.mark.parametrize("name", MASKED)
def test_masks_of_other_labels_are_refused(name):
    X, mask = ModalityDict(frames()), pd.Series(np.arange(N) % 3 > 0, IDS)
    with pytest.raises(ValueError, match="in another order"):
        MASKED[name](X, shuffled(mask))
    with pytest.raises(ValueError, match="other row labels"):
        MASKED[name](X, mask.reset_index(drop=True))
    found, known = MASKED[name](X, mask), MASKED[name](X, mask.rename(None))
    if name != "present frame":
        known = MASKED[name](X, mask.to_numpy())
    assert found.equals(known) if isinstance(found, pd.DataFrame) else found == known


def test_positions_are_not_labels():
    X = ModalityDict(frames())
    assert X[pd.Series([3, 1])].index.tolist() == [IDS[3], IDS[1]]


# -- y, weights and groups ---------------------------------------------------------


CLASSIFIER = skmm.FusionClassifier(**FAST)
FITS = {
    type(model).__name__: model
    for model in [
        CLASSIFIER,
        skmm.FusionRegressor(**FAST),
        skmm.DynamicFusionClassifier(**FAST),
        skmm.GradientBlendingClassifier(super_epoch=1, **FAST),
        skmm.MulMixClassifier(**FAST),
        skmm.ResidualFusionRegressor(**FAST),
        skmm.LateFusionClassifier(LogisticRegression()),
        skmm.LateFusionRegressor(skmm.FusionRegressor(**FAST)),
        skmm.NoHarmFusionClassifier(cv=2, **FAST),
        skmm.NoHarmFusionRegressor(cv=2, **FAST),
        skmm.EncoderDecoderReconstructor((4,), **FAST),
    ]
}


def refuses(call, X, y, **weights):
    """Check that every argument must have the row labels of X, or none."""
    for name, value in {"y": y, **weights}.items():
        for other in (shuffled(value), value.reset_index(drop=True)):
            with pytest.raises(ValueError, match=rf"{name} has .*{name}.to_numpy\(\)"):
                call(X, **({"y": y, **weights} | {name: other}))
    call(X, **{"y": y, **weights})
    call(X, **{name: v.to_numpy() for name, v in {"y": y, **weights}.items()})


@pytest.mark.parametrize("make", [dict, ModalityDict, lambda parts: parts["blood"]])
@pytest.mark.parametrize("name", FITS)
def test_fit_and_score_compare_labels(name, make):
    X, y = make(frames()), labels_of_classes()
    weight = pd.Series(np.ones(N), IDS)
    model = FITS[name]
    refuses(model.fit, X, y, sample_weight=weight)
    refuses(model.score, X, y, sample_weight=weight)
    if hasattr(model, "partial_fit"):
        refuses(model.partial_fit, X, y, sample_weight=weight)


@pytest.mark.parametrize(
    "model",
    [
        skmm.NoHarmFusionClassifier(cv=2, **FAST),
        skmm.LateFusionClassifier(LogisticRegression(), rule="stack", cv=2),
    ],
)
def test_groups_are_compared(model):
    refuses(
        model.fit,
        frames(),
        labels_of_classes(),
        groups=pd.Series(np.arange(N) // 2, IDS),
    )


def test_coordinated_encoder_compares_weights():
    weight = pd.Series(np.ones(N), IDS)
    model = skmm.CoordinatedEncoder(**FAST)
    with pytest.raises(ValueError, match="sample_weight has"):
        model.fit(frames(), sample_weight=shuffled(weight))
    assert (
        model.fit(frames(), sample_weight=weight).transform(frames()).index[0]
        == (IDS[0])
    )


def test_targets_that_are_dicts_are_compared():
    model = skmm.EncoderDecoderReconstructor((4,), **FAST)
    y = {"gait": shuffled(frames()["gait"])}
    with pytest.raises(ValueError, match="y has"):
        model.fit({"blood": frames()["blood"]}, y)
    model.fit({"blood": frames()["blood"]}, {"gait": frames()["gait"]})


FITTED = skmm.FusionClassifier(**FAST).fit(frames(), labels_of_classes())
GROUPS = pd.Series(np.arange(N) // 3, IDS)
WEIGHT = pd.Series(np.ones(N), IDS)
SEARCH = ModalitySearchCV(CLASSIFIER, {"lr": [0.1]}, n_trials=1, cv=2)
FUNCTIONS = {
    "compare": (
        lambda X, y, groups: compare_modalities(
            CLASSIFIER, X, y, resampling=2, groups=groups, random_state=0
        ),
        {"groups": GROUPS},
    ),
    "bootstrap_score": (
        lambda X, y, **more: bootstrap_score(CLASSIFIER, X, y, resampling=2, **more),
        {"groups": GROUPS, "sample_weight": WEIGHT},
    ),
    "fit_replicas": (
        lambda X, y, **more: fit_replicas(CLASSIFIER, X, y, [np.arange(9)], **more),
        {"sample_weight": WEIGHT},
    ),
    "cross_validate_replicas": (
        lambda X, y, **more: cross_validate_replicas(
            CLASSIFIER, X, y, cv=GroupKFold(2), **{"groups": GROUPS, **more}
        ),
        {"groups": GROUPS, "sample_weight": WEIGHT},
    ),
    "search": (SEARCH.fit, {"groups": GROUPS, "sample_weight": WEIGHT}),
    "search score": (SEARCH.score, {}),
    "split": (
        lambda X, y, **more: list(BootstrapOutOfBag(2).split(X, y, **more)),
        {"groups": GROUPS},
    ),
    "importance": (
        lambda X, y, **more: inspection.modality_importance(FITTED, X, y, **more),
        {"groups": GROUPS, "sample_weight": WEIGHT},
    ),
    "utilization": (
        lambda X, y, **more: inspection.conditional_utilization(
            FITTED, X, y, without="permute", **more
        ),
        {"groups": GROUPS, "sample_weight": WEIGHT},
    ),
    "emap": (lambda X, y: inspection.emap(FITTED, X, y), {}),
    "robustness": (
        lambda X, y: inspection.robustness_curve(
            FITTED, X, y, corruption=DropCorruption(), levels=[0, 0.5]
        ),
        {},
    ),
    "over_learning": (
        lambda X, y: inspection.over_learning(FITTED, {"gait": np.ones(N)}, X, y),
        {},
    ),
    "transformer": (ModalityTransformer().fit, {}),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_compare_labels(name):
    call, weights = FUNCTIONS[name]
    if name == "search score":
        SEARCH.fit(ModalityDict(frames()), labels_of_classes())
    refuses(call, ModalityDict(frames()), labels_of_classes(), **weights)


# -- what must work ----------------------------------------------------------------


def test_input_without_labels_is_joined_by_position():
    X, y = {"a": np.random.default_rng(0).normal(size=(N, 2))}, labels_of_classes()
    by_position = CLASSIFIER.fit(X, y.to_numpy()).predict_proba(X)
    np.testing.assert_array_equal(CLASSIFIER.fit(X, y).predict_proba(X), by_position)
    check_row_labels(X, y=y.to_numpy(), sample_weight=shuffled(WEIGHT))
    with pytest.raises(ValueError, match=r"row labels of y in another order.*loc\[y"):
        check_row_labels(X, y=y, sample_weight=shuffled(WEIGHT))


def test_splits_of_scikit_learn_keep_labels_equal():
    X, y = frames()["blood"], labels_of_classes()
    train, test, y_train, y_test = train_test_split(X, y, random_state=0)
    CLASSIFIER.fit(train, y_train).score(test, y_test)
    assert np.isfinite(cross_val_score(CLASSIFIER, X, y, cv=2)).all()
    assert np.isfinite(cross_val_score(CLASSIFIER, ModalityDict(frames()), y)).all()
    with pytest.raises(ValueError, match="other row labels"):
        CLASSIFIER.fit(train, y_train.reset_index(drop=True))
    with pytest.raises(ValueError, match="other row labels"):
        CLASSIFIER.fit(train.reset_index(drop=True), y_train)


def test_functions_of_scikit_learn_that_permute():
    """X without its labels, or y along with them."""
    X, y = ModalityDict(frames()), labels_of_classes()
    model = skmm.FusionClassifier(**FAST).fit(X, y)
    found = permutation_importance(model, X, y, n_repeats=1, random_state=0)
    assert found.importances_mean.shape == (len(X.keys()),)
    settings = {"n_permutations": 1, "cv": 2, "random_state": 0}
    with pytest.raises(ValueError, match=r"y\.to_numpy\(\), as permutation_test_score"):
        permutation_test_score(model, X, y, **settings)
    score, _, _ = permutation_test_score(model, X, y.to_numpy(), **settings)
    assert 0 <= score <= 1
