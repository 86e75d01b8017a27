import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmm
from skmm import FusionClassifier
from skmm.nn import MLPEncoder
from skmm.preprocessing import ModalityTransformer
from tests.toys import two_tables

X, Y = two_tables(30)


@pytest.mark.parametrize("zero", [slice(0, 5), slice(0, None, 3)])
def test_samples_of_zero_weight_are_dropped_from_the_validation_mask(zero):
    weight, valid = np.linspace(1.0, 2.0, 30), np.arange(30) % 4 == 0
    weight[zero] = 0
    kept = weight > 0
    model = FusionClassifier(early_stopping=True, random_state=0)
    part = {name: X[name][kept] for name in X}
    one = model.prepare(X, Y, weight, valid=valid)
    other = model.prepare(part, Y[kept], weight[kept], valid=valid[kept])
    assert len(one.valid[0]) == (valid & kept).sum()
    for (rows, target), (expected, labels) in zip(
        (one.train, one.valid), (other.train, other.valid), strict=True
    ):
        assert torch.equal(target, labels)
        assert torch.equal(rows.weight, expected.weight)
        assert all(torch.equal(rows.x[name][:], expected.x[name][:]) for name in X)


@pytest.mark.parametrize("key", [3, 2.5, True, ("a", 1)])
def test_diagrams_with_names_that_are_no_text(key):
    net = FusionClassifier({key: MLPEncoder()})
    late = skmm.LateFusionClassifier({key: net})
    no_harm = skmm.NoHarmFusionClassifier({key: MLPEncoder()})
    transformer = ModalityTransformer({key: StandardScaler()})
    for estimator in (net, late, no_harm, transformer, make_pipeline(net)):
        assert "<div" in estimator._repr_html_()
