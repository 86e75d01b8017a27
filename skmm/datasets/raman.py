"""Real molecules with simulated Raman spectra, after an experiment of Liu (2022).

The spectra are SIMULATED from the functional groups of each molecule, not measured.
"""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch, check_random_state

from skmm._sklearn import Interval, validate_parameter_constraints
from skmm.data import ModalityDict
from skmm.datasets.biodegradation import load_biodegradation

SHARES = (24 / 72, 23 / 72, 25 / 72)  # shares of the classes, Liu (2022), Table 3.2

# SMARTS of a group: (position in 1/cm, width in 1/cm, strength) of its bands
BANDS = {
    "[CX4;!H0]": ((2900, 35, 0.15), (1450, 14, 0.06)),
    "[c;!H0]": ((3060, 14, 0.12),),
    "c1ccccc1": ((1000, 5, 1.0), (1602, 10, 0.7), (1030, 6, 0.3)),
    "[#6;!a]=[#6;!a]": ((1645, 9, 1.0),),
    "[#6]#[#6]": ((2120, 10, 1.2),),
    "C#N": ((2235, 8, 1.2),),
    "[CX3](=O)[OX2H1]": ((1700, 18, 0.35), (910, 16, 0.2)),
    "[CX3](=O)[OX2][#6]": ((1738, 12, 0.4),),
    "[#6][CX3](=O)[#6]": ((1715, 11, 0.45),),
    "[CX3H1]=O": ((1727, 11, 0.4), (2740, 18, 0.15)),
    "[CX3](=O)[#7]": ((1662, 16, 0.45),),
    "[N+](=O)[O-]": ((1345, 9, 1.4), (1525, 12, 0.3)),
    "[#6]=[#7]": ((1655, 12, 0.7),),
    "[#7]=[#7]": ((1430, 12, 1.2),),
    "[OX2H]": ((3400, 90, 0.12),),
    "[#7;!H0]": ((3340, 45, 0.2),),
    "[#6][OX2][#6]": ((1105, 16, 0.25),),
    "[#6]Cl": ((690, 12, 0.7),),
    "[#6]Br": ((570, 12, 0.9),),
    "[#6]F": ((1090, 18, 0.2),),
    "S(=O)=O": ((1145, 9, 0.9), (1310, 12, 0.3)),
    "[#16;!$(S=O)]": ((650, 12, 0.8),),
    "P=O": ((1260, 14, 0.4),),
}


def make_raman_molecules(
    n_samples=72, *, noise=0.03, baseline=0.5, random_state=None, return_info=False
):
    """Draw real molecules, simulate their Raman spectra, and count double bonds.

    The molecules are from ``load_biodegradation(match="all")``. The classes are those
    of Liu (2022): fewer than 6, exactly 6, or more than 6 double bonds in the Kekulé
    structure (benzene has 3), in the ratio 24 : 23 : 25. **The spectra are simulated**:
    each functional group adds its characteristic bands, shifted, broadened and scaled
    slightly in each molecule, on a fluorescence baseline, with noise and with positions
    that differ between spectra, like in real measurements.

    Parameters
    ----------
    n_samples : int >= 6, default=72
        Number of molecules, limited to about 250 by the source.
    noise : float, default=0.03
        Standard deviation of the noise; the band of one benzene ring has a height of
        about 1.
    baseline : float, default=0.5
        Largest height of the fluorescence baseline, in the same unit.
    random_state : int, RandomState instance or None, default=None
    return_info : bool, default=False
        Return `info` as well.

    Returns
    -------
    X : ModalityDict
        - smiles : text (n_samples,); `MoleculeImager(channels="structure")` draws it
        - spectrum : n_samples arrays (n_points, 2) of increasing wavenumber in 1/cm and
          intensity, of different lengths; `SpectrumBinner` converts them to vectors
    y : ndarray of shape (n_samples,)
        0, 1 or 2.
    info : Bunch, if `return_info`
        - double_bonds : ndarray (n_samples,) of int

    Raises
    ------
    ValueError
        If the source does not have enough molecules of a class.
    ImportError
        If RDKit is not installed.

    References
    ----------
    Liu, "Multi-modal deep learning", thesis, 2022, section 3.1.2, Table 3.2. The
    molecules: Mansouri et al. 2013, CC BY 4.0, see ``load_biodegradation().DESCR``.

    Examples
    --------
    >>> from skmm.datasets import make_raman_molecules
    >>> X, y = make_raman_molecules(random_state=0)
    >>> X.shape, [int((y == k).sum()) for k in range(3)]
    ((72, 2), [24, 23, 25])
    >>> X["spectrum"][0].shape[1]
    2
    """
    validate_parameter_constraints(
        {
            "n_samples": [Interval(Integral, 6, None, closed="left")],
            "noise": [Interval(Real, 0, None, closed="left")],
            "baseline": [Interval(Real, 0, None, closed="left")],
            "random_state": ["random_state"],
            "return_info": ["boolean"],
        },
        locals(),
        "make_raman_molecules",
    )
    rng = check_random_state(random_state)
    smiles, molecules, bonds = _candidates()
    rows, y = _draw(rng, np.digitize(bonds, [5.5, 6.5]), n_samples)
    peaks = _peaks([molecules[row] for row in rows])
    spectra = [_spectrum(rng, *peak, noise, baseline) for peak in peaks]
    X = ModalityDict(smiles=[smiles[row] for row in rows], spectrum=_ragged(spectra))
    if not return_info:
        return X, y
    return X, y, Bunch(double_bonds=bonds[rows])


def _candidates():
    """Return SMILES, molecules and numbers of double bonds of the source."""
    try:
        from rdkit import Chem
    except ImportError as error:
        raise ImportError(
            'make_raman_molecules needs RDKit: pip install "skmm[chem]"'
        ) from error
    smiles = list(load_biodegradation(match="all").data["smiles"])
    molecules = [Chem.MolFromSmiles(text) for text in smiles]
    return smiles, molecules, np.array([_double_bonds(Chem, m) for m in molecules])


def _double_bonds(chem, molecule):
    kekule = chem.Mol(molecule)
    chem.Kekulize(kekule)
    double = chem.BondType.DOUBLE
    return sum(bond.GetBondType() == double for bond in kekule.GetBonds())


def _draw(rng, classes, n_samples):
    """Draw shuffled molecules with the class shares `SHARES`."""
    first, second = (round(n_samples * share) for share in SHARES[:2])
    sizes = [first, second, n_samples - first - second]
    there = np.bincount(classes, minlength=3)
    if (there < sizes).any():
        raise ValueError(
            f"n_samples={n_samples} needs {sizes} molecules of the three classes, but "
            f"the source has {there.tolist()}."
        )
    rows = [
        rng.choice(np.flatnonzero(classes == k), size, replace=False)
        for k, size in enumerate(sizes)
    ]
    rows = rng.permutation(np.concatenate(rows))
    return rows, classes[rows]


def _peaks(molecules):
    """Return (positions, widths, strengths) of the bands of each molecule."""
    from rdkit import Chem

    groups = [(Chem.MolFromSmarts(smarts), bands) for smarts, bands in BANDS.items()]
    return [_peaks_of(molecule, groups) for molecule in molecules]


def _peaks_of(molecule, groups):
    bands = []
    for pattern, group in groups:
        count = len(molecule.GetSubstructMatches(pattern))
        bands += [
            (at, width, count * strength) for at, width, strength in group if count
        ]
    return np.array(bands or [(1450.0, 14.0, 0.1)]).T


def _spectrum(rng, at, width, strength, noise, baseline):
    """Simulate one spectrum: wavenumbers and intensities, of shape (n_points, 2)."""
    start, stop, step = rng.uniform([150, 3200, 2.0], [260, 3400, 4.0])
    x = np.arange(start, stop, step) + rng.uniform(-0.3, 0.3) * step
    at = at + 4.0 * rng.standard_normal(len(at))
    width = width * rng.uniform(0.8, 1.25, len(at))
    strength = strength * rng.lognormal(0.0, 0.15, len(at))
    lines = strength / (1 + ((x[:, None] - at) / width) ** 2)  # Lorentzian
    signal = lines.sum(1)
    glow = (
        baseline * rng.random_sample() * np.exp(-(x - start) / rng.uniform(600, 3000))
    )
    drawn = noise * rng.standard_normal(len(x))
    return np.column_stack([x, signal + glow + drawn])


def _ragged(arrays):
    out = np.empty(len(arrays), dtype=object)
    out[:] = arrays
    return out
