import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks, get_tags

from skmm import ModalityDict
from skmm.preprocessing import MoleculeFingerprint

rdkit = pytest.importorskip("rdkit")

SMILES = [
    "CCO",
    "c1ccccc1C(=O)O",
    "C",
    "CC(=O)Oc1ccccc1C(=O)O",
    "C[C@H](N)C(=O)O",
    "BrCCBr",
]
BAD = ["CCO", "not a molecule", "", None, 3.5, "C(C)(C)(C)(C)C", "c1ccccc1"]
READABLE = [True, False, False, False, False, False, True]


def own_bits(smiles, radius=2, n_bits=2048):
    """The bits that are set, by another route: RDKit's bit vector."""
    from rdkit import Chem
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    generator = GetMorganGenerator(radius=radius, fpSize=n_bits)
    return list(generator.GetFingerprint(Chem.MolFromSmiles(smiles)).GetOnBits())


# -- what the numbers are ----------------------------------------------------------


@pytest.mark.parametrize("radius, n_bits", [(2, 2048), (0, 2048), (3, 512), (2, 7)])
def test_bits_are_those_of_rdkit_in_the_order_of_the_rows(radius, n_bits):
    table = MoleculeFingerprint(radius=radius, n_bits=n_bits).fit_transform(SMILES)
    assert table.shape == (len(SMILES), n_bits)
    assert table.dtype == np.float32
    for smiles, row in zip(SMILES, table, strict=True):
        assert np.flatnonzero(row).tolist() == own_bits(smiles, radius, n_bits)
        assert set(row) <= {0.0, 1.0}


@pytest.mark.parametrize("counts", [False, True])
def test_sparse_equals_dense(counts):
    dense = MoleculeFingerprint(counts=counts).transform(SMILES)
    csr = MoleculeFingerprint(counts=counts, sparse_output=True).transform(SMILES)
    assert sparse.issparse(csr) and csr.format == "csr"
    assert csr.dtype == np.float32 and csr.has_canonical_format
    np.testing.assert_array_equal(csr.toarray(), dense)


def test_counts_are_those_of_rdkit_and_their_support_is_the_bits():
    from rdkit import Chem
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    counts = MoleculeFingerprint(counts=True, n_bits=256).transform(SMILES)
    bits = MoleculeFingerprint(n_bits=256).transform(SMILES)
    generator = GetMorganGenerator(radius=2, fpSize=256)
    for smiles, row in zip(SMILES, counts, strict=True):
        expected = generator.GetCountFingerprintAsNumPy(Chem.MolFromSmiles(smiles))
        np.testing.assert_array_equal(row, expected)
    np.testing.assert_array_equal(bits, counts > 0)
    assert counts.max() > 1


def test_radius_zero_counts_the_atoms():
    table = MoleculeFingerprint(radius=0, counts=True).transform(SMILES)
    assert table.sum(axis=1).tolist() == [3, 9, 1, 13, 6, 4]


@pytest.mark.parametrize("pair", [("CCO", "OCC"), ("c1ccccc1O", "OC1=CC=CC=C1")])
def test_spelling_of_a_molecule_does_not_matter(pair):
    a, b = MoleculeFingerprint(counts=True).transform(pair)
    np.testing.assert_array_equal(a, b)


def test_chirality_tells_enantiomers_apart():
    pair = ["C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"]
    a, b = MoleculeFingerprint().transform(pair)
    np.testing.assert_array_equal(a, b)
    a, b = MoleculeFingerprint(include_chirality=True).transform(pair)
    assert (a != b).any()


def test_rows_do_not_see_each_other():
    table = MoleculeFingerprint().transform(SMILES)
    order = [4, 0, 5]
    chosen = MoleculeFingerprint().transform([SMILES[i] for i in order])
    np.testing.assert_array_equal(chosen, table[order])


# -- what is accepted --------------------------------------------------------------

FORMS = {
    "tuple": tuple(SMILES),
    "str array": np.array(SMILES),
    "object array": np.array(SMILES, dtype=object),
    "column": np.array(SMILES)[:, None],
    "list of rows": [[s] for s in SMILES],
    "numpy strings": [np.str_(s) for s in SMILES],
    "Series": pd.Series(SMILES, index=range(10, 16)),
    "object Series": pd.Series(SMILES, dtype=object),
    "categorical": pd.Series(SMILES, dtype="category"),
    "DataFrame": pd.DataFrame({"smiles": SMILES}),
    "leaf": ModalityDict(smiles=SMILES)["smiles"],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_text_column(form):
    expected = MoleculeFingerprint().transform(SMILES)
    estimator = MoleculeFingerprint()
    np.testing.assert_array_equal(estimator.fit_transform(FORMS[form]), expected)
    assert estimator.n_features_in_ == 1
    assert estimator.present(FORMS[form]).tolist() == [True] * len(SMILES)


@pytest.mark.parametrize("method", ["fit", "transform", "present"])
@pytest.mark.parametrize(
    "X, error, message",
    [
        ([], ValueError, "0 sample"),
        (np.empty((0, 1), dtype=object), ValueError, "0 sample"),
        ("CCO", ValueError, "single value"),
        ([["C", "CC"]], ValueError, r"\(1, 2\)"),
        (ModalityDict(smiles=SMILES), TypeError, r"X\['name of the SMILES'\]"),
    ],
)
def test_wrong_shapes_are_rejected_by_every_method(method, X, error, message):
    with pytest.raises(error, match=message):
        getattr(MoleculeFingerprint(), method)(X)


@pytest.mark.parametrize("method", ["fit", "transform", "present"])
@pytest.mark.parametrize(
    "params",
    [
        {"radius": -1},
        {"radius": 1.5},
        {"n_bits": 0},
        {"n_bits": -4},
        {"counts": "yes"},
        {"include_chirality": 1.0},
        {"sparse_output": None},
        {"on_error": "ignore"},
    ],
    ids=str,
)
def test_wrong_parameters_are_named(method, params):
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter of Molec"):
        getattr(MoleculeFingerprint(**params), method)(SMILES)


def test_numpy_scalars_as_parameters():
    params = {"radius": np.int64(1), "n_bits": np.int32(64), "counts": np.True_}
    table = MoleculeFingerprint(**params, include_chirality=np.False_).transform(SMILES)
    expected = MoleculeFingerprint(radius=1, n_bits=64, counts=True).transform(SMILES)
    np.testing.assert_array_equal(table, expected)


# -- rows that cannot be read ------------------------------------------------------


@pytest.mark.parametrize("sparse_output", [False, True])
@pytest.mark.parametrize("counts", [False, True])
def test_missing_rows_are_zeros_and_not_present(sparse_output, counts):
    options = {"counts": counts, "sparse_output": sparse_output}
    estimator = MoleculeFingerprint(on_error="missing", **options)
    table = estimator.fit_transform(BAD)
    assert estimator.present(BAD).dtype == bool
    assert estimator.present(BAD).tolist() == READABLE
    good = MoleculeFingerprint(**options).transform(["CCO", "c1ccccc1"])
    if sparse_output:
        table, good = table.toarray(), good.toarray()
    np.testing.assert_array_equal(table[READABLE], good)
    assert not table[~np.array(READABLE)].any()


def test_all_rows_may_be_missing():
    estimator = MoleculeFingerprint(on_error="missing", n_bits=16)
    assert not estimator.transform(["?", None]).any()
    assert estimator.present(["?", None]).tolist() == [False, False]


# -- the contract ------------------------------------------------------------------


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_mixin_order,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_set_params,
        estimator_checks.check_valid_tag_types,
    ],
    ids=lambda check: check.__name__,
)
def test_scikit_learn_checks_without_data(check):
    check("MoleculeFingerprint", MoleculeFingerprint())


def test_tags():
    tags = get_tags(MoleculeFingerprint())
    assert tags.input_tags.string and not tags.input_tags.two_d_array
    assert not tags.requires_fit


@pytest.mark.parametrize("copy", [clone, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_do_the_same(copy):
    estimator = MoleculeFingerprint(n_bits=99, counts=True).fit(SMILES)
    other = copy(estimator)
    assert other.get_params() == estimator.get_params()
    expected = estimator.transform(SMILES)
    np.testing.assert_array_equal(other.transform(SMILES), expected)


def test_set_output_pandas_keeps_index_and_names():
    column = pd.Series(SMILES, index=list("fedcba"))
    estimator = MoleculeFingerprint(n_bits=12).set_output(transform="pandas")
    table = estimator.fit_transform(column)
    assert table.index.tolist() == list("fedcba")
    assert table.columns.tolist() == [f"morgan{i}" for i in range(12)]
    expected = MoleculeFingerprint(n_bits=12).transform(SMILES)
    np.testing.assert_array_equal(table.to_numpy(), expected)


@pytest.mark.parametrize("columns", ["smiles", ["smiles"]])
def test_in_a_column_transformer(columns):
    frame = pd.DataFrame({"smiles": SMILES, "mass": np.arange(6.0)})
    both = make_column_transformer(
        (MoleculeFingerprint(n_bits=8), columns), ("passthrough", ["mass"])
    )
    table = both.fit_transform(frame)
    expected = MoleculeFingerprint(n_bits=8).transform(SMILES)
    np.testing.assert_array_equal(table[:, :8], expected)
    np.testing.assert_array_equal(table[:, 8], frame["mass"])
    assert both.get_feature_names_out()[7] == "moleculefingerprint__morgan7"


@pytest.mark.parametrize("sparse_output", [False, True])
def test_in_a_pipeline(sparse_output):
    y = ["c1" in smiles for smiles in SMILES]
    first = MoleculeFingerprint(sparse_output=sparse_output)
    assert (
        make_pipeline(first, LogisticRegression()).fit(SMILES, y).score(SMILES, y) == 1
    )
