"""Loading of files in older formats, and training from them.

``format_1`` holds one small model of each estimator, the data that it was fitted on,
and its predictions, before and after one more epoch.
"""

from pathlib import Path

import numpy as np
import pytest

import skmm
from skmm import ModalityDict
from skmm.persistence.files import FORMAT, from_bytes
from skmm.persistence.legacy import upgrade

FOLDER = Path(__file__).parent / "format_1"
FILES = sorted(FOLDER.glob("*.safetensors"))
EXPECTED = np.load(FOLDER / "expected.npz")


def data(name):
    """X and y of a fit."""
    a, v, y = EXPECTED["a"], EXPECTED["v"], EXPECTED["y"]
    if name.startswith("reconstructor"):
        X = ModalityDict(a=a, b=EXPECTED["full_b"])
        return X, (None if name.endswith("named") else v)
    X = ModalityDict(a=a, b=EXPECTED["b"], present={"b": EXPECTED["present"]})
    return X, {"residual": v, "coordinated": None}.get(name, y)


def predict(model, X):
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)
    if not hasattr(model, "predict"):
        return model.embed(X)["a"]
    predicted = model.predict(X)
    return predicted["b"] if isinstance(predicted, ModalityDict) else predicted


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_predictions_of_older_files(path):
    X, _ = data(path.stem)
    predicted = predict(skmm.load(path), X)
    np.testing.assert_allclose(predicted, EXPECTED[path.stem], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_training_continues(path):
    X, y = data(path.stem)
    model = skmm.load(path)
    if not hasattr(model, "partial_fit"):
        assert f"{path.stem}_continued" not in EXPECTED
        return
    predicted = predict(model.partial_fit(X, y), X)
    expected = EXPECTED[f"{path.stem}_continued"]
    np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_loaded_model_is_saved_in_the_current_format(path, tmp_path):
    X, _ = data(path.stem)
    skmm.load(path).save(tmp_path / "again")
    content, _, _ = from_bytes((tmp_path / "again").read_bytes())
    assert upgrade(content, FORMAT) is content
    predicted = predict(skmm.load(tmp_path / "again"), X)
    np.testing.assert_allclose(predicted, EXPECTED[path.stem], rtol=1e-4, atol=1e-6)
