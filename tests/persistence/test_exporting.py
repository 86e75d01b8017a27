"""Nets exported as programs of torch and as ONNX."""

import builtins

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from torch import nn

import skmm
from skmm import FusionClassifier, FusionRegressor
from skmm.nn import ConvEncoder
from tests.toys import two_tables

pytestmark = pytest.mark.filterwarnings("ignore")  # of the exporters themselves


def labels(X, y):
    return np.column_stack([X["a"][:, 0] > 0, X["b"][:, 0] > 0]).astype(int)


def values(X, y):
    return 1e3 * X["a"][:, :2] + 5


MODELS = {
    "classes": (FusionClassifier(max_epochs=2, random_state=0), lambda X, y: y),
    "labels": (FusionClassifier(max_epochs=2, random_state=0), labels),
    "values": (FusionRegressor(max_epochs=2, random_state=0), values),
    "one value": (
        FusionRegressor(max_epochs=2, random_state=0),
        lambda X, y: values(X, y)[:, 0],
    ),
    "one column": (
        FusionRegressor(max_epochs=2, random_state=0),
        lambda X, y: values(X, y)[:, :1],
    ),
    "gated": (FusionClassifier(fusion="gated", max_epochs=2), lambda X, y: y),
    "module": (
        FusionClassifier({"a": nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))}),
        lambda X, y: y,
    ),
}


def expected(model, X):
    return model.predict_proba(X) if hasattr(model, "classes_") else model.predict(X)


@pytest.mark.parametrize(("model", "target"), MODELS.values(), ids=MODELS)
def test_programs_of_torch(model, target, tmp_path):
    X, y = two_tables()
    model.set_params(max_epochs=2).fit(X, target(X, y))
    skmm.export(model, tmp_path / "model.pt2")
    program = torch.export.load(tmp_path / "model.pt2").module()
    for n in (1, 7, 40):
        rows = [torch.from_numpy(X[name][:n].astype(np.float32)) for name in "ab"]
        part = {name: X[name][:n] for name in "ab"}
        found, wanted = program(*rows).detach().numpy(), expected(model, part)
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_images_and_the_device(tmp_path):
    rng = np.random.default_rng(0)
    X = {"image": rng.normal(size=(20, 1, 8, 8)).astype(np.float32)}
    model = FusionClassifier({"image": ConvEncoder((3,), hidden=(5,))}, max_epochs=1)
    model.fit(X, np.arange(20) % 2)
    skmm.export(model, tmp_path / "model.pt2")
    program = torch.export.load(tmp_path / "model.pt2").module()
    found = program(torch.from_numpy(X["image"])).detach().numpy()
    np.testing.assert_allclose(found, model.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(
    ("model", "target"),
    [MODELS["classes"], MODELS["one value"]],
    ids=["class", "value"],
)
def test_onnx(model, target, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    from onnx.reference import ReferenceEvaluator

    X, y = two_tables()
    model.fit(X, target(X, y))
    skmm.export(model, tmp_path / "model.onnx", format="onnx")
    program = onnx.load(tmp_path / "model.onnx")
    assert [one.name for one in program.graph.input] == ["a", "b"]
    session = ReferenceEvaluator(program)
    for n in (1, 7):
        part = {name: X[name][:n].astype(np.float32) for name in "ab"}
        (found,) = session.run(None, part)
        wanted = expected(model, part)
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    X, y = two_tables()
    model = FusionClassifier(max_epochs=1).fit(X, y)
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "onnxscript":
            raise ImportError("No module named 'onnxscript'", name="onnxscript")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"needs the package 'onnxscript'.*torch"):
        skmm.export(model, tmp_path / "model.onnx", format="onnx")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported(tmp_path):
    X, y = two_tables()
    model = FusionClassifier(max_epochs=1).fit(X, y)
    path = tmp_path / "model"
    with pytest.raises(ValueError, match=r"format must be one of.*got 'tf'"):
        skmm.export(model, path, format="tf")
    with pytest.raises(NotFittedError):
        skmm.export(FusionClassifier(), path)
    nets = [
        skmm.MulMixClassifier(max_epochs=1),
        skmm.ResidualFusionClassifier(max_epochs=1),
        skmm.GradientBlendingClassifier(max_epochs=1, early_stopping=True),
        skmm.DynamicFusionClassifier(max_epochs=1),
        skmm.CoordinatedEncoder(max_epochs=1),
        skmm.LateFusionClassifier(FusionClassifier(max_epochs=1)),
    ]
    others = [make_pipeline(model), *(net.fit(X, y) for net in nets), 3]
    for other in others:
        with pytest.raises(TypeError, match=r"export needs an estimator whose net"):
            skmm.export(other, path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        skmm.export(model, tmp_path / "no" / "model")
    before = model.predict_proba(X)
    skmm.export(model, path)
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_text_is_rejected_by_name(tmp_path):
    X, y = two_tables()
    X = {**X, "note": np.array(["a b", "c"] * (len(y) // 2), dtype=object)}
    model = FusionClassifier(max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"got \['note'\].*TfidfVectorizer"):
        skmm.export(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


class Branching(nn.Module):
    def forward(self, x):
        return x if float(x.detach().sum()) > 0 else -x


def test_a_net_that_cannot_be_traced_is_named(tmp_path):
    X, y = two_tables()
    model = FusionClassifier({"a": Branching()}, modalities=["a"], max_epochs=1)
    with pytest.raises(ValueError, match="net of the FusionClassifier cannot be exp"):
        skmm.export(model.fit(X, y), tmp_path / "model")
