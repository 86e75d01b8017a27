import pickle

import numpy as np
import pytest
from sklearn import clone

from skmm.datasets import load_biodegradation
from skmm.preprocessing import MoleculeImager

rdkit = pytest.importorskip("rdkit")

SMILES = ["C", "c1ccccc1", "CC", "CC(=O)Oc1ccccc1C(=O)O", "C#N", "[Na+].[Cl-]"]
TITANIUM = "CC(C)[O][Ti]([O]C(C)C)([O]C(C)C)[O]C(C)C"
LONG = "C" * 80


def own_atoms(smiles):
    """Number, charge, valence, hybridisation of each atom, sorted, by another route."""
    from rdkit import Chem
    from rdkit.Chem import AllChem

    full = Chem.MolFromSmiles(smiles)
    AllChem.ComputeGasteigerCharges(full)
    return sorted(
        (
            atom.GetAtomicNum(),
            round(float(atom.GetProp("_GasteigerCharge")), 4),
            sum(bond.GetBondTypeAsDouble() for bond in atom.GetBonds())
            + atom.GetTotalNumHs(),
            int(atom.GetHybridization()),
        )
        for atom in full.GetAtoms()
    )


def atoms_of(image):
    """The same, read from the pixels that have a hybridisation."""
    pixels = image[:, image[3] != 0].T
    return sorted(tuple(round(float(v), 4) for v in pixel) for pixel in pixels)


@pytest.fixture(scope="module")
def chemicals():
    return load_biodegradation(return_X_y=True)[0]["smiles"][::9]


# -- what the numbers are ----------------------------------------------------------


def test_methane_is_one_pixel_with_its_hydrogens_in_the_valence():
    image = MoleculeImager().transform(["C"])[0]
    assert [np.count_nonzero(channel) for channel in image] == [1, 1, 1, 1]
    expected = [6, -0.0776, 4, 4]  # an explicit valence would be 0
    np.testing.assert_allclose(image[:, 40, 40], expected, atol=1e-4)


@pytest.mark.parametrize("smiles", ["C", "[CH4]", "[H]C([H])([H])[H]"])
def test_writing_the_hydrogens_changes_nothing(smiles):
    expected = MoleculeImager().transform(["C"])
    np.testing.assert_array_equal(MoleculeImager().transform([smiles]), expected)


def test_benzene():
    image = MoleculeImager().transform(["c1ccccc1"])[0]
    assert [np.count_nonzero(channel) for channel in image] == [20, 6, 6, 6]
    values, counts = np.unique(image[0], return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {
        0.0: 6380,
        1.5: 14,
        6.0: 6,
    }
    np.testing.assert_allclose(image[1][image[1] != 0], -0.0623, atol=1e-4)
    assert set(image[2][image[2] != 0]) == {4.0}
    assert set(image[3][image[3] != 0]) == {3.0}


@pytest.mark.parametrize(("smiles", "order"), [("CC", 1), ("C=C", 2), ("C#C", 3)])
def test_two_carbons_lie_on_a_line_with_their_bond_between(smiles, order):
    image = MoleculeImager().transform([smiles])[0]
    line = image[0][image[0] != 0]
    assert line.tolist() == [6, order, order, order, 6]


@pytest.mark.parametrize(
    "smiles", ["CC(=O)Oc1ccccc1C(=O)O", "CCN(CC)CC", "C[N+](=O)[O-]", "FC(F)(F)Br"]
)
def test_atoms_are_those_of_rdkit(smiles):
    assert atoms_of(MoleculeImager().transform([smiles])[0]) == own_atoms(smiles)


@pytest.mark.parametrize("degrees", [0, 17, 45, 90, 200])
def test_turning_a_molecule_moves_atoms_but_keeps_their_values(degrees):
    from skmm.preprocessing import _raster
    from skmm.preprocessing._molecule_records import property_records
    from skmm.preprocessing._smiles import parse

    record = parse(["CC(=O)Oc1ccccc1C(=O)O"], each=property_records())[0]
    angle = np.deg2rad(degrees)
    turn = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    images = np.zeros((2, 4, 80, 80), np.float32)
    turned = record._replace(positions=record.positions @ turn)
    _raster.draw_properties(images, _raster.flatten([record, turned], 0.5))
    assert atoms_of(images[0]) == atoms_of(images[1]) != []
    assert (degrees == 0) == bool((images[0] == images[1]).all())


def test_the_molecule_is_in_the_middle_and_upright():
    from rdkit import Chem
    from rdkit.Chem.rdDepictor import Compute2DCoords

    smiles = "CC(=O)CBr"
    image = MoleculeImager(61).transform([smiles])[0]
    rows, columns = np.nonzero(image[3])
    assert rows.min() + rows.max() == pytest.approx(60, abs=1)
    assert columns.min() + columns.max() == pytest.approx(60, abs=1)
    molecule = Chem.MolFromSmiles(smiles)
    Compute2DCoords(molecule)
    where = molecule.GetConformer().GetPositions()[:, :2]
    up, right = (np.ptp(where, axis=0) / 2 + where.min(axis=0))[::-1]
    bromine = np.argwhere(image[0] == 35)[0] - 30
    np.testing.assert_allclose(
        bromine * (-0.5, 0.5), where[4][::-1] - (up, right), atol=0.26
    )


def test_finer_resolution_spreads_the_molecule():
    widths = [
        np.ptp(np.nonzero(MoleculeImager(resolution=r).transform(["CCCC"])[0, 3])[1])
        for r in (0.5, 0.25, 0.125)
    ]
    np.testing.assert_allclose(np.array(widths) / widths[0], [1, 2, 4], rtol=0.1)


# -- lines and drawings ------------------------------------------------------------


@pytest.mark.parametrize("end", [(0, 0), (4, 0), (0, -7), (5, 3), (-6, 6), (-2, 9)])
def test_lines_are_whole_from_end_to_end(end):
    from skmm.preprocessing._raster import line_points

    start = np.array([[2, 3]])
    end = start + end
    points, line = line_points(start, end)
    assert points[0].tolist() == start[0].tolist()
    assert points[-1].tolist() == end[0].tolist()
    assert set(line) == {0} and len(line) == np.abs(end - start).max() + 1
    steps = np.abs(np.diff(points, axis=0)).max(axis=1)
    assert (steps == 1).all()
    exact = start + np.linspace(0, 1, len(points))[:, None] * (end - start)
    assert np.abs(points - exact).max() <= 0.5


def test_no_lines_at_all():
    from skmm.preprocessing._raster import line_points

    empty = np.zeros((0, 2), dtype=int)
    points, line = line_points(empty, empty)
    assert points.shape == (0, 2) and line.shape == (0,)


def drawing(smiles, **options):
    options = {"channels": "structure", "resolution": 0.1, **options}
    return MoleculeImager(**options).transform([smiles])[0]


def test_a_drawing_is_black_and_white_with_one_line_per_order():
    images = [drawing(s) for s in ("CC", "C=C", "C#C")]
    assert all(image.shape == (1, 80, 80) for image in images)
    assert all(set(np.unique(image)) == {0.0, 1.0} for image in images)
    # column 40 crosses the bond in the middle
    assert [int(image[0, :, 40].sum()) for image in images] == [1, 2, 3]


def test_a_drawing_has_kekule_bonds_and_marks_what_is_not_carbon():
    benzene, pyridine = drawing("c1ccccc1"), drawing("c1ccncc1")
    single, double = (drawing(s).sum() for s in ("C1CCCCC1", "C1=CC=CC=C1"))
    assert benzene.sum() == double
    assert benzene.sum() < 1.7 * single  # nine lines for six, not twelve
    assert pyridine.sum() > benzene.sum() + 20  # a square 7 x 7, without the lines
    assert drawing("C").sum() == 1
    assert drawing("O").sum() == 49


def test_what_leaves_the_field_of_a_drawing_stays_on_its_edge():
    assert drawing("O", size=1).tolist() == [[[1.0]]]


# -- molecules that do not fit -----------------------------------------------------


def test_oversize_names_row_smiles_and_the_size_that_suffices():
    X = ["C"] * 300 + [LONG, LONG]
    with pytest.raises(ValueError, match=r"row 300 does not fit: 'CCC") as caught:
        MoleculeImager().transform(X)
    needed = int(str(caught.value).split("size=")[1].split()[0])
    assert MoleculeImager(needed).transform([LONG]).any()
    for size in (needed - 1, needed - 2):
        with pytest.raises(ValueError, match=rf"needs size={needed} at resolution=0.5"):
            MoleculeImager(size).transform([LONG])


@pytest.mark.parametrize("channels", ["chemception", "structure"])
@pytest.mark.parametrize("size", [1, 2, 40, 41])
def test_scale_shrinks_the_large_ones_only(channels, size):
    imager = MoleculeImager(size, oversize="scale", channels=channels)
    large, small = imager.transform([LONG, "C"])
    middle = size // 2
    columns = np.flatnonzero(large.any(axis=(0, 1)))
    assert np.abs(columns - middle).max() == (size - 1) // 2
    np.testing.assert_array_equal(
        small, MoleculeImager(size, channels=channels).transform(["C"])[0]
    )


# -- charges that RDKit does not know ----------------------------------------------


def test_unknown_charges_are_zero_with_one_warning():
    X = ["CCO"] * 257 + [TITANIUM, "CC", TITANIUM]
    with pytest.warns(UserWarning, match="Gasteiger") as caught:
        images = MoleculeImager().transform(X)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "2 molecules, the first in row 257: 'CC(C)[O][Ti]" in message
    assert caught[0].filename == __file__
    assert np.isfinite(images).all()
    assert not images[257, 1].any() and images[256, 1].any() and images[258, 1].any()


def test_a_drawing_needs_no_charges():
    assert MoleculeImager(channels="structure").transform([TITANIUM]).any()


# -- the same result on every way --------------------------------------------------


@pytest.mark.filterwarnings("ignore:RDKit has no finite")
@pytest.mark.parametrize("channels", ["chemception", "structure"])
def test_chunks_and_neighbours_do_not_matter(monkeypatch, chemicals, channels):
    imager = MoleculeImager(oversize="scale", channels=channels)
    expected = imager.transform(chemicals)
    order = np.random.default_rng(0).permutation(len(chemicals))
    monkeypatch.setattr("skmm.preprocessing._raster.CHUNK", 7)
    np.testing.assert_array_equal(imager.transform(chemicals), expected)
    shuffled = imager.transform(chemicals[order])
    np.testing.assert_array_equal(shuffled, expected[order])


@pytest.mark.filterwarnings("ignore:RDKit has no finite")
def test_processes_do_not_matter(chemicals):
    X = [*chemicals[:30], "no molecule", *chemicals[30:]]
    alone = MoleculeImager(oversize="scale", on_error="missing")
    both = clone(alone).set_params(n_jobs=2)
    np.testing.assert_array_equal(both.transform(X), alone.transform(X))
    both.set_params(on_error="raise")
    with pytest.raises(ValueError, match=r"row 30 is not a valid .*1 of \d+ rows"):
        both.transform(X)


def test_more_processes_than_rows():
    one = MoleculeImager(n_jobs=2).transform(["C"])
    np.testing.assert_array_equal(one, MoleculeImager().transform(["C"]))


@pytest.mark.parametrize("copy", [clone, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_do_the_same(copy):
    imager = MoleculeImager(60, 0.4).fit(SMILES)
    other = copy(imager)
    assert other.get_params() == imager.get_params()
    np.testing.assert_array_equal(other.transform(SMILES), imager.transform(SMILES))
