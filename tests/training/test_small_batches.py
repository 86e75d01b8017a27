"""Mini-batches of one sample, and trailing ones too small to compare samples."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

import skmm
from skmm.model_selection import fit_replicas
from skmm.nn import LpNormFusion, MLPEncoder
from skmm.nn.composite.stack import StackedBatchNorm
from skmm.nn.norms import running_statistics
from skmm.objectives import BarlowTwins, Objective, SquaredError, WeightedSum
from skmm.training.batches import batch_bounds, least_samples

rng = np.random.default_rng(0)
N = 12
X = {
    "image": rng.normal(size=(N, 1, 8, 8)).astype(np.float32),
    "table": rng.normal(size=(N, 3)).astype(np.float32),
}
y = np.arange(N) % 2


def own():
    """A user's module with BatchNorm."""
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))


ENCODERS = {"image": None, "table": own()}
ONE = {"batch_size": 1, "max_epochs": 1, "random_state": 0, "encoders": ENCODERS}
MODELS = [
    skmm.CoordinatedEncoder(**ONE),
    skmm.DynamicFusionClassifier(**ONE),
    skmm.EncoderDecoderReconstructor(**ONE),
    skmm.FusionClassifier(**ONE),
    skmm.FusionClassifier(fusion=LpNormFusion(), **ONE),
    skmm.FusionRegressor(**ONE),
    skmm.GradientBlendingClassifier(**ONE),
    skmm.MulMixClassifier(**ONE),
    skmm.NoHarmFusionClassifier(cv=2, **ONE),
    skmm.ResidualFusionClassifier(**ONE),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_mini_batches_of_one_sample(model):
    model = clone(model).fit(X, y)
    outputs = (model.predict if hasattr(model, "predict") else model.cross_correlation)(
        X
    )
    assert np.isfinite(outputs).all()


def test_samples_one_at_a_time():
    model = skmm.FusionClassifier({"table": own()}, random_state=0)
    for i in range(N):
        one = {name: values[i : i + 1] for name, values in X.items()}
        model.partial_fit(one, y[i : i + 1], classes=[0, 1])
    assert model.n_iter_ == N
    assert np.isfinite(model.predict_proba(X)).all()


def test_running_statistics_are_used_and_kept():
    norm = torch.nn.BatchNorm1d(2)
    norm(torch.randn(9, 2))
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    x = torch.randn(1, 2)
    with running_statistics(norm):
        found = norm(x)
    assert norm.training and not norm._forward_pre_hooks
    assert all(torch.equal(norm.state_dict()[n], v) for n, v in before.items())
    assert torch.equal(found, norm.eval()(x))


def test_an_image_of_several_pixels_has_statistics_of_its_own():
    norm = torch.nn.BatchNorm2d(2)
    with running_statistics(norm):
        norm(torch.randn(1, 2, 4, 4))
    assert int(norm.num_batches_tracked) == 1


def test_batch_norm_without_running_statistics_is_named():
    norm = torch.nn.BatchNorm1d(3, track_running_stats=False)
    with running_statistics(norm), pytest.raises(ValueError, match="BatchNorm1d witho"):
        norm(torch.randn(1, 3))


def test_stacks_of_mini_batches_of_one_sample():
    layer = torch.nn.BatchNorm1d(2)
    stacked = StackedBatchNorm([layer, layer])
    x = torch.randn(2, 1, 2)
    assert torch.equal(stacked(x)[0], layer.eval()(x[0]))
    model = skmm.FusionClassifier(
        {"a": MLPEncoder((4,))},
        fusion="no_harm",
        batch_size=1,
        max_epochs=1,
        random_state=0,
    )
    rows = [np.arange(N), np.arange(N)[::-1]]
    for one in fit_replicas(model, {"a": X["table"]}, y, rows):
        assert np.isfinite(one.predict_proba({"a": X["table"]})).all()


class Compares(Objective):
    """A user's objective that compares samples."""

    def __call__(self, outputs, target, weight=None):
        return outputs.square().mean()


class ByRows(Objective):
    by_rows = True
    __call__ = Compares.__call__


@pytest.mark.parametrize(
    "objective, least",
    [
        (BarlowTwins(), 128),
        (Compares(), 128),
        (WeightedSum([(Compares(), 1.0), (SquaredError(), 1.0)]), 128),
        (WeightedSum([(SquaredError(), 1.0)]), 2),
        (SquaredError(), 2),
        (ByRows(), 2),
        (torch.nn.functional.mse_loss, 2),
    ],
)
def test_objectives_that_compare_samples_need_half_a_mini_batch(objective, least):
    assert least_samples(objective, 256) == least


@pytest.mark.parametrize(
    "n, size, least", [(259, 256, 128), (300, 256, 128), (9, 4, 2)]
)
def test_a_small_trailing_mini_batch_is_merged(n, size, least):
    bounds = batch_bounds(n, size, least)
    assert bounds[-1][1] == n
    assert all(stop - start >= size for start, stop in bounds)


def test_a_trailing_mini_batch_of_half_the_size_stays():
    assert batch_bounds(384, 256, 128) == [(0, 256), (256, 384)]
    assert batch_bounds(3, 256, 128) == [(0, 3)]
    assert batch_bounds(3, 1, 2) == [(0, 1), (1, 2), (2, 3)]


@pytest.mark.parametrize(
    "objective", ["barlow_twins", lambda a, present, weight: a.square().mean()]
)
def test_coordinated_encoders_have_no_small_mini_batch(objective):
    a = rng.normal(size=(67, 3))
    sizes = []

    class Counting(torch.nn.Linear):
        def forward(self, x):
            sizes.extend([len(x)] if self.training else [])
            return super().forward(x)

    skmm.CoordinatedEncoder(
        {"a": Counting(3, 4), "b": MLPEncoder((4,))},
        objective=objective,
        batch_size=32,
        max_epochs=1,
    ).fit({"a": a, "b": a})
    assert sizes[-2:] == [32, 35]
