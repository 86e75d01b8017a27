"""What RDKit tells about a molecule, taken with as few calls as possible."""

from typing import Any, NamedTuple

import numpy as np

from skmm.preprocessing._smiles import require_rdkit


class Record(NamedTuple):
    """A molecule of a atoms and b bonds, without RDKit."""

    positions: np.ndarray
    """2-D coordinates in Å, of shape (a, 2)."""
    atoms: list[tuple[Any, ...]]
    """Per atom its number, Gasteiger charge, total valence, hybridisation code; or
    its number alone."""
    bonds: list[tuple[int, int, float]]
    """Per bond its two atoms and its order."""


def property_records():
    """Return the function from a molecule to a Record with four atom properties."""
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
    """Return the function from a molecule to a Record with Kekulé bonds."""
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
    # by number: RDKit's own sequences of atoms and bonds are slower
    return map(molecule.GetAtomWithIdx, range(molecule.GetNumAtoms()))


def _properties(atom):
    return (
        atom.GetAtomicNum(),
        atom.GetDoubleProp("_GasteigerCharge"),
        atom.GetTotalValence(),  # the explicit valence leaves out implicit hydrogens
        int(atom.GetHybridization()),
    )


def _positions(molecule):
    return molecule.GetConformer().GetPositions()[:, :2]


def _bonds(molecule):
    return [
        (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), bond.GetBondTypeAsDouble())
        for bond in map(molecule.GetBondWithIdx, range(molecule.GetNumBonds()))
    ]
