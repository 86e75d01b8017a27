"""compile=True: the same net, compiled."""

import pickle

import numpy as np
import pytest
import torch

import skmm
from skmm.training import Stage
from tests.toys import two_tables, with_holes

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch's compiler itself


FUSION, RESIDUAL = skmm.FusionClassifier, skmm.ResidualFusionClassifier


@pytest.fixture(autouse=True)
def _compile_anew():
    """The number of compilations per process is limited."""
    torch.compiler.reset()


def model(kind, **settings):
    return kind(max_epochs=3, random_state=0, **settings)


@pytest.mark.parametrize(
    "kind, settings",
    [
        (FUSION, {}),
        (FUSION, {"stages": [Stage(epochs=1), Stage("head", epochs=1)]}),
        (RESIDUAL, {}),
        (RESIDUAL, {"mode": "sequential"}),
    ],
)
def test_a_compiled_net_learns_the_same(kind, settings, tmp_path):
    X, y = two_tables(60)
    X = with_holes(X)
    fitted = model(kind, compile=True, **settings).fit(X, y)
    assert fitted.net_.module_._compiled_call_impl is not None
    wanted = model(kind, **settings).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(fitted.predict_proba(X), wanted, atol=1e-5)
    fitted.save(tmp_path / "model.safetensors")
    for copy in (
        pickle.loads(pickle.dumps(fitted)),
        skmm.load(tmp_path / "model.safetensors"),
    ):
        np.testing.assert_allclose(copy.predict_proba(X), wanted, atol=1e-5)


@pytest.mark.parametrize(
    "kind, settings",
    [
        (FUSION, {}),
        (FUSION, {"fusion": "gated"}),
        (RESIDUAL, {}),
        (skmm.MulMixClassifier, {}),
        (skmm.DynamicFusionClassifier, {}),
    ],
)
def test_no_strict_zip_is_open_where_the_graph_breaks(kind, settings, monkeypatch):
    """torch 2.6 cannot compile it: "unsafe constant"."""
    from torch._dynamo.variables.iter import ZipVariable

    original, found = ZipVariable.reconstruct, []

    def reconstruct(self, codegen):
        found.append(self.strict)
        return original(self, codegen)

    monkeypatch.setattr(ZipVariable, "reconstruct", reconstruct)
    X, y = two_tables(60)
    model(kind, compile=True, **settings).fit(with_holes(X), y)
    assert not any(found)
