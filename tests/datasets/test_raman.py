"""Simulated spectra of real molecules: shares, bands, and that they can be learnt."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

chem = pytest.importorskip("rdkit.Chem")

from skmm.datasets import make_raman_molecules  # noqa: E402
from skmm.datasets.raman import BANDS, _double_bonds, _peaks  # noqa: E402


def binned(spectra, width=25):
    edges = np.arange(260, 3200, width)
    rows = [np.histogram(s[:, 0], edges, weights=s[:, 1])[0] for s in spectra]
    return np.array(rows) / width


@pytest.mark.parametrize(
    ("smiles", "bonds"),
    [("c1ccccc1", 3), ("CC(=O)O", 1), ("C[N+](=O)[O-]", 1), ("C", 0)],
)
def test_double_bonds_are_those_of_the_kekule_structure(smiles, bonds):
    assert _double_bonds(chem, chem.MolFromSmiles(smiles)) == bonds


@pytest.mark.parametrize("n_samples", [72, 90])
def test_classes_have_the_thesis_shares(n_samples):
    _, y, info = make_raman_molecules(n_samples, random_state=0, return_info=True)
    counts = np.bincount(y)
    np.testing.assert_allclose(counts, n_samples * np.array([24, 23, 25]) / 72, atol=1)
    np.testing.assert_array_equal(y, np.sign(info.double_bonds - 6) + 1)


def test_bands_stand_where_the_group_puts_them():
    for smiles, position in (("CC#N", 2235), ("Clc1ccccc1", 1000)):
        at, _, strength = _peaks([chem.MolFromSmiles(smiles)])[0]
        assert at[strength.argmax()] == position
    assert all(chem.MolFromSmarts(smarts) is not None for smarts in BANDS)


def test_spectra_rise_in_position_and_differ_in_length():
    X, _ = make_raman_molecules(30, random_state=1)
    assert all((np.diff(s[:, 0]) > 0).all() for s in X["spectrum"])
    assert len({len(s) for s in X["spectrum"]}) > 10
    assert all(np.isfinite(s).all() for s in X["spectrum"])


def test_noise_and_baseline_are_what_they_say():
    plain, glowing = (
        make_raman_molecules(12, noise=0, baseline=b, random_state=2)[0]["spectrum"]
        for b in (0.0, 2.0)
    )
    for a, b in zip(plain, glowing, strict=True):
        difference = (b - a)[:, 1]
        assert (np.diff(difference) < 0).all()  # falls
        assert 0 < difference.max() <= 2.0


def test_the_spectrum_tells_the_class_better_than_chance():
    X, y = make_raman_molecules(90, random_state=3)
    model = RandomForestClassifier(100, random_state=0)
    assert cross_val_score(model, binned(X["spectrum"]), y, cv=5).mean() > 0.5


def test_same_seed_same_molecules_and_too_many_are_rejected():
    a, b = (make_raman_molecules(12, random_state=4)[0] for _ in range(2))
    assert a == b
    with pytest.raises(ValueError, match="n_samples=1000 needs"):
        make_raman_molecules(1000)
