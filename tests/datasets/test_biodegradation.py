import gzip
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm import ModalityDict
from skmm.datasets import load_biodegradation

SIZES = {"unique": {"RB": 290, "NRB": 645}, "all": {"RB": 355, "NRB": 698}}


@pytest.fixture(scope="module", params=["unique", "all"])
def loaded(request):
    return request.param, load_biodegradation(match=request.param)


def test_class_counts(loaded):
    match, bunch = loaded
    assert Counter(bunch.target) == SIZES[match]


def test_kinds_and_shapes(loaded):
    _, bunch = loaded
    n = len(bunch.target)
    X = bunch.data
    assert isinstance(X, ModalityDict)
    assert list(X) == ["smiles", "descriptors"]
    assert X.shape == (n, 2) and not X.has_missing
    assert X["descriptors"].shape == (n, 41)
    assert (X["descriptors"].dtypes == np.float64).all()
    assert isinstance(X["descriptors"].index, pd.RangeIndex)
    assert np.isfinite(X["descriptors"].to_numpy()).all()
    assert all(type(s) is str and s for s in X["smiles"])
    assert bunch.target.dtype == object
    assert bunch.target_names == np.unique(bunch.target).tolist()


def test_frame_holds_the_same_rows(loaded):
    match, bunch = loaded
    frame, X = bunch.frame, bunch.data
    assert list(frame) == ["smiles", *bunch.feature_names, "class", "smiles_match"]
    assert len(set(bunch.feature_names)) == 41
    assert bunch.feature_names == list(X["descriptors"])
    pd.testing.assert_frame_equal(frame[bunch.feature_names], X["descriptors"])
    assert frame["smiles"].tolist() == X["smiles"].tolist()
    assert frame["class"].tolist() == bunch.target.tolist()
    kinds = {"unique": 935, "best_of_several": 86, "tie": 32}
    expected = kinds if match == "all" else {"unique": 935}
    assert Counter(frame["smiles_match"]) == expected


def test_bundled_file_is_the_whole_source():
    filename = load_biodegradation().filename
    with gzip.open(filename, "rt") as file:
        table = pd.read_csv(file, keep_default_na=False)
    assert Counter(table["class"]) == {"RB": 356, "NRB": 699}
    assert (table["smiles"] == "").tolist() == (
        table["smiles_match"] == "none"
    ).tolist()


def test_unique_is_the_default_and_a_subset_of_all_in_order():
    few, many = load_biodegradation().frame, load_biodegradation(match="all").frame
    kept = many[many["smiles_match"] == "unique"].reset_index(drop=True)
    pd.testing.assert_frame_equal(few, kept)


def test_return_X_y():
    bunch = load_biodegradation()
    X, y = load_biodegradation(return_X_y=True)
    assert X == bunch.data
    assert y.tolist() == bunch.target.tolist()


@pytest.mark.parametrize(
    "params, known", [({"match": "some"}, "'unique'"), ({"return_X_y": "no"}, "bool")]
)
def test_wrong_parameters_name_the_choices(params, known):
    with pytest.raises(ValueError, match=known):
        load_biodegradation(**params)


def test_descr_credits_and_explains_every_descriptor():
    bunch = load_biodegradation()
    for needed in (
        "Creative Commons Attribution 4.0",
        "Mansouri",
        "10.24432",
        "Shuffle",
    ):
        assert needed in bunch.DESCR
    first_words = {line.split(" ")[0] for line in bunch.DESCR.splitlines()}
    assert set(bunch.feature_names) <= first_words


def test_smiles_belong_to_their_descriptors():
    chem = pytest.importorskip("rdkit.Chem")
    bunch = load_biodegradation(match="all")
    molecules = [chem.MolFromSmiles(s) for s in bunch.data["smiles"]]
    for name, elements in {"nO": {8}, "nN": {7}, "nX": {9, 17, 35, 53}}.items():
        counted = [
            sum(a.GetAtomicNum() in elements for a in m.GetAtoms()) for m in molecules
        ]
        assert counted == bunch.data["descriptors"][name].tolist()
    assert len({chem.MolToSmiles(m) for m in molecules}) == 1053


def test_descriptors_predict_the_class_as_published():
    X, y = load_biodegradation(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    auc = cross_val_score(model, X["descriptors"], y, cv=folds, scoring="roc_auc")
    assert 0.88 < auc.mean() < 0.97
