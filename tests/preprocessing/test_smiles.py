"""Reading SMILES, seen through a transformer that does so."""

import subprocess
import sys

import pandas as pd
import pytest

from skmm.preprocessing import MoleculeFingerprint

rdkit = pytest.importorskip("rdkit")

SMILES = ["CCO", "c1ccccc1C(=O)O", "C", "CC(=O)Oc1ccccc1C(=O)O", "BrCCBr", "CCN"]
BAD = ["CCO", "not a molecule", "", None, 3.5, "C(C)(C)(C)(C)C", "c1ccccc1"]


# -- rows that cannot be read ------------------------------------------------------


@pytest.mark.parametrize("method", ["transform", "present", "fit_transform"])
@pytest.mark.parametrize(
    "value, why",
    [
        ("not a molecule", "RDKit cannot parse it"),
        ("C(C)(C)(C)(C)C", "RDKit cannot parse it"),
        ("\ud800", "RDKit cannot parse it"),
        ("", "empty"),
        ("  ", "empty"),
        (None, "NoneType, not a string"),
        (float("nan"), "float, not a string"),
        (b"CCO", "bytes, not a string"),
    ],
    ids=repr,
)
def test_a_bad_row_is_rejected_with_row_value_reason_number_and_fix(method, value, why):
    X = [*SMILES, value, "C", value]
    with pytest.raises(ValueError) as caught:
        getattr(MoleculeFingerprint(), method)(X)
    message = str(caught.value)
    assert message.startswith(f"row 6 is not a valid SMILES: {value!r} ({why}); ")
    assert "2 of 9 rows are invalid" in message
    assert "on_error='missing'" in message


@pytest.mark.parametrize("dtype", [object, "str", "string", "category"])
def test_missing_values_of_pandas(dtype):
    column = pd.Series(["CCO", None], dtype=dtype)
    estimator = MoleculeFingerprint(on_error="missing")
    assert estimator.present(column).tolist() == [True, False]
    assert estimator.present(column.to_frame("smiles")).tolist() == [True, False]
    with pytest.raises(ValueError, match=r"row 1 .* None"):
        MoleculeFingerprint().transform(column)


def test_rdkit_is_silent_only_while_we_read(capfd):
    from rdkit import Chem

    MoleculeFingerprint(on_error="missing").transform(BAD)
    with pytest.raises(ValueError, match="5 of 7"):
        MoleculeFingerprint().transform(BAD)
    assert capfd.readouterr() == ("", "")
    Chem.MolFromSmiles("not a molecule")
    assert "SMILES Parse Error" in capfd.readouterr().err


def test_a_log_that_the_user_switched_off_stays_off(capfd):
    from rdkit import Chem, RDLogger

    RDLogger.DisableLog("rdApp.*")
    try:
        MoleculeFingerprint(on_error="missing").transform(BAD)
        Chem.MolFromSmiles("not a molecule")
        assert capfd.readouterr().err == ""
    finally:
        for log in ("error", "warning", "info"):  # as RDKit starts: debug is off
            RDLogger.EnableLog(f"rdApp.{log}")


# -- RDKit is optional -------------------------------------------------------------


def test_importing_the_room_does_not_import_rdkit():
    code = "import sys, skmm.preprocessing; sys.exit('rdkit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("method", ["transform", "present"])
def test_without_rdkit_the_error_names_the_extra(monkeypatch, method):
    for name in [name for name in sys.modules if name.startswith("rdkit")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r'pip install "skmm\[chem\]"'):
        getattr(MoleculeFingerprint(), method)(SMILES)
