"""Input of other libraries than pandas and NumPy, and what cannot be read."""

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy import sparse

import skmm
from skmm import FusionClassifier, FusionRegressor, ModalityDict
from skmm.data import check_modalities
from skmm.inspection import modality_importance
from skmm.model_selection import (
    ModalitySearchCV,
    bootstrap_score,
    compare_modalities,
    cross_validate_replicas,
    fit_replicas,
)
from skmm.preprocessing import ModalityTransformer

N = 40
FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 3)), columns=list("abc"))
Y = np.arange(N) % 2
MAKE = {"polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}
COLUMN = {"polars": pl.Series, "pyarrow": lambda values: pa.chunked_array([values])}


def model():
    return FusionClassifier(max_epochs=2, random_state=0)


# -- tables ------------------------------------------------------------------------


@pytest.mark.parametrize("library", MAKE)
def test_tables_are_read_like_those_of_pandas(library):
    table = MAKE[library](FRAME)
    assert model().fit(table, Y).modalities_in_ == ["a", "b", "c"]
    for wrap in (lambda table: table, lambda table: {"t": table}):
        known = model().fit(wrap(FRAME), Y)
        found = model().fit(wrap(table), COLUMN[library](Y))
        proba = known.predict_proba(wrap(FRAME))
        np.testing.assert_array_equal(found.predict_proba(wrap(table)), proba)
        np.testing.assert_array_equal(known.predict_proba(wrap(table)), proba)
        order = ["c", "a", "b"]
        for fitted in (known, found):
            with pytest.raises(ValueError, match=r"in this order|same order"):
                fitted.predict(wrap(table.select(order)))
            with pytest.raises(ValueError, match=r"in this order|same order"):
                fitted.predict(wrap(FRAME[order]))
        found.score(wrap(table), COLUMN[library](Y))


@pytest.mark.parametrize("library", MAKE)
def test_tables_have_no_row_labels(library):
    table, index = MAKE[library](FRAME), range(N)[::-1]
    assert check_modalities(table).index is None
    X = ModalityDict(t=table, p=FRAME.set_axis(index))
    assert X["t"].index.tolist() == X.index.tolist() == list(index)
    np.testing.assert_array_equal(X["t"].to_numpy(), FRAME.to_numpy())


COLUMNS = {
    "text": ["x", None],
    "holes": [1, None],
    "whole": [1, 2],
    "flag": [True, None],
    "lists": [[1, 2], [3]],
}


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table])
def test_every_kind_of_column_is_read(make):
    X = check_modalities(make(COLUMNS), finite=False)
    assert X["text"].tolist() == ["x", ""]
    assert X.present["text"].tolist() == [True, False]
    np.testing.assert_array_equal(X["holes"], [1, np.nan])
    assert X["whole"].dtype == np.int64
    np.testing.assert_array_equal(X["flag"], [1, np.nan])
    assert [row.tolist() for row in X["lists"]] == [[1, 2], [3]]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(["v", "u"], dtype=pl.Enum(["v", "w", "u"])),
        pa.chunked_array([pa.array(["v", "u"]).dictionary_encode()]),
    ],
)
def test_categories_stay_categories(column):
    table = pl.DataFrame({"c": column}) if isinstance(column, pl.Series) else None
    table = pa.table({"c": column}) if table is None else table
    leaf = ModalityDict(t=table)["t"]
    assert isinstance(leaf["c"].dtype, pd.CategoricalDtype)
    assert leaf["c"].tolist() == ["v", "u"]


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: {"t": v}])
@pytest.mark.parametrize(
    "table", [pl.from_pandas(FRAME).lazy(), dd.from_pandas(FRAME, npartitions=2)]
)
def test_lazy_tables_are_refused_by_name(table, wrap):
    kind = type(table).__name__
    with pytest.raises(TypeError, match=rf"{kind}, which cannot be read; .*compute"):
        model().fit(wrap(table), Y)


def test_tables_of_an_unknown_library_are_refused_by_name():
    class Table:
        columns = ("a", "b")

        def __array__(self, dtype=None, copy=None):
            return FRAME.to_numpy()

    for X in (Table(), {"t": Table()}):
        with pytest.raises(TypeError, match=r"Table, which cannot be read"):
            model().fit(X, Y)


# -- samples one by one ------------------------------------------------------------


def test_a_list_of_dicts_is_turned_into_columns():
    images = np.random.default_rng(0).normal(size=(N, 2, 3))
    rows = [
        {"image": torch.tensor(image), "name": f"n{i}", "row": FRAME.iloc[i]}
        for i, image in enumerate(images)
    ]
    X = check_modalities(rows)
    assert X["image"].shape == images.shape
    assert X["name"][3] == "n3"
    assert X["row"].to_numpy().tolist() == FRAME.to_numpy().tolist()
    rows = [{"a": row, "b": row[:2]} for row in FRAME.to_numpy()]
    fitted = model().fit(rows, Y)
    assert fitted.shapes_in_ == {"a": (3,), "b": (2,)}
    columns = {"a": FRAME.to_numpy(), "b": FRAME.to_numpy()[:, :2]}
    np.testing.assert_array_equal(
        fitted.predict_proba(rows[:5]), fitted.predict_proba(columns)[:5]
    )
    assert len(cross_validate_replicas(model(), rows, Y, cv=2)["test_score"]) == 2


def test_samples_must_have_the_same_modalities():
    with pytest.raises(ValueError, match=r"sample 1 of X has .*\['b'\].*present"):
        check_modalities([{"a": 1}, {"b": 2}])


ITERABLES = {
    "set": lambda: {1, 2},
    "dict_values": lambda: {"a": 1}.values(),
}


@pytest.mark.parametrize("kind", ITERABLES)
@pytest.mark.parametrize(
    "call",
    [lambda X: model().fit(X, Y), ModalityTransformer().fit, check_modalities],
)
def test_other_iterables_are_refused_by_name(kind, call):
    with pytest.raises(TypeError, match=rf"X is a {kind}.*\{{name: array\}}"):
        call(ITERABLES[kind]())


# -- values that cannot be read ----------------------------------------------------


COMPLEX = {
    "array": FRAME.to_numpy() * 1j,
    "tensor": torch.tensor(FRAME.to_numpy() * 1j),
    "frame": FRAME.astype(complex),
    "one column": FRAME.assign(b=1j),
    "sparse column": FRAME.assign(b=pd.arrays.SparseArray([1j] * N)),
    "series": pd.Series([1j] * N),
    "sparse": sparse.csr_array(FRAME.to_numpy() * 1j),
    "list": (FRAME.to_numpy() * 1j).tolist(),
    "ragged": [np.ones(1 + i % 2) * 1j for i in range(N)],
}


@pytest.mark.parametrize("kind", COMPLEX)
def test_complex_numbers_are_refused_by_name(kind):
    with pytest.raises(ValueError, match=r"'signal' .*Complex data not supported"):
        model().fit({"signal": COMPLEX[kind]}, Y)


def test_complex_numbers_in_a_table_alone_are_refused():
    for X in (COMPLEX["array"], COMPLEX["sparse"], COMPLEX["tensor"]):
        with pytest.raises(ValueError, match="X has complex numbers"):
            model().fit(X, Y)
    with pytest.raises(ValueError, match="'b' has complex"):
        model().fit(COMPLEX["one column"], Y)


TIMES = [
    pd.Timestamp("2020-01-01"),
    pd.Timestamp("2020-01-01", tz="UTC"),
    pd.Timedelta(1, "D"),
]


@pytest.mark.parametrize("time", TIMES)
def test_times_are_refused_by_column(time):
    table = FRAME.assign(when=time)
    with pytest.raises(TypeError, match="'t' has times in column 'when'"):
        model().fit({"t": table}, Y)
    with pytest.raises(TypeError, match="'when' has times"):
        model().fit(table, Y)


TENSOR = torch.tensor(FRAME.to_numpy())


def test_tensors_without_values_are_refused_by_name():
    with pytest.raises(TypeError, match="'t' is a tensor on the device 'meta'"):
        model().fit({"t": TENSOR.to("meta")}, Y)
    with pytest.raises(TypeError, match="'X' is a tensor on the device 'meta'"):
        model().fit(TENSOR.to("meta"), Y)


def test_masked_arrays_are_refused():
    masked = np.ma.masked_array(FRAME.to_numpy(), FRAME.to_numpy() > 1)
    for X, what in [(masked, "X"), ({"t": masked}, "modality 't'")]:
        with pytest.raises(TypeError, match=f"{what} is a masked array"):
            model().fit(X, Y)


def test_tensors_of_bfloat16_are_read():
    proba = model().fit(TENSOR.bfloat16(), Y).predict_proba(TENSOR.bfloat16())
    known = model().fit(TENSOR.bfloat16().float(), Y)
    np.testing.assert_array_equal(proba, known.predict_proba(TENSOR.bfloat16().float()))


# -- y -----------------------------------------------------------------------------


def test_targets_that_are_tensors_are_read():
    values = FRAME["a"].to_numpy()
    known = FusionRegressor(max_epochs=2, random_state=0).fit(FRAME, values)
    tensor = torch.tensor(values).requires_grad_()
    found = FusionRegressor(max_epochs=2, random_state=0).fit(FRAME, tensor)
    np.testing.assert_array_equal(found.predict(FRAME), known.predict(FRAME))
    assert found.score(FRAME, tensor) == known.score(FRAME, values)
    classes = torch.tensor(Y).bfloat16()
    assert model().fit(FRAME, classes).classes_.tolist() == [0, 1]


@pytest.mark.parametrize("hole", [None, np.nan, pd.NA])
@pytest.mark.parametrize(
    "classifier",
    [
        model(),
        skmm.LateFusionClassifier(model()),
        skmm.NoHarmFusionClassifier(max_epochs=2),
        skmm.MulMixClassifier(max_epochs=2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_holes_in_y_are_counted(classifier, hole):
    y = np.array(["u", "v"] * (N // 2), dtype=object)
    y[[1, 5, 7]] = hole
    for target in (y, y.tolist(), pd.Series(y), pd.Series(y, dtype="string")):
        with pytest.raises(ValueError, match=f"y contains NaN in 3 of {N} samples"):
            classifier.fit(FRAME, target)
        with pytest.raises(ValueError, match=f"y contains NaN in 3 of {N} samples"):
            cross_validate_replicas(classifier, FRAME, target, cv=2)


@pytest.mark.parametrize(
    "call",
    [
        lambda y: compare_modalities(model(), FRAME, y),
        lambda y: bootstrap_score(model(), FRAME, y),
        lambda y: fit_replicas(model(), FRAME, y, [np.arange(N)]),
        lambda y: ModalitySearchCV(model(), {"lr": [0.1]}).fit(FRAME, y),
        lambda y: modality_importance(model(), FRAME, y, cv=2),
    ],
)
def test_functions_count_holes_in_y(call):
    y = np.where(Y, "u", "v").astype(object)
    y[3] = None
    with pytest.raises(ValueError, match=f"y contains NaN in 1 of {N} samples: 3"):
        call(y)
