"""How many molecules per second `MoleculeImager` draws, and what takes the time.

Claims: at least 2,000 molecules per second on one core at 80 x 80, and our part
(properties and raster) takes no longer than RDKit's own. Run with
``OMP_NUM_THREADS=1 python -m benchmarks.molecule_images [--quick]``.
"""

import time
import tracemalloc
import warnings

import numpy as np
from rdkit.Chem.rdDepictor import Compute2DCoords
from rdkit.Chem.rdPartialCharges import ComputeGasteigerCharges

from benchmarks.common import alternating_medians, arguments, machine, report
from skmm.datasets import load_biodegradation
from skmm.preprocessing import MoleculeImager, _raster
from skmm.preprocessing._molecule_records import property_records
from skmm.preprocessing._smiles import parse

IMAGER = MoleculeImager(oversize="scale")


def rdkit_part(smiles):
    """Read, lay out, charge: what no code of ours can avoid."""

    def each(molecule):
        Compute2DCoords(molecule)
        ComputeGasteigerCharges(molecule)
        return True

    return parse(smiles, each=each)


def read_part(smiles):
    return parse(smiles, each=lambda molecule: True)


def records_part(smiles):
    """RDKit's part and the extraction of the properties."""
    return parse(smiles, each=property_records())


def raster_part(records):
    images = np.zeros((len(records), 4, 80, 80), np.float32)
    for start in range(0, len(records), _raster.CHUNK):
        chunk = slice(start, start + _raster.CHUNK)
        flat = _raster.flatten(records[chunk], 0.5)
        _raster.draw_properties(images[chunk], _raster.shrink(flat, 80))
    return images


def peak_mb(task):
    """Peak of what Python and NumPy allocate, and the size of the result."""
    tracemalloc.start()
    result = task()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6, result.nbytes / 1e6


def main():
    quick = arguments(__doc__.splitlines()[0]).quick
    smiles = load_biodegradation(return_X_y=True)[0]["smiles"]
    smiles = smiles[::10] if quick else np.tile(smiles, 2)
    records = records_part(smiles)
    parallel = MoleculeImager(oversize="scale", n_jobs=2)
    stages = {
        "parse": lambda: read_part(smiles),
        "rdkit": lambda: rdkit_part(smiles),
        "records": lambda: records_part(smiles),
        "raster": lambda: raster_part(records),
        "transform": lambda: IMAGER.transform(smiles),
    }
    warnings.simplefilter("ignore", UserWarning)
    repeats = 2 if quick else 9
    cpu = alternating_medians(stages, repeats, time.process_time)
    wall = alternating_medians(
        {
            "one process": stages["transform"],
            "n_jobs=2": lambda: parallel.transform(smiles),
        },
        repeats,
    )
    rows = table(cpu, wall, len(smiles))
    peak, size = peak_mb(stages["transform"])
    print(f"peak memory {peak:.0f} MB, of which the result {size:.0f} MB")
    for row in rows:
        row["peak_MB"], row["result_MB"] = round(peak), round(size)
    facts = machine("rdkit", "numpy", "joblib", "scikit-learn")
    report(rows, "molecule_images", facts, quick)
    if not quick:
        check(cpu, len(smiles))


def table(cpu, wall, n):
    """One row per stage, in microseconds per molecule and molecules per second."""
    seconds = {
        "RDKit: parse (processor)": cpu["parse"],
        "RDKit: coordinates, charges (processor)": cpu["rdkit"] - cpu["parse"],
        "ours: properties (processor)": cpu["records"] - cpu["rdkit"],
        "ours: raster (processor)": cpu["raster"],
        "whole transform (processor)": cpu["transform"],
        "whole transform (wall)": wall["one process"],
        "whole transform, n_jobs=2 (wall)": wall["n_jobs=2"],
    }
    return [
        {"part": part, "us_per_molecule": round(s / n * 1e6, 1), "per_s": round(n / s)}
        for part, s in seconds.items()
    ]


def check(cpu, n):
    rate = n / cpu["transform"]
    assert rate >= 2000, f"{rate:.0f} molecules per second"
    ours = cpu["transform"] - cpu["rdkit"]
    assert ours <= cpu["rdkit"], f"ours {ours:.2f} s, RDKit {cpu['rdkit']:.2f} s"


if __name__ == "__main__":
    main()
