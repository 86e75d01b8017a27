"""Fusion estimators on all kinds of leaves."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from skmm import ModalityDict
from skmm.nn import Conv1dEncoder, ConvEncoder, Flatten, HashedNGramEncoder, MLPEncoder
from tests.estimators.fusions import classifier, proba
from tests.toys import (
    MeanEmbedding,
    two_tables,
    with_holes,
)


def test_all_kinds_of_numbers_train_alike(tmp_path):
    X, y = two_tables()
    table = np.round(np.abs(X["a"]) * 10).astype(np.uint8)
    on_disk = np.memmap(tmp_path / "table", np.uint8, "w+", shape=table.shape)
    on_disk[:] = table
    expected = proba(classifier(), {"a": table.astype(float), "b": X["b"]}, y)
    for leaf in (
        table,
        table.astype(np.float32),
        table.astype(">i4"),
        np.asfortranarray(table),
        table[::-1][::-1],
        torch.from_numpy(table),
        sparse.csr_array(table),
        sparse.coo_matrix(table.astype(float)),
        pd.DataFrame(table).astype({0: float}),
        on_disk,
    ):
        result = proba(classifier(), {"a": leaf, "b": X["b"]}, y)
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def test_booleans_are_zeros_and_ones():
    X, y = two_tables()
    flags = X["a"] > 0
    expected = proba(classifier(), {"a": flags.astype(float), "b": X["b"]}, y)
    for leaf in (
        flags,
        torch.from_numpy(flags),
        sparse.csr_array(flags),
    ):
        np.testing.assert_allclose(
            proba(classifier(), {"a": leaf, "b": X["b"]}, y), expected, rtol=1e-5
        )


@pytest.mark.parametrize("kind", ["dense", "sparse", "memmap", "tensor"])
def test_missing_rows_train_alike_in_every_kind(kind, tmp_path):
    X, y = two_tables()
    X = with_holes(X.assign(a=np.abs(X["a"]).round(1)))
    disk = np.memmap(tmp_path / "table", float, "w+", shape=(40, 3))
    disk[:] = X["a"]
    leaf = {
        "dense": X["a"],
        "sparse": sparse.csr_array(X["a"]),
        "memmap": disk,
        "tensor": torch.from_numpy(X["a"]),
    }[kind]
    other = ModalityDict(a=leaf, b=X["b"], present=X.present)
    np.testing.assert_allclose(
        proba(classifier(), other, y), proba(classifier(), X, y), rtol=1e-5
    )


def test_grids_and_one_number_per_row():
    X, y = two_tables()
    model = classifier(fusion="mean").fit(
        {"grid": X["b"][:, :4].reshape(40, 2, 2), "age": X["a"][:, 0]}, y
    )
    assert model.shapes_in_ == {"grid": (2, 2), "age": (1,)}


def test_error_names_columns_that_are_not_numeric():
    X, y = two_tables()
    frame = pd.DataFrame({"age": X["a"][:, 0], "town": pd.Categorical(["x", "y"] * 20)})
    message = r"encoders\['a'\]: MLPEncoder.* columns \['town'\] are not.*Modality"
    with pytest.raises(TypeError, match=message):
        classifier(encoders=MLPEncoder()).fit({"a": frame, "b": X["b"]}, y)


NOTES = ["good", "bad"] * 20


def test_text_is_read_by_n_grams():
    X, _ = two_tables()
    X, y = X.assign(note=NOTES), np.array(NOTES)
    model = classifier(modalities=["note"], max_epochs=30).fit(X, y)
    assert type(model.encoders_["note"]) is HashedNGramEncoder
    assert model.score(X, y) == 1.0


@pytest.mark.parametrize(
    "encoder", [MLPEncoder(), ConvEncoder(), Conv1dEncoder(), Flatten()]
)
def test_text_for_an_encoder_of_numbers(encoder):
    X, y = two_tables()
    words = r"encoders\['note'\]: .* expects numbers; got text.*HashedNGram.*Modality"
    with pytest.raises(ValueError, match=words):
        classifier(encoders={"note": encoder}).fit(X.assign(note=NOTES), y)


def test_text_is_read_as_bytes():
    X, _ = two_tables()
    y = np.array(NOTES)
    model = classifier(encoders={"note": MeanEmbedding(8)}, max_epochs=30)
    model.fit(X.assign(note=NOTES), y)
    assert model.score(X.assign(note=NOTES), y) == 1.0
    longer = X.assign(note=[n * 50 + "ß" for n in NOTES])
    assert model.predict(longer).shape == (40,)
    assert model.predict(X.assign(note=[""] * 40)).shape == (40,)


def test_missing_text():
    X, y = two_tables()
    notes = [None if i % 3 == 0 else note for i, note in enumerate(NOTES)]
    there = np.array([note is not None for note in notes])
    model = classifier(encoders={"note": MeanEmbedding()})
    X = ModalityDict(X, note=notes, present={"note": there})
    np.testing.assert_array_equal(
        proba(model, X, y),
        proba(
            model,
            X.assign(
                note=["" if n is None else n for n in notes], present={"note": there}
            ),
            y,
        ),
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_raise_where_present(bad):
    X, y = two_tables()
    table = X["a"].copy()
    table[7, 1] = bad
    with pytest.raises(ValueError, match=r"modality 'a' has NaN or infinity.*\(7\)"):
        classifier().fit({"a": table, "b": X["b"]}, y)
    marked = ModalityDict(a=table, b=X["b"]).with_missing("a", [7])
    zeros = X.with_missing("a", [7])
    np.testing.assert_array_equal(
        proba(classifier(), marked, y), proba(classifier(), zeros, y)
    )
