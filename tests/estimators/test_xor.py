"""What each fusion can say of a product, of which neither modality says anything."""

import numpy as np
import pytest

from skmm import FusionClassifier, LateFusionClassifier, ModalityDict
from skmm.nn import (
    BilinearFusion,
    ConcatFusion,
    LowRankTensorFusion,
    LpNormFusion,
    MeanFusion,
    MLPEncoder,
    MLPHead,
    NoHarmFusion,
    SumFusion,
    TensorFusion,
    TransformerFusion,
)

MULTIPLY = [
    BilinearFusion(),
    TensorFusion(),
    LowRankTensorFusion(4),
    ConcatFusion((16,)),
    TransformerFusion(8, heads=2),
]
ADD = [SumFusion(), MeanFusion(), ConcatFusion(), NoHarmFusion("vector")]


def draw(n, seed):
    a, b = np.random.default_rng(seed).normal(size=(2, n, 2))
    return ModalityDict(a=a, b=b), a[:, 0] * b[:, 0] > 0


TRAIN, TEST = draw(1500, seed=0), draw(2000, seed=1)


def net(fusion, head):
    """Interactions that a net with a linear head knows, it knows by its fusion."""
    settings = {"lr": 0.02, "batch_size": 64, "max_epochs": 30, "random_state": 0}
    return FusionClassifier(MLPEncoder((8,)), fusion=fusion, head=head, **settings)


@pytest.mark.parametrize("fusion", MULTIPLY, ids=repr)
def test_fusions_that_multiply_solve_xor(fusion):
    assert net(fusion, MLPHead(())).fit(*TRAIN).score(*TEST) > 0.95


@pytest.mark.parametrize("fusion", ADD, ids=repr)
def test_fusions_that_add_are_left_with_chance(fusion):
    assert net(fusion, MLPHead(())).fit(*TRAIN).score(*TEST) < 0.6


@pytest.mark.parametrize(
    "model",
    [net(LpNormFusion(), None), LateFusionClassifier(net("concat", MLPHead(())))],
    ids=["lp norm", "late"],
)
def test_so_are_sums_of_predictions(model):
    assert model.fit(*TRAIN).score(*TEST) < 0.6
