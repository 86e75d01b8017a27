import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from skmm.preprocessing import ModalityTransformer, MoleculeDescriptors

rdkit = pytest.importorskip("rdkit")

SMILES = ["CCO", "c1ccccc1C(=O)O", "C", "CC(=O)Oc1ccccc1C(=O)O"]
NAMES = ["TPSA", "MolWt", "RingCount"]
SODIUM, HYDROGEN = "[Na+]", "[H][H]"  # without BCUT2D_MWHI, without SPS


def test_values_are_those_of_rdkit_in_the_order_asked_for():
    from rdkit import Chem
    from rdkit.Chem import Descriptors

    table = MoleculeDescriptors(NAMES).fit_transform(SMILES)
    expected = [
        [getattr(Descriptors, name)(Chem.MolFromSmiles(s)) for name in NAMES]
        for s in SMILES
    ]
    np.testing.assert_allclose(table, expected, rtol=1e-6)
    assert table.dtype == np.float32
    turned = MoleculeDescriptors(NAMES[::-1]).fit_transform(SMILES)
    np.testing.assert_array_equal(turned, table[:, ::-1])


def test_all_descriptors_have_their_names():
    from rdkit.Chem import Descriptors

    every = MoleculeDescriptors().fit(SMILES)
    table = every.transform(SMILES)
    names = every.get_feature_names_out().tolist()
    assert names == [name for name, _ in Descriptors.descList]
    assert table.shape == (4, len(names)) and np.isfinite(table).all()
    weight = MoleculeDescriptors(["MolWt"]).fit_transform(SMILES)
    np.testing.assert_array_equal(table[:, [names.index("MolWt")]], weight)


def test_what_is_not_finite_becomes_the_median_of_fit():
    descriptors = MoleculeDescriptors(["BCUT2D_MWHI", "SPS", "MolWt"]).fit(SMILES)
    train = descriptors.transform(SMILES)
    np.testing.assert_allclose(descriptors.medians_, np.median(train, 0), rtol=1e-6)
    out = descriptors.transform([SODIUM, HYDROGEN])
    assert out[0, 0] == np.float32(descriptors.medians_[0])
    assert out[1, 1] == np.float32(descriptors.medians_[1])
    np.testing.assert_allclose(out[:, 2], [22.99, 2.016], rtol=1e-3)


def test_medians_ignore_what_is_not_finite_and_rows_that_are_missing():
    descriptors = MoleculeDescriptors(["BCUT2D_MWHI", "MolWt"], on_error="missing")
    descriptors.fit([*SMILES, SODIUM, "no molecule"])
    expected = MoleculeDescriptors(["BCUT2D_MWHI"]).fit(SMILES).medians_[0]
    assert descriptors.medians_[0] == expected
    assert descriptors.medians_[1] > 0
    nowhere = MoleculeDescriptors(["BCUT2D_MWHI"]).fit([SODIUM])
    assert nowhere.transform([SODIUM]).tolist() == [[0.0]]


@pytest.mark.parametrize("clip", [1e6, 100.0, 3.4e38])
def test_huge_values_are_clipped_to_what_float32_holds(clip):
    table = MoleculeDescriptors(["Ipc", "MolWt"], clip=clip).fit_transform(["C" * 200])
    assert np.isfinite(table).all()
    assert table[0, 0] == np.float32(clip)


def test_missing_rows_are_zeros_and_marked():
    X = ["CCO", "no molecule", None]
    descriptors = MoleculeDescriptors(NAMES, on_error="missing")
    table = descriptors.fit_transform(X)
    assert table.any(axis=1).tolist() == [True, False, False]
    assert descriptors.present(X).tolist() == [True, False, False]
    assert not descriptors.transform(["?"]).any()
    alone = MoleculeDescriptors(NAMES, on_error="missing").fit(["?"])
    assert alone.medians_.tolist() == [0, 0, 0]
    out = ModalityTransformer({"s": descriptors}).fit_transform({"s": X})
    assert out.present["s"].tolist() == [True, False, False]
    with pytest.raises(ValueError, match="row 1 is not a valid SMILES"):
        MoleculeDescriptors(NAMES).fit(X)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["MolWeigt"], r"\['MolWeigt'\].*did you mean .*'MolWt'"),
        (["tpsa"], r"did you mean 'TPSA'\?"),
        (["xyzxyz"], r"unknown descriptors \['xyzxyz'\]\. See rdkit"),
        ([], "names is empty"),
        (["TPSA", "MolWt", "TPSA"], r"\['TPSA'\] more than once"),
    ],
)
def test_bad_names(names, message):
    with pytest.raises(ValueError, match=message):
        MoleculeDescriptors(names).fit(SMILES)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("names", "TPSA"),
        ("clip", 0.0),
        ("clip", 1e39),
        ("on_error", 1),
        ("n_jobs", "2"),
    ],
)
def test_bad_parameters_are_named(name, value):
    descriptors = MoleculeDescriptors(NAMES).set_params(**{name: value})
    with pytest.raises(ValueError, match=f"'{name}' parameter of MoleculeDescriptors"):
        descriptors.fit(SMILES)


def test_not_fitted():
    with pytest.raises(NotFittedError):
        MoleculeDescriptors(NAMES).transform(SMILES)


def test_processes_do_not_matter():
    alone = MoleculeDescriptors(NAMES).fit_transform(SMILES)
    both = MoleculeDescriptors(NAMES, n_jobs=2).fit_transform(SMILES)
    np.testing.assert_array_equal(both, alone)


@pytest.mark.parametrize("copy", [clone, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_do_the_same(copy):
    descriptors = MoleculeDescriptors(np.array(NAMES)).fit(SMILES)
    other = copy(descriptors)
    table = other.fit(SMILES).transform(SMILES)
    np.testing.assert_array_equal(table, descriptors.transform(SMILES))
    assert get_tags(other).input_tags.string


def test_pandas_output():
    column = pd.Series(SMILES, index=list("abcd"))
    frame = MoleculeDescriptors(NAMES).set_output(transform="pandas")
    frame = frame.fit_transform(column)
    assert frame.columns.tolist() == NAMES and frame.index.tolist() == list("abcd")
