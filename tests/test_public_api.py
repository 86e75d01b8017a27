"""The public face: names, and that importing it stays cheap."""

import subprocess
import sys

import skmm

HEAVY = ["rdkit", "optuna", "matplotlib", "sklearn.ensemble", "torch._dynamo"]


def test_all_names_exist():
    assert all(hasattr(skmm, name) for name in skmm.__all__)
    assert skmm.__all__ == sorted(skmm.__all__)


def test_import_loads_no_extras():
    script = f"import sys, skmm; print([m for m in {HEAVY} if m in sys.modules])"
    bare = "import sys, torch, skorch; print([m for m in {} if m in sys.modules])"
    ours, theirs = (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for code in (script, bare.format(HEAVY))
    )
    assert ours == theirs
