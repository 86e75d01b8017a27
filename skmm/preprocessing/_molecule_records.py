"""Properties of molecules from RDKit, read with as few calls as possible."""

from typing import Any, NamedTuple

import numpy as np

from skmm.preprocessing._smiles import require_rdkit


class Record(NamedTuple):
    """A molecule, independent of RDKit."""

    positions: np.ndarray
    """2-D coordinates in Å, of shape (n_atoms, 2)."""
    atoms: list[tuple[Any, ...]]
    """Atomic number, Gasteiger charge, total valence and hybridisation code of each
    atom; or only its atomic number."""
    bonds: list[tuple[int, int, float]]
    """The two atoms and the order of each bond."""


def property_records():
    """Return a function that maps a molecule to a Record with four atom properties."""
    require_rdkit()
    from rdkit.Chem.rdDepictor import Compute2DCoords
    from rdkit.Chem.rdPartialCharges import ComputeGasteigerCharges

    def record(molecule):
        Compute2DCoords(molecule)
        ComputeGasteigerCharges(molecule)
        atoms = [_properties(atom) for atom in _atoms(molecule)]
        return Record(_positions(molecule), atoms, _bonds(molecule))

    return record


def drawing_records():
    """Return a function that maps a molecule to a Record with Kekulé bonds."""
    require_rdkit()
    from rdkit.Chem import Kekulize
    from rdkit.Chem.rdDepictor import Compute2DCoords

    def record(molecule):
        Compute2DCoords(molecule)
        Kekulize(molecule)
        atoms = [(atom.GetAtomicNum(),) for atom in _atoms(molecule)]
        return Record(_positions(molecule), atoms, _bonds(molecule))

    return record


def _atoms(molecule):
    # by index, since RDKit's sequences of atoms and bonds are slower
    return map(molecule.GetAtomWithIdx, range(molecule.GetNumAtoms()))


def _properties(atom):
    return (
        atom.GetAtomicNum(),
        atom.GetDoubleProp("_GasteigerCharge"),
        atom.GetTotalValence(),  # the explicit valence excludes implicit hydrogens
        int(atom.GetHybridization()),
    )


def _positions(molecule):
    return molecule.GetConformer().GetPositions()[:, :2]


def _bonds(molecule):
    return [
        (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), bond.GetBondTypeAsDouble())
        for bond in map(molecule.GetBondWithIdx, range(molecule.GetNumBonds()))
    ]
