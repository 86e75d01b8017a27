"""Loading of files in older formats, and training from them.

``format_1`` holds one small model of each estimator, the data that it was fitted on,
and its predictions, before and after one more epoch. ``format_2`` holds a
`FusionClassifier` with one encoder that was given and one by default, and its
predictions, before and after a warm start.
"""

from pathlib import Path

import numpy as np
import pytest

import skmm
from skmm import ModalityDict
from skmm.persistence import files
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
    entry, _ = from_bytes((tmp_path / "again").read_bytes())
    assert entry["format"] == FORMAT
    assert upgrade(entry["content"], FORMAT) is entry["content"]
    predicted = predict(skmm.load(tmp_path / "again"), X)
    np.testing.assert_allclose(predicted, EXPECTED[path.stem], rtol=1e-4, atol=1e-6)


# -- format 2: MLPEncoder without a scale ------------------------------------------

OF_2 = np.load(FOLDER.parent / "format_2" / "expected.npz")
MODEL_2 = FOLDER.parent / "format_2" / "fusion.safetensors"


def test_an_encoder_of_format_2_does_not_scale():
    model = skmm.load(MODEL_2)
    X = {"a": OF_2["a"], "b": OF_2["b"]}
    assert [part.scale for part in model.encoders_.values()] == [None, None]
    assert model.encoders["a"].scale is None
    np.testing.assert_allclose(model.predict_proba(X), OF_2["fusion"], rtol=1e-5)


def test_a_warm_start_goes_on_from_format_2():
    X = {"a": OF_2["a"], "b": OF_2["b"]}
    model = skmm.load(MODEL_2).fit(X, OF_2["y"])  # warm_start=True
    expected = OF_2["fusion_continued"]
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-5)
    other = skmm.load(MODEL_2).set_params(encoders__a__scale="robust")
    with pytest.raises(ValueError, match=r"encoders.* changed since the first fit"):
        other.fit(X, OF_2["y"])


def wrapped(cls, **value):
    return {"$": "object", "value": {"class": cls, **value}}


FORGED = {
    "list": {"$": "object", "value": []},
    "text": {"$": "object", "value": "skmm.objectives.OverModalities"},
    "params": wrapped("skmm.objectives.OverModalities", params=[]),
    "inner": wrapped(
        "skmm.objectives.OverModalities",
        params={"objective": {"value": {"class": 3}}},
    ),
    "head": {"class": "skmm.nn.MixtureHead", "in_shape": 3, "params": 3},
    "encoder": {"class": "skmm.nn.MLPEncoder", "params": 3},
    "digests": {"params": 3, "attributes": {"_structure": {"a": 3}}},
    "net": {"net_": {"parts": [1]}},
    "deep": 480 * [None],
}
for _ in range(480):
    FORGED["deep"] = {"a": FORGED["deep"]}


@pytest.mark.parametrize("file_format", [1, 2])
@pytest.mark.parametrize("content", FORGED.values(), ids=FORGED)
def test_forged_content_of_an_older_format(content, file_format, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "FORMAT", file_format)
    (tmp_path / "model").write_bytes(files.to_bytes(content, {}))
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"cannot load .*: it(s content|.contains)"):
        skmm.load(tmp_path / "model")


@pytest.mark.parametrize("head, width", [("IdentityHead", 4), ("MLPHead", 6)])
def test_only_the_identity_head_of_a_side_by_side_fusion_had_flags(head, width):
    in_shape = {"$": "tuple", "value": [6, None]}
    parts = {
        "encoders": {"a": {}, "b": {}},
        "fusion": wrapped("skmm.nn.SideBySideFusion"),
        "head": wrapped(f"skmm.nn.{head}", in_shape=in_shape),
    }
    upgraded = upgrade({"net_": {"parts": parts}}, 1)["net_"]["parts"]["head"]
    assert upgraded["value"]["in_shape"]["value"] == [width, None]
