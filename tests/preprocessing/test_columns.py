"""ColumnsToModalities, alone and as the first step of a Pipeline."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_selector
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmm import FusionClassifier, ModalityDict, inspection, restrict
from skmm.model_selection import (
    ModalitySearchCV,
    bootstrap_score,
    compare_modalities,
    cross_validate_replicas,
    fit_replicas,
)
from skmm.preprocessing import ColumnsToModalities, ModalityTransformer

N = 80
NAMES = ["g1", "g2", "l1", "l2", "age"]
TABLE = pd.DataFrame(
    np.random.default_rng(0).normal(size=(N, 5)), range(N, 0, -1), NAMES
)
Y = (TABLE.g1 + TABLE.l1 > 0).astype(int)
COLUMNS = {"gene": ["g1", "g2"], "lipid": make_column_selector(pattern="^l")}


def pipeline(**params):
    net = FusionClassifier(max_epochs=3, random_state=0)
    return make_pipeline(ColumnsToModalities(COLUMNS, **params), net)


AS_ARRAY = "the output is a ModalityDict, not an array"
DECLARED = dict.fromkeys(
    [
        "check_transformer_general",
        "check_pipeline_consistency",
        "check_estimators_pickle",
        "check_fit_idempotent",
        "check_transformer_data_not_an_array",
        "check_transformer_preserve_dtypes",
        "check_array_api_input",
        "check_methods_subset_invariance",
        "check_methods_sample_order_invariance",
    ],
    AS_ARRAY,
)


@parametrize_with_checks(
    [ColumnsToModalities({"all": slice(None)})],
    expected_failed_checks=lambda estimator: DECLARED,
)
def test_sklearn_contract(estimator, check):
    check(estimator)


def first_two(X):
    return list(X.columns[:2])


WAYS = {
    "names": ["g1", "g2"],
    "positions": [0, 1],
    "negative": [-5, -4],
    "slice": slice(0, 2),
    "slice of names": slice("g1", "g2"),
    "mask": [True, True, False, False, False],
    "array": np.array(["g1", "g2"]),
    "callable": first_two,
    "selector": make_column_selector(pattern="^g"),
}


@pytest.mark.parametrize("way", WAYS)
def test_columns_are_selected_like_in_a_column_transformer(way):
    split = ColumnsToModalities({"gene": WAYS[way], "other": ["age", "l1"]})
    X = split.fit_transform(TABLE)
    assert list(X) == ["gene", "other"]
    pd.testing.assert_frame_equal(X["gene"], TABLE[["g1", "g2"]])
    pd.testing.assert_frame_equal(X["other"], TABLE[["age", "l1"]])
    assert X.index.tolist() == TABLE.index.tolist()
    assert split.columns_ == {"gene": [0, 1], "other": [4, 2]}
    assert split.get_feature_names_out().tolist() == [
        *("gene__g1", "gene__g2", "other__age", "other__l1")
    ]
    again = pickle.loads(pickle.dumps(clone(split).fit(TABLE)))
    assert again.transform(TABLE) == X


@pytest.mark.parametrize(
    "make", [np.asarray, sparse.csr_array, sparse.csc_matrix, pl.from_pandas]
)
def test_other_tables_are_split(make):
    split = ColumnsToModalities({"a": [0, 2], "b": slice(3, None)})
    out = split.fit_transform(make(TABLE))
    for name, columns in [("a", ["g1", "l1"]), ("b", ["l2", "age"])]:
        leaf = out[name].toarray() if sparse.issparse(out[name]) else out[name]
        np.testing.assert_array_equal(np.asarray(leaf), TABLE[columns])
    assert out.index is None


def test_one_column_may_be_text():
    table = TABLE.assign(note=["x", None] * (N // 2))
    X = ColumnsToModalities({"note": "note", "age": 4, "l": [2]}).fit_transform(table)
    assert X["note"][0] == "x"
    assert X.present["note"].tolist() == [True, False] * (N // 2)
    assert X["age"].shape == (N,)
    assert X["l"].shape == (N, 1)


WRONG = {
    "unknown": ({"a": ["g1", "g9"]}, r"columns\['a'\]: .*g9"),
    "out of range": ({"a": [7]}, r"columns\['a'\]: "),
    "empty": ({"a": []}, r"columns\['a'\] selects no column of X, which has \['g1'"),
    "no match": ({"a": make_column_selector(pattern="z")}, "selects no column"),
    "twice": ({"a": ["g1", "g1"]}, r"\['g1'\] are selected more than once, by \['a'\]"),
    "both": ({"a": ["g1", "l1"], "b": [2]}, r"\['l1'\] .* by \['a', 'b'\]"),
    "none": ({}, "at least one modality"),
    "kind": ({"a": 1.5}, r"columns\['a'\]: "),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_columns_are_named(name):
    columns, message = WRONG[name]
    split = ColumnsToModalities(columns)
    with pytest.raises(ValueError, match=message):
        split.fit(TABLE)
    assert set(vars(split)) == {"columns", "remainder", "modalities"}


def test_names_need_a_frame():
    with pytest.raises(ValueError, match=r"columns\['gene'\]: .*dataframes"):
        ColumnsToModalities(COLUMNS).fit(TABLE.to_numpy())


def test_remainder_may_be_an_error():
    with pytest.raises(ValueError, match=r"\['age'\] are in no modality"):
        ColumnsToModalities(COLUMNS, remainder="error").fit(TABLE)
    ColumnsToModalities({**COLUMNS, "age": ["age"]}, remainder="error").fit(TABLE)


def test_columns_are_compared_with_those_of_fit():
    split = ColumnsToModalities(COLUMNS).fit(TABLE)
    with pytest.raises(ValueError, match="feature names"):
        split.transform(TABLE[NAMES[::-1]])
    with pytest.raises(ValueError, match=r"'lipid' needs the columns \['l1'\]"):
        split.transform(TABLE.drop(columns="l1"))


def test_all_columns_of_a_modality_may_be_left_out():
    """And those that are in no modality; nothing else changes."""
    step = ColumnsToModalities(COLUMNS).fit(TABLE)
    for left in (["l1", "l2"], ["l1", "l2", "age"], ["age"]):
        found = step.transform(TABLE.drop(columns=left))
        whole = step.transform(TABLE)
        assert list(found) == (["gene"] if "l1" in left else ["gene", "lipid"])
        for name in found:
            pd.testing.assert_frame_equal(found[name], whole[name])
    with pytest.raises(ValueError, match="no column of any modality; got \\['age"):
        step.transform(TABLE[["age"]])
    for other in (TABLE.rename(columns={"l1": "L1"}), TABLE[["g2", "g1"]]):
        with pytest.raises(ValueError, match="feature names"):
            step.transform(other)


@pytest.mark.parametrize("how", ["restrict", "modalities"])
def test_a_model_of_some_modalities_needs_their_columns_only(how):
    model = pipeline()
    if how == "restrict":
        model = restrict(model, ["gene"])
    else:
        model.set_params(fusionclassifier__modalities=["gene"])
    model.fit(TABLE, Y)
    found = model.predict_proba(TABLE[["g1", "g2"]])
    np.testing.assert_array_equal(found, model.predict_proba(TABLE))
    with pytest.raises(ValueError, match=r"'gene' needs the columns \['g2'\]"):
        model.predict(TABLE[["g1"]])


def test_a_model_of_all_modalities_names_the_one_that_is_left_out():
    model = pipeline().fit(TABLE, Y)
    with pytest.raises(ValueError, match="modality 'lipid' is missing from X"):
        model.predict(TABLE[["g1", "g2"]])


def test_modalities_pass_through():
    split = ColumnsToModalities(COLUMNS).fit(TABLE)
    X = split.transform(TABLE)
    assert split.transform(X) == X
    assert ColumnsToModalities(COLUMNS).fit_transform(dict(X)) == X
    with pytest.raises(ValueError, match="unknown modality 'lipid'"):
        split.transform({"gene": X["gene"]})


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_the_output_is_a_container(output):
    pipe = make_pipeline(ColumnsToModalities(COLUMNS), ModalityTransformer())
    assert isinstance(
        pipe.set_output(transform=output).fit_transform(TABLE), ModalityDict
    )


# -- in a Pipeline -----------------------------------------------------------------


def test_restrict_selects_the_modalities_that_it_makes():
    model = restrict(pipeline(), ["lipid"]).fit(TABLE, Y)
    assert model[-1].modalities_in_ == ["lipid"]
    alone = FusionClassifier(max_epochs=3, random_state=0)
    alone.fit({"lipid": TABLE[["l1", "l2"]]}, Y)
    np.testing.assert_array_equal(
        model.predict_proba(TABLE),
        alone.predict_proba({"lipid": TABLE[["l1", "l2"]]}),
    )


PIPES = {
    "pipeline": pipeline,
    "three steps": lambda: make_pipeline(
        ColumnsToModalities(COLUMNS),
        ModalityTransformer({"gene": StandardScaler()}),
        FusionClassifier(max_epochs=3, random_state=0),
    ),
    "nested": lambda: make_pipeline(pipeline()),
    "search": lambda: GridSearchCV(pipeline(), {"fusionclassifier__lr": [0.01]}, cv=2),
    "modality search": lambda: ModalitySearchCV(
        pipeline(), {"fusionclassifier__lr": [0.01]}, n_trials=1, cv=2
    ),
}


@pytest.mark.parametrize("name", PIPES)
def test_modalities_are_compared(name):
    given = {"resampling": 2, "random_state": 0}
    found = compare_modalities(PIPES[name](), TABLE, Y, **given)
    assert found.table.index.tolist() == ["gene", "lipid", "gene + lipid"]
    X = ColumnsToModalities(COLUMNS).fit_transform(TABLE)
    known = compare_modalities(PIPES[name](), X, Y, **given)
    pd.testing.assert_frame_equal(found.table, known.table)


@pytest.mark.parametrize("name", PIPES)
def test_importances_are_those_of_the_modalities(name):
    fitted = PIPES[name]().fit(TABLE, Y)
    for method in ("permute", "noise", "drop"):
        found = inspection.modality_importance(
            fitted, TABLE, Y, method=method, random_state=0
        )
        assert set(found.table.index) == {"gene", "lipid"}
    assert set(
        inspection.conditional_utilization(
            fitted, TABLE, Y, without="permute", random_state=0
        ).table.index
    ) == {"gene", "lipid"}
    inspection.emap(fitted, TABLE[:20], Y[:20])


def test_shapley_values_are_those_of_the_modalities():
    found = compare_modalities(
        pipeline(), TABLE, Y, resampling=2, subsets="all", random_state=0
    )
    assert found.importance.index.tolist() == ["gene", "lipid"]


def test_replicas_and_searches_read_the_flat_table():
    models = fit_replicas(pipeline(), TABLE, Y, [np.arange(40), np.arange(30, N)])
    alone = pipeline().fit(TABLE[:40], Y[:40])
    np.testing.assert_allclose(
        models[0].predict_proba(TABLE), alone.predict_proba(TABLE), atol=1e-5
    )
    assert bootstrap_score(pipeline(), TABLE, Y, resampling=2).score > 0
    assert len(cross_validate_replicas(pipeline(), TABLE, Y, cv=2)["test_score"]) == 2
    search = PIPES["modality search"]().fit(TABLE, Y)
    assert search.predict(TABLE).shape == (N,)
    assert np.isfinite(cross_val_score(pipeline(), TABLE, Y, cv=2)).all()
    positions = make_pipeline(
        ColumnsToModalities({"a": [0, 1], "b": [2]}), FusionClassifier(max_epochs=1)
    )
    BaggingClassifier(positions, n_estimators=2).fit(TABLE.to_numpy(), Y)


def test_a_function_that_makes_modalities_is_named():
    split = FunctionTransformer(
        lambda d: ModalityDict(g=d[["g1", "g2"]], l=d[["l1", "l2"]])
    )
    model = make_pipeline(split, FusionClassifier(max_epochs=2, random_state=0))
    with pytest.raises(TypeError, match="ColumnsToModalities"):
        compare_modalities(model, TABLE, Y)
    fitted = model.fit(TABLE, Y)
    with pytest.raises(TypeError, match="ColumnsToModalities"):
        inspection.modality_importance(fitted, TABLE, Y)
